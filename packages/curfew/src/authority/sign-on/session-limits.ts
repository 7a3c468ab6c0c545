import { CurfewError } from '@curfew/codecs'
import type { Session } from '../../core/session.ts'

/** How long sessions live, in minutes. `-1` for idle: as long as `maxMinutes`. `-1` for max: no limit. */
export interface SessionPolicy {
  /** Authentication sessions: a sign-in serves later requests of the same browser. */
  readonly enabled: boolean
  readonly idleMinutes: number
  readonly maxMinutes: number
  /** People may ask to stay signed in over browser restarts. */
  readonly persistent: boolean
}

/** The global policy and what single authentication sources set differently. */
export interface SessionSettings extends SessionPolicy {
  /** Sessions per user before the oldest ends; `-1`: no limit. */
  readonly perUserMax: number
  readonly sources?: Readonly<Record<string, Partial<SessionPolicy>>>
}

/** Whether the sign-in form keeps its own state, and who may use it (Session State of the HTML form adapter). */
export type SessionState = 'none' | 'globally' | 'perAdapter'

export interface SessionTimes {
  readonly idleTimeoutMs: number
  readonly idleExpiresAtMs: number
  readonly expiresAtMs: number
}

/** Stored activity is moved only when this part of the idle time has passed: saves writes, costs at most a quarter. */
export const touchThreshold = 0.25

/** The policy for one authentication source: its own settings over the global ones. */
export function policyFor(settings: SessionSettings, sourceId: string): SessionPolicy {
  const { enabled, idleMinutes, maxMinutes, persistent } = settings
  return { enabled, idleMinutes, maxMinutes, persistent, ...settings.sources?.[sourceId] }
}

/**
 * Limits of a session that starts now.
 * @throws CURFEW_CONFIG_SESSION_LIMITS when max is shorter than idle, or a value is neither -1 nor 1..1576800 minutes
 */
export function sessionTimes(policy: SessionPolicy, nowMs: number): SessionTimes {
  checkPolicy(policy)
  const maxMs = policy.maxMinutes === -1 ? Number.MAX_SAFE_INTEGER : policy.maxMinutes * 60_000
  const idleTimeoutMs = policy.idleMinutes === -1 ? maxMs : policy.idleMinutes * 60_000
  const expiresAtMs = addCapped(nowMs, maxMs)
  return { idleTimeoutMs, expiresAtMs, idleExpiresAtMs: Math.min(addCapped(nowMs, idleTimeoutMs), expiresAtMs) }
}

/** 1,095 days. */
export const minutesMax = 1_576_800

/** @throws CURFEW_CONFIG_SESSION_LIMITS */
export function checkPolicy(policy: SessionPolicy): void {
  const { idleMinutes, maxMinutes } = policy
  const isInRange = [idleMinutes, maxMinutes].every((m) => m === -1 || (Number.isInteger(m) && m >= 1 && m <= minutesMax))
  const isOrdered = maxMinutes === -1 || idleMinutes === -1 || idleMinutes <= maxMinutes
  if (!isInRange || !isOrdered) throw new CurfewError('CURFEW_CONFIG_SESSION_LIMITS', { idleMinutes, maxMinutes, minutesMax })
}

/** Where activity now moves the idle limit; undefined while less than a quarter of the idle time has passed. */
export function touchDue(session: Session, nowMs: number): number | undefined {
  const since = nowMs - session.lastActivityAtMs
  if (since < session.idleTimeoutMs * touchThreshold) return undefined
  return Math.min(addCapped(nowMs, session.idleTimeoutMs), session.expiresAtMs)
}

/**
 * Whether a live session may answer a request without asking for the password. Without authentication sessions the
 * state of the form decides: shared by all its uses, only by this instance, or by nobody.
 */
export function mayReuse(session: Session, sourceId: string, settings: SessionSettings, state: SessionState): boolean {
  if (policyFor(settings, session.sourceId).enabled) return true
  switch (state) {
    case 'none':
      return false
    case 'globally':
      return true
    case 'perAdapter':
      return session.sourceId === sourceId
  }
}

function addCapped(a: number, b: number): number {
  return Math.min(a + b, Number.MAX_SAFE_INTEGER)
}
