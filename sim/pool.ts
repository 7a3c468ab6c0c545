import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'

/** Seeds of one kind, `to` excluded. */
export interface Batch {
  readonly option: string
  readonly from: number
  readonly to: number
}

/** A seed that broke a rule. */
export interface Broke {
  readonly seed: number
  readonly broken: string
  readonly trace: readonly string[]
}

/** Seeds that a worker gets at once: few enough that the last ones do not keep one core busy alone. */
const batchSeeds = 50

/**
 * Plays seeds on every core; a seed gives the same wherever it is played.
 *
 * @param onBatch - how many are done, and which of those of the last batch broke a rule
 */
export async function playAll(all: Batch, onBatch: (done: number, broke: readonly Broke[]) => void): Promise<void> {
  let next = all.from
  let done = 0
  const work = async (): Promise<void> => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url))
    try {
      while (next < all.to) {
        const batch: Batch = { option: all.option, from: next, to: Math.min(all.to, next + batchSeeds) }
        next = batch.to
        worker.postMessage(batch)
        const [broke] = (await once(worker, 'message')) as [readonly Broke[]]
        done += batch.to - batch.from
        onBatch(done, broke)
      }
    } finally {
      await worker.terminate()
    }
  }
  const seeds = all.to - all.from
  await Promise.all(Array.from({ length: Math.min(availableParallelism(), Math.ceil(seeds / batchSeeds)) }, work))
}
