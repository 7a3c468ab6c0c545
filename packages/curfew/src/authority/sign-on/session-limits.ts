import { CurfewError } from '@curfew/codecs'
import { idleExpiry, limitMinutesMax, type SessionTimes, sessionTimes, shouldWriteActivity } from '../../core/expiry.ts'
import type { Device, Session } from '../../core/session.ts'

/** How long sessions live, in minutes. `-1` for idle: as long as `maxMinutes`. `-1` for max: no limit. */
export interface SessionPolicy {
  /** Authentication sessions: a sign-in serves later requests of the same browser. */
  readonly enabled: boolean
  readonly idleMinutes: number
  readonly maxMinutes: number
  /** People may ask to stay signed in over browser restarts. */
  readonly persistent: boolean
  /** On which devices a sign-in serves later requests; matters where people are asked whose the device is. */
  readonly deviceType: Device | 'any'
}

/** The global policy and what single authentication sources set differently. */
export interface SessionSettings extends SessionPolicy {
  /** How long a persistent cookie alone opens its session no second time; 0: it always does. */
  readonly persistentReplaySeconds: number
  /** User keys have a hash in the place of the name. */
  readonly hashUserKeys: boolean
  readonly sources?: Readonly<Record<string, SourcePolicy>>
}

/** What one source sets differently; the rest is global. */
export type SourcePolicy = { readonly [K in keyof SessionPolicy]?: SessionPolicy[K] | undefined }

/** Whether the sign-in form keeps its own state, and who may use it (Session State of the HTML form adapter). */
export type SessionState = 'none' | 'globally' | 'perAdapter'

/** The policy for one authentication source: its own settings over the global ones. */
export function policyFor(settings: SessionSettings, sourceId: string): SessionPolicy {
  const own = settings.sources?.[sourceId] ?? {}
  return {
    enabled: own.enabled ?? settings.enabled,
    idleMinutes: own.idleMinutes ?? settings.idleMinutes,
    maxMinutes: own.maxMinutes ?? settings.maxMinutes,
    persistent: own.persistent ?? settings.persistent,
    deviceType: own.deviceType ?? settings.deviceType
  }
}

/**
 * Limits of a session that starts now.
 * @throws CURFEW_CONFIG_SESSION_LIMITS when max is shorter than idle, or a value is neither -1 nor 1..1576800 minutes
 */
export function sessionTimesFor(policy: SessionPolicy, nowMs: number): SessionTimes {
  checkPolicy(policy)
  return sessionTimes(policy, nowMs)
}

/** @throws CURFEW_CONFIG_SESSION_LIMITS */
export function checkPolicy(policy: SessionPolicy): void {
  const { idleMinutes, maxMinutes } = policy
  const isInRange = [idleMinutes, maxMinutes].every((m) => m === -1 || (Number.isInteger(m) && m >= 1 && m <= limitMinutesMax))
  const isOrdered = maxMinutes === -1 || idleMinutes === -1 || idleMinutes <= maxMinutes
  if (!isInRange || !isOrdered) throw new CurfewError('CURFEW_CONFIG_SESSION_LIMITS', { idleMinutes, maxMinutes, limitMinutesMax })
}

/** Where activity now moves the idle limit; undefined while less than a quarter of the idle time has passed (AC-124). */
export function touchDue(session: Session, nowMs: number): number | undefined {
  return shouldWriteActivity(session, nowMs) ? idleExpiry(nowMs, session.idleTimeoutMs, session.expiresAtMs) : undefined
}

/** Whether a sign-in on this device serves later requests. Where nobody is asked, every device is right. */
export function isKeptOn(policy: Pick<SessionPolicy, 'deviceType'>, device: Device | undefined): boolean {
  return device === undefined || policy.deviceType === 'any' || policy.deviceType === device
}

/**
 * Whether a live session may answer a request without asking for the password. Without authentication sessions the
 * state of the form decides: shared by all its uses, only by this instance, or by nobody.
 */
export function mayReuse(session: Session, sourceId: string, settings: SessionSettings, state: SessionState): boolean {
  const policy = policyFor(settings, session.sourceId)
  if (policy.enabled) return isKeptOn(policy, session.device)
  switch (state) {
    case 'none':
      return false
    case 'globally':
      return true
    case 'perAdapter':
      return session.sourceId === sourceId
  }
}
