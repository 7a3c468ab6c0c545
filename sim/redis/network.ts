import type { Clock } from '../../packages/curfew/src/platform/clock.ts'

/** One direction of one connection: what is sent first arrives first. */
export interface Channel {
  /** @param extraMs - how much longer than usual it takes */
  send(arrive: () => void, extraMs?: number): void
}

/** Machines and what goes between them: late, in an order of its own on every connection, not at all while it is cut. */
export interface Network {
  channel(from: string, to: string): Channel
  /** Nothing goes between these machines and all others; what was sent arrives once they are joined again. None: that is over. */
  isolate(cut: string, hosts: readonly string[]): void
  isJoined(one: string, other: string): boolean
  /** A machine that stands still: what reaches it waits. */
  stop(host: string): void
  resume(host: string): void
}

export interface NetworkOptions {
  readonly clock: Clock
  readonly fraction: () => number
}

/** A message is late by so much, once in so many. */
const lateOnceIn = 400
const lateMsMax = 700

export function createNetwork({ clock, fraction }: NetworkOptions): Network {
  const cuts = new Map<string, ReadonlySet<string>>()
  const stopped = new Set<string>()
  const waiting = new Set<() => void>()
  const isJoined = (one: string, other: string): boolean => [...cuts.values()].every((isolated) => isolated.has(one) === isolated.has(other))
  const latencyMs = (): number => (fraction() < 1 / lateOnceIn ? fraction() * lateMsMax : 0.1 + fraction())
  const again = (): void => {
    // Whose turn it is first is nobody's choice.
    const all = [...waiting]
    waiting.clear()
    while (all.length > 0) all.splice(Math.floor(fraction() * all.length), 1)[0]?.()
  }
  return {
    channel(from, to) {
      const held: (() => void)[] = []
      let lastMs = 0
      const canArrive = (): boolean => isJoined(from, to) && !stopped.has(to)
      const flush = (): void => {
        while (held.length > 0) {
          if (!canArrive()) return void waiting.add(flush)
          held.shift()?.()
        }
      }
      return {
        send(arrive, extraMs = 0) {
          lastMs = Math.max(lastMs, clock.nowMs() + latencyMs() + extraMs)
          clock.after(lastMs - clock.nowMs(), () => {
            held.push(arrive)
            if (held.length === 1) flush()
          })
        }
      }
    },
    isolate(cut, hosts) {
      cuts.set(cut, new Set(hosts))
      again()
    },
    isJoined,
    stop: (host) => void stopped.add(host),
    resume(host) {
      stopped.delete(host)
      again()
    }
  }
}
