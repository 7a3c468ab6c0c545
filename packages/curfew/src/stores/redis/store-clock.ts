import type { Clock } from '../../platform/clock.ts'
import { createRounds } from '../../platform/rounds.ts'
import { LinkLost } from './link.ts'
import type { Primary } from './primary.ts'
import { texts } from './redis-context.ts'

/** The time that all processes on one store go by, whatever the clock of their machine says (docs/decisions/0019). */
export interface StoreClock extends Clock {
  /** How far the clock of this machine is ahead of it now; negative: behind. */
  readonly machineAheadMs: number
  /** Asks the servers once. @throws LinkLost when none answers: then it goes on as it went */
  look(): Promise<void>
  start(): void
  stop(): Promise<void>
}

export interface StoreClockDeps {
  readonly primaries: () => readonly Pick<Primary, 'name' | 'read'>[]
  /** The clock of this machine. */
  readonly machine: Clock
  /** Milliseconds that pass evenly, whatever is done to the date of this machine. */
  readonly steadyMs: () => number
  /** The clock of this machine has left the time of the store by more than a second, and is back. */
  readonly onApart: (machineAheadMs: number) => void
  readonly onTogether: () => void
  /** A server whose clock is not that of the others; told once. */
  readonly onServerApart: (server: string, aheadMs: number) => void
}

/** Clocks may be so far apart before somebody is told. */
export const clocksApartMsMax = 1_000
const lookMs = 2_000

/** What one server said: its time less the steady one lies between the two. */
interface Reading {
  readonly server: string
  readonly fromMs: number
  readonly toMs: number
}

/**
 * The time of the store is that of its servers; of several, the one in the middle. Between two looks it goes on evenly.
 * A look moves it only as far as what the server said proves that it is wrong.
 */
export function createStoreClock(deps: StoreClockDeps): StoreClock {
  const { primaries, machine, steadyMs } = deps
  const told = new Set<string>()
  let offsetMs = machine.nowMs() - steadyMs()
  let isApart = false
  let hasLooked = false

  const read = async (primary: Pick<Primary, 'name' | 'read'>): Promise<Reading> => {
    const askedMs = steadyMs()
    const [seconds, micros] = texts(await primary.read(['TIME']))
    const atMs = Number(seconds) * 1_000 + Number(micros) / 1_000
    return { server: primary.name, fromMs: atMs - steadyMs(), toMs: atMs - askedMs }
  }
  const judge = (readings: readonly Reading[]): void => {
    for (const { server, fromMs, toMs } of readings) {
      const aheadMs = fromMs - offsetMs > 0 ? fromMs - offsetMs : Math.min(0, toMs - offsetMs)
      if (Math.abs(aheadMs) <= clocksApartMsMax) told.delete(server)
      else if (!told.has(server)) {
        told.add(server)
        deps.onServerApart(server, Math.round(aheadMs))
      }
    }
    const aheadMs = Math.round(clock.machineAheadMs)
    if (Math.abs(aheadMs) > clocksApartMsMax === isApart) return
    isApart = !isApart
    if (isApart) deps.onApart(aheadMs)
    else deps.onTogether()
  }
  const clock: StoreClock = {
    nowMs: () => Math.round(steadyMs() + offsetMs),
    after: (delayMs, fn) => machine.after(delayMs, fn),
    get machineAheadMs() {
      return machine.nowMs() - steadyMs() - offsetMs
    },
    async look() {
      const asked = primaries()
      const results = await Promise.allSettled(asked.map(read))
      const readings = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])).sort((a, b) => a.fromMs + a.toMs - b.fromMs - b.toMs)
      const lower = readings[Math.floor((readings.length - 1) / 2)]
      if (lower === undefined) throw new LinkLost('no server tells the time')
      const isShort = hasLooked && readings.length < asked.length
      // The middle of those that answer is not the middle of all: half of them say nothing, and of an even number either may be it.
      if (!isShort || readings.length * 2 > asked.length) {
        const upper = isShort ? (readings[Math.floor(readings.length / 2)] ?? lower) : lower
        offsetMs = Math.min(Math.max(offsetMs, lower.fromMs), upper.toMs)
      }
      hasLooked = true
      judge(readings)
    },
    start: () => rounds.start(),
    stop: () => rounds.stop()
  }
  const rounds = createRounds(machine, async () => {
    await clock.look().catch(() => undefined)
    return lookMs
  })
  return clock
}
