import type { Clock } from '../platform/clock.ts'
import { createRounds, type Rounds } from '../platform/rounds.ts'

/** One thing that is read from another group without end. */
export type PullLoop = Rounds

export interface PullLoopOptions {
  readonly clock: Clock
  /** Uniform in [0, 1). */
  readonly fraction: () => number
  /** Reads once and joins what came; `idle`: another node does it, look again later. */
  readonly pull: () => Promise<'read' | 'idle'>
  readonly onError: (error: unknown, failures: number) => void
}

/** How often a node looks whether the one that pulls is still there. */
const idleMs = 2_000
const backOffMsMin = 100
const backOffMsMax = 5_000

/** Reads again at once after a reading, later where another node does it, with growing pauses after failures. */
export function createPullLoop({ clock, fraction, pull, onError }: PullLoopOptions): PullLoop {
  let failures = 0
  return createRounds(clock, async () => {
    try {
      const delayMs = (await pull()) === 'read' ? 0 : idleMs * (0.5 + fraction())
      failures = 0
      return delayMs
    } catch (error) {
      failures += 1
      onError(error, failures)
      return backOffMsMin / 2 + fraction() * Math.min(backOffMsMax, backOffMsMin * 2 ** Math.min(failures, 10))
    }
  })
}
