import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createReaders } from '../../../src/authority/revocation-feed/readers.ts'

/** Clients that enter; what each of their places became. */
function crowd(placesMax: number) {
  const readers = createReaders(placesMax)
  const ended: string[] = []
  return { ended, enter: (client: string, name = client) => readers.enter(client, () => ended.push(name)) }
}

suite('Readers of the revocation feed', () => {
  test('a client that took every place gives way to one that has none, the last of its places first', () => {
    const { ended, enter } = crowd(3)
    for (const name of ['first', 'second', 'third']) assert.ok(enter('greedy', name))
    assert.ok(enter('gate'))
    assert.deepEqual(ended, ['third'])
    assert.equal(enter('greedy'), undefined, 'and does not get it back')
    assert.deepEqual(ended, ['third'])
  })

  test('clients end up with the same share, and the one with most gives way', () => {
    const { ended, enter } = crowd(6)
    for (let i = 0; i < 4; i++) enter('greedy')
    for (let i = 0; i < 2; i++) enter('gate')
    assert.ok(enter('wiki'))
    assert.ok(enter('wiki'))
    assert.deepEqual(ended, ['greedy', 'greedy'])
    for (const client of ['greedy', 'gate', 'wiki']) assert.equal(enter(client), undefined, client)
  })

  test('a place that was given back, once or twice, or that was lost, is one place', () => {
    const { ended, enter } = crowd(2)
    const leave = enter('greedy') ?? assert.fail()
    const lost = enter('greedy') ?? assert.fail()
    assert.ok(enter('gate'))
    lost()
    leave()
    leave()
    assert.ok(enter('greedy'))
    assert.equal(enter('greedy'), undefined)
    assert.deepEqual(ended, ['greedy'])
  })
})
