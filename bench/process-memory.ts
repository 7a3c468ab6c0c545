import { readFileSync } from 'node:fs'

/** Memory of a process as its kernel counts it, in bytes. */
export interface ProcessMemory {
  readonly resident: number
  /** The most that was resident at one time since it began. */
  readonly most: number
}

/** Linux only. */
export function memoryOf(pid: number): ProcessMemory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const bytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? Number.NaN) * 1_024
  return { resident: bytes('VmRSS'), most: bytes('VmHWM') }
}
