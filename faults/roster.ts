import type { Node } from './crew.ts'
import { type Event, nowMs } from './events.ts'

/**
 * The callers of one node, by its name: to them one that died and was started again is the same. Those of one that left in
 * order are sent to others; when it comes back it has new ones.
 */
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

/** From its coming to its orderly leaving. */
interface Turn {
  readonly fromMs: number
  untilMs?: number
}

/** @param lanes - callers of each node */
export function createRoster(lanes: number): Roster {
  const seen = new Map<Node, { readonly from: number; readonly turn: Turn }>()
  const turns = new Map<string, Turn>()
  const eventsOf = (node: Node): readonly Event[] => node.events.slice(seen.get(node)?.from ?? 0)
  return {
    eventsOf,
    events: () => [...seen.keys()].flatMap(eventsOf),
    clear() {
      seen.clear()
      turns.clear()
    },
    came(node) {
      const known = turns.get(node.name)
      const turn: Turn = known !== undefined && known.untilMs === undefined ? known : { fromMs: nowMs() }
      turns.set(node.name, turn)
      seen.set(node, { from: node.events.length, turn })
    },
    left(name) {
      const turn = turns.get(name)
      if (turn !== undefined) turn.untilMs ??= nowMs()
    },
    shifts() {
      const endMs = nowMs()
      return [...Map.groupBy(seen, ([, { turn }]) => turn)].map(([{ fromMs, untilMs = endMs }, same]) => ({
        name: same[0]?.[0].name ?? '',
        lanes,
        fromMs,
        untilMs,
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
