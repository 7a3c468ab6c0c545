import { readdirSync, readFileSync } from 'node:fs'

/** Ticks of the kernel a second, as every Linux has it for programs. */
const ticksPerSecond = 100

interface ProcessTimes {
  readonly parent: number
  readonly seconds: number
}

/** CPU time of a process and of all that it started, in seconds. Linux only. */
export function cpuSecondsOf(pid: number): number {
  const all = new Map<number, ProcessTimes>()
  for (const name of readdirSync('/proc')) if (/^\d+$/.test(name)) addTimes(all, Number(name))
  const sum = (one: number): number =>
    (all.get(one)?.seconds ?? 0) + [...all].filter(([, { parent }]) => parent === one).reduce((total, [child]) => total + sum(child), 0)
  return sum(pid)
}

function addTimes(all: Map<number, ProcessTimes>, pid: number): void {
  try {
    // The name of the program stands in brackets and may hold anything.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    const [parent, ...ticks] = [fields[1], ...fields.slice(11, 15)].map(Number)
    all.set(pid, { parent: parent ?? 0, seconds: ticks.reduce((sum, one) => sum + one, 0) / ticksPerSecond })
  } catch {
    // It ended meanwhile.
  }
}
