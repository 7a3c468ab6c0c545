import type { Clock } from '../platform/clock.ts'
import { createRounds, type Rounds } from '../platform/rounds.ts'

/** Work that is repeated until it is stopped. */
export type Loop = Rounds

export interface LoopOptions {
  readonly clock: Clock
  /** Mean pause; the real one is spread over half to one and a half of it, so that nodes do not march in step. */
  readonly intervalMs: number
  readonly fraction: () => number
  /** True: there is more to do, the next round follows at once. */
  readonly work: () => Promise<boolean>
  readonly onError: (error: unknown) => void
}

/** Pause between two rounds of which the first was not enough: lets other work in. */
const breathMs = 20

export function createLoop({ clock, intervalMs, fraction, work, onError }: LoopOptions): Loop {
  return createRounds(clock, async () => {
    let isMore = false
    try {
      isMore = await work()
    } catch (error) {
      onError(error)
    }
    return isMore ? breathMs : intervalMs * (0.5 + fraction())
  })
}
