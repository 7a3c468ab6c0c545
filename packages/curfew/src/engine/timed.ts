import type { Clock } from '../platform/clock.ts'
import type { Metrics } from '../platform/metrics.ts'

/** Carries out one write of the store and records how long it took, also when it failed. */
export async function timed<T>(clock: Clock, metrics: Pick<Metrics, 'storeWriteSeconds'>, call: string, work: () => Promise<T>): Promise<T> {
  const startedMs = clock.nowMs()
  try {
    return await work()
  } finally {
    metrics.storeWriteSeconds.observe({ call }, (clock.nowMs() - startedMs) / 1000)
  }
}
