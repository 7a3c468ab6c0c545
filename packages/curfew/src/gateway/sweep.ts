import type { GatewayContext } from './context.ts'
import type { Status } from './session/session-status.ts'
import { isFeedYoung, isUnheard, mayAsk, verdictOf } from './session/verdict.ts'
import type { OpenedSession } from './session/web-session.ts'

type SweepDeps = Pick<GatewayContext, 'settings' | 'revocations' | 'status' | 'clock' | 'steadyMs' | 'live' | 'endings' | 'endedByProvider'>

/** Looks again whether what is open may stay open. */
export interface Sweep {
  /** To be called often; does something when it is time. */
  look(): void
}

/** Least time between two questions about everything that is open. */
const askMsMin = 1_000
/** Questions at once, so that there is room for those of requests. */
export const sweepAtOnceMax = 8
/** Least time that a round may take before what has no answer yet counts as unchecked. */
const roundMsMin = 10_000

/**
 * What is open is closed by the revocation list as it grows; here is what the list can not tell. A feed that is too old
 * says nothing of any session, and a gateway that asks about single ones has to ask about those that send no requests
 * too: twice in the time that an answer counts, a few at a time.
 */
export function createSweep(deps: SweepDeps): Sweep {
  const { settings, clock, steadyMs, live } = deps
  const { feed, status, statusCacheMs } = settings.sessionCheck
  const intervalMs = Math.max(askMsMin, statusCacheMs / 2)
  const state = { beganMs: Number.NEGATIVE_INFINITY, isUnderWay: false }
  const close = (opened: OpenedSession, now: Status): void => {
    if (now !== 'live') live.closeSession(opened, now === 'revoked' ? 'session ended' : 'session unchecked')
  }
  const closeUnheard = (opened: OpenedSession): void => {
    const now = verdictOf(deps, opened)
    if (typeof now === 'string') close(opened, now)
  }
  const round = async (sessions: readonly OpenedSession[]): Promise<void> => {
    const untilMs = steadyMs() + Math.max(roundMsMin, intervalMs)
    const ask = (sri: string): Status | Promise<Status> => (steadyMs() < untilMs ? deps.status.ahead(sri) : deps.status.known(sri))
    const rest = sessions.values()
    const some = async (): Promise<void> => {
      for (const opened of rest) close(opened, await verdictOf(deps, opened, ask))
    }
    await Promise.all(Array.from({ length: sweepAtOnceMax }, some))
  }
  return {
    look() {
      const isNoneHeard = isUnheard(deps)
      if (!isNoneHeard && ((!feed && !status) || isFeedYoung(deps, clock.nowMs()))) return
      if (isNoneHeard || !mayAsk(deps)) {
        for (const opened of live.sessions()) closeUnheard(opened)
        return
      }
      if (state.isUnderWay || steadyMs() - state.beganMs < intervalMs) return
      state.beganMs = steadyMs()
      state.isUnderWay = true
      void round(live.sessions()).finally(() => {
        state.isUnderWay = false
      })
    }
  }
}
