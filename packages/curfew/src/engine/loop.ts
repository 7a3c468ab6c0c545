import type { Clock, Timer } from '../platform/clock.ts'

/** Work that is repeated until it is stopped. */
export interface Loop {
  start(): void
  /** Waits for a round under way. */
  stop(): Promise<void>
}

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

export function createLoop(options: LoopOptions): Loop {
  let timer: Timer | undefined
  let round: Promise<void> | undefined
  let isRunning = false
  const schedule = (delayMs: number): void => {
    if (!isRunning) return
    timer = options.clock.after(delayMs, () => {
      round = once()
    })
  }
  const once = async (): Promise<void> => {
    let isMore = false
    try {
      isMore = await options.work()
    } catch (error) {
      options.onError(error)
    }
    round = undefined
    schedule(isMore ? breathMs : options.intervalMs * (0.5 + options.fraction()))
  }
  return {
    start() {
      if (isRunning) return
      isRunning = true
      schedule(0)
    },
    async stop() {
      isRunning = false
      timer?.cancel()
      await round
    }
  }
}
