import type { Node } from './crew.ts'
import { type Event, nowMs } from './events.ts'

/** The callers of one node, by its name: to them one that died and was started again is the same. */
export interface Shift {
  readonly name: string
  readonly lanes: number
  /** From when until when they called, on the clock of {@link nowMs}. */
  readonly fromMs: number
  readonly untilMs: number
  readonly events: readonly Event[]
}

/** Which nodes there were in one round, and from when until when they had callers. */
export interface Roster {
  clear(): void
  came(node: Node): void
  /** Its callers are sent away: what they do not get from now on is no wait. */
  left(name: string): void
  /** Everything that nodes told in this round. */
  events(): readonly Event[]
  eventsOf(node: Node): readonly Event[]
  /** The round is over now. */
  shifts(): readonly Shift[]
}

/** @param lanes - callers of each node */
export function createRoster(lanes: number): Roster {
  const seen = new Map<Node, { readonly from: number; readonly sinceMs: number }>()
  const leftMs = new Map<string, number>()
  const eventsOf = (node: Node): readonly Event[] => node.events.slice(seen.get(node)?.from ?? 0)
  return {
    eventsOf,
    events: () => [...seen.keys()].flatMap(eventsOf),
    clear() {
      seen.clear()
      leftMs.clear()
    },
    came(node) {
      seen.set(node, { from: node.events.length, sinceMs: nowMs() })
      leftMs.delete(node.name)
    },
    left(name) {
      leftMs.set(name, nowMs())
    },
    shifts() {
      const endMs = nowMs()
      return [...Map.groupBy(seen, ([{ name }]) => name)].map(([name, same]) => ({
        name,
        lanes,
        fromMs: Math.min(...same.map(([, { sinceMs }]) => sinceMs)),
        untilMs: leftMs.get(name) ?? endMs,
        events: same.flatMap(([node]) => eventsOf(node))
      }))
    }
  }
}

/** The longest time that one caller had no success: from the first call to the last, whether or not its node lived. */
export function longestWait({ lanes, fromMs, untilMs, events }: Shift): number {
  const lastMs = Array.from({ length: lanes }, () => fromMs)
  let longest = 0
  for (const event of events) {
    if (event.kind !== 'acknowledged' || event.lane < 0) continue
    longest = Math.max(longest, event.toMs - (lastMs[event.lane] ?? fromMs))
    lastMs[event.lane] = event.toMs
  }
  return Math.max(longest, ...lastMs.map((atMs) => untilMs - atMs))
}
