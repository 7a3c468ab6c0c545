import { line } from '../measure.ts'
import { cpuMsOf, type Provider } from './providers.ts'

/** What one provider did in its turns. */
export interface Count {
  journeys: number
  wallMs: number
  cpuMs: number
  readonly times: number[]
}

const turns = 3

/** One turn of one provider: makes ready what is not measured, and returns journeys for that many browsers at once. */
export type Turn = (provider: Provider) => Promise<readonly (() => Promise<boolean>)[]>

/**
 * The providers take turns, so that whatever else the machine does meets all; the first turn warms up. Each browser of a
 * turn repeats its journey until that says there is none left.
 */
export async function compare(providers: readonly Provider[], turn: Turn): Promise<readonly Count[]> {
  const counts = providers.map((): Count => ({ journeys: 0, wallMs: 0, cpuMs: 0, times: [] }))
  for (let n = 0; n <= turns; n++) {
    for (const [i, provider] of providers.entries()) {
      const count = await take(provider, await turn(provider))
      if (n > 0) add(counts[i], count)
    }
  }
  return counts
}

async function take(provider: Provider, browsers: readonly (() => Promise<boolean>)[]): Promise<Count> {
  const cpuBefore = cpuMsOf(provider.folder)
  const startedMs = performance.now()
  const times: number[] = []
  await Promise.all(
    browsers.map(async (journey) => {
      for (;;) {
        const beganMs = performance.now()
        if (!(await journey())) return
        times.push(performance.now() - beganMs)
      }
    })
  )
  return { journeys: times.length, wallMs: performance.now() - startedMs, cpuMs: cpuMsOf(provider.folder) - cpuBefore, times }
}

function add(total: Count | undefined, count: Count): void {
  if (total === undefined) return
  total.journeys += count.journeys
  total.wallMs += count.wallMs
  total.cpuMs += count.cpuMs
  total.times.push(...count.times)
}

/** A heading, a line for each, and how much of the work of the second the first does with the same CPU. */
export function text(what: string, names: readonly string[], counts: readonly Count[]): readonly string[] {
  const perCpuSecond = ({ journeys, cpuMs }: Count): number => journeys / (cpuMs / 1_000)
  const rows = counts.map((count, i) => {
    const perSecond = (count.journeys / (count.wallMs / 1_000)).toFixed(1).padStart(7)
    const times = `p50 ${quantile(count.times, 0.5)} ms   p99 ${quantile(count.times, 0.99)} ms`
    return `    ${(names[i] ?? '').padEnd(26)} ${perSecond} per second  ${perCpuSecond(count).toFixed(1).padStart(7)} per CPU-second of the server   ${times}`
  })
  const [ours, theirs] = counts
  const ratio =
    ours === undefined || theirs === undefined ? [] : [line('  the same work per CPU-second', perCpuSecond(ours) / perCpuSecond(theirs), names[1] ?? '')]
  return [`  ${what}`, ...rows, ...ratio]
}

/** A quantile of times in ms, in whole ms. */
export function quantile(times: readonly number[], part: number): string {
  const sorted = times.toSorted((a, b) => a - b)
  return (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN).toFixed(0)
}
