import type { Child } from './child.ts'
import type { DriverAsk } from './driver.ts'

/** How much of one thing was done for how much CPU of this process; the driver has a process of its own. */
export interface Turn {
  readonly perCpuSecond: number
  readonly perSecond: number
}

const rounds = 10

/**
 * Lets each have its turn, round after round and every other round the other way, so that what else the machine does,
 * and what the one before left in its caches, meets all of them. The best round of each counts, by CPU of this process.
 */
export async function takeTurns(driver: Child<DriverAsk, number>, contestants: readonly DriverAsk[]): Promise<readonly Turn[]> {
  const best: Turn[] = contestants.map(() => ({ perCpuSecond: 0, perSecond: 0 }))
  for (let round = 0; round <= rounds; round++) {
    const order = round % 2 === 0 ? [...contestants.entries()] : [...contestants.entries()].reverse()
    for (const [at, ask] of order) {
      const turn = await turnOf(driver, ask)
      // The first round warms up.
      if (round > 0 && turn.perCpuSecond > (best[at]?.perCpuSecond ?? 0)) best[at] = turn
    }
  }
  return best
}

async function turnOf(driver: Child<DriverAsk, number>, ask: DriverAsk): Promise<Turn> {
  const before = process.cpuUsage()
  const startedMs = performance.now()
  const count = await driver.ask(ask)
  const seconds = (performance.now() - startedMs) / 1000
  const { user, system } = process.cpuUsage(before)
  return { perCpuSecond: count / ((user + system) / 1e6), perSecond: count / seconds }
}
