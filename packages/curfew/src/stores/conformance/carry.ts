import assert from 'node:assert/strict'
import type { Fact, Replication, ReplicatedService } from '../fact.ts'
import type { FactStore } from '../fact-store.ts'
import type { Store } from '../store.ts'
import { t0 } from './samples.ts'

/** What the samples replicate: everything, unless a test says otherwise. */
export function sampleReplication(group: string, change: Partial<Record<ReplicatedService, boolean>> = {}): Replication {
  return {
    group,
    takeOverMs: 15_000,
    services: { sessions: true, assertionReplay: true, accountLocking: true, referenceTokens: true, transactions: true, registeredClients: true, ...change },
    artifacts: { token: 'referenceTokens', grant: 'referenceTokens', code: 'transactions', client: 'registeredClients' }
  }
}

/** The facts of a store that was opened for other regions. */
export function factsOf(store: Store): FactStore {
  assert.ok(store.facts !== undefined, 'the store was opened without replication')
  return store.facts
}

/** Carries everything new from one store to another, as the replicator does, and returns how many facts that were. */
export async function carry(from: Store, to: Store, max = 100): Promise<number> {
  const [source, target] = [factsOf(from), factsOf(to)]
  let carried = 0
  for (;;) {
    const page = await source.read(await target.cursorOf(source.group), max)
    if (page.kind === 'behind') {
      carried += await carryAll(source, target)
      continue
    }
    await target.apply({ source: source.group, cursor: page.cursor, facts: page.facts, nowMs: t0 })
    await source.acknowledge(target.group, page.cursor)
    carried += page.facts.length
    if (page.facts.length === 0) break
  }
  await carryRevocations(from, to)
  return carried
}

async function carryAll(source: FactStore, target: FactStore): Promise<number> {
  const cursor = await source.head()
  const facts = await exported(source)
  await target.apply({ source: source.group, cursor, facts, nowMs: t0 })
  return facts.length
}

async function carryRevocations(from: Store, to: Store): Promise<void> {
  const entries = await from.revocationFeed(0, 1_000)
  const facts = entries.map(({ sri, untilMs, atMs }): Fact => ({ kind: 'revoked', service: 'revocations', sri, untilMs, atMs }))
  await factsOf(to).apply({ source: 'revocations', facts, nowMs: t0 })
}

/** Everything a store knows, as facts. */
export async function exported(facts: FactStore, max = 3): Promise<readonly Fact[]> {
  const all: Fact[] = []
  let place: string | undefined
  do {
    const page = await facts.export(place, max, t0)
    all.push(...page.facts)
    place = page.place
  } while (place !== undefined)
  return all
}

/** The same in an order of its own: two stores that know the same give the same. */
export async function known(store: Store): Promise<readonly string[]> {
  return (await exported(factsOf(store), 100)).map((fact) => JSON.stringify(sorted(fact))).sort()
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, inner]) => [name, sorted(inner)])
  )
}
