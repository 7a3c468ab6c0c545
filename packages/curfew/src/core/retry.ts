import type { RunPolicy } from './run.ts'

/**
 * Delay before the next attempt: full jitter over an exponential bound, so that many runs that failed together do not
 * come back together.
 * @param attemptsMade - 1 after the first failure
 * @param jitter - uniform in [0, 1)
 */
export function retryDelayMs(policy: RunPolicy, attemptsMade: number, jitter: number): number {
  const bound = Math.min(policy.retryCapMs, policy.retryBaseMs * 2 ** Math.min(30, Math.max(0, attemptsMade - 1)))
  return Math.round(bound * jitter)
}
