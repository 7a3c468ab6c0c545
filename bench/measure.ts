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
  for (let round = 0; round < rounds; round++) best = Math.max(best, roundOf(work))
  return { perCpuSecond: best }
}

/**
 * How much of the reference's rate the work reaches. The two take turns, so that what else the machine does in
 * these seconds meets both; best of seven rounds each.
 */
export function ratioOf(work: () => unknown, reference: () => unknown): number {
  for (const warm of [work, reference]) roundOf(warm)
  let best = 0
  let bestReference = 0
  for (let round = 0; round < rounds; round++) {
    best = Math.max(best, roundOf(work))
    bestReference = Math.max(bestReference, roundOf(reference))
  }
  return best / bestReference
}

function roundOf(work: () => unknown): number {
  const before = process.threadCpuUsage()
  const endMs = performance.now() + roundMs
  let count = 0
  while (performance.now() < endMs) {
    for (let i = 0; i < 10; i++) work()
    count += 10
  }
  const { user, system } = process.threadCpuUsage(before)
  return count / ((user + system) / 1e6)
}

/** The same for work that waits; the CPU of the whole process counts. */
export async function rateOfAsync(work: () => Promise<unknown>, parallel = 1): Promise<Rate> {
  const many = (): Promise<unknown> => Promise.all(Array.from({ length: parallel }, work))
  await many()
  let best = 0
  for (let round = 0; round < rounds; round++) best = Math.max(best, await roundOfAsync(many, parallel))
  return { perCpuSecond: best }
}

/** The same as {@link ratioOf} for work that waits, some of it at once; the CPU of the whole process counts on both sides. */
export async function ratioOfAsync(work: () => Promise<unknown>, reference: () => unknown, parallel = 4): Promise<number> {
  const many = (): Promise<unknown> => Promise.all(Array.from({ length: parallel }, work))
  await many()
  let best = 0
  let bestReference = 0
  for (let round = 0; round < rounds; round++) {
    best = Math.max(best, await roundOfAsync(many, parallel))
    bestReference = Math.max(bestReference, await roundOfAsync(reference, 1))
  }
  return best / bestReference
}

async function roundOfAsync(work: () => unknown, countEach: number): Promise<number> {
  const before = process.cpuUsage()
  const endMs = performance.now() + roundMs
  let count = 0
  while (performance.now() < endMs) {
    for (let i = 0; i < 10; i++) await work()
    count += 10 * countEach
  }
  const { user, system } = process.cpuUsage(before)
  return count / ((user + system) / 1e6)
}

/** One line: what, how much of the reference, the bar it is held to. */
export function line(what: string, ratio: number, reference: string, bar?: number): string {
  const verdict = bar === undefined ? '' : ratio >= bar ? `  bar ${bar.toFixed(2)} met` : `  BAR ${bar.toFixed(2)} MISSED`
  return `  ${what.padEnd(44)} ${ratio.toFixed(ratio < 0.1 ? 3 : 2).padStart(7)} of ${reference}${verdict}`
}
