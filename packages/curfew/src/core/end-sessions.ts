import type { DeliveryId, PeerId, RunId, SessionId, UserKey } from './ids.ts'
import { planAgainMax } from './limits.ts'
import type { Participant } from './participant.ts'
import type { LogoutChannel, Peer } from './peer.ts'
import { planDeliveries } from './planner.ts'
import type { Effect, LogoutRun, RunPolicy, Starter } from './run.ts'
import type { Actor, EndReason, Session, SessionEnd } from './session.ts'

/** Which sessions end. */
export type EndScope =
  | { readonly kind: 'session'; readonly sessionId: SessionId }
  | { readonly kind: 'user'; readonly userKey: UserKey; readonly except?: SessionId }
  | { readonly kind: 'sessions'; readonly sessionIds: readonly SessionId[] }

export interface EndRequest {
  readonly scope: EndScope
  readonly reason: EndReason
  readonly by: Actor
  readonly starter: Starter
  /** `present`: the session's browser made this request and can be sent on. */
  readonly browser: 'present' | 'absent'
  /** Only these peers are told (partial logout by choice); the session still ends. Absent: all. */
  readonly onlyPeers?: readonly PeerId[]
  /** The ending is local by its nature: nobody is told, and everybody is recorded as not asked. */
  readonly isLocal?: true
  /** The ending is one application's (partial logout): those that follow the revocation list are not told either, and go on. */
  readonly isPartial?: true
  /** Offline grants end with the session. Absent: they survive, unless their peer says otherwise. */
  readonly endOfflineGrants?: true
  /** Peers that have this binding are asked by it first. */
  readonly preferredBinding?: LogoutChannel['binding']
}

/** A session that this request has ended. */
export interface EndedNow {
  readonly sessionId: SessionId
  readonly runId: RunId
  /** Fewer copies have the end than the store is set up to ask for. Absent: as many have it. */
  readonly isDegraded?: true
}

/** One entry per session that the scope named. */
export interface EndSummary {
  readonly ended: readonly EndedNow[]
  /** Ended before this request; the run that did it. */
  readonly already: readonly { readonly sessionId: SessionId; readonly runId: RunId }[]
  readonly unknown: readonly SessionId[]
  /** Ids of groups that could not be asked: sessions there go on. Absent: all were. */
  readonly unreached?: readonly string[]
}

/** What one ending writes, all of it or nothing. */
export interface PlannedEnding {
  readonly sessionId: SessionId
  /** The version of the session that the plan was made against. */
  readonly expectedVersion: number
  readonly end: SessionEnd
  /** Absent: endings are kept off the revocation list. */
  readonly revokedUntilMs?: number
  /** Until when the registry remembers the session and what was issued in it, at least. */
  readonly keptUntilMs: number
  readonly run: LogoutRun
  readonly effects: readonly Effect[]
}

/** The outside as an ending needs it: reads, one atomic write, ids and the time. */
export interface EndingPort {
  read(sessionId: SessionId): Promise<{ readonly session: Session; readonly participants: readonly Participant[] } | undefined>
  sessionsOf(userKey: UserKey): Promise<readonly Session[]>
  commit(
    ending: PlannedEnding
  ): Promise<
    | { readonly kind: 'ended'; readonly isDegraded?: true }
    | { readonly kind: 'already'; readonly runId: RunId }
    | { readonly kind: 'changed' }
    | { readonly kind: 'unknown' }
  >
  peer(id: PeerId): Peer | undefined
  newRunId(): RunId
  newDeliveryId(): DeliveryId
  nowMs(): number
  readonly policy: RunPolicy
  /** How long a revoked SRI stays on the list after the end, in milliseconds. */
  readonly revocationMs: number
  /** Every ending puts the SRI on the revocation list. Absent: it does. false: where a gateway takes part in the session. */
  readonly revokesOnLogout?: boolean
  /** How long the registry remembers what was issued, counted from the end, in milliseconds. */
  readonly registryMs: number
  /** Ends are told to streams of shared signals. */
  readonly hasSignals?: boolean
}

/**
 * Ends sessions: the only way one ends. Session end, revocation, run, deliveries and effects are committed together,
 * before anything is sent. A session that changed between reading and writing is planned again.
 */
export async function endSessions(port: EndingPort, request: EndRequest): Promise<EndSummary> {
  const ended: EndedNow[] = []
  const already: EndSummary['already'][number][] = []
  const unknown: SessionId[] = []
  for (const sessionId of await named(port, request.scope)) {
    const result = await endOne(port, sessionId, request)
    if (result.kind === 'ended') ended.push({ sessionId, runId: result.runId, ...(result.isDegraded === true ? { isDegraded: true } : {}) })
    else if (result.kind === 'already') already.push({ sessionId, runId: result.runId })
    else unknown.push(sessionId)
  }
  return { ended, already, unknown }
}

async function named(port: EndingPort, scope: EndScope): Promise<readonly SessionId[]> {
  switch (scope.kind) {
    case 'session':
      return [scope.sessionId]
    case 'sessions':
      return [...new Set(scope.sessionIds)]
    case 'user':
      return (await port.sessionsOf(scope.userKey)).filter((s) => s.id !== scope.except).map((s) => s.id)
  }
}

type EndedOne =
  | { readonly kind: 'ended'; readonly runId: RunId; readonly isDegraded?: true }
  | { readonly kind: 'already'; readonly runId: RunId }
  | { readonly kind: 'unknown' }

async function endOne(port: EndingPort, sessionId: SessionId, request: EndRequest): Promise<EndedOne> {
  for (let round = 0; round < planAgainMax; round++) {
    const found = await port.read(sessionId)
    if (found === undefined) return { kind: 'unknown' }
    if (found.session.end !== undefined) return { kind: 'already', runId: found.session.end.runId }
    const ending = planEnding(port, found.session, found.participants, request)
    const result = await port.commit(ending)
    if (result.kind === 'ended') return { ...result, runId: ending.run.id }
    if (result.kind !== 'changed') return result
  }
  throw new Error(`session ${sessionId} changed ${planAgainMax} times while it was being ended`)
}

/** Plans the end of one session as it stands now. */
export function planEnding(port: EndingPort, session: Session, participants: readonly Participant[], request: EndRequest): PlannedEnding {
  const { run, effects } = startingRun(port, session, participants, request)
  const { startedAtMs: atMs } = run
  return {
    sessionId: session.id,
    expectedVersion: session.version,
    end: { atMs, reason: request.reason, by: request.by, runId: run.id },
    ...((port.revokesOnLogout === false && !isUsedAtGateway(port, participants)) || request.isPartial === true
      ? {}
      : { revokedUntilMs: Math.max(atMs + port.revocationMs, Math.min(session.expiresAtMs, atMs + revocationMsMax)) }),
    keptUntilMs: atMs + port.registryMs,
    run,
    effects: port.hasSignals === true ? [...effects, { kind: 'signal', dueAtMs: atMs }] : effects
  }
}

/** True where a gateway was used in it: a client that is PingAccess Logout Capable. */
function isUsedAtGateway(port: Pick<EndingPort, 'peer'>, participants: readonly Participant[]): boolean {
  return participants.some(({ peerId }) => port.peer(peerId)?.picturePath !== undefined)
}

/** A run over the participants of a session as it stands now, with what has to be done first. */
export function startingRun(
  port: EndingPort,
  session: Session,
  participants: readonly Participant[],
  request: Omit<EndRequest, 'scope'>
): { readonly run: LogoutRun; readonly effects: readonly Effect[] } {
  const atMs = port.nowMs()
  const { deliveries, effects } = planDeliveries({
    participants,
    peer: (id) => port.peer(id),
    starter: request.starter,
    newDeliveryId: () => port.newDeliveryId(),
    atMs,
    browserGoneAtMs: atMs + port.policy.hopTimeoutMs + port.policy.patienceMs,
    ...(request.onlyPeers === undefined ? {} : { onlyPeers: request.onlyPeers }),
    ...(request.isLocal === undefined ? {} : { isLocal: request.isLocal }),
    ...(request.endOfflineGrants === undefined ? {} : { endOfflineGrants: request.endOfflineGrants }),
    ...(request.preferredBinding === undefined ? {} : { preferredBinding: request.preferredBinding })
  })
  const isDone = deliveries.every((delivery) => delivery.state === 'final')
  const run: LogoutRun = {
    id: port.newRunId(),
    version: 1,
    sessionId: session.id,
    userKey: session.userKey,
    username: session.username,
    sri: session.sri,
    tokenHash: session.tokenHash,
    reason: request.reason,
    startedBy: request.by,
    starter: request.starter,
    startedAtMs: atMs,
    policy: port.policy,
    deliveries,
    state: isDone ? 'done' : 'open',
    ...(isDone ? { finishedAtMs: atMs } : {}),
    ...(request.browser === 'present' ? { browserSeenAtMs: atMs } : {})
  }
  const closing: Effect = isDone ? { kind: 'receipt', dueAtMs: atMs } : { kind: 'wake', dueAtMs: atMs + port.policy.deadlineMs }
  return { run, effects: [...effects, closing] }
}

/** Sessions that never expire by themselves are kept on the list for so long after their end. */
const revocationMsMax = 400 * 24 * 3_600_000
