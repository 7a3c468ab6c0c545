import type { GatewayContext } from '../context.ts'
import type { Status } from './session-status.ts'
import type { OpenedSession } from './web-session.ts'

type VerdictDeps = Pick<GatewayContext, 'settings' | 'revocations' | 'status' | 'clock'>

/**
 * Whether a session may be used now. What is on the list is revoked, whatever else is known. Otherwise the feed counts
 * while it is young enough, and the answer about the one session while it may be kept; without either the policy decides.
 */
export function verdictOf(deps: VerdictDeps, opened: OpenedSession): Status | Promise<Status> {
  const { feed, status, staleMs } = deps.settings.sessionCheck
  const { sri } = opened.session
  const nowMs = deps.clock.nowMs()
  if (isListed(deps, opened)) return 'revoked'
  if (!feed && !status) return 'live'
  // Nobody can say that it ended: it is from before it was to be asked about, and its user signs in again.
  if (sri === undefined) return 'revoked'
  const { completeAtMs } = deps.revocations
  const isFeedYoung = feed && completeAtMs !== undefined && nowMs - completeAtMs <= staleMs
  if (isFeedYoung) return 'live'
  if (!status) return withPolicy(deps, 'unknown')
  const answer = deps.status.of(sri)
  return typeof answer === 'string'
    ? withPolicy(deps, answer)
    : answer.then((later) => {
        // It may have been revoked while the authority was asked.
        return isListed(deps, opened) ? 'revoked' : withPolicy(deps, later)
      })
}

function isListed({ revocations, clock }: VerdictDeps, { keys }: OpenedSession): boolean {
  return keys.some((key) => revocations.isListed(key, clock.nowMs()))
}

function withPolicy({ settings }: VerdictDeps, status: Status): Status {
  return status === 'unknown' && settings.sessionCheck.whenUnknown === 'allow' ? 'live' : status
}
