import { readFileSync } from 'node:fs'
import { systemClock, type Timer } from '../../src/platform/clock.ts'
import type { FakeClock } from '../authority/fake-clock.ts'

/** The clock of this machine, which a test may put forward. */
export function createShiftedClock(): FakeClock {
  let shiftMs = 0
  return {
    nowMs: () => systemClock.nowMs() + shiftMs,
    after: (delayMs, fn) => systemClock.after(delayMs, fn),
    advance: (ms) => void (shiftMs += ms)
  }
}

/** A clock that can stand still while others have the cores of the machine: limits hold for a product, not for a crowd. */
export interface FairClock extends FakeClock {
  /** From now on time in which this process waited for a core does not count. */
  beFair(): void
}

export function createFairClock(): FairClock {
  const shifted = createShiftedClock()
  let waitedBeforeMs: number | undefined
  let latestMs = 0
  // Both readings are cut to milliseconds: their difference alone would go back by one now and then.
  const nowMs = (): number => (latestMs = Math.max(latestMs, shifted.nowMs() - (waitedBeforeMs === undefined ? 0 : waitedMs() - waitedBeforeMs)))
  return {
    nowMs,
    after(delayMs, fn) {
      const dueMs = nowMs() + Math.max(0, delayMs)
      let timer: Timer
      const arm = (): void => {
        timer = systemClock.after(Math.ceil(dueMs - nowMs()), () => (nowMs() < dueMs ? arm() : fn()))
      }
      arm()
      return { cancel: () => timer.cancel() }
    },
    advance: (ms) => shifted.advance(ms),
    beFair: () => void (waitedBeforeMs = waitedMs())
  }
}

/** Time that the main thread has spent on a run queue so far, second field of `schedstat`; 0 where the system does not tell. */
function waitedMs(): number {
  try {
    return Math.floor(Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[1]) / 1e6)
  } catch {
    return 0
  }
}
