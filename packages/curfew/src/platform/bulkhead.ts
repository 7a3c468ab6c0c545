import { CurfewError } from '@curfew/codecs'

/** Bounds what runs at once per name, so that one that hangs delays nobody else. */
export interface Bulkhead {
  /**
   * Runs `work` when a place for `name` is free.
   * @throws CURFEW_OUTBOUND_BUSY when the queue of that name is full too
   */
  run<T>(name: string, work: () => Promise<T>): Promise<T>
  /** True when more work of this name would be refused now. */
  isFull(name: string): boolean
}

export function createBulkhead(limits: { readonly concurrentMax: number; readonly queuedMax: number }): Bulkhead {
  const lanes = new Map<string, { running: number; readonly waiting: (() => void)[] }>()
  return {
    isFull(name) {
      const lane = lanes.get(name)
      return lane !== undefined && lane.running >= limits.concurrentMax && lane.waiting.length >= limits.queuedMax
    },
    async run(name, work) {
      const lane = lanes.get(name) ?? { running: 0, waiting: [] }
      lanes.set(name, lane)
      if (lane.running >= limits.concurrentMax) {
        if (lane.waiting.length >= limits.queuedMax) throw new CurfewError('CURFEW_OUTBOUND_BUSY', { peer: name, queued: lane.waiting.length })
        await new Promise<void>((resolve) => lane.waiting.push(resolve))
      } else lane.running += 1
      try {
        return await work()
      } finally {
        const next = lane.waiting.shift()
        if (next !== undefined) next()
        else {
          lane.running -= 1
          if (lane.running === 0) lanes.delete(name)
        }
      }
    }
  }
}
