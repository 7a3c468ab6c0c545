import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createSeededRandom } from '../../packages/curfew/test/support/seeded-random.ts'
import { type Cut, cutSchedule } from '../region-cases.ts'

suite('faults: random cuts between two regions', () => {
  test('are the same again with the same seed, and others with another', () => {
    const cuts = (seed: number): readonly Cut[] => {
      const random = createSeededRandom(seed)
      return cutSchedule(() => random.fraction())
    }
    assert.deepEqual(cuts(1), cuts(1))
    assert.notDeepEqual(cuts(1), cuts(2))
    for (let seed = 1; seed <= 100; seed += 1) {
      assert.ok(cuts(seed).length >= 1 && cuts(seed).length <= 3)
      assert.ok(cuts(seed).every(({ afterMs, forMs }) => afterMs >= 0 && afterMs < 1_500 && forMs >= 200 && forMs < 3_200))
    }
  })
})
