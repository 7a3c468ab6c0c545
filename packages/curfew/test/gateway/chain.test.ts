import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Chain } from '../../src/gateway/chain.ts'
import { youngCollector } from '../../src/platform/young-generation.ts'

suite('A chain', () => {
  test('has what was added, in order, and each leaves by itself', () => {
    const chain = new Chain<string>()
    const [first, second, third] = ['a', 'b', 'c'].map((value) => chain.add(value))
    assert.deepEqual([chain.values(), chain.size], [['a', 'b', 'c'], 3])
    assert.equal(second?.(), true)
    assert.equal(second?.(), false)
    assert.deepEqual([chain.values(), chain.size], [['a', 'c'], 2])
    assert.equal(first?.(), true)
    chain.add('d')
    assert.equal(third?.(), true)
    assert.deepEqual([chain.values(), chain.size], [['d'], 1])
  })

  test('is empty after it was cleared, and takes what comes then', () => {
    const chain = new Chain<string>()
    const takeOut = chain.add('a')
    chain.add('b')
    chain.clear()
    assert.deepEqual([chain.values(), chain.size], [[], 0])
    assert.equal(takeOut(), false)
    chain.add('c')
    assert.deepEqual([chain.values(), chain.size], [['c'], 1])
  })

  test('keeps nothing that has left: it is gone when what is young is collected', async () => {
    const chain = new Chain<object>()
    const kept = await keptOf((value) => chain.add(value))
    // In the same run a set keeps 480 to 550.
    assert.ok(kept < 250, `${kept} of 5,000 values`)
  })
})

/** How many of 5,000 values are in memory after all but twenty have left, as requests do, and only what is young was collected. */
async function keptOf(add: (value: object) => () => unknown): Promise<number> {
  const collect = youngCollector()
  const leaves: (() => unknown)[] = []
  const all: WeakRef<object>[] = []
  for (let i = 0; i < 5_000; i++) {
    const value = { number: i }
    all.push(new WeakRef(value))
    leaves.push(add(value))
    if (leaves.length > 20) leaves.shift()?.()
    // What a weak reference was asked for, or made of, lives until the turn is over.
    if (i % 50 === 49) {
      await setImmediate()
      collect()
    }
  }
  await setImmediate()
  collect()
  collect()
  return all.filter((one) => one.deref() !== undefined).length
}
