import type { Clock } from '../../platform/clock.ts'
import { createRounds } from '../../platform/rounds.ts'
import type { Topology } from './topology.ts'

/** A primary that has fewer copies than a write asks for. */
export interface MissingCopies {
  readonly server: string
  readonly have: number
  readonly wanted: number
}

export interface CopiesWatchDeps {
  readonly topology: Pick<Topology, 'primaries' | 'refresh'>
  readonly clock: Clock
  /** Copies beside the primary (`replication.factor` less one); 0 asks nobody. */
  readonly copies: number
  readonly onMissing: (missing: MissingCopies) => void
  readonly onMended: (server: string) => void
}

/** Keeps an eye on the replica sets. */
export interface CopiesWatch {
  /** As of the last look. */
  readonly missing: readonly MissingCopies[]
  /** Looks once; tells what has changed since the last look. */
  look(): Promise<void>
  start(): void
  stop(): Promise<void>
}

const lookMs = 2_000

export function watchCopies({ topology, clock, copies, onMissing, onMended }: CopiesWatchDeps): CopiesWatch {
  let known: ReadonlyMap<string, MissingCopies> = new Map()
  const count = async (): Promise<ReadonlyMap<string, MissingCopies>> => {
    const found = await Promise.all(
      topology.primaries().map(async (primary) => ({ server: primary.name, have: copiesIn(String(await primary.read(['INFO', 'replication']))) }))
    )
    return new Map(found.filter(({ have }) => have < copies).map(({ server, have }) => [server, { server, have, wanted: copies }]))
  }
  const look = async (): Promise<void> => {
    if (copies === 0) return
    let found = await count()
    if (found.size > 0) {
      // Perhaps another one has taken over.
      await topology.refresh()
      found = await count()
    }
    const before = known
    known = found
    for (const missing of found.values()) if (before.get(missing.server)?.have !== missing.have) onMissing(missing)
    for (const server of before.keys()) if (!found.has(server)) onMended(server)
  }
  const rounds = createRounds(clock, async () => {
    // A server that does not answer says nothing: who has taken over is asked, and the next look counts again.
    await look().catch(() => topology.refresh().catch(() => undefined))
    return lookMs
  })
  return {
    get missing() {
      return [...known.values()]
    },
    look,
    start: () => rounds.start(),
    stop: () => rounds.stop()
  }
}

/** Replicas that follow, of what a primary says about its replication. */
function copiesIn(info: string): number {
  return [...info.matchAll(/^slave\d+:.*\bstate=online\b/gm)].length
}
