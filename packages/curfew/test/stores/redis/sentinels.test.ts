import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { namedBy, type Vote } from '../../../src/stores/redis/sentinels.ts'

const vote = (port: number, askedMs: number): Vote => ({ address: { host: 'server', port }, askedMs })
const named = (...args: Parameters<typeof namedBy>): readonly [string, number] | undefined => {
  const found = namedBy(...args)
  return found === undefined ? undefined : [found.name, found.askedMs]
}

suite('The primary that sentinels name', () => {
  test('is the one of a majority of all of them, not of those that answer', () => {
    assert.deepEqual(named([vote(1, 5)], 1), ['server:1', 5])
    assert.equal(named([vote(1, 5)], 2), undefined)
    assert.equal(named([vote(1, 5)], 3), undefined)
    assert.deepEqual(named([vote(1, 5), vote(1, 5)], 3), ['server:1', 5])
    assert.equal(named([vote(1, 5), vote(2, 5)], 3), undefined)
    assert.deepEqual(named([vote(1, 5), vote(2, 5), vote(2, 5)], 3), ['server:2', 5])
    assert.equal(named([vote(1, 5), vote(1, 5)], 4), undefined)
    assert.equal(named([], 0), undefined)
  })

  test('was named by a majority when the last one was asked that it takes: a later word of one of them makes it no younger', () => {
    assert.deepEqual(named([vote(1, 90), vote(1, 20), vote(1, 10)], 3), ['server:1', 20])
    assert.deepEqual(named([vote(1, 90), vote(1, 90), vote(1, 10)], 3), ['server:1', 90])
    assert.deepEqual(named([vote(1, 90), vote(2, 95), vote(1, 10)], 3), ['server:1', 10])
  })
})
