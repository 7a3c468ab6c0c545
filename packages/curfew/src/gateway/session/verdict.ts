import type { GatewayContext } from '../context.ts'
import type { Status } from './session-status.ts'
import type { OpenedSession, SessionKey } from './web-session.ts'

type VerdictDeps = Pick<GatewayContext, 'settings' | 'revocations' | 'status' | 'clock' | 'endings' | 'endedByProvider'>

/**
 * Whether a session may be used now. What is known to have ended is revoked, whatever else is known. Otherwise the feed counts
 * while it is young enough, and the answer about the one session while it may be kept; without either the policy decides.
 * A policy that lets sessions go on without the other gateways takes nothing from what the authority says.
 * @param ask - what is known of one session, or a question for it
 */
export function verdictOf(
  deps: VerdictDeps,
  opened: OpenedSession,
  ask: (sri: string) => Status | Promise<Status> = (sri) => deps.status.of(sri)
): Status | Promise<Status> {
  const { feed, status } = deps.settings.sessionCheck
  const { sri } = opened.session
  const nowMs = deps.clock.nowMs()
  if (isKnownEnded(deps, opened)) return 'revoked'
  if (isUnheard(deps)) return 'unknown'
  if (!feed && !status) return 'live'
  // Nobody can say that it ended: it is from before it was to be asked about, and its user signs in again.
  if (sri === undefined) return 'revoked'
  if (feed && isOutlived(opened, deps.revocations.lifetimeMs, nowMs)) return 'revoked'
  if (isFeedYoung(deps, nowMs)) return 'live'
  if (!mayAsk(deps)) return withPolicy(deps, 'unknown')
  const answer = ask(sri)
  return typeof answer === 'string'
    ? withPolicy(deps, answer)
    : answer.then((later) => {
        // It may have ended while the authority was asked.
        return isKnownEnded(deps, opened) ? 'revoked' : withPolicy(deps, later)
      })
}

/** True for a session that is older than the list remembers: that it is not there says nothing, and its user signs in again. */
export function isOutlived({ session }: OpenedSession, lifetimeMs: number | undefined, nowMs: number): boolean {
  return lifetimeMs !== undefined && nowMs - session.startedAtMs >= lifetimeMs
}

/** True while what is known by the feed is young enough to go by. */
export function isFeedYoung({ settings, revocations }: Pick<VerdictDeps, 'settings' | 'revocations'>, nowMs: number): boolean {
  const { feed, staleMs } = settings.sessionCheck
  const ageMs = feed ? revocations.ageMs(nowMs) : undefined
  return ageMs !== undefined && ageMs <= staleMs
}

/**
 * True where single sessions may be asked about: where that is configured, and while a list is read from its start that takes
 * longer than what was known counts.
 */
export function mayAsk({ settings, revocations }: Pick<VerdictDeps, 'settings' | 'revocations'>): boolean {
  const { feed, status, staleMs } = settings.sessionCheck
  const readingMs = feed ? revocations.readingMs() : undefined
  return status || (readingMs !== undefined && readingMs <= staleMs)
}

/** True where another gateway may have ended any session, whatever the authority says, and the policy is to let none pass then. */
export function isUnheard({ settings, endings }: Pick<VerdictDeps, 'settings' | 'endings'>): boolean {
  return !endings.isYoung() && withPolicy({ settings }, 'unknown') !== 'live'
}

/** On the list of the authority, ended at a gateway, or by the provider. */
export function isKnownEnded(
  { revocations, endedByProvider, clock }: Pick<VerdictDeps, 'revocations' | 'endedByProvider' | 'clock'>,
  { keys, session }: Pick<OpenedSession, 'keys' | 'session'>
): boolean {
  const nowMs = clock.nowMs()
  const isEnded = (key: SessionKey): boolean => (key.isListed ? revocations.isListed(key, nowMs) : revocations.isAdded(key, nowMs))
  return keys.some(isEnded) || endedByProvider.isEnded(session)
}

function withPolicy({ settings }: Pick<VerdictDeps, 'settings'>, status: Status): Status {
  return status === 'unknown' && settings.sessionCheck.whenUnknown === 'allow' ? 'live' : status
}
