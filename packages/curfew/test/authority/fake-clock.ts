import type { Clock } from '../../src/platform/clock.ts'

/** A clock that moves only when a test says so. */
export interface FakeClock extends Clock {
  advance(ms: number): void
}

/** 2026-03-02T08:00:00Z, a Monday. */
export const startMs = 1_772_438_400_000

export function createFakeClock(fromMs = startMs): FakeClock {
  let nowMs = fromMs
  let timers: { dueMs: number; fn: () => void }[] = []
  return {
    nowMs: () => nowMs,
    after(delayMs, fn) {
      const timer = { dueMs: nowMs + Math.max(0, delayMs), fn }
      timers.push(timer)
      return {
        cancel: () => {
          timers = timers.filter((t) => t !== timer)
        }
      }
    },
    advance(ms) {
      const until = nowMs + ms
      for (;;) {
        const [next] = timers.filter((t) => t.dueMs <= until).sort((a, b) => a.dueMs - b.dueMs)
        if (next === undefined) break
        timers = timers.filter((t) => t !== next)
        nowMs = Math.max(nowMs, next.dueMs)
        next.fn()
      }
      nowMs = until
    }
  }
}
