import type { ParticipantId, SessionId } from '../../packages/curfew/src/core/ids.ts'
import type { Group } from '../../packages/curfew/src/core/group.ts'
import { createLocator } from '../../packages/curfew/src/platform/locator.ts'
import type { Random } from '../../packages/curfew/src/platform/random.ts'
import type { Store } from '../../packages/curfew/src/stores/store.ts'
import { createFakeClock, type FakeClock } from '../../packages/curfew/test/support/fake-clock.ts'
import { createSeededRandom } from '../../packages/curfew/test/support/seeded-random.ts'
import { leaseMs, policy } from '../failover/engine-parts.ts'
import { mend, strike } from '../failover/faults.ts'
import { createPartners, type Partners } from '../failover/partners.ts'
import { anyOf } from '../choice.ts'
import { Broken } from '../invariants.ts'
import type { Played } from '../kinds.ts'
import { untilDone } from '../patience.ts'
import { createNetwork, type Network } from '../redis/network.ts'
import type { Spoil } from '../redis/server.ts'
import { type Check, type Cut, type Loss, type Operation, violations } from '../revocation-history.ts'
import { signedIn } from '../signed-in.ts'
import { createTrace, type Trace } from '../trace.ts'
import { playWorld, type World } from '../world.ts'
import { Region, type RegionNode } from './region.ts'

const startMs = Date.parse('2026-03-01T09:00:00Z')
/** How long two regions have to be joined until one refuses what the other has ended: that of the tests with real processes. */
const boundMs = 10_000
/** A region that reads everything of another one, as it does at first, waits for a page that was lost for thirty seconds; the list of revocations is read beside it. */
const everythingMs = 35_000
/** The node that reads from another region keeps that work for so long after its death; the next one looks every three seconds at most. */
const readerAwayMs = 13_500
/** After a fault of servers it takes as long until one has taken over and everybody knows it. */
const takeoverMs = 4_000

export interface SchedulesOptions {
  readonly seed: number
  /** Puts a fault into the servers, or another store into the place of one. */
  readonly spoil?: Spoil
  readonly spoilStore?: (store: Store) => Store
}

interface Known {
  readonly id: SessionId
  readonly sri: string
  /** Somebody said that it ended, and a copy has that. */
  isEnded: boolean
  /** Something about it was confirmed by the primary alone. */
  isDoubtful: boolean
  readonly given: Set<ParticipantId>
}

/**
 * One schedule of cuts between two regions, deaths of nodes and failing servers, under sign-ins, endings and checks in
 * both. What every call was answered is written down, and the whole of it judged at the end.
 */
export function schedules(options: SchedulesOptions): Promise<Played> {
  return playWorld(new RegionsWorld(options))
}

const groups: readonly Group[] = ['berlin', 'paris'].map((id) => ({ id, letter: id.slice(0, 1), links: [] }))

class RegionsWorld implements World {
  readonly trace: Trace = createTrace(startMs)
  readonly #random: Random
  readonly #clock: FakeClock = createFakeClock(startMs, 1)
  readonly #network: Network
  readonly #partners: Partners
  readonly #regions: readonly Region[]
  readonly #locators: ReadonlyMap<string, ReturnType<typeof createLocator>>
  readonly #sessions: Known[] = []
  readonly #revocations: Operation[] = []
  /** Answers to whoever asked whether a session is good, and to whoever asked for an assertion: a region may know of an end by its list of revocations first. */
  readonly #checks: Check[] = []
  readonly #assertions: Check[] = []
  readonly #cuts: { fromMs: number; toMs: number }[] = []
  readonly #losses: Loss[] = []
  readonly #told = new Set<string>()
  readonly #endAskedAtMs = new Map<string, number>()
  #broken: Broken | undefined

  constructor({ seed, spoil, spoilStore }: SchedulesOptions) {
    this.#random = createSeededRandom(seed)
    const fraction = (): number => this.#random.fraction()
    this.#network = createNetwork({ clock: this.#clock, fraction })
    this.#partners = createPartners({
      clock: this.#clock,
      fraction,
      trace: this.trace,
      bad: ['answers'],
      endedAtMs: (id) => this.#endAskedAtMs.get(id),
      fail: (what) => (this.#broken ??= new Broken(what))
    })
    this.#locators = new Map(groups.map(({ id, letter }) => [id, createLocator([Buffer.alloc(32, 1)], this.#random, letter)]))
    this.#regions = groups.map(
      (group) =>
        new Region({
          group,
          others: groups.filter((other) => other !== group),
          clock: this.#clock,
          network: this.#network,
          random: this.#random,
          partners: this.#partners,
          nodesOf: (id) => this.#regions.find((region) => region.group.id === id)?.ends ?? [],
          onSend: ({ delivery }) => void this.#told.add(delivery.sessionIndex),
          tell: (what) => this.#tell(what),
          onLoss: () => void this.#losses.push({ region: group.id, atMs: this.#nowMs() }),
          ...(spoil === undefined ? {} : { spoil }),
          ...(spoilStore === undefined ? {} : { spoilStore })
        })
    )
  }

  async live(): Promise<void> {
    await this.#clock.advance(500)
    const starts = this.#regions.map(async (region) => {
      await region.boot(`${region.group.id}1`, `${region.group.id}1`)
      if (this.#fraction() < 0.5) await region.boot(`${region.group.id}2`, `${region.group.id}2`)
    })
    await this.#until(Promise.all(starts), 10_000)
    for (let n = 0; n < 4; n++) this.#signIn()
    await this.#clock.advance(500)
    for (let step = 0; step < 160; step++) {
      this.#act()
      await this.#clock.advance(this.#fraction() * 350)
    }
    this.#heal()
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

  #nowMs(): number {
    return this.#clock.nowMs() - startMs
  }

  #node(): { readonly region: Region; readonly node: RegionNode } | undefined {
    const region = this.#any(this.#regions)
    const node = this.#any(region.nodes)
    return node.isAlive() ? { region, node } : undefined
  }

  #until<T>(work: Promise<T>, withinMs: number): Promise<T> {
    return untilDone(work, { withinMs, stepMs: 50, pass: (ms) => this.#clock.advance(ms) })
  }

  #act(): void {
    const dice = this.#fraction()
    if (dice < 0.08) return this.#signIn()
    if (dice < 0.12) return this.#cut()
    if (dice < 0.14) return this.#strike(this.#any(this.#regions))
    if (this.#sessions.length === 0) return
    const session = this.#any(this.#sessions)
    if (dice < 0.3) return this.#issue(session)
    if (dice < 0.38) return this.#end(session)
    for (let n = 0; n < 3; n++) this.#check(this.#any(this.#sessions))
  }

  /** A call whose caller is not told anything when it fails or its node dies. */
  #begin(work: Promise<void>): void {
    work.catch((error: unknown) => this.#tell(`a call failed: ${String(error)}`))
  }

  // --- what people do -----------------------------------------------------------------------------------------

  #signIn(): void {
    const at = this.#node()
    if (at !== undefined) this.#begin(this.#signInAt(at))
  }

  async #signInAt({ region, node }: { readonly region: Region; readonly node: RegionNode }): Promise<void> {
    const id = (this.#locators.get(region.group.id) as ReturnType<typeof createLocator>).newSessionId()
    const nowMs = node.store.clock.nowMs()
    const { durability } = await node.seen.openSession(signedIn({ id, user: 'ana', nowMs, lifeMs: 86_400_000 }))
    if (!node.isAlive()) return
    this.#tell(`${node.host}: ana signs in, ${id}: ${durability}`)
    this.#sessions.push({ id, sri: `sri-${id}`, isEnded: false, isDoubtful: durability !== 'replicated', given: new Set() })
  }

  #issue(session: Known): void {
    const at = this.#node()
    if (at !== undefined) this.#begin(this.#issueAt(at, session))
  }

  /** An assertion is a check as well: it says that the session is good. */
  async #issueAt({ region, node }: { readonly region: Region; readonly node: RegionNode }, session: Known): Promise<void> {
    const fromMs = this.#nowMs()
    if ((await node.seen.getSession(session.id)) === undefined) return
    const partner = this.#any([...this.#partners.all.values()])
    const sessionIndex = (this.#locators.get(region.group.id) as ReturnType<typeof createLocator>).seal(partner.id, session.id)
    const name = `name at ${partner.id}`
    const nowMs = node.store.clock.nowMs()
    const id: ParticipantId = `${partner.id}:1`
    const { value, durability } = await node.seen.addParticipant(session.id, {
      id,
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
    const answer = value === 'added' || value === 'exists' ? 'accepted' : value === 'ended' ? 'revoked' : 'unknown'
    this.#assertions.push({ kind: 'checked', key: session.id, region: region.group.id, answer, fromMs, toMs: this.#nowMs() })
    if (answer !== 'accepted') return
    if (durability === 'replicated') session.given.add(id)
    if (!this.#told.has(sessionIndex)) await partner.open({ sessionId: session.id, name, sessionIndex, issuedAtMs: nowMs })
  }

  #end(session: Known): void {
    const at = this.#node()
    if (at !== undefined) this.#begin(this.#endAt(at, session))
  }

  async #endAt({ region, node }: { readonly region: Region; readonly node: RegionNode }, session: Known): Promise<void> {
    const fromMs = this.#nowMs()
    this.#tell(`${node.host}: logout of ${session.id}`)
    if (!this.#endAskedAtMs.has(session.id)) this.#endAskedAtMs.set(session.id, this.#clock.nowMs())
    const revoked = { kind: 'revoked', key: session.id, region: region.group.id, fromMs } as const
    // What is never answered, or kept by the primary alone, may have happened or not.
    const at = this.#revocations.push({ ...revoked, toMs: Number.POSITIVE_INFINITY }) - 1
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
    if (isDegraded) {
      session.isDoubtful = true
      return
    }
    session.isEnded = true
    this.#revocations[at] = { ...revoked, toMs: this.#nowMs() }
  }

  #check(session: Known): void {
    const at = this.#node()
    if (at !== undefined) this.#begin(this.#checkAt(at, session))
  }

  async #checkAt({ region, node }: { readonly region: Region; readonly node: RegionNode }, session: Known): Promise<void> {
    const fromMs = this.#nowMs()
    const answer = await answerOf(node, session)
    if (!node.isAlive()) return
    this.#checks.push({ kind: 'checked', key: session.id, region: region.group.id, answer, fromMs, toMs: this.#nowMs() })
  }

  // --- what breaks --------------------------------------------------------------------------------------------

  #away(forMs: number): Cut {
    const cut = { fromMs: this.#nowMs(), toMs: this.#nowMs() + forMs }
    this.#cuts.push(cut)
    return cut
  }

  #cut(): void {
    const forMs = 500 + this.#fraction() * 8_000
    const one = this.#any(this.#regions)
    this.#tell(`${one.group.id} can not reach the others for ${Math.round(forMs)} ms`)
    this.#network.isolate('regions', one.hosts)
    this.#away(forMs)
    this.#clock.after(forMs, () => {
      this.#tell('regions can reach each other')
      this.#network.isolate('regions', [])
    })
  }

  /** So long as servers or nodes of a region are away, it can tell and hear nothing. */
  #strike(region: Region): void {
    this.#away(readerAwayMs)
    strike({
      clock: {
        nowMs: () => this.#clock.nowMs(),
        after: (delayMs, fn) => {
          this.#away(delayMs + takeoverMs)
          return this.#clock.after(delayMs, fn)
        }
      },
      network: this.#network,
      cluster: region.cluster,
      fraction: () => this.#fraction(),
      tell: (what) => this.#tell(what),
      hosts: () => region.nodes.map(({ host }) => host),
      killNode: () => this.#kill(region)
    })
  }

  #kill(region: Region): void {
    const node = this.#any(region.nodes)
    if (!node.isAlive()) return
    this.#tell(`${node.host} is killed`)
    node.kill()
    if (node.store.owed > 0) for (const session of this.#sessions) session.isDoubtful = true
    const again = (): void => {
      region.boot(node.host, node.host).catch(() => {
        this.#away(readerAwayMs)
        this.#clock.after(1_000, again)
      })
    }
    this.#clock.after(500, again)
  }

  #heal(): void {
    this.#tell('everything is mended')
    this.#network.isolate('regions', [])
    for (const { cluster } of this.#regions) mend({ network: this.#network, cluster })
  }

  // --- at rest ------------------------------------------------------------------------------------------------

  async #rest(): Promise<void> {
    await this.#clock.advance(readerAwayMs + boundMs)
    for (let n = 0; n < 2; n++) for (const session of this.#sessions) this.#check(session)
    await this.#clock.advance(2_000)
    if (this.#broken !== undefined) throw this.#broken
    for (const [checks, bound] of [
      [this.#checks, boundMs],
      [this.#assertions, boundMs + everythingMs]
    ] as const) {
      const broken = violations([...this.#revocations, ...checks], { boundMs: bound, cuts: this.#cuts, losses: this.#losses })
      if (broken[0] !== undefined) throw new Broken(broken[0])
    }
    await this.#restRuns()
    const untilMs = this.#nowMs() + everythingMs
    for (let untold = this.#untold(); untold !== undefined; untold = this.#untold()) {
      if (this.#nowMs() > untilMs) throw new Broken(untold)
      await this.#clock.advance(2_000)
    }
  }

  async #restRuns(): Promise<void> {
    for (const region of this.#regions) {
      const node = region.nodes.find((one) => one.isAlive())
      if (node === undefined) throw new Broken(`no node of ${region.group.id} came back`)
      const untilMs = this.#nowMs() + policy.deadlineMs + 3 * leaseMs
      while ((await this.#until(node.store.describe(), 10_000)).openRuns > 0) {
        if (this.#nowMs() > untilMs) throw new Broken(`runs of ${region.group.id} never ended`)
        await this.#clock.advance(2_000)
      }
    }
  }

  /** Whatever an application was given in a session that ended was taken back, whichever region did either. */
  #untold(): string | undefined {
    for (const { id, given, isEnded, isDoubtful } of this.#sessions) {
      if (!isEnded || isDoubtful) continue
      for (const participant of given) {
        if (this.#partners.all.get(participant.split(':')[0] ?? '')?.live.has(id) === true) return `${participant} was never told that ${id} ended`
      }
    }
    return undefined
  }
}

async function answerOf(node: RegionNode, { id, sri }: Known): Promise<Check['answer']> {
  try {
    const session = await node.seen.getSession(id)
    const isRevoked = await node.seen.isRevoked(sri, node.store.clock.nowMs())
    if (session?.end !== undefined || isRevoked) return 'revoked'
    return session === undefined ? 'unknown' : 'accepted'
  } catch {
    // Whoever can not ask lets nobody in.
    return 'unknown'
  }
}
