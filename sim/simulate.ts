import type { ParticipantId, RunId, SessionId } from '../packages/curfew/src/core/ids.ts'
import { isSilent, type LogoutChannel, type Peer } from '../packages/curfew/src/core/peer.ts'
import type { RunEvent, RunPolicy, Starter } from '../packages/curfew/src/core/run.ts'
import type { EngineDeps } from '../packages/curfew/src/engine/deps.ts'
import { createEngine, type Engine } from '../packages/curfew/src/engine/engine.ts'
import type { Sender } from '../packages/curfew/src/engine/sender.ts'
import { createIds } from '../packages/curfew/src/platform/ids.ts'
import { createLocator } from '../packages/curfew/src/platform/locator.ts'
import { silentLogger } from '../packages/curfew/src/platform/logger.ts'
import { createMetrics } from '../packages/curfew/src/platform/metrics.ts'
import { createMemoryStore } from '../packages/curfew/src/stores/memory/memory-store.ts'
import type { Store } from '../packages/curfew/src/stores/store.ts'
import { createFakeClock, type FakeClock } from '../packages/curfew/test/support/fake-clock.ts'
import { createMortal } from '../packages/curfew/test/support/mortal.ts'
import { createSeededRandom } from '../packages/curfew/test/support/seeded-random.ts'
import { Broken, checkAlways, checkAtRest } from './invariants.ts'
import { type Behaviour, createPartner, type Partner } from './partner.ts'
import { createTrace, type Trace } from './trace.ts'

/** Short limits: a whole life fits into minutes of fake time. */
const policy: RunPolicy = {
  attemptsMax: 3,
  retryBaseMs: 2_000,
  retryCapMs: 10_000,
  sendTimeoutMs: 2_000,
  hopTimeoutMs: 4_000,
  frameTimeoutMs: 2_000,
  patienceMs: 5_000,
  deadlineMs: 90_000
}
const leaseMs = 8_000
const whatPagesSay: readonly Extract<RunEvent, { readonly kind: 'frame-over' }>['how'][] = ['loaded', 'failed', 'not-loaded', 'unknown']
const startMs = Date.parse('2026-03-01T09:00:00Z')

export interface SimulationResult {
  readonly seed: number
  readonly broken: string | undefined
  readonly trace: readonly string[]
}

export interface SimulationOptions {
  readonly seed: number
  /** Replaces the store by a faulty one: shows that the simulation finds the fault. */
  readonly spoil?: (store: Store) => Store
}

/** Whole logouts from one seed: sign-ins, endings, crashes, lost and late messages, a browser that comes and goes. */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const world = new World(options)
  try {
    await world.live()
    return { seed: options.seed, broken: undefined, trace: world.trace.lines() }
  } catch (error) {
    if (!(error instanceof Broken)) throw error
    return { seed: options.seed, broken: error.message, trace: world.trace.lines() }
  }
}

interface OpenSession {
  readonly id: SessionId
  readonly tokenHash: string
  readonly userKey: string
}

class World {
  readonly trace: Trace
  readonly #clock: FakeClock
  readonly #fraction: () => number
  readonly #random: ReturnType<typeof createSeededRandom>
  readonly #truth: Store
  readonly #store: Store
  readonly #partners = new Map<string, Partner>()
  readonly #peers = new Map<string, Peer>()
  readonly #locator: ReturnType<typeof createLocator>
  readonly #sessions: OpenSession[] = []
  readonly #ended = new Set<string>()
  readonly #untouched = new Set<string>()
  readonly #acknowledged = new Map<string, Set<string>>()
  readonly #browsers = new Set<RunId>()
  readonly #messages = new Set<string>()
  #engine: Engine
  #isDead: () => boolean = () => false
  #node = 0

  constructor({ seed, spoil }: SimulationOptions) {
    this.#random = createSeededRandom(seed)
    this.#fraction = () => this.#random.fraction()
    this.#clock = createFakeClock(startMs)
    this.trace = createTrace(startMs)
    this.#truth = createMemoryStore({ capacity: 1_000 })
    this.#store = spoil?.(this.#truth) ?? this.#truth
    this.#locator = createLocator([Buffer.alloc(32, 1)], this.#random)
    this.#makePartners()
    this.#engine = this.#boot()
  }

  async live(): Promise<void> {
    await this.#within(this.#engine.start(), nothing)
    const actions = 6 + Math.floor(this.#fraction() * 10)
    for (let i = 0; i < actions; i++) {
      await this.#act()
      await this.#pass(this.#fraction() * 3_000)
    }
    // Everybody gets the time to finish: retries, leases of dead nodes, the deadline of every run.
    for (let passed = 0; passed < policy.deadlineMs + 3 * leaseMs; passed += 5_000) await this.#pass(5_000)
    await checkAtRest(this.#checked())
    await this.#within(this.#engine.stop(), nothing)
  }

  #checked() {
    return { store: this.#truth, partners: this.#partners, known: { ended: this.#ended, untouched: this.#untouched, acknowledged: this.#acknowledged } }
  }

  /** Lets time pass; a node that died meanwhile is replaced, and the rules are looked at. */
  async #pass(ms: number): Promise<void> {
    await this.#clock.advance(ms)
    if (this.#isDead()) await this.#restart()
    for (const runId of this.#browsers) if (this.#fraction() < 0.3) await this.#browse(runId)
    await checkAlways(this.#checked())
  }

  async #act(): Promise<void> {
    const dice = this.#fraction()
    if (dice < 0.4 || this.#sessions.length === 0) return this.#signIn()
    if (dice < 0.55) return this.#issue(this.#any(this.#sessions))
    if (dice < 0.9) return this.#logout(this.#any(this.#sessions))
    return this.#crash()
  }

  async #signIn(): Promise<void> {
    const id = this.#locator.newSessionId()
    const nowMs = this.#clock.nowMs()
    const userKey = `local:${this.#any(['ana', 'ben'])}`
    const session = { id, tokenHash: `token of ${id}`, userKey }
    await this.#truth.openSession({
      id,
      version: 1,
      userKey,
      username: userKey.slice(6),
      sourceId: 'form',
      attributes: {},
      authnContext: 'password',
      createdAtMs: nowMs,
      authenticatedAtMs: nowMs,
      lastActivityAtMs: nowMs,
      idleExpiresAtMs: nowMs + 86_400_000,
      expiresAtMs: nowMs + 86_400_000,
      idleTimeoutMs: 86_400_000,
      persistent: false,
      tokenHash: session.tokenHash,
      sri: `sri of ${id}`
    })
    this.trace.add(nowMs, `${userKey} signs in: ${id}`)
    this.#sessions.push(session)
    this.#untouched.add(id)
    this.#acknowledged.set(id, new Set())
    for (let i = 0; i < 1 + Math.floor(this.#fraction() * 4); i++) await this.#issue(session)
  }

  /** An assertion leaves only when the participant was acknowledged: that is when the application has a session. */
  async #issue(session: OpenSession): Promise<void> {
    const partner = this.#any([...this.#partners.values()])
    const sessionIndex = this.#locator.seal(partner.id, session.id)
    const nowMs = this.#clock.nowMs()
    const participantId: ParticipantId = `${partner.id}:1`
    const { value } = await this.#truth.addParticipant(session.id, {
      id: participantId,
      peerId: partner.id,
      role: 'application',
      protocol: partner.protocol,
      nameId: { value: `name at ${partner.id}` },
      sessionIndex,
      addedAtMs: nowMs,
      lastIssuedAtMs: nowMs,
      assertionNotOnOrAfterMs: nowMs + 60_000
    })
    this.trace.add(nowMs, `${partner.id} asks for an assertion for ${session.id}: ${value}`)
    if (value === 'ended' && !this.#ended.has(session.id) && this.#untouched.has(session.id))
      throw new Broken(`${session.id} took no participant although nobody ended it`)
    if ((value === 'added' || value === 'exists') && this.#ended.has(session.id)) throw new Broken(`${session.id} had ended and took ${partner.id}`)
    if (value !== 'added' && value !== 'exists') return
    partner.live.add(sessionIndex)
    this.#acknowledged.get(session.id)?.add(participantId)
  }

  async #logout(session: OpenSession): Promise<void> {
    this.#untouched.delete(session.id)
    const participants = [...(this.#acknowledged.get(session.id) ?? [])]
    // A client of OpenID that starts a logout does so as the user's page: it is told like any other.
    const starters = participants.filter((id) => this.#peers.get(id.split(':')[0] ?? '')?.protocol === 'saml')
    const byPartner = this.#fraction() < 0.4 && starters.length > 0
    const isBrowser = byPartner || this.#fraction() < 0.6
    const starterId = byPartner ? (this.#any(starters) as ParticipantId) : undefined
    const peerId = starterId?.split(':')[0] ?? ''
    const starter: Starter =
      starterId === undefined
        ? { kind: isBrowser ? 'user' : 'none' }
        : { kind: 'participant', participantId: starterId, peerId, binding: 'redirect', requestId: '_r', wantsResponse: true }
    if (starterId !== undefined) this.#partners.get(peerId)?.live.delete(this.#locator.seal(peerId, session.id))
    this.trace.add(this.#clock.nowMs(), `logout of ${session.id}, started by ${starter.kind} ${peerId}`)
    const ending = this.#engine.endSessions({
      scope: { kind: 'session', sessionId: session.id },
      reason: 'user',
      by: { kind: 'user', id: 'ana' },
      starter,
      browser: isBrowser ? 'present' : 'absent'
    })
    const summary = await Promise.race([ending, this.#clock.advance(50).then(() => undefined)])
    // A node that died in between never answers: then the session has ended or it has not, both are fine.
    if (summary === undefined) return
    this.#ended.add(session.id)
    const runId = summary.ended[0]?.runId
    if (runId !== undefined && isBrowser) this.#browsers.add(runId)
  }

  /** The browser is on the sign-off page: frames, then the next hop; it may get lost anywhere and return later. */
  async #browse(runId: RunId): Promise<void> {
    const run = await this.#truth.getRun(runId)
    if (run === undefined || run.state === 'done' || this.#isDead()) return
    const frames = run.deliveries.filter((d) => d.state === 'waiting-for-browser' && d.channels[d.channelIndex]?.kind === 'frame')
    if (frames.length > 0) await this.#say(runId, { kind: 'frames-offered', deliveryIds: frames.map(({ id }) => id), atMs: this.#clock.nowMs() })
    for (const delivery of frames) {
      // Something in the browser blocks it: it is never asked for.
      if (this.#fraction() < 0.1) continue
      await this.#within(this.#engine.prepareFrame(runId, delivery.id), async () => this.#visit(runId, delivery.id))
      // The page is closed before it can say what it saw, or says it, true or not.
      if (this.#fraction() < 0.5)
        await this.#say(runId, { kind: 'frame-over', deliveryId: delivery.id, how: this.#any(whatPagesSay), atMs: this.#clock.nowMs() })
    }
    await this.#within(this.#engine.nextBrowserStep(runId), async (step) => {
      if (step.kind === 'hop') await this.#visit(runId, step.delivery.id)
    })
  }

  async #say(runId: RunId, event: RunEvent): Promise<void> {
    await this.#within(this.#engine.apply(runId, event), nothing)
  }

  async #visit(runId: RunId, deliveryId: string): Promise<void> {
    const delivery = (await this.#truth.getRun(runId))?.deliveries.find((d) => d.id === deliveryId)
    const attempt = delivery?.attempts.at(-1)
    if (delivery === undefined || attempt === undefined || attempt.channel.kind === 'server') return
    const answer = this.#partners.get(delivery.peerId)?.visit({ sessionIndex: delivery.sessionIndex, messageId: attempt.messageId })
    // A frame or a picture of OpenID never brings an answer, whatever became of the session.
    if (isSilent(attempt.channel)) return
    if (answer === undefined || this.#fraction() < 0.1) return
    if (this.#fraction() < 0.2) await this.#clock.advance(this.#fraction() * 6_000)
    await this.#within(this.#engine.browserAnswered(delivery.peerId, attempt.messageId, answer), nothing)
    // The same answer again, as a reloaded page sends it.
    if (this.#fraction() < 0.2) await this.#within(this.#engine.browserAnswered(delivery.peerId, attempt.messageId, answer), nothing)
  }

  /** Waits for a node that may die while it works. */
  async #within<T>(work: Promise<T>, then: (value: T) => Promise<void>): Promise<void> {
    const result = await Promise.race([work.then((value) => ({ value })), this.#clock.advance(20).then(() => undefined)])
    if (result?.value !== undefined) await then(result.value)
  }

  async #crash(): Promise<void> {
    this.trace.add(this.#clock.nowMs(), 'the node is killed')
    await this.#restart()
  }

  async #restart(): Promise<void> {
    this.#node += 1
    this.#engine = this.#boot()
    this.trace.add(this.#clock.nowMs(), `node ${this.#node} starts`)
    await this.#within(this.#engine.start(), nothing)
  }

  /** A node that dies at one of its next calls to the outside, before or after it took effect, or lives on. */
  #boot(): Engine {
    const willDie = this.#fraction() < 0.7
    const death = willDie
      ? { atCall: 1 + Math.floor(this.#fraction() * 60), phase: this.#fraction() < 0.5 ? ('before' as const) : ('after' as const) }
      : undefined
    const mortal = createMortal(this.#deps(), death)
    this.#isDead = mortal.isDead
    return createEngine(mortal.deps)
  }

  #deps(): EngineDeps {
    const ids = createIds(this.#random)
    return {
      store: this.#store,
      clock: this.#clock,
      random: this.#random,
      ids,
      senders: [this.#sender('saml', ids), this.#sender('oidc', ids)],
      peer: (id) => this.#peers.get(id),
      policy,
      receipts: { sign: async (run) => `receipt of ${run.id}` },
      probe: async () => (this.#fraction() < 0.85 ? { reachable: true, durationMs: 1 } : { reachable: false, code: 'CURFEW_OUTBOUND_UNREACHABLE' }),
      logger: silentLogger,
      metrics: createMetrics(),
      // Half of the restarts come back under the same name, half are another node that has to wait for the lease.
      owner: this.#fraction() < 0.5 ? 'node' : `node ${this.#node}`,
      leaseMs,
      revocationMs: 3_600_000,
      registryMs: 3_600_000,
      sessionsPerUserMax: 100,
      keepRunsMs: 86_400_000,
      limits: { outboxPollMs: 3_000, expiryIntervalMs: 20_000, purgeIntervalMs: 60_000, gaugeIntervalMs: 60_000 }
    }
  }

  #sender(protocol: Peer['protocol'], ids: ReturnType<typeof createIds>): Sender {
    return {
      protocol,
      newMessageId: () => ids.message().slice(0, 9),
      send: async ({ run, delivery, messageId }, signal) => {
        const stored = (await this.#truth.getRun(run.id))?.deliveries.find((d) => d.id === delivery.id)
        if (stored?.state === 'final') throw new Broken(`${run.id} asks ${delivery.peerId} although its outcome is final`)
        const partner = this.#partners.get(delivery.peerId)
        if (partner === undefined || partner.protocol !== protocol) throw new Broken(`${delivery.peerId} is no partner of ${protocol}`)
        // The jti of a logout token: a client that saw it takes the second one for a replay, and does nothing.
        if (this.#messages.has(messageId)) throw new Broken(`${run.id} tells ${delivery.peerId} twice with ${messageId}`)
        this.#messages.add(messageId)
        return partner.receive({ sessionIndex: delivery.sessionIndex, messageId }, signal)
      },
      prepareBrowser: async ({ messageId }) => ({ method: 'redirect', url: `https://partner.example/${messageId}` })
    }
  }

  #makePartners(): void {
    const bad: readonly Behaviour[] = ['answers-late', 'loses-request', 'loses-answer', 'refuses', 'error', 'garbage', 'down']
    for (const id of ['payroll', 'intranet', 'legacy', 'wiki', 'chat']) {
      const protocol = id === 'wiki' || id === 'chat' ? 'oidc' : 'saml'
      const isGood = this.#fraction() < 0.5
      const behaviours: readonly Behaviour[] = isGood ? ['answers'] : ['answers', this.#any(bad), this.#any(bad)]
      this.#partners.set(id, createPartner({ id, protocol, clock: this.#clock, fraction: this.#fraction, trace: this.trace, behaviours }))
      const peer: Peer = {
        id,
        name: id,
        protocol,
        role: 'application',
        entityId: `https://${id}.example`,
        channels: protocol === 'saml' ? this.#channels(id) : this.#openIdChannels(id),
        mayBeAsked: this.#fraction() > 0.05,
        returnsBrowser: this.#fraction() > 0.2
      }
      this.#peers.set(id, peer)
      this.trace.add(startMs, `${id}: ${peer.channels.map((c) => c.kind).join(' ') || 'no channel'}, ${behaviours.join(' or ')}`)
    }
  }

  #channels(id: string): readonly LogoutChannel[] {
    const server: LogoutChannel = { kind: 'server', binding: 'soap', url: `https://${id}.example/soap` }
    const frame: LogoutChannel = { kind: 'frame', binding: 'redirect', url: `https://${id}.example/slo` }
    const hop: LogoutChannel = { kind: 'hop', binding: 'redirect', url: `https://${id}.example/slo` }
    return this.#any([[server], [hop], [frame, hop], [server, hop], [server, frame, hop], []])
  }

  #openIdChannels(id: string): readonly LogoutChannel[] {
    const back: LogoutChannel = { kind: 'server', binding: 'back-channel', url: `https://${id}.example/back` }
    const front: LogoutChannel = { kind: 'frame', binding: 'front-channel', url: `https://${id}.example/front` }
    const image: LogoutChannel = { kind: 'frame', binding: 'image', url: `https://${id}.example/front` }
    return this.#any([[back], [front], [image], [back, front], [back, front, image], []])
  }

  #any<T>(list: readonly T[]): T {
    const chosen = list[Math.floor(this.#fraction() * list.length)]
    if (chosen === undefined) throw new RangeError('nothing to choose from')
    return chosen
  }
}

async function nothing(): Promise<void> {}
