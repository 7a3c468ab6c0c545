import type { PeerId, RunId, SessionId } from '../../src/core/ids.ts'
import type { LogoutChannel, Peer } from '../../src/core/peer.ts'
import type { LogoutRun, RunPolicy } from '../../src/core/run.ts'
import type { Session } from '../../src/core/session.ts'
import type { EngineDeps } from '../../src/engine/deps.ts'
import { createEngine, type Engine } from '../../src/engine/engine.ts'
import type { Clock } from '../../src/platform/clock.ts'
import { createIds } from '../../src/platform/ids.ts'
import { createLocator } from '../../src/platform/locator.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { createMetrics, type Metrics } from '../../src/platform/metrics.ts'
import type { Random } from '../../src/platform/random.ts'
import { createMemoryStore, type MemoryStore } from '../../src/stores/memory/memory-store.ts'
import type { Store } from '../../src/stores/store.ts'
import { createFakeClock, type FakeClock } from './fake-clock.ts'
import { createScriptedSender, type ScriptedSender } from './scripted-sender.ts'
import { createSeededRandom } from './seeded-random.ts'

export const policy: RunPolicy = {
  attemptsMax: 4,
  retryBaseMs: 10_000,
  retryCapMs: 300_000,
  sendTimeoutMs: 5_000,
  hopTimeoutMs: 8_000,
  frameTimeoutMs: 3_000,
  patienceMs: 8_000,
  deadlineMs: 24 * 3_600_000
}

export const leaseMs = 30_000

export interface KitOptions {
  readonly store?: MemoryStore
  readonly clock?: FakeClock
  readonly sender?: ScriptedSender
  readonly peers?: readonly Peer[]
  readonly deps?: Partial<EngineDeps>
}

export interface EngineKit {
  readonly engine: Engine
  readonly deps: EngineDeps
  readonly store: MemoryStore
  readonly clock: FakeClock
  readonly sender: ScriptedSender
  readonly metrics: Metrics
  /** Opens a session in which these peers take part. */
  signIn(peerIds: readonly PeerId[], session?: Partial<Session>): Promise<Session>
  /** Ends one session as an administrator does; returns its run. */
  end(sessionId: SessionId): Promise<RunId>
  run(runId: RunId): Promise<LogoutRun>
  /** Outcome per peer of a run; `undefined` while it is open. */
  outcomes(runId: RunId): Promise<Record<PeerId, string | undefined>>
}

export function createEngineKit(options: KitOptions = {}): EngineKit {
  const clock = options.clock ?? createFakeClock()
  const store = options.store ?? createMemoryStore({ capacity: 10_000 })
  const sender = options.sender ?? createScriptedSender()
  const random = createSeededRandom(1)
  const metrics = createMetrics()
  const peers = new Map((options.peers ?? [soapPeer('payroll'), soapPeer('intranet'), soapPeer('legacy')]).map((peer) => [peer.id, peer]))
  const deps: EngineDeps = {
    store,
    clock,
    random,
    ids: createIds(random),
    senders: [sender],
    peer: (id) => peers.get(id),
    policy,
    receipts: { sign: async (run) => `receipt of ${run.id}` },
    probe: async () => ({ reachable: true, durationMs: 1 }),
    logger: silentLogger,
    metrics,
    owner: 'node-1',
    leaseMs,
    revocationMs: 3_600_000,
    registryMs: 3_600_000,
    sessionsPerUserMax: 100,
    keepRunsMs: 86_400_000,
    ...options.deps
  }
  const engine = createEngine(deps)
  const run = async (runId: RunId): Promise<LogoutRun> => required(await store.getRun(runId), 'the run')
  return {
    engine,
    deps,
    store,
    clock,
    sender,
    metrics,
    signIn: (peerIds, session) => signIn({ store, clock, random }, peerIds, session),
    async end(sessionId) {
      const { ended } = await engine.endSessions(byAdmin(sessionId))
      return required(ended[0], 'an ended session').runId
    },
    run,
    outcomes: async (runId) => Object.fromEntries((await run(runId)).deliveries.map((d) => [d.peerId, d.outcome?.kind]))
  }
}

export function byAdmin(sessionId: SessionId): Parameters<Engine['endSessions']>[0] {
  return { scope: { kind: 'session', sessionId }, reason: 'admin', by: { kind: 'admin', id: 'ops' }, starter: { kind: 'none' }, browser: 'absent' }
}

/** Opens a session in which these peers take part, in any store. */
export async function signIn(
  deps: { readonly store: Store; readonly clock: Pick<Clock, 'nowMs'>; readonly random: Random },
  peerIds: readonly PeerId[],
  overrides: Partial<Session> = {}
): Promise<Session> {
  const { store, clock, random } = deps
  const locator = createLocator([Buffer.alloc(32, 7)], random)
  const id = locator.newSessionId()
  const nowMs = clock.nowMs()
  const session: Session = {
    id,
    version: 1,
    userKey: 'local:ana',
    username: 'ana',
    sourceId: 'form',
    attributes: {},
    authnContext: 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport',
    createdAtMs: nowMs,
    authenticatedAtMs: nowMs,
    lastActivityAtMs: nowMs,
    idleExpiresAtMs: nowMs + 3_600_000,
    expiresAtMs: nowMs + 8 * 3_600_000,
    idleTimeoutMs: 3_600_000,
    persistent: false,
    tokenHash: `hash of ${id}`,
    sri: locator.seal('curfew:sri', id),
    ...overrides
  }
  await store.openSession(session)
  for (const peerId of peerIds) {
    await store.addParticipant(id, {
      id: `${peerId}:1`,
      peerId,
      role: 'application',
      protocol: 'saml',
      nameId: { value: 'ana' },
      sessionIndex: locator.seal(peerId, id),
      addedAtMs: nowMs,
      lastIssuedAtMs: nowMs,
      assertionNotOnOrAfterMs: nowMs + 300_000
    })
  }
  return required(await store.getSession(id), 'the session')
}

export function soapPeer(id: PeerId): Peer {
  return peer(id, [{ kind: 'server', binding: 'soap', url: `http://${id}.test/soap` }])
}

export function hopPeer(id: PeerId): Peer {
  return peer(id, [{ kind: 'hop', binding: 'redirect', url: `http://${id}.test/slo` }])
}

export function peer(id: PeerId, channels: readonly LogoutChannel[]): Peer {
  return { id, name: id, protocol: 'saml', role: 'application', entityId: `http://${id}.test`, channels, mayBeAsked: true, returnsBrowser: true }
}

export function required<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`${what} is missing`)
  return value
}
