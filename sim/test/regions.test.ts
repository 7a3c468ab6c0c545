import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { FactStore } from '../../packages/curfew/src/stores/fact-store.ts'
import type { MemoryStore } from '../../packages/curfew/src/stores/memory/memory-store.ts'
import { judged } from '../kinds.ts'
import { simulateRegions } from '../regions.ts'

async function firstBroken(seeds: number, spoil?: (store: MemoryStore) => MemoryStore): Promise<string | undefined> {
  for (let seed = 1; seed <= seeds; seed += 1) {
    try {
      await simulateRegions({ seed, ...(spoil === undefined ? {} : { spoil }) })
    } catch (error) {
      return `seed ${seed}: ${(error as Error).message}`
    }
  }
  return undefined
}

/** The store with other facts. */
function spoiled(change: (facts: FactStore) => Partial<FactStore>): (store: MemoryStore) => MemoryStore {
  return (store) => {
    const { facts } = store
    return facts === undefined ? store : { ...store, facts: { ...facts, ...change(facts) } }
  }
}

suite('Regions whose facts are late, lost, repeated and trimmed away', () => {
  test('every end reaches every region, and every participant is told: 40 schedules of three regions', async () => {
    assert.equal(await firstBroken(40), undefined)
  })

  test('a store that forgets who is owed a logout is found', async () => {
    assert.match(
      (await firstBroken(
        300,
        spoiled(() => ({ late: async () => [] }))
      )) ?? '',
      /was never told/
    )
  })

  test('a store that passes facts over is found', async () => {
    let turn = 0
    const spoil = spoiled((facts) => ({
      apply: (batch) => {
        turn += 1
        return facts.apply(turn % 7 === 0 ? { ...batch, facts: batch.facts.slice(1) } : batch)
      }
    }))
    assert.ok((await firstBroken(100, spoil)) !== undefined)
  })

  test('a seed that breaks a rule tells what happened, region by region', async () => {
    const spoil = spoiled(() => ({ late: async () => [] }))
    for (let seed = 1; seed <= 300; seed++) {
      const { broken, trace } = await judged((traced) => simulateRegions({ seed, spoil, ...traced }))
      if (broken === undefined) continue
      assert.match(trace.join('\n'), /[abc]: logout of ses_\w+: run_/)
      assert.match(trace.join('\n'), /[abc]: reads a page of \d+ facts from [abc]/)
      assert.equal(trace.at(-1), `BROKEN: ${broken}`)
      return
    }
    assert.fail('nothing found')
  })
})
