import { createSecretKey, generateKeyPairSync } from 'node:crypto'
import type { AdapterPayload } from 'oidc-provider'
import { isCurfewError } from '../packages/codecs/src/errors.ts'
import type { AuthorityContext } from '../packages/curfew/src/authority/context.ts'
import { liveAccount } from '../packages/curfew/src/authority/oidc/account.ts'
import { artifactAdapter, type OnIssue } from '../packages/curfew/src/authority/oidc/artifacts.ts'
import { fixedClients, makeClient, type OidcClient } from '../packages/curfew/src/authority/oidc/client.ts'
import { makeTokenKey } from '../packages/curfew/src/authority/oidc/keys.ts'
import { sidOf } from '../packages/curfew/src/authority/oidc/participant.ts'
import { subjectOf } from '../packages/curfew/src/authority/oidc/subject.ts'
import { holdBackEnded } from '../packages/curfew/src/authority/oidc/token-answer.ts'
import { participantIdOf } from '../packages/curfew/src/authority/saml/participant-id.ts'
import { type EndingPort, endSessions, type EndScope } from '../packages/curfew/src/core/end-sessions.ts'
import type { DeliveryId, ParticipantId, RunId, SessionId } from '../packages/curfew/src/core/ids.ts'
import type { LogoutRun } from '../packages/curfew/src/core/run.ts'
import type { Session } from '../packages/curfew/src/core/session.ts'
import { createLocator } from '../packages/curfew/src/platform/locator.ts'
import { createMetrics } from '../packages/curfew/src/platform/metrics.ts'
import type { Random } from '../packages/curfew/src/platform/random.ts'
import { quietImport } from '../packages/curfew/src/platform/quiet-import.ts'
import { createMemoryStore } from '../packages/curfew/src/stores/memory/memory-store.ts'
import type { Store } from '../packages/curfew/src/stores/store.ts'
import { createSeededRandom } from '../packages/curfew/test/support/seeded-random.ts'
import { createMemorySessionRegistry } from '../packages/sdk/src/memory-session-registry.ts'
import type { SessionRegistry } from '../packages/sdk/src/session-registry.ts'
import { createInterleaving, type Interleaving } from './interleave.ts'
import { Broken } from './invariants.ts'
import { signedIn } from './signed-in.ts'
import type { Trace } from './trace.ts'

/**
 * Sign-ins that race a logout: the product's own code (recording a client, issuing codes and tokens, the last look
 * before they leave, the ending, the registry of the SDK) over a store in memory, step by step in an order that a seed
 * decides. Nothing is signed and nothing leaves the process, so that a million of them take minutes.
 */
export interface RaceOptions {
  readonly seed: number
  /** Replaces the store by a faulty one: shows that the race finds the fault. */
  readonly spoil?: (store: Store) => Store
  /** The same where applications keep their sessions. */
  readonly spoilRegistry?: (registry: SessionRegistry) => SessionRegistry
  /** Hears of every step; absent: nobody reads it. */
  readonly trace?: Trace
}

const issuer = 'https://curfew.test'
const startMs = 1_772_438_400_000
const hourMs = 3_600_000
const key = await makeTokenKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, 'race')
const clients = fixedClients(
  ['wiki', 'chat'].map((id) =>
    makeClient(
      {
        id,
        clientSecret: 'a secret that is long enough',
        redirectUris: [`https://${id}.test/cb`],
        refreshTokens: id === 'wiki',
        logout: { modes: ['backChannel'], backChannelUri: `https://${id}.test/back` }
      },
      [key]
    )
  )
)
const nameId = createSecretKey(Buffer.alloc(32, 2))
const metrics = createMetrics()
// Keys are derived once; what is random comes from the race under way.
const now: { random: Random } = { random: createSeededRandom(0) }
const locator = createLocator([Buffer.alloc(32, 1)], { bytes: (count) => now.random.bytes(count), fraction: () => now.random.fraction() })
const { onIssue } = await quietImport('oidc-provider WARNING: Unsupported runtime', () => import('../packages/curfew/src/authority/oidc/provider.ts'))

/** What was given out in one session, and so has to be taken back. */
interface Given {
  readonly sessionId: SessionId
  readonly participantId: ParticipantId
  readonly what: 'code' | 'tokens' | 'assertion'
}

/** One race. @throws Broken when a rule did not hold */
export async function race({ seed, spoil, spoilRegistry = (registry) => registry, trace }: RaceOptions): Promise<void> {
  const random = createSeededRandom(seed)
  now.random = random
  const fraction = (): number => random.fraction()
  let nowMs = startMs
  const clock: AuthorityContext['clock'] = { nowMs: () => nowMs, after: () => ({ cancel: () => undefined }) }
  const steps = createInterleaving(fraction, () => (nowMs += Math.floor(fraction() * 400)))
  const truth = createMemoryStore({ capacity: 10 })
  const store = inTurns(spoil?.(truth) ?? truth, steps, (text) => trace?.add(nowMs, text))
  // The parts that these paths of the product read; everything else of the context stays unused.
  const ctx = { store, clock, clients, locator, metrics, secrets: { nameId }, baseUrl: issuer } as unknown as AuthorityContext
  const world = new RaceWorld({ ctx, steps, truth, fraction, issue: onIssue(ctx), registry: () => spoilRegistry(createMemorySessionRegistry()) })
  await world.run()
}

/** Every call waits for its turn before it takes effect, and again before its answer is seen. */
function inTurns(store: Store, steps: Interleaving, tell: (text: string) => void): Store {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function' || name === 'appendAudit') return value
      return async (...parts: unknown[]) => {
        await steps.turn()
        const answer: unknown = await (value as (...parts: unknown[]) => unknown).apply(target, parts)
        tell(`${String(name)} ${about(parts[0])}${outcomeOf(answer)}`)
        return answer
      }
    }
  })
}

/** What a call of the store is about. */
function about(part: unknown): string {
  if (typeof part === 'string') return part
  return typeof part !== 'object' || part === null ? '' : String(Object.entries(part).find(([name]) => name === 'sessionId' || name === 'id')?.[1] ?? '')
}

function outcomeOf(answer: unknown): string {
  if (answer === undefined) return ': nothing'
  const value: unknown = typeof answer === 'object' && answer !== null && 'value' in answer ? answer.value : undefined
  if (typeof value === 'string') return `: ${value}`
  return typeof value === 'object' && value !== null && 'kind' in value ? `: ${String(value.kind)}` : ''
}

interface RaceParts {
  readonly ctx: AuthorityContext
  readonly steps: Interleaving
  readonly truth: Store
  readonly fraction: () => number
  readonly issue: OnIssue
  readonly registry: () => SessionRegistry
}

class RaceWorld {
  readonly #parts: RaceParts
  readonly #given: Given[] = []
  readonly #applications: ReadonlyMap<string, SessionRegistry>
  readonly #sessions: SessionId[] = []
  /** Sessions that somebody asked to end: those that were there when everything of the user was to end, and no later ones. */
  readonly #meant = new Set<SessionId>()
  readonly #opened: { readonly clientId: string; readonly appSession: string; readonly sessionId: SessionId }[] = []
  readonly #results: { readonly kind: 'ended' | 'already'; readonly sessionId: SessionId; readonly runId: RunId }[] = []
  #ids = 0

  constructor(parts: RaceParts) {
    this.#parts = parts
    this.#applications = new Map(['wiki', 'chat'].map((id) => [id, parts.registry()]))
  }

  async run(): Promise<void> {
    const { fraction, steps, truth } = this.#parts
    const session = await this.#open()
    const signIns = 1 + Math.floor(fraction() * 3)
    for (let i = 0; i < signIns; i++) steps.start(() => (fraction() < 0.8 ? this.#signInByCode(session) : this.#signInBySaml(session)))
    const endings = 1 + Math.floor(fraction() * 2)
    for (let i = 0; i < endings; i++)
      steps.start(() => this.#end(fraction() < 0.7 ? { kind: 'session', sessionId: session.id } : { kind: 'user', userKey: 'local:ana' }))
    // The user comes again in another session: no older run may touch that one.
    if (fraction() < 0.3) steps.start(async () => this.#signInByCode(await this.#openInTurn()))
    await steps.finish()
    await this.#check(truth)
  }

  #next(prefix: string): string {
    this.#ids += 1
    return `${prefix}${this.#ids}`
  }

  async #openInTurn(): Promise<Session> {
    await this.#parts.steps.turn()
    return this.#open()
  }

  async #open(): Promise<Session> {
    const { ctx, truth } = this.#parts
    const nowMs = ctx.clock.nowMs()
    const id = ctx.locator.newSessionId()
    const session = signedIn({ id, user: 'ana', nowMs, lifeMs: hourMs })
    await truth.openSession(session)
    this.#sessions.push(id)
    return session
  }

  /** Authorization, code, token request, and the application that opens a session of its own from the ID token. */
  async #signInByCode(session: Session): Promise<void> {
    const { ctx, steps, fraction } = this.#parts
    const client = ctx.clients.byId(fraction() < 0.5 ? 'wiki' : 'chat')
    if (client === undefined) throw new RangeError('no client')
    const code = this.#next('code')
    const payload = { accountId: session.id, clientId: client.clientId, grantId: `grant of ${client.id}`, scope: 'openid' }
    const isIssued = await this.#refusedOrDone(() => this.#artifacts('AuthorizationCode').upsert(code, payload, 60))
    if (!isIssued) return
    this.#give(session, client, 'code')
    await steps.turn()
    const issuedAtMs = await this.#exchange(session, client, code, payload)
    if (issuedAtMs === undefined) return
    this.#give(session, client, 'tokens')
    await steps.turn()
    await this.#openAtApplication(session, client, issuedAtMs)
  }

  /** The token endpoint in the order of the engine; undefined: no token left. */
  async #exchange(session: Session, client: OidcClient, code: string, payload: AdapterPayload): Promise<number | undefined> {
    const { ctx, truth } = this.#parts
    if ((await this.#artifacts('AuthorizationCode').find(code)) === undefined || (await liveAccount(ctx, session.id)) === undefined) return undefined
    let issuedAtMs = 0
    const answer = { oidc: { route: 'token', account: { accountId: session.id } }, status: 400, body: { scope: 'openid' } }
    await holdBackEnded(ctx)(answer as unknown as Parameters<ReturnType<typeof holdBackEnded>>[0], async () => {
      const isDone = await this.#refusedOrDone(async () => {
        await this.#artifacts('AuthorizationCode').consume(code)
        await this.#artifacts('AccessToken').upsert(this.#next('access'), payload, 600)
        if (client.refreshTokens) await this.#artifacts('RefreshToken').upsert(this.#next('refresh'), payload, 6_000)
      })
      issuedAtMs = Math.floor(ctx.clock.nowMs() / 1000) * 1000
      if (isDone) answer.status = 200
    })
    if (answer.status !== 200) return undefined
    const end = (await truth.getSession(session.id))?.end
    if (end !== undefined && issuedAtMs > end.atMs) throw new Broken(`an ID token left that is younger than the end of ${session.id}`)
    return issuedAtMs
  }

  /** As the relying party of the SDK does: opens, then asks whether a logout came first. */
  async #openAtApplication(session: Session, client: OidcClient, issuedAtMs: number): Promise<void> {
    const { ctx, steps } = this.#parts
    const registry = this.#applications.get(client.id)
    const id = this.#next('app')
    const nowMs = ctx.clock.nowMs()
    const opened = {
      id,
      identityProvider: issuer,
      nameId: { value: subjectOf(ctx, client, session) },
      sessionIndex: sidOf(ctx, client, session),
      attributes: {},
      createdAtMs: nowMs,
      expiresAtMs: nowMs + hourMs,
      issuedAtMs
    }
    await registry?.open(opened)
    this.#opened.push({ clientId: client.id, appSession: id, sessionId: session.id })
    await steps.turn()
    if (await registry?.isEnded(opened, ctx.clock.nowMs())) await registry?.end(id)
  }

  async #signInBySaml(session: Session): Promise<void> {
    const { ctx } = this.#parts
    const nowMs = ctx.clock.nowMs()
    const name = { value: 'ana at payroll' }
    const id = participantIdOf('payroll', name)
    const { value } = await ctx.store.addParticipant(session.id, {
      id,
      peerId: 'payroll',
      role: 'application',
      protocol: 'saml',
      nameId: name,
      sessionIndex: ctx.locator.seal('payroll', session.id),
      addedAtMs: nowMs,
      lastIssuedAtMs: nowMs,
      assertionNotOnOrAfterMs: nowMs + 300_000
    })
    if (value === 'added' || value === 'exists') this.#given.push({ sessionId: session.id, participantId: id, what: 'assertion' })
  }

  async #end(scope: EndScope): Promise<void> {
    const { steps } = this.#parts
    const runs: LogoutRun[] = []
    if (scope.kind === 'session') this.#meant.add(scope.sessionId)
    const summary = await endSessions(this.#port(runs), {
      scope,
      reason: 'admin',
      by: { kind: 'admin', id: 'race' },
      starter: { kind: 'none' },
      browser: 'absent'
    })
    for (const { sessionId, runId } of summary.ended) this.#results.push({ kind: 'ended', sessionId, runId })
    for (const { sessionId, runId } of summary.already) this.#results.push({ kind: 'already', sessionId, runId })
    for (const run of runs) for (const delivery of run.deliveries) if (delivery.peerId !== 'payroll') steps.start(() => this.#tell(delivery))
  }

  #port(runs: LogoutRun[]): EndingPort {
    const { ctx } = this.#parts
    const { store } = ctx
    return {
      policy: { attemptsMax: 1, retryBaseMs: 1, retryCapMs: 1, sendTimeoutMs: 1, hopTimeoutMs: 1, frameTimeoutMs: 1, patienceMs: 1, deadlineMs: hourMs },
      revocationMs: hourMs,
      registryMs: hourMs,
      async read(sessionId) {
        const session = await store.getSession(sessionId)
        return session === undefined ? undefined : { session, participants: await store.getParticipants(sessionId) }
      },
      sessionsOf: async (userKey) => {
        const found = await store.findByUser(userKey)
        for (const id of this.#sessions) this.#meant.add(id)
        return found
      },
      async commit(ending) {
        const { value } = await store.endSession(ending)
        if (value.kind === 'ended') runs.push(ending.run)
        return value
      },
      peer: (id) => ctx.clients.peer(id),
      newRunId: () => this.#next('run_') as RunId,
      newDeliveryId: () => this.#next('dlv_') as DeliveryId,
      nowMs: () => ctx.clock.nowMs()
    }
  }

  /** A logout token on its way to an application of the SDK; it may take as long as it likes. */
  async #tell({ peerId, nameId: name, sessionIndex }: LogoutRun['deliveries'][number]): Promise<void> {
    const { ctx, steps } = this.#parts
    const issuedUntilMs = Math.floor(ctx.clock.nowMs() / 1000) * 1000
    await steps.turn()
    const subject = { identityProvider: issuer, nameId: name, sessionIndexes: [sessionIndex], issuedUntilMs }
    await this.#applications.get(peerId)?.endBySubject(subject, ctx.clock.nowMs() + hourMs)
  }

  #artifacts(kind: string): ReturnType<typeof artifactAdapter> {
    const { ctx, issue } = this.#parts
    return artifactAdapter(ctx, kind, issue, () => new Refused())
  }

  async #refusedOrDone(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work()
      return true
    } catch (error) {
      // Refusals of ours and of the engine; anything else is a fault.
      if (error instanceof Refused || isCurfewError(error) || (error instanceof Error && 'statusCode' in error)) return false
      throw error
    }
  }

  #give(session: Session, client: OidcClient, what: Given['what']): void {
    this.#given.push({ sessionId: session.id, participantId: participantIdOf(client.id, { value: subjectOf(this.#parts.ctx, client, session) }), what })
  }

  async #check(truth: Store): Promise<void> {
    const { items: runs } = await truth.listRuns({ limit: 10 })
    for (const id of this.#sessions) {
      const end = (await truth.getSession(id))?.end
      if (end !== undefined && !this.#meant.has(id)) throw new Broken(`${id} was ended although nobody asked for it`)
    }
    for (const { sessionId, participantId, what } of this.#given) {
      const end = (await truth.getSession(sessionId))?.end
      const run = runs.find(({ id }) => id === end?.runId)
      if (end !== undefined && run?.deliveries.some((delivery) => delivery.participantId === participantId) !== true)
        throw new Broken(`${what} for ${participantId} in ${sessionId}, which ended, and nobody told it`)
    }
    for (const { clientId, appSession, sessionId } of this.#opened) {
      const hasEnded = (await truth.getSession(sessionId))?.end !== undefined
      const isThere = (await this.#applications.get(clientId)?.get(appSession, this.#parts.ctx.clock.nowMs())) !== undefined
      if (hasEnded && isThere) throw new Broken(`${clientId} has a session from ${sessionId}, which ended`)
      if (!hasEnded && !isThere) throw new Broken(`${clientId} lost its session from ${sessionId}, which goes on`)
    }
    for (const id of new Set(this.#results.map(({ sessionId }) => sessionId))) {
      const results = this.#results.filter(({ sessionId }) => sessionId === id)
      if (results.filter(({ kind }) => kind === 'ended').length !== 1) throw new Broken(`${id} was ended ${results.length} times, not once`)
      if (new Set(results.map(({ runId }) => runId)).size !== 1) throw new Broken(`${id} has several runs`)
    }
  }
}

class Refused extends Error {}
