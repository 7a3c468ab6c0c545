/** Session limits as configured, in minutes; -1 as the replaced product means it. */
export interface SessionLimits {
  /** -1: the same as the maximum. */
  readonly idleMinutes: number
  /** -1: never. */
  readonly maxMinutes: number
}

/** Longest configurable limit: 1,095 days. */
export const limitMinutesMax = 1_576_800
/** The stored activity moves once this share of the idle time has been used. */
export const activityThreshold = 0.25
/** Stands for `never`; an integer that every store keeps exactly. */
export const neverMs = Number.MAX_SAFE_INTEGER

export interface SessionTimes {
  readonly idleTimeoutMs: number
  readonly idleExpiresAtMs: number
  readonly expiresAtMs: number
}

/** The times of a session that starts now. */
export function sessionTimes(limits: SessionLimits, nowMs: number): SessionTimes {
  const expiresAtMs = limits.maxMinutes === -1 ? neverMs : nowMs + limits.maxMinutes * 60_000
  const idleTimeoutMs = limits.idleMinutes === -1 ? expiresAtMs - nowMs : limits.idleMinutes * 60_000
  return { idleTimeoutMs, expiresAtMs, idleExpiresAtMs: idleExpiry(nowMs, idleTimeoutMs, expiresAtMs) }
}

/** When a session with activity now ends for lack of it; never past its absolute end. */
export function idleExpiry(nowMs: number, idleTimeoutMs: number, expiresAtMs: number): number {
  return Math.min(expiresAtMs, nowMs + idleTimeoutMs)
}

/** True when activity now is worth a write: a quarter of the idle time has passed since the last one. */
export function shouldWriteActivity(session: { readonly lastActivityAtMs: number; readonly idleTimeoutMs: number }, nowMs: number): boolean {
  return nowMs - session.lastActivityAtMs >= session.idleTimeoutMs * activityThreshold
}
