import type { ParticipantId, RunId, SessionId, UserKey } from '../packages/curfew/src/core/ids.ts'
import type { EndRequest, EndSummary } from '../packages/curfew/src/core/end-sessions.ts'
import { countsAsSignedOut } from '../packages/curfew/src/core/outcome.ts'
import { isSilent, type Peer } from '../packages/curfew/src/core/peer.ts'
import type { LogoutRun, RunEvent, RunPolicy, Starter } from '../packages/curfew/src/core/run.ts'
import { isLive } from '../packages/curfew/src/core/session.ts'
import { isFrontBinding, isOpenedAgain, starterAnswer } from '../packages/curfew/src/core/verdict.ts'
import type { EngineDeps } from '../packages/curfew/src/engine/deps.ts'
import { createEngine, type Engine } from '../packages/curfew/src/engine/engine.ts'
import { receiptOf } from '../packages/curfew/src/engine/receipt.ts'
import type { Sender } from '../packages/curfew/src/engine/sender.ts'
import { createIds } from '../packages/curfew/src/platform/ids.ts'
import { createLocator } from '../packages/curfew/src/platform/locator.ts'
import { silentLogger } from '../packages/curfew/src/platform/logger.ts'
import { createMetrics } from '../packages/curfew/src/platform/metrics.ts'
import { createMemoryStore } from '../packages/curfew/src/stores/memory/memory-store.ts'
import type { Store } from '../packages/curfew/src/stores/store.ts'
import { createFakeClock, type FakeClock } from '../packages/curfew/test/support/fake-clock.ts'
import { createMortal, type Death, type Mortal } from '../packages/curfew/test/support/mortal.ts'
import { createSeededRandom } from '../packages/curfew/test/support/seeded-random.ts'
import type { SessionRegistry } from '../packages/sdk/src/session-registry.ts'
import { anyOf } from './choice.ts'
import { Broken, checkAlways, checkAtRest } from './invariants.ts'
import type { Played } from './kinds.ts'
import { assertionMs } from './partner.ts'
import { createPeers, type Peers } from './peers.ts'
import { signedIn } from './signed-in.ts'
import { createTrace, type Trace } from './trace.ts'
import { createWatch, type Watch, type WatchedTimes } from './watch.ts'
import { playWorld, type World } from './world.ts'

/** Short limits: a whole life fits into minutes of fake time. */
const policy: RunPolicy = {
  attemptsMax: 3,
  retryBaseMs: 2_000,
  retryCapMs: 10_000,
  sendTimeoutMs: 2_000,
  hopTimeoutMs: 4_000,
  frameTimeoutMs: 2_000,
  patienceMs: 5_000,
  deadlineMs: 60_000
}
const times: WatchedTimes = { policy, leaseMs: 8_000, outboxPollMs: 3_000, expiryIntervalMs: 5_000, revocationMs: 30_000 }
/** Longest life of a session, and until it has ended, and until its run has. */
const expiresMs = 60_000
const restMs = expiresMs + 2 * policy.deadlineMs + 3 * times.leaseMs
const whatPagesSay: readonly Extract<RunEvent, { readonly kind: 'frame-over' }>['how'][] = ['loaded', 'failed', 'not-loaded', 'unknown']
const startMs = Date.parse('2026-03-01T09:00:00Z')
const metrics = createMetrics()

/** Puts something faulty in the place of a part: shows that the simulation finds the fault. */
export interface Spoil {
  readonly store?: (store: Store) => Store
  readonly deps?: (deps: EngineDeps) => EngineDeps
  readonly engine?: (engine: Engine) => Engine
  /** Of every application. */
  readonly registry?: (registry: SessionRegistry) => SessionRegistry
}

export interface SimulationOptions {
  readonly seed: number
  readonly spoil?: Spoil
}

/**
 * Whole logouts from one seed: sign-ins, endings, limits that pass, crashes, lost and late messages, a browser that comes
 * and goes, administrators who try again.
 */
export function simulate(options: SimulationOptions): Promise<Played> {
  return playWorld(new LogoutWorld(options))
}

interface OpenSession {
  readonly id: SessionId
  readonly userKey: UserKey
  readonly idleMs: number
  readonly expiresAtMs: number
}

/** A place where one process runs at a time. */
interface Node {
  readonly name: string
  engine: Engine
  mortal: Mortal
  bornAtMs: number
}

/** Whether a process has died. */
interface Life {
  isDead: () => boolean
}

class LogoutWorld implements World {
  readonly trace: Trace
  readonly #spoil: Spoil
  readonly #clock: FakeClock
  readonly #fraction: () => number
  readonly #random: ReturnType<typeof createSeededRandom>
  readonly #truth: Store
  readonly #watch: Watch
  readonly #store: Store
  readonly #peers: Peers
  readonly #locator: ReturnType<typeof createLocator>
  readonly #nodes: Node[]
  readonly #sessions: OpenSession[] = []
  /** When each session runs into a limit, unless somebody is active before. */
  readonly #limitAtMs = new Map<string, number>()
  readonly #ended = new Set<string>()
  readonly #untouched = new Set<string>()
  readonly #acknowledged = new Map<string, Set<string>>()
  readonly #browsers = new Set<RunId>()
  readonly #messages = new Set<string>()
  readonly #answered = new Set<RunId>()
  /** Deliveries whose partner gave its proof to a node that lived. */
  #proved: { readonly runId: RunId; readonly deliveryId: string; readonly isDead: () => boolean }[] = []
  readonly #retried: { readonly runId: RunId; readonly deliveryId: string }[] = []
  #broken: Broken | undefined
  #lastDeathMs = 0
  #isResting = false
  #booted = 0

  constructor({ seed, spoil = {} }: SimulationOptions) {
    this.#spoil = spoil
    this.#random = createSeededRandom(seed)
    this.#fraction = () => this.#random.fraction()
    // Nothing here waits for more than promises.
    this.#clock = createFakeClock(startMs, 1)
    this.trace = createTrace(startMs)
    this.#truth = createMemoryStore({ capacity: 1_000 })
    this.#peers = createPeers({
      clock: this.#clock,
      fraction: this.#fraction,
      trace: this.trace,
      spoil: spoil.registry,
      endedAtMs: (id) => this.#watch.ends.get(id as SessionId)?.end.atMs,
      isPastLimits: (id) => this.#clock.nowMs() >= (this.#limitAtMs.get(id) ?? Number.POSITIVE_INFINITY),
      fail: (what) => this.#fail(what)
    })
    this.#locator = createLocator([Buffer.alloc(32, 1)], this.#random)
    this.#watch = createWatch({
      truth: this.#truth,
      clock: this.#clock,
      partners: this.#peers.partners,
      known: this.#known(),
      calm: () => {
        const births = this.#nodes.filter(({ mortal }) => !mortal.isDead()).map(({ bornAtMs }) => bornAtMs)
        return { aliveSinceMs: births.length === 0 ? undefined : Math.min(...births), lastDeathMs: this.#lastDeathMs }
      },
      times,
      fail: (what) => this.#fail(what)
    })
    this.#store = spoil.store?.(this.#watch.store) ?? this.#watch.store
    this.#nodes = (this.#fraction() < 0.7 ? ['node'] : ['node', 'other node']).map((name) => ({ name, ...this.#boot(name) }))
  }

  async live(): Promise<void> {
    for (const { engine } of this.#nodes) await this.#within(engine.start(), nothing)
    const actions = 6 + Math.floor(this.#fraction() * 12)
    for (let i = 0; i < actions; i++) {
      await this.#act()
      await this.#pass(this.#fraction() * 3_000)
    }
    await this.#rest()
    for (const { engine } of this.#nodes) await this.#within(engine.stop(), nothing)
  }

  /** Everybody gets the time to finish: limits of sessions, retries, leases of dead nodes, the deadline of every run. */
  async #rest(): Promise<void> {
    this.#isResting = true
    for (let passed = 0; passed < restMs && !(await this.#isQuiet()); passed += 5_000) await this.#pass(5_000)
    await this.#pass(5_000)
    await checkAlways(this.#checked())
    await checkAtRest(this.#checked())
    this.#watch.lookAtRest()
    for (const { runId, deliveryId } of this.#retried) {
      const repeats = this.#watch.runs.get(runId)?.deliveries.filter(({ retryOf }) => retryOf === deliveryId)
      if (repeats?.length !== 1) this.#fail(`${deliveryId} was to be tried again and has ${repeats?.length ?? 0} repeats`)
    }
    if (this.#broken !== undefined) throw this.#broken
  }

  async #isQuiet(): Promise<boolean> {
    const { liveSessions, openRuns, pendingEffects } = await this.#truth.describe()
    return liveSessions + openRuns + pendingEffects === 0
  }

  #known() {
    return { ended: this.#ended, untouched: this.#untouched, acknowledged: this.#acknowledged }
  }

  #checked() {
    // Whom a limit ended nobody had asked to end: the watch has judged that.
    const untouched = new Set([...this.#untouched].filter((id) => !this.#watch.ends.has(id as SessionId)))
    return { store: this.#truth, partners: this.#peers.partners, known: { ...this.#known(), untouched } }
  }

  /** A rule did not hold: said at once, thrown where no engine catches it. */
  #fail(what: string): void {
    if (this.#broken === undefined) this.trace.add(this.#clock.nowMs(), `BROKEN: ${what}`)
    this.#broken ??= new Broken(what)
  }

  /** Lets time pass; a node that died meanwhile is replaced, and the rules are looked at. */
  async #pass(ms: number): Promise<void> {
    await this.#clock.advance(ms)
    for (const node of this.#nodes) if (node.mortal.isDead()) await this.#restart(node)
    for (const runId of this.#browsers) if (this.#fraction() < 0.3) await this.#browse(runId)
    // Nobody can say which of two things in the same millisecond was first.
    await this.#clock.advance(1)
    await this.#watch.look()
    this.#lookAtProofs()
    if (this.#broken !== undefined) throw this.#broken
  }

  /** What a partner proves counts, however late it comes; who died with it in hand may have lost it. */
  #lookAtProofs(): void {
    for (const { runId, deliveryId, isDead } of this.#proved) {
      const { outcome, held, peerId, state } = this.#watch.runs.get(runId)?.deliveries.find(({ id }) => id === deliveryId) ?? {}
      if (!isDead() && !countsAsSignedOut(outcome ?? held)) this.#fail(`${runId} ${peerId} has proved its end, and is called ${outcome?.kind ?? state}`)
    }
    this.#proved = []
  }

  async #act(): Promise<void> {
    const dice = this.#fraction()
    if (dice < 0.35 || this.#sessions.length === 0) return this.#signIn()
    if (dice < 0.48) return this.#issue(this.#any(this.#sessions))
    if (dice < 0.53) return this.#touch(this.#any(this.#sessions))
    if (dice < 0.8) return this.#logout(this.#any(this.#sessions))
    if (dice < 0.88) return this.#retry()
    this.#kill()
  }

  async #signIn(): Promise<void> {
    const id = this.#locator.newSessionId()
    const nowMs = this.#clock.nowMs()
    const user = this.#any(['ana', 'ben'])
    const idleMs = 3_000 + Math.floor(this.#fraction() * 40_000)
    const opened = signedIn({ id, user, nowMs, idleMs, lifeMs: 5_000 + Math.floor(this.#fraction() * (expiresMs - 5_000)) })
    const { userKey, expiresAtMs } = opened
    const session: OpenSession = { id, userKey, idleMs, expiresAtMs }
    this.#untouched.add(id)
    this.#acknowledged.set(id, new Set())
    this.#limitAtMs.set(id, opened.idleExpiresAtMs)
    await this.#truth.openSession(opened)
    this.trace.add(nowMs, `${userKey} signs in: ${id}`)
    this.#sessions.push(session)
    for (let i = 0; i < 1 + Math.floor(this.#fraction() * 4); i++) await this.#issue(session)
  }

  /** The person does something: the authority moves the idle limit of a session that is live. */
  async #touch({ id, idleMs, expiresAtMs }: OpenSession): Promise<void> {
    const session = await this.#truth.getSession(id)
    const nowMs = this.#clock.nowMs()
    if (session === undefined || !isLive(session, nowMs)) return
    const limitAtMs = Math.min(nowMs + idleMs, expiresAtMs)
    await this.#truth.touch(id, nowMs, limitAtMs)
    this.#limitAtMs.set(id, limitAtMs)
    this.trace.add(nowMs, `${id} is active`)
  }

  /** An assertion leaves only when the participant was acknowledged; it arrives at once or late, perhaps after a logout. */
  async #issue(session: OpenSession): Promise<void> {
    const partner = this.#any([...this.#peers.partners.values()])
    const sessionIndex = this.#peers.byName.has(partner.id) ? '' : this.#locator.seal(partner.id, session.id)
    const name = `${session.userKey} at ${partner.id}`
    const nowMs = this.#clock.nowMs()
    const participantId: ParticipantId = `${partner.id}:1`
    const { value } = await this.#truth.addParticipant(session.id, {
      id: participantId,
      peerId: partner.id,
      role: 'application',
      protocol: partner.protocol,
      nameId: { value: name },
      sessionIndex,
      addedAtMs: nowMs,
      lastIssuedAtMs: nowMs,
      assertionNotOnOrAfterMs: nowMs + assertionMs
    })
    this.trace.add(nowMs, `${partner.id} asks for an assertion for ${session.id}: ${value}`)
    const hasEnded = this.#watch.ends.has(session.id)
    if (value === 'ended' && !hasEnded) this.#fail(`${session.id} took no participant although nobody ended it`)
    if (value !== 'added' && value !== 'exists') return
    if (hasEnded) this.#fail(`${session.id} had ended and took ${partner.id}`)
    this.#acknowledged.get(session.id)?.add(participantId)
    const arrive = (): void => void partner.present({ sessionId: session.id, name, sessionIndex, issuedAtMs: nowMs })
    if (this.#fraction() < 0.7) arrive()
    else this.#clock.after(this.#fraction() * 6_000, arrive)
  }

  async #logout(session: OpenSession): Promise<void> {
    const node = this.#alive()
    if (node === undefined) return
    if (this.#fraction() < 0.2) return this.#logoutEverywhere(node, session)
    this.#untouched.delete(session.id)
    const starter = this.#starter(session)
    const peerId = starter.kind === 'participant' ? starter.peerId : ''
    const isFront = starter.kind === 'participant' ? isFrontBinding(starter.binding) : starter.kind === 'user'
    if (starter.kind === 'participant') this.#peers.partners.get(peerId)?.signOut(session.id)
    this.trace.add(this.#clock.nowMs(), `logout of ${session.id}, started by ${starter.kind} ${peerId}`)
    const summary = await this.#end(node, {
      scope: { kind: 'session', sessionId: session.id },
      reason: 'user',
      by: { kind: 'user', id: 'ana' },
      starter,
      browser: isFront ? 'present' : 'absent'
    })
    const runId = summary?.ended[0]?.runId
    if (runId === undefined) return
    if (isFront) this.#browsers.add(runId)
    else if (starter.kind === 'participant') void this.#answerDirectly(node, node.engine, runId)
  }

  /** As after a change of password: every session of the user that there is, or every other one. Those to come are not meant. */
  async #logoutEverywhere(node: Node, { id, userKey }: OpenSession): Promise<void> {
    const except = this.#fraction() < 0.5 ? { except: id } : {}
    for (const one of this.#sessions) if (one.userKey === userKey && one.id !== except.except) this.#untouched.delete(one.id)
    this.trace.add(this.#clock.nowMs(), `logout of ${userKey}${except.except === undefined ? '' : `, but not of ${id}`}`)
    await this.#end(node, {
      scope: { kind: 'user', userKey, ...except },
      reason: 'password-change',
      by: { kind: 'system', id: 'password' },
      starter: { kind: 'none' },
      browser: 'absent'
    })
  }

  /** Undefined: the node died before it answered. Then sessions have ended or they have not, both are fine. */
  async #end({ engine }: Node, request: EndRequest): Promise<EndSummary | undefined> {
    const summary = await Promise.race([engine.endSessions(request), this.#clock.advance(50).then(() => undefined)])
    for (const { sessionId } of [...(summary?.ended ?? []), ...(summary?.already ?? [])]) this.#ended.add(sessionId)
    return summary
  }

  #starter(session: OpenSession): Starter {
    const participants = [...(this.#acknowledged.get(session.id) ?? [])]
    // A client of OpenID that starts a logout does so as the user's page: it is told like any other.
    const starters = participants.filter((id) => this.#peers.peers.get(id.split(':')[0] ?? '')?.protocol === 'saml')
    if (this.#fraction() >= 0.45 || starters.length === 0) return { kind: this.#fraction() < 0.6 ? 'user' : 'none' }
    const participantId = this.#any(starters) as ParticipantId
    const binding = this.#fraction() < 0.5 ? 'redirect' : 'soap'
    return { kind: 'participant', participantId, peerId: participantId.split(':')[0] ?? '', binding, requestId: '_r', wantsResponse: true }
  }

  /** As the SOAP endpoint does: waits as long as the starter's patience, answers, and remembers that it did. */
  async #answerDirectly({ mortal }: Node, engine: Engine, runId: RunId): Promise<void> {
    const askedAtMs = this.#clock.nowMs()
    this.#clock.after(policy.patienceMs + 1_000, () => {
      if (!mortal.isDead() && !this.#answered.has(runId)) this.#fail(`${runId} keeps its starter waiting`)
    })
    const run = await engine.waitFor(runId, (now) => starterAnswer(now, this.#clock.nowMs()) !== undefined, askedAtMs + policy.patienceMs)
    if (run === undefined) return
    await engine.apply(runId, { kind: 'starter-answered', atMs: this.#clock.nowMs() })
    this.#answerStarter(run)
  }

  /**
   * The starter gets its LogoutResponse.
   * @param isByBrowser - a page said that nobody has to wait; since then somebody may be asked once more
   */
  #answerStarter(run: LogoutRun, isByBrowser = false): void {
    const nowMs = this.#clock.nowMs()
    const known = starterAnswer(run, nowMs)
    const status = known === 'success' ? 'Success' : 'PartialLogout'
    this.trace.add(nowMs, `the starter of ${run.id} is answered ${status}`)
    if (this.#answered.has(run.id)) this.#fail(`${run.id} answers its starter twice`)
    this.#answered.add(run.id)
    if (run.starter.kind !== 'participant') this.#fail(`${run.id} answers somebody, and no application started it`)
    const isTried = isByBrowser && run.deliveries.every(({ state, attempts }) => state === 'final' || attempts.length > 0)
    if (known === undefined && !isTried && nowMs < run.startedAtMs + policy.patienceMs) this.#fail(`${run.id} answers its starter before it knows anything`)
    const isLeft = run.deliveries.some((d) => this.#peers.partners.get(d.peerId)?.live.has(run.sessionId))
    if (status === 'Success' && isLeft) this.#fail(`${run.id} answers Success, and a session is left`)
  }

  /** An administrator tries an application again that was not reached, or did not confirm. */
  async #retry(): Promise<void> {
    const node = this.#alive()
    const letters = [...this.#watch.runs.values()].flatMap((run) =>
      run.deliveries
        .filter((d) => d.state === 'final' && !countsAsSignedOut(d.outcome) && !isOpenedAgain(d) && d.channels.length > 0)
        .map((d) => ({ run, deliveryId: d.id }))
    )
    if (node === undefined || letters.length === 0) return
    const { run, deliveryId } = this.#any(letters)
    this.trace.add(this.#clock.nowMs(), `an administrator tries ${deliveryId} of ${run.id} again`)
    await this.#within(node.engine.retry(run.id, deliveryId, { kind: 'admin', id: 'root' }), async () => {
      this.#retried.push({ runId: run.id, deliveryId })
      if (this.#fraction() < 0.5) this.#browsers.add(run.id)
    })
  }

  /** The browser is on the sign-off page: frames, then the next hop; it may get lost anywhere and return later. */
  async #browse(runId: RunId): Promise<void> {
    const run = await this.#truth.getRun(runId)
    const node = this.#alive()
    if (run === undefined || node === undefined) return
    if (run.state === 'open') await this.#showFrames(node, run)
    await this.#within(node.engine.nextBrowserStep(runId), async (step) => {
      if (step.kind === 'hop') await this.#visit(node, runId, step.delivery.id)
      if (step.kind === 'finished') await this.#takeAnswer(node.engine, runId)
    })
  }

  async #showFrames(node: Node, { id, deliveries }: LogoutRun): Promise<void> {
    const { engine } = node
    const frames = deliveries.filter((d) => d.state === 'waiting-for-browser' && d.channels[d.channelIndex]?.kind === 'frame')
    if (frames.length > 0) await this.#say(engine, id, { kind: 'frames-offered', deliveryIds: frames.map((frame) => frame.id), atMs: this.#clock.nowMs() })
    for (const delivery of frames) {
      // Something in the browser blocks it: it is never asked for.
      if (this.#fraction() < 0.1) continue
      await this.#within(engine.prepareFrame(id, delivery.id), async () => this.#visit(node, id, delivery.id))
      // The page is closed before it can say what it saw, or says it, true or not.
      if (this.#fraction() < 0.5)
        await this.#say(engine, id, { kind: 'frame-over', deliveryId: delivery.id, how: this.#any(whatPagesSay), atMs: this.#clock.nowMs() })
    }
  }

  /** As the sign-off page does once nobody has to wait any more: the browser takes the answer to who started. */
  async #takeAnswer(engine: Engine, runId: RunId): Promise<void> {
    const run = await this.#truth.getRun(runId)
    if (run?.starter.kind !== 'participant' || run.starterAnsweredAtMs !== undefined) return
    await this.#within(engine.apply(runId, { kind: 'starter-answered', atMs: this.#clock.nowMs() }), async () => this.#answerStarter(run, true))
  }

  async #say(engine: Engine, runId: RunId, event: RunEvent): Promise<void> {
    await this.#within(engine.apply(runId, event), nothing)
  }

  async #visit(node: Node, runId: RunId, deliveryId: string): Promise<void> {
    const run = await this.#truth.getRun(runId)
    const delivery = run?.deliveries.find((d) => d.id === deliveryId)
    const attempt = delivery?.attempts.at(-1)
    if (run === undefined || delivery === undefined || attempt === undefined || attempt.channel.kind === 'server') return
    const { peerId } = delivery
    const { messageId, startedAtMs } = attempt
    const visit = await this.#peers.partners.get(peerId)?.visit({ run, delivery, messageId, nowMs: startedAtMs })
    // A frame or a picture of OpenID never brings an answer, whatever became of the session.
    if (isSilent(attempt.channel)) return
    if (visit === undefined || this.#fraction() < 0.1) return
    const { answer, afterMs } = visit
    const bring = async ({ engine, mortal: { isDead } }: Node): Promise<void> => {
      await engine.browserAnswered(peerId, messageId, answer)
      if (answer.kind === 'confirmed') this.#proved.push({ runId, deliveryId, isDead })
    }
    if (afterMs > 0) {
      this.#clock.after(afterMs, () => {
        const living = this.#alive()
        this.trace.add(this.#clock.nowMs(), `the browser comes back from ${peerId} late`)
        if (living !== undefined) void bring(living)
      })
      return
    }
    if (this.#fraction() < 0.2) await this.#clock.advance(this.#fraction() * 6_000)
    await this.#within(bring(node), nothing)
    // The same answer again, as a reloaded page sends it.
    if (this.#fraction() < 0.2) await this.#within(bring(node), nothing)
  }

  /** Waits for a node that may die while it works. */
  async #within<T>(work: Promise<T>, then: (value: T) => Promise<void>): Promise<void> {
    const result = await Promise.race([work.then((value) => ({ value })), this.#clock.advance(20).then(() => undefined)])
    if (result?.value !== undefined) await then(result.value)
  }

  /** A node is killed from outside, now or in the middle of what comes next. */
  #kill(): void {
    const node = this.#alive()
    if (node === undefined) return
    const { mortal } = node
    if (this.#fraction() < 0.5) mortal.kill()
    else this.#clock.after(this.#fraction() * 2_000, () => mortal.kill())
  }

  #alive(): Node | undefined {
    const living = this.#nodes.filter(({ mortal }) => !mortal.isDead())
    return living.length === 0 ? undefined : this.#any(living)
  }

  async #restart(node: Node): Promise<void> {
    Object.assign(node, this.#boot(node.name))
    this.trace.add(this.#clock.nowMs(), `${node.name} starts again`)
    await this.#within(node.engine.start(), nothing)
  }

  /** A node that dies at one of its next calls to the outside, before or after it took effect, or lives on. */
  #boot(name: string): Omit<Node, 'name'> {
    this.#booted += 1
    // Known before the process is: its senders say whether it lives when an answer comes.
    const life: Life = { isDead: () => false }
    const deps = this.#deps(name, life)
    const mortal = createMortal(this.#spoil.deps?.(deps) ?? deps, this.#death(), () => {
      this.#lastDeathMs = this.#clock.nowMs()
      this.trace.add(this.#lastDeathMs, `${name} dies`)
    })
    life.isDead = mortal.isDead
    const engine = createEngine(mortal.deps)
    return { mortal, engine: this.#spoil.engine?.(engine) ?? engine, bornAtMs: this.#clock.nowMs() }
  }

  #death(): Death | undefined {
    if (this.#isResting || this.#fraction() >= 0.7) return undefined
    const callsMax = this.#fraction() < 0.7 ? 60 : 300
    return { atCall: 1 + Math.floor(this.#fraction() * callsMax), phase: this.#fraction() < 0.5 ? 'before' : 'after' }
  }

  #deps(name: string, life: Life): EngineDeps {
    const ids = createIds(this.#random)
    return {
      store: this.#store,
      clock: this.#clock,
      random: this.#random,
      ids,
      senders: [this.#sender('saml', ids, life), this.#sender('oidc', ids, life)],
      peer: (id) => this.#peers.peers.get(id),
      policy,
      receipts: { sign: async (run) => JSON.stringify(receiptOf('https://curfew.example', run)) },
      probe: async () => (this.#fraction() < 0.85 ? { reachable: true, durationMs: 1 } : { reachable: false, code: 'CURFEW_OUTBOUND_UNREACHABLE' }),
      logger: silentLogger,
      metrics,
      // Half of the restarts come back under the same name, half are another node that has to wait for the lease.
      owner: this.#fraction() < 0.5 ? name : `${name} ${this.#booted}`,
      leaseMs: times.leaseMs,
      revocationMs: times.revocationMs,
      registryMs: 30_000,
      sessionsPerUserMax: 100,
      keepRunsMs: 86_400_000,
      limits: { outboxPollMs: times.outboxPollMs, expiryIntervalMs: times.expiryIntervalMs, purgeIntervalMs: 10_000, gaugeIntervalMs: 60_000 }
    }
  }

  #sender(protocol: Peer['protocol'], ids: ReturnType<typeof createIds>, life: Life): Sender {
    return {
      protocol,
      newMessageId: () => ids.message().slice(0, 9),
      send: async ({ run, delivery, messageId, nowMs }, signal) => {
        const stored = this.#watch.runs.get(run.id)?.deliveries.find((d) => d.id === delivery.id)
        const { finalAtMs = Number.POSITIVE_INFINITY } = stored ?? {}
        if (finalAtMs < this.#clock.nowMs()) this.#fail(`${run.id} asks ${delivery.peerId} although its outcome is final`)
        // The jti of a logout token: a client that saw it takes the second one for a replay, and does nothing.
        if (this.#messages.has(messageId)) this.#fail(`${run.id} tells ${delivery.peerId} twice with ${messageId}`)
        this.#messages.add(messageId)
        const partner = this.#peers.partners.get(delivery.peerId)
        if (partner === undefined || partner.protocol !== protocol) throw new RangeError(`${delivery.peerId} is no partner of ${protocol}`)
        const answer = await partner.receive({ run, delivery, messageId, nowMs }, signal)
        if (answer.kind === 'confirmed') this.#proved.push({ runId: run.id, deliveryId: delivery.id, isDead: life.isDead })
        return answer
      },
      prepareBrowser: async ({ messageId }) => ({ method: 'redirect', url: `https://partner.example/${messageId}` })
    }
  }

  #any<T>(list: readonly T[]): T {
    return anyOf(list, () => this.#fraction())
  }
}

async function nothing(): Promise<void> {}
