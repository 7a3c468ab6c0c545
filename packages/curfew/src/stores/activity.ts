import type { Session } from '../core/session.ts'
import type { Replication } from './fact.ts'

/** The two instants of a session that activity moves. */
export interface Activity {
  readonly lastActivityAtMs: number
  readonly idleExpiresAtMs: number
}

/** Moves activity forward: never back, never past the absolute limit. */
export function joinActivity(known: Activity, reported: Activity, expiresAtMs: number): Activity {
  return {
    lastActivityAtMs: Math.max(known.lastActivityAtMs, reported.lastActivityAtMs),
    idleExpiresAtMs: Math.max(known.idleExpiresAtMs, Math.min(reported.idleExpiresAtMs, expiresAtMs))
  }
}

/** When a live session has to be ended: whichever limit comes first. */
export function dueAtMs(session: Pick<Session, 'idleExpiresAtMs' | 'expiresAtMs'>): number {
  return Math.min(session.idleExpiresAtMs, session.expiresAtMs)
}

/** Other regions hear of activity when so much of the idle time has passed since they last did. */
export const toldShare = 0.25

/** The group of a store, and how long it leaves sessions of others to them. */
export type Home = Pick<Replication, 'group' | 'takeOverMs'>

/**
 * When this region ends a session by itself: one of another region only when that one had its time, and the activity
 * it did not tell of is counted in.
 *
 * @param home - of this store; undefined where it does not replicate
 */
export function dueHereAtMs(session: Pick<Session, 'id' | 'idleExpiresAtMs' | 'expiresAtMs' | 'idleTimeoutMs'>, home: Home | undefined): number {
  if (home === undefined || session.id.charAt(4) === home.group) return dueAtMs(session)
  return Math.min(session.idleExpiresAtMs + Math.ceil(session.idleTimeoutMs * toldShare), session.expiresAtMs) + home.takeOverMs
}
