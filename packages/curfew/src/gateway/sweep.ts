import type { GatewayContext } from './context.ts'
import { verdictOf } from './session/verdict.ts'

type SweepDeps = Pick<GatewayContext, 'settings' | 'revocations' | 'status' | 'clock' | 'live'>

/** Looks again whether what is open may stay open. */
export interface Sweep {
  /** To be called often; does something when it is time. */
  look(): void
}

/** Least time between two questions about everything that is open. */
const askMsMin = 1_000

/**
 * What is open is closed by the revocation list as it grows; here is what the list can not tell. A feed that is too old
 * says nothing of any session, and a gateway that asks about single ones has to ask about those that send no requests
 * too: twice in the time that an answer counts.
 */
export function createSweep(deps: SweepDeps): Sweep {
  const { settings, revocations, clock, live } = deps
  const { feed, status, staleMs, statusCacheMs } = settings.sessionCheck
  let askedAtMs = Number.NEGATIVE_INFINITY
  const isFeedYoung = (nowMs: number): boolean => feed && revocations.completeAtMs !== undefined && nowMs - revocations.completeAtMs <= staleMs
  return {
    look() {
      const nowMs = clock.nowMs()
      if (isFeedYoung(nowMs) || (!feed && !status)) return
      if (status && nowMs - askedAtMs < Math.max(askMsMin, statusCacheMs / 2)) return
      askedAtMs = nowMs
      for (const opened of live.sessions()) {
        const verdict = verdictOf(deps, opened)
        const close = (now: Awaited<typeof verdict>): void => {
          if (now !== 'live') live.closeSession(opened, now === 'revoked' ? 'session ended' : 'session unchecked')
        }
        if (verdict instanceof Promise) void verdict.then(close)
        else close(verdict)
      }
    }
  }
}
