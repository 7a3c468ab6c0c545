import type { Clock } from '../../src/platform/clock.ts'

/** How long one that is too slow takes: longer than anybody waits. */
const slowMs = 12_000

const underWay = new Set<Promise<void>>()

/** Takes its time. */
export function beSlow(clock: Clock): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  underWay.add(promise)
  clock.after(slowMs, () => {
    underWay.delete(promise)
    resolve()
  })
  return promise
}

/** Everybody who is slow now is through. */
export async function slowOnesDone(): Promise<void> {
  await Promise.all(underWay)
}
