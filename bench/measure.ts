/** Work per CPU-second of this thread: wall-clock on a shared machine says nothing. */
export interface Rate {
  readonly perCpuSecond: number
}

const rounds = 7
const roundMs = 150

/** Best of seven rounds. */
export function rateOf(work: () => unknown): Rate {
  work()
  let best = 0
  for (let round = 0; round < rounds; round++) best = Math.max(best, roundOf(work, roundMs))
  return { perCpuSecond: best }
}

/** Turns of the sides of a ratio: short and many, so that some of each side fall into quiet moments of the machine. */
const turns = 21
const turnMs = 50

/**
 * How much of the reference's rate the work reaches. The two take turns, so that what else the machine does in
 * these seconds meets both; the best turn of each counts.
 */
export function ratioOf(work: () => unknown, reference: () => unknown): number {
  for (const warm of [work, reference]) roundOf(warm, roundMs)
  let best = 0
  let bestReference = 0
  for (let turn = 0; turn < turns; turn++) {
    best = Math.max(best, roundOf(work, turnMs))
    bestReference = Math.max(bestReference, roundOf(reference, turnMs))
  }
  return best / bestReference
}

function roundOf(work: () => unknown, ms: number): number {
  yieldCore()
  const before = process.threadCpuUsage()
  const endMs = performance.now() + ms
  let count = 0
  while (performance.now() < endMs) {
    for (let i = 0; i < 10; i++) work()
    count += 10
  }
  yieldCore()
  const { user, system } = process.threadCpuUsage(before)
  return count / ((user + system) / 1e6)
}

const cell = new Int32Array(new SharedArrayBuffer(4))

/** The kernel adds up what a thread that runs has used at its ticks only, up to 4 ms late; and at once when the thread waits. */
function yieldCore(): void {
  Atomics.wait(cell, 0, 0, 0.05)
}

/** The same for work that waits; the CPU of the whole process counts. */
export async function rateOfAsync(work: () => Promise<unknown>, parallel = 1): Promise<Rate> {
  const batch = atOnce(parallel, work)
  await batch.run()
  let best = 0
  for (let round = 0; round < rounds; round++) best = Math.max(best, await roundOfAsync(batch, roundMs))
  return { perCpuSecond: best }
}

/** Work of which so much is begun at once, until all of it is done. */
export interface Batch {
  readonly count: number
  readonly run: () => unknown
}

/** So many of one kind at once. */
export function atOnce(count: number, work: () => Promise<unknown>): Batch {
  return { count, run: () => Promise.all(Array.from({ length: count }, work)) }
}

/** Rates per CPU-second of the whole process, in the order of the batches, which take turns as in {@link ratioOf}. */
export async function ratesInTurns(batches: readonly Batch[]): Promise<readonly number[]> {
  for (const batch of batches) await roundOfAsync(batch, roundMs)
  const best = batches.map(() => 0)
  for (let turn = 0; turn < turns; turn++) for (const [i, batch] of batches.entries()) best[i] = Math.max(best[i] ?? 0, await roundOfAsync(batch, turnMs))
  return best
}

async function roundOfAsync({ count, run }: Batch, ms: number): Promise<number> {
  yieldCore()
  const before = process.cpuUsage()
  const endMs = performance.now() + ms
  let done = 0
  while (performance.now() < endMs) {
    await run()
    done += count
  }
  yieldCore()
  const { user, system } = process.cpuUsage(before)
  return done / ((user + system) / 1e6)
}

/** One line: what, how much of the reference, the bar it is held to. */
export function line(what: string, ratio: number, reference: string, bar?: number): string {
  const verdict = bar === undefined ? '' : ratio >= bar ? `  bar ${bar.toFixed(2)} met` : `  BAR ${bar.toFixed(2)} MISSED`
  return `  ${what.padEnd(44)} ${ratio.toFixed(ratio < 0.1 ? 3 : 2).padStart(7)} of ${reference}${verdict}`
}
