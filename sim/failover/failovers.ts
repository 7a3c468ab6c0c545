import { missingMsMax } from '../../packages/curfew/src/stores/redis/shards.ts'
import type { ParticipantId, SessionId } from '../../packages/curfew/src/core/ids.ts'
import type { Delivery, LogoutRun } from '../../packages/curfew/src/core/run.ts'
import { createLocator } from '../../packages/curfew/src/platform/locator.ts'
import type { Random } from '../../packages/curfew/src/platform/random.ts'
import type { Durability, Store } from '../../packages/curfew/src/stores/store.ts'
import { createFakeClock, type FakeClock } from '../../packages/curfew/test/support/fake-clock.ts'
import { createSeededRandom } from '../../packages/curfew/test/support/seeded-random.ts'
import { anyOf } from '../choice.ts'
import { Broken, checkAtRest } from '../invariants.ts'
import type { Played } from '../kinds.ts'
import { untilDone } from '../patience.ts'
import { SimCluster } from '../redis/cluster.ts'
import type { Spoil } from '../redis/server.ts'
import { createNetwork, type Network } from '../redis/network.ts'
import { signedIn } from '../signed-in.ts'
import { createTrace, type Trace } from '../trace.ts'
import { playWorld, type World } from '../world.ts'
import { engineParts, leaseMs, policy } from './engine-parts.ts'
import { mend, strike } from './faults.ts'
import { type Node, startNode } from './node.ts'
import { OneTimeValues } from './one-time.ts'
import { createOvertaking, type Overtaking } from './overtaking.ts'
import { createPartners, type Partners } from './partners.ts'

const startMs = Date.parse('2026-03-01T09:00:00Z')
const buckets = 4

export interface FailoversOptions {
  readonly seed: number
  /** Puts a fault into the servers: a rule that this breaks has to be found. */
  readonly spoil?: Spoil
}

/** A session, and what was promised about it. */
interface Known {
  readonly id: SessionId
  readonly tokenHash: string
  readonly sri: string
  /** Whoever asked for its end, asked after that. */
  endAskedAtMs?: number
  /** Something about it was confirmed by fewer copies than asked for, or by nobody: it may be gone. */
  isDoubtful: boolean
  /** Its end is on every copy since then. */
  endedAtMs?: number
}

/**
 * Whole logouts from one seed on the store that the product ships for many nodes: its code and its functions in Lua, on
 * simulated servers that stand still, die, are cut off, lag behind, and of which copies take over.
 */
export function failovers({ seed, spoil }: FailoversOptions): Promise<Played> {
  return playWorld(new FailoverWorld(createSeededRandom(seed), { spoil, hasOneTime: seed % 2 === 0, isOvertaken: seed % 5 === 0 }))
}

interface WorldOptions {
  readonly spoil: Spoil | undefined
  /** What is good once is used as well: with every other seed, so that the others stay what they were. */
  readonly hasOneTime: boolean
  /** A node that has asked somebody finds no store until another one is about to ask the same: with every fifth seed. */
  readonly isOvertaken: boolean
}

class FailoverWorld implements World {
  readonly trace: Trace = createTrace(startMs)
  readonly #random: Random
  readonly #clock: FakeClock = createFakeClock(startMs, 1)
  readonly #network: Network
  readonly #cluster: SimCluster
  readonly #partners: Partners
  readonly #locator: ReturnType<typeof createLocator>
  readonly #copies: number
  readonly #sessions: Known[] = []
  readonly #acknowledged = new Map<string, Set<string>>()
  /** Deliveries whose outcome is on every copy. */
  readonly #final = new Set<string>()
  readonly #messages = new Set<string>()
  /** By their index: sessions of applications that were asked to end. */
  readonly #asked = new Set<string>()
  readonly #nodes = new Map<string, Node>()
  readonly #oneTime: OneTimeValues | undefined
  readonly #overtaking: Overtaking | undefined
  #broken: Broken | undefined
  #started = 0

  constructor(random: Random, { spoil, hasOneTime, isOvertaken }: WorldOptions) {
    this.#random = random
    const fraction = (): number => random.fraction()
    this.#network = createNetwork({ clock: this.#clock, fraction })
    this.#copies = fraction() < 0.5 ? 1 : 2
    this.#cluster = new SimCluster({
      clock: this.#clock,
      network: this.#network,
      fraction,
      shards: fraction() < 0.5 ? 1 : 2,
      copies: this.#copies,
      name: 'store',
      tell: (what) => this.#tell(what),
      ...(spoil === undefined ? {} : { spoil })
    })
    if (hasOneTime) {
      const breakConnections = (): void => {
        for (const server of this.#cluster.primaries) server.reset(fraction)
      }
      this.#oneTime = new OneTimeValues({ clock: this.#clock, fraction, breakConnections, tell: (what) => this.#tell(what) })
    }
    if (isOvertaken) this.#overtaking = createOvertaking({ clock: this.#clock, network: this.#network, fraction, tell: (what) => this.#tell(what) })
    this.#locator = createLocator([Buffer.alloc(32, 1)], random)
    const bad = ['answers-late', 'loses-request', 'loses-answer', 'refuses', 'error', 'down'] as const
    this.#partners = createPartners({
      clock: this.#clock,
      fraction,
      trace: this.trace,
      bad,
      endedAtMs: (id) => this.#sessions.find((session) => session.id === id)?.endAskedAtMs,
      fail: (what) => this.#fail(what)
    })
  }

  async live(): Promise<void> {
    await this.#clock.advance(1_000)
    // Two messages that are late in a row are more than a node waits for at its start: then it is started again.
    await this.#until(Promise.all(['node1', 'node2'].map((host) => this.#boot(host, host).catch(() => this.#boot(host, host)))), 10_000)
    const steps = 20 + Math.floor(this.#fraction() * 20)
    for (let i = 0; i < steps; i++) {
      this.#act()
      await this.#pass(this.#fraction() < 0.7 ? this.#fraction() * 80 : this.#fraction() * 1_500)
    }
    await this.#pass(4_000)
    this.#overtaking?.stop()
    mend({ network: this.#network, cluster: this.#cluster })
    await this.#rest()
  }

  #fraction(): number {
    return this.#random.fraction()
  }

  #any<T>(list: readonly T[]): T {
    return anyOf(list, () => this.#fraction())
  }

  #tell(what: string): void {
    this.trace.add(this.#clock.nowMs(), what)
  }

  #fail(what: string): void {
    this.#broken ??= new Broken(what)
  }

  async #pass(ms: number): Promise<void> {
    await this.#clock.advance(ms)
    if (this.#broken !== undefined) throw this.#broken
  }

  /** Lets time pass until something is there. @throws Broken when it takes longer than that */
  #until<T>(work: Promise<T>, withinMs: number): Promise<T> {
    return untilDone(work, { withinMs, stepMs: 20, pass: (ms) => this.#pass(ms) })
  }

  async #boot(host: string, name: string): Promise<void> {
    this.#started += 1
    const token = `process-${this.#started}`
    const node = await startNode({
      host,
      name,
      token,
      clock: this.#clock,
      cluster: this.#cluster,
      copies: this.#copies,
      buckets,
      deps: ({ isAlive }) => engineParts({ random: this.#random, partners: this.#partners, onSend: (asked) => this.#onSend(asked, host) }, isAlive),
      watched: (store) => this.#watched(store, host)
    })
    this.#nodes.set(host, node)
    this.#tell(`${host} is there as ${name}`)
  }

  #killNode(): void {
    const node = this.#any([...this.#nodes.values()])
    if (!node.isAlive()) return
    node.kill()
    this.#tell(`${node.host} is killed`)
    // What it owed the copies nobody sends again.
    if (node.store.owed > 0) for (const session of this.#sessions) session.isDoubtful = true
    const name = this.#fraction() < 0.5 ? node.host : `${node.host} again ${this.#started}`
    this.#clock.after(200 + this.#fraction() * 3_000, () => this.#start(node.host, name))
  }

  /** A process that finds no store is started again, as a service is. */
  #start(host: string, name: string): void {
    this.#boot(host, name).catch(() => void this.#clock.after(1_000, () => this.#start(host, name)))
  }

  #act(): void {
    const dice = this.#fraction()
    const node = this.#any([...this.#nodes.values()])
    if (dice < 0.2)
      return strike({
        clock: this.#clock,
        network: this.#network,
        cluster: this.#cluster,
        fraction: () => this.#fraction(),
        tell: (what) => this.#tell(what),
        hosts: () => [...this.#nodes.keys()],
        killNode: () => this.#killNode()
      })
    if (!node.isAlive()) return
    if (this.#oneTime !== undefined && this.#fraction() < 0.3) return this.#begin(this.#oneTime.play(node))
    if (dice < 0.5 || this.#sessions.length === 0) return this.#begin(this.#signIn(node))
    const session = this.#any(this.#sessions)
    if (dice < 0.65) return this.#begin(this.#issue(node, session))
    if (dice < 0.85) return this.#begin(this.#logout(node, session))
    this.#begin(this.#check(node, session))
  }

  /** What fails while the store can not be reached is seen by the one who asked, and no matter of the rules. */
  #begin(work: Promise<void>): void {
    work.catch((error: unknown) => {
      if (error instanceof Broken) this.#fail(error.message)
      else this.#tell(`a call failed: ${String(error)}`)
    })
  }

  async #signIn(node: Node): Promise<void> {
    const id = this.#locator.newSessionId()
    const nowMs = node.store.clock.nowMs()
    const user = this.#any(['ana', 'ben'])
    const known: Known = { id, tokenHash: `token-${id}`, sri: `sri-${id}`, isDoubtful: false }
    const { durability } = await node.store.openSession(signedIn({ id, user, nowMs, lifeMs: 86_400_000 }))
    if (!node.isAlive()) return
    this.#tell(`${node.host}: ${user} signs in, ${id}: ${durability}`)
    known.isDoubtful = durability !== 'replicated'
    this.#sessions.push(known)
    this.#acknowledged.set(id, new Set())
    for (let i = 0; i < 1 + this.#fraction() * 2; i++) await this.#issue(node, known)
  }

  async #issue(node: Node, session: Known): Promise<void> {
    const partner = this.#any([...this.#partners.all.values()])
    const sessionIndex = this.#locator.seal(partner.id, session.id)
    const name = `name at ${partner.id}`
    const nowMs = node.store.clock.nowMs()
    const participantId: ParticipantId = `${partner.id}:1`
    const { value, durability } = await node.store.addParticipant(session.id, {
      id: participantId,
      peerId: partner.id,
      role: 'application',
      protocol: partner.protocol,
      nameId: { value: name },
      sessionIndex,
      addedAtMs: nowMs,
      lastIssuedAtMs: nowMs,
      assertionNotOnOrAfterMs: nowMs + 60_000
    })
    if (!node.isAlive()) return
    this.#tell(`${node.host}: ${partner.id} asks for an assertion for ${session.id}: ${value}, ${durability}`)
    if (value === 'unknown' && !session.isDoubtful) throw new Broken(`${session.id} was acknowledged and is not known`)
    if (value === 'ended' && session.endAskedAtMs === undefined) throw new Broken(`${session.id} took no participant although nobody ended it`)
    if (value !== 'added' && value !== 'exists') return
    if (session.endedAtMs !== undefined && session.endedAtMs < nowMs) throw new Broken(`${session.id} had ended and took ${partner.id}`)
    // The logout was faster than the answer that takes the assertion along: an application of the SDK remembers it.
    if (!this.#asked.has(sessionIndex)) await partner.open({ sessionId: session.id, name, sessionIndex, issuedAtMs: nowMs })
    if (durability === 'replicated') this.#acknowledged.get(session.id)?.add(participantId)
  }

  async #logout(node: Node, session: Known): Promise<void> {
    session.endAskedAtMs ??= this.#clock.nowMs()
    this.#tell(`${node.host}: logout of ${session.id}`)
    const { ended, already } = await node.engine.endSessions({
      scope: { kind: 'session', sessionId: session.id },
      reason: 'user',
      by: { kind: 'user', id: 'ana' },
      starter: { kind: 'user' },
      browser: 'absent'
    })
    if (!node.isAlive()) return
    const isDegraded = ended[0]?.isDegraded === true
    this.#tell(
      `${node.host}: ${session.id} ${ended.length > 0 ? `has ended${isDegraded ? ', degraded' : ''}` : already.length > 0 ? 'had ended' : 'is not known'}`
    )
    if (ended.length === 0) return
    if (isDegraded) session.isDoubtful = true
    else session.endedAtMs = this.#clock.nowMs()
  }

  async #check(node: Node, session: Known): Promise<void> {
    const askedAtMs = this.#clock.nowMs()
    const found = await node.store.getSession(session.id)
    const isRevoked = await node.store.isRevoked(session.sri, node.store.clock.nowMs())
    if (!node.isAlive()) return
    const hadEnded = session.endedAtMs !== undefined && session.endedAtMs < askedAtMs
    this.#tell(
      `${node.host}: is ${session.id} good? ${found === undefined ? 'unknown' : found.end === undefined ? 'yes' : 'no'}${isRevoked ? ', revoked' : ''}`
    )
    if (found === undefined && !session.isDoubtful) throw new Broken(`${session.id} was acknowledged and is not known`)
    if (hadEnded && found !== undefined && found.end === undefined) throw new Broken(`${session.id} had ended and is accepted by ${node.host}`)
    if (hadEnded && !isRevoked && !session.isDoubtful) throw new Broken(`${session.id} had ended and is not on the list of revocations at ${node.host}`)
    if (session.endAskedAtMs === undefined && (found?.end !== undefined || isRevoked)) throw new Broken(`${session.id} was ended although nobody asked for it`)
  }

  /** Everybody gets the time to finish; then all that was promised has to be there. */
  async #rest(): Promise<void> {
    await this.#pass(12_000)
    const node = [...this.#nodes.values()].find((one) => one.isAlive())
    if (node === undefined) throw new Broken('no node came back')
    const untilMs = this.#clock.nowMs() + policy.deadlineMs + 3 * leaseMs
    let isAtRest = false
    while (!isAtRest && this.#clock.nowMs() < untilMs) {
      await this.#pass(3_000)
      const { openRuns, pendingEffects } = await this.#until(node.store.describe(), 5_000)
      isAtRest = openRuns === 0 && pendingEffects === 0
    }
    const sure = this.#sessions.filter(({ isDoubtful }) => !isDoubtful)
    const ids = (wanted: (session: Known) => boolean): ReadonlySet<string> => new Set(this.#sessions.filter(wanted).map(({ id }) => id))
    await this.#until(
      checkAtRest({
        store: node.store,
        partners: this.#partners.all,
        known: {
          ended: ids(({ endedAtMs }) => endedAtMs !== undefined),
          untouched: ids(({ endAskedAtMs }) => endAskedAtMs === undefined),
          acknowledged: new Map([...this.#acknowledged].filter(([id]) => sure.some((session) => session.id === id)))
        }
      }),
      60_000
    )
    this.#oneTime?.checkAtRest()
    for (const session of sure) await this.#until(this.#checkKept(node.store, session), 10_000)
    // A message is late now and then: then something is owed for half a second. What builds on something that is not there waits longer.
    for (let waited = 0; [...this.#nodes.values()].some((each) => each.isAlive() && each.store.owed > 0); waited += 500) {
      if (waited > missingMsMax + 10_000) throw new Broken('the copies are owed something although nothing is broken')
      await this.#pass(500)
    }
  }

  /** What leads to a session is there as well. */
  async #checkKept(store: Store, session: Known): Promise<void> {
    const found = await store.findSessionByToken(session.tokenHash)
    if (found?.id !== session.id) throw new Broken(`${session.id} is not found by its cookie`)
    const participants = await store.getParticipants(session.id)
    for (const id of this.#acknowledged.get(session.id) ?? []) {
      if (!participants.some((one) => one.id === id)) throw new Broken(`${id} was acknowledged in ${session.id} and is not there`)
    }
    if (session.endedAtMs !== undefined && !(await store.isRevoked(session.sri, this.#clock.nowMs()))) throw new Broken(`${session.id} is not revoked`)
  }

  /** Remembers which outcomes were final on every copy. */
  #watched(store: Store, host: string): Store {
    const commitRun: Store['commitRun'] = async (commit) => {
      this.#overtaking?.commits(host, commit.run)
      const answer = await store.commitRun(commit)
      this.#noteFinal(commit.run, answer)
      return answer
    }
    return new Proxy(store, { get: (target, name) => (name === 'commitRun' ? commitRun : (Reflect.get(target, name) as unknown)) })
  }

  #noteFinal({ deliveries }: LogoutRun, { value, durability }: { readonly value: string; readonly durability: Durability }): void {
    if (value !== 'committed' || durability !== 'replicated') return
    for (const { id, outcome } of deliveries) if (outcome !== undefined) this.#final.add(id)
  }

  #onSend({ run, delivery, messageId }: { readonly run: LogoutRun; readonly delivery: Delivery; readonly messageId: string }, host: string): void {
    if (this.#final.has(delivery.id)) this.#fail(`${run.id} asks ${delivery.peerId} although its outcome is final`)
    if (this.#messages.has(messageId)) this.#fail(`${run.id} tells ${delivery.peerId} twice with ${messageId}`)
    this.#messages.add(messageId)
    this.#asked.add(delivery.sessionIndex)
    this.#overtaking?.asks(host, delivery.id)
  }
}
