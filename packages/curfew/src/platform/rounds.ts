import type { Clock, Timer } from './clock.ts'

/** Something that is done again and again, one round after the other. */
export interface Rounds {
  start(): void
  /** Waits for a round under way. */
  stop(): Promise<void>
}

/** @param round - never rejects; answers after how many milliseconds the next one begins */
export function createRounds(clock: Clock, round: () => Promise<number>): Rounds {
  let isRunning = false
  let timer: Timer | undefined
  let underWay: Promise<void> | undefined
  const schedule = (delayMs: number): void => {
    if (!isRunning) return
    timer = clock.after(delayMs, () => {
      underWay = once()
    })
  }
  const once = async (): Promise<void> => {
    const delayMs = await round()
    underWay = undefined
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
      await underWay
    }
  }
}
