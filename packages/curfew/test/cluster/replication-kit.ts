import { setTimeout as sleep } from 'node:timers/promises'
import { withForeignState } from '../../src/cluster/foreign-state.ts'
import { serveRuns } from '../../src/cluster/session-calls.ts'
import { createReplicator, type ReplicationLimits, type Replicator } from '../../src/cluster/replicator.ts'
import type { Group } from '../../src/core/group.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { sampleReplication } from '../../src/stores/conformance/carry.ts'
import { sampleSession } from '../../src/stores/conformance/samples.ts'
import type { ReplicatedService } from '../../src/stores/fact.ts'
import { createMemoryStore, type MemoryStore } from '../../src/stores/memory/memory-store.ts'
import type { LateParticipants } from '../../src/stores/fact-store.ts'
import type { Session } from '../../src/core/session.ts'
import type { Store } from '../../src/stores/store.ts'
import { berlin, linksOn, paris, Wire } from './link-kit.ts'

/** One region of one node, on a wire. */
export interface TestRegion {
  readonly group: Group
  /** What this region holds. */
  readonly own: MemoryStore
  /** The store as surfaces see it. */
  readonly store: Store
  readonly replicator: Replicator
  readonly late: LateParticipants[]
  readonly warnings: string[]
}

export interface RegionOptions {
  readonly own?: MemoryStore
  readonly services?: Partial<Record<ReplicatedService, boolean>>
  readonly fetchesTransactions?: boolean
  readonly limits?: Partial<ReplicationLimits>
}

export function regionOn(wire: Wire, group: Group, options: RegionOptions = {}): TestRegion {
  const { letter } = group
  const others = [berlin, paris].filter((other) => other.id !== group.id)
  const own = options.own ?? createMemoryStore({ capacity: 1_000, replication: sampleReplication(letter, { transactions: false, ...options.services }) })
  const { facts } = own
  if (facts === undefined) throw new Error('the store has no facts')
  const warnings: string[] = []
  const note = (fields: object): void => void warnings.push(String((fields as { readonly event?: string }).event))
  const logger = { debug() {}, info() {}, warn: note, error: note }
  const links = linksOn(wire, group, others, { store: own, clock: systemClock, logger })
  serveRuns(links, { store: own, apply: async () => undefined, retry: async () => undefined })
  const late: LateParticipants[] = []
  const fetchesTransactions = options.fetchesTransactions ?? true
  const replicator = createReplicator({
    links,
    store: own,
    facts,
    clock: systemClock,
    figures: { joined() {}, upToDate() {}, revocationsUpToDate() {}, readAll() {}, backlog() {} },
    node: `node of ${group.id}`,
    fraction: () => 0.5,
    logger,
    logOutLate: async (one) => void late.push(one),
    handsOver: fetchesTransactions,
    limits: { revocationsMs: 1_000, ageMsMax: 3_600_000, factsMax: 10_000, backlogAlert: 1_000, ...options.limits }
  })
  const fetchesSessions = options.services?.sessions !== false
  const store = withForeignState(own, {
    links,
    facts,
    clock: systemClock,
    logger,
    fetchesSessions,
    fetchesTransactions,
    fetchesArtifacts: fetchesTransactions
  })
  return { group, own, store, replicator, late, warnings }
}

/** Waits until it holds, five seconds at most. */
export async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 500; turn += 1) {
    if (await holds()) return
    await sleep(10)
  }
  throw new Error('it did not come to hold within five seconds')
}

export const hourMs = 3_600_000

/** Two regions on a wire, `berlin` and `paris`. */
export async function regions(body: (a: TestRegion, b: TestRegion, wire: Wire) => Promise<void>, options: RegionOptions = {}): Promise<void> {
  const wire = new Wire()
  const [a, b] = [regionOn(wire, berlin, options), regionOn(wire, paris, options)]
  try {
    await body(a, b, wire)
  } finally {
    await Promise.all([a.replicator.stop(), b.replicator.stop()])
  }
}

/** A session that berlin makes. */
export const inBerlin = (): Session => sampleSession(1, { id: `ses_a${'0'.repeat(24)}` })
