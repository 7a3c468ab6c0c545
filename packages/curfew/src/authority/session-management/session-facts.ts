import { isLive, type Session } from '../../core/session.ts'

/** One session as the management API tells it; times as RFC 3339. */
export interface SessionFacts {
  readonly id: string
  readonly authenticationSource: string
  readonly authenticationTime: string
  readonly lastActivityTime: string
  readonly idleTimeout: string
  /** Absent: the policy sets no limit. */
  readonly maxTimeout?: string
  readonly ipAddress?: string
  readonly userAgent?: string
}

/** Overall state of what an SRI stands for (AC-111). */
export type SriStatus = 'HAS_VALID_SESSIONS' | 'SESSION_REVOKED' | 'NO_VALID_SESSIONS'

/** The SRI stands for a session here: the identifier of the session itself never leaves. */
export function factsOf(session: Session): SessionFacts {
  return {
    id: session.sri,
    authenticationSource: session.sourceId,
    authenticationTime: text(session.authenticatedAtMs),
    lastActivityTime: text(session.lastActivityAtMs),
    idleTimeout: text(Math.min(session.idleExpiresAtMs, session.expiresAtMs)),
    ...(session.expiresAtMs === Number.MAX_SAFE_INTEGER ? {} : { maxTimeout: text(session.expiresAtMs) }),
    ...(session.address === undefined ? {} : { ipAddress: session.address }),
    ...(session.userAgent === undefined ? {} : { userAgent: session.userAgent })
  }
}

export function statusOf(session: Session | undefined, isRevoked: boolean, nowMs: number): SriStatus {
  if (isRevoked) return 'SESSION_REVOKED'
  return session !== undefined && isLive(session, nowMs) ? 'HAS_VALID_SESSIONS' : 'NO_VALID_SESSIONS'
}

function text(ms: number): string {
  return ms > 8.64e15 ? '9999-12-31T23:59:59Z' : Temporal.Instant.fromEpochMilliseconds(ms).toString()
}
