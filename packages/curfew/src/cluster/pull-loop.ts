import type { Clock, Timer } from '../platform/clock.ts'

/** One thing that is read from another group without end. */
export interface PullLoop {
  start(): void
  /** Waits for what is under way. */
  stop(): Promise<void>
}

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
  let isRunning = false
  let timer: Timer | undefined
  let round: Promise<void> | undefined
  let failures = 0
  const schedule = (delayMs: number): void => {
    if (!isRunning) return
    timer = clock.after(delayMs, () => {
      round = once()
    })
  }
  const once = async (): Promise<void> => {
    let delayMs = 0
    try {
      delayMs = (await pull()) === 'read' ? 0 : idleMs * (0.5 + fraction())
      failures = 0
    } catch (error) {
      failures += 1
      onError(error, failures)
      delayMs = backOffMsMin / 2 + fraction() * Math.min(backOffMsMax, backOffMsMin * 2 ** Math.min(failures, 10))
    }
    schedule(delayMs)
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
