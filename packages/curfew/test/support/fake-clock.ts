import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../../src/platform/clock.ts'

/** A clock that stands still until a test moves it. */
export interface FakeClock extends Clock {
  /** Moves time forward; timers run in the order they are due, each after the work of the one before has settled. */
  advance(ms: number): Promise<void>
  /** Lets everything that waits for no timer go on. */
  settle(): Promise<void>
  /** Timers that have neither run nor been cancelled. */
  pendingTimers(): number
}

/** Turns of the event loop after which work on the memory store has come to rest. Where only promises wait for each other, one is enough. */
const settleTurnsMax = 4

export function createFakeClock(startMs = Date.parse('2026-03-01T09:00:00Z'), settleTurns = settleTurnsMax): FakeClock {
  const timers = new Map<number, { readonly atMs: number; readonly fn: () => void }>()
  let nowMs = startMs
  let lastId = 0
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < settleTurns; turn++) await setImmediate()
  }
  const nextDue = (untilMs: number): number | undefined => {
    let best: number | undefined
    for (const [id, timer] of timers) {
      if (timer.atMs <= untilMs && (best === undefined || timer.atMs < (timers.get(best)?.atMs ?? 0))) best = id
    }
    return best
  }
  return {
    nowMs: () => nowMs,
    after(delayMs, fn) {
      lastId += 1
      const id = lastId
      timers.set(id, { atMs: nowMs + Math.max(0, delayMs), fn })
      return { cancel: () => timers.delete(id) }
    },
    async advance(ms) {
      const untilMs = nowMs + ms
      await settle()
      for (let id = nextDue(untilMs); id !== undefined; id = nextDue(untilMs)) {
        const timer = timers.get(id)
        timers.delete(id)
        nowMs = Math.max(nowMs, timer?.atMs ?? nowMs)
        timer?.fn()
        await settle()
      }
      nowMs = untilMs
      await settle()
    },
    settle,
    pendingTimers: () => timers.size
  }
}
