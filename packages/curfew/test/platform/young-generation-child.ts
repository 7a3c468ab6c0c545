/** A process that does nothing else, for young-generation.test.ts: reads, and says on its output what is held afterwards. */
import { youngCollector } from '../../src/platform/young-generation.ts'

/** What is held after reading beyond what was held before it, in octets. */
export interface Held {
  readonly collected: number
  readonly waiting: number
}

const partBytes = 64 * 1024

const parts = 256
/** So many are read between two collections: what one of them misses, because the engine looks through older objects just then, is little. */
const batchParts = 16

/** Reads, and lets each part go at once. */
function read(collect: () => void): void {
  for (let i = 1; i <= parts; i++) {
    Buffer.from(new ArrayBuffer(partBytes)).fill(1)
    if (i % batchParts === 0) collect()
  }
}

const collect = youngCollector()
/** What one collection has found is swept beside the program; the next one waits for that. */
const settle = (): void => {
  collect()
  collect()
}
const heldAfter = (work: () => void): number => {
  settle()
  const before = process.memoryUsage().arrayBuffers
  work()
  return process.memoryUsage().arrayBuffers - before
}
const held: Held = {
  collected: heldAfter(() => {
    read(collect)
    settle()
  }),
  waiting: heldAfter(() => read(() => undefined))
}
process.stdout.write(JSON.stringify(held))
