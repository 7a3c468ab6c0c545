import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { FactStore } from '../../packages/curfew/src/stores/fact-store.ts'
import type { Store } from '../../packages/curfew/src/stores/store.ts'
import { schedules, type SchedulesOptions } from '../schedule/schedules.ts'

/** @param from - a little before the first seed that finds it, so that the test does not take long */
async function firstBroken(from: number, fault: Omit<SchedulesOptions, 'seed'>): Promise<string> {
  for (let seed = from; seed <= from + 20; seed++) {
    const { broken } = await schedules({ ...fault, seed })
    if (broken !== undefined) return broken
  }
  return 'nothing found'
}

/** The store with other facts. */
function facts(change: (facts: FactStore) => Partial<FactStore>): Omit<SchedulesOptions, 'seed'> {
  return { spoilStore: (store: Store) => (store.facts === undefined ? store : { ...store, facts: { ...store.facts, ...change(store.facts) } }) }
}

suite('Once revoked, never accepted after the bound: two regions, cut off from each other by chance', () => {
  test('no call was answered as no correct authority can answer it: 3 schedules', async () => {
    for (let seed = 1; seed <= 3; seed++) {
      const { broken, trace } = await schedules({ seed })
      assert.equal(broken, undefined, `seed ${seed}: ${broken}\n${trace.join('\n')}`)
    }
  })

  test('a region that passes ends over is found', async () => {
    const fault = facts((store) => ({
      apply: (batch) => store.apply({ ...batch, facts: batch.facts.filter(({ kind }) => kind !== 'ended' && kind !== 'revoked') })
    }))
    assert.match(await firstBroken(1, fault), /accepted, although \w+ had acknowledged its end/)
  })

  test('a region that hears of ends by the list of revocations alone is found', async () => {
    const fault = facts((store) => ({ apply: (batch) => store.apply({ ...batch, facts: batch.facts.filter(({ kind }) => kind !== 'ended') }) }))
    assert.match(await firstBroken(1, fault), /accepted, although|was never told/)
  })

  test('a store that takes applications into ended sessions is found', async () => {
    const fault = {
      functions(source: string): string {
        const part = "if state[2] then beat(P) return {'ended'} end\n  local known = redis.call('HGET', p"
        assert.ok(source.includes(part))
        return source.replace(part, "local known = redis.call('HGET', p")
      }
    }
    assert.match(await firstBroken(1, { spoil: fault }), /accepted, although/)
  })

  test('a region that forgets whom it owes a logout is found', async () => {
    assert.match(
      await firstBroken(
        1,
        facts(() => ({ late: async () => [] }))
      ),
      /was never told/
    )
  })
})
