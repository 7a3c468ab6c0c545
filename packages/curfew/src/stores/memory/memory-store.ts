import type { Replication } from '../fact.ts'
import type { Store } from '../store.ts'
import { storeError } from '../store-error.ts'
import { memoryArtifacts } from './memory-artifacts.ts'
import { beginEpoch, memoryFacts, teller } from './memory-facts.ts'
import { memoryRuns } from './memory-runs.ts'
import { memoryServices } from './memory-services.ts'
import { memorySessions } from './memory-sessions.ts'
import { copyState, emptyState, type MemoryContext, type MemoryState, memoryDurability, type StoreWrite } from './memory-state.ts'

export type { StoreWrite } from './memory-state.ts'

export interface MemoryStoreOptions {
  /** Live sessions at most; more are refused, none is evicted. */
  readonly capacity: number
  /** Absent: nothing is told to other regions. */
  readonly replication?: Replication
  /** Name of its revocation list, for a store that somebody outside of this process reads. Absent: one of this process. */
  readonly listId?: string
  /**
   * Asked around every write. An error returned `before` keeps the write from happening; one returned `after` loses only
   * the acknowledgement. The call rejects with it.
   */
  readonly fault?: (call: StoreWrite, phase: 'before' | 'after') => Error | undefined
}

/** The state of a memory store at one moment. Opaque; later writes do not reach it. */
export interface MemorySnapshot {
  readonly state: MemoryState
}

/** A store that forgets at the end of the process: for tests and the simulation. */
export interface MemoryStore extends Store {
  /** What a crash right now would leave behind. */
  snapshot(): MemorySnapshot
  /** Goes back to a snapshot, as a process does that starts again; opens the store when it was closed. */
  restore(snapshot: MemorySnapshot): void
}

/** Stores of this process. */
let opened = 0

/** Every call takes effect before it returns its promise, in the order of the calls; there are no timers. */
export function createMemoryStore(options: MemoryStoreOptions): MemoryStore {
  opened += 1
  let current = emptyState(options.listId ?? `memory-${opened}`)
  let closed = false
  const state = (): MemoryState => {
    if (closed) throw storeError('CURFEW_STORE_CLOSED')
    return current
  }
  const write: MemoryContext['write'] = async (call, change) => {
    const all = state()
    const before = options.fault?.(call, 'before')
    if (before !== undefined) throw before
    const value = change(all)
    const after = options.fault?.(call, 'after')
    if (after !== undefined) throw after
    return value
  }
  const { replication } = options
  const context: MemoryContext = { state, write, capacity: options.capacity, tell: teller(replication), ...(replication === undefined ? {} : { replication }) }
  beginEpoch(current, replication)
  return {
    ...(replication === undefined ? {} : { facts: memoryFacts(context, replication) }),
    ...memorySessions(context),
    ...memoryRuns(context),
    ...memoryServices(context),
    ...memoryArtifacts(context),
    async describe() {
      const all = state()
      return {
        kind: 'memory',
        location: 'memory',
        durability: memoryDurability,
        liveSessions: all.count.liveSessions,
        openRuns: [...all.runs.values()].filter((run) => run.state === 'open' && !all.replicated.copies.has(run.id)).length,
        pendingEffects: all.effects.size
      }
    },
    snapshot: () => ({ state: copyState(current) }),
    restore(snapshot) {
      current = copyState(snapshot.state)
      beginEpoch(current, replication)
      closed = false
    },
    async [Symbol.asyncDispose]() {
      closed = true
    }
  }
}
