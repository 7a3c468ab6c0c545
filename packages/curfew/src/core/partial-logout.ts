import { type EndingPort, startingRun } from './end-sessions.ts'
import type { PeerId, RunId, SessionId } from './ids.ts'
import { planAgainMax } from './limits.ts'
import type { Effect, LogoutRun, Starter } from './run.ts'
import type { Actor } from './session.ts'

/** Signs out of some applications of one session; the session goes on. */
export interface PartialRequest {
  readonly sessionId: SessionId
  readonly peerIds: readonly PeerId[]
  readonly by: Actor
  readonly starter: Starter
  readonly browser: 'present' | 'absent'
}

/** What a partial logout writes, all of it or nothing. */
export interface PlannedPartial {
  readonly sessionId: SessionId
  readonly expectedVersion: number
  readonly run: LogoutRun
  readonly effects: readonly Effect[]
}

export interface PartialPort extends EndingPort {
  openRun(partial: PlannedPartial): Promise<'opened' | 'changed' | 'ended' | 'unknown'>
}

/**
 * Partial logout: tells the chosen applications to end their part and nobody else. No session ends here, so nothing is
 * revoked and the user may open the applications again without signing in.
 * Undefined: the session has ended, is unknown, or none of the peers takes part in it.
 */
export async function logOutOf(port: PartialPort, request: PartialRequest): Promise<RunId | undefined> {
  for (let round = 0; round < planAgainMax; round++) {
    const found = await port.read(request.sessionId)
    if (found === undefined || found.session.end !== undefined) return undefined
    if (!found.participants.some((participant) => request.peerIds.includes(participant.peerId))) return undefined
    const { peerIds: onlyPeers, by, starter, browser } = request
    const { run, effects } = startingRun(port, found.session, found.participants, { onlyPeers, reason: 'user', by, starter, browser })
    const result = await port.openRun({ sessionId: request.sessionId, expectedVersion: found.session.version, run: { ...run, isPartial: true }, effects })
    if (result === 'opened') return run.id
    if (result !== 'changed') return undefined
  }
  throw new Error(`session ${request.sessionId} changed ${planAgainMax} times while a partial logout was planned`)
}
