import type { LogoutRun } from '../core/run.ts'
import { isLive, type Session } from '../core/session.ts'
import type { RunQuery, SessionQuery } from './store.ts'

/** True when a run is one that the list was asked for. */
export function isWantedRun(run: LogoutRun, query: RunQuery): boolean {
  if (query.username !== undefined && run.username !== query.username) return false
  if (query.sessionId !== undefined && run.sessionId !== query.sessionId) return false
  if (query.state !== undefined && run.state !== query.state) return false
  if (query.reason !== undefined && run.reason !== query.reason) return false
  if (query.sinceMs !== undefined && run.startedAtMs < query.sinceMs) return false
  return query.peerId === undefined || run.deliveries.some((delivery) => delivery.peerId === query.peerId)
}

/** True when a session is one that the list was asked for, as far as that is not a matter of its participants. */
export function isWantedSession(session: Session, query: SessionQuery): boolean {
  if (query.userKey !== undefined && session.userKey !== query.userKey) return false
  if (query.username !== undefined && session.username !== query.username) return false
  if (query.sinceMs !== undefined && session.createdAtMs < query.sinceMs) return false
  if (query.state === 'live') return isLive(session, query.nowMs)
  return query.state !== 'ended' || session.end !== undefined
}
