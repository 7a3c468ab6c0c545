import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type Check, type Cut, type Operation, type Revocation, violations } from '../revocation-history.ts'

const revoked = (region: string, fromMs: number, toMs: number): Revocation => ({ kind: 'revoked', key: 's', region, fromMs, toMs })
const checked = (region: string, fromMs: number, answer: Check['answer']): Check => ({ kind: 'checked', key: 's', region, answer, fromMs, toMs: fromMs + 1 })
const judge = (history: readonly Operation[], cuts: readonly Cut[] = []): number => violations(history, { boundMs: 100, cuts }).length

suite('A history of revocations and checks', () => {
  test('while a revocation is under way either answer is right; once it is acknowledged only one is', () => {
    assert.equal(judge([revoked('a', 10, 20), checked('a', 15, 'accepted'), checked('a', 20, 'accepted'), checked('a', 25, 'revoked')]), 0)
    assert.equal(judge([revoked('a', 10, 20), checked('a', 20.5, 'accepted')]), 1)
  })

  test('another region has the time of the bound, and not more', () => {
    assert.equal(judge([revoked('a', 10, 20), checked('b', 119, 'accepted')]), 0)
    assert.equal(judge([revoked('a', 10, 20), checked('b', 121, 'accepted')]), 1)
  })

  test('time in which the regions were apart does not count, and what was left of the bound before begins anew', () => {
    const cuts = [{ fromMs: 100, toMs: 500 }]
    assert.equal(judge([revoked('a', 10, 20), checked('b', 599, 'accepted')], cuts), 0)
    assert.equal(judge([revoked('a', 10, 20), checked('b', 601, 'accepted')], cuts), 1)
    assert.equal(judge([revoked('a', 10, 20), checked('b', 130, 'accepted')], [{ fromMs: 121, toMs: 500 }]), 1)
    assert.equal(judge([revoked('a', 200, 300), checked('b', 599, 'accepted')], cuts), 0)
  })

  test('a region that has refused once does not accept again, cut off or not', () => {
    const cuts = [{ fromMs: 0, toMs: 10_000 }]
    assert.equal(judge([revoked('a', 10, 20), checked('b', 50, 'revoked'), checked('b', 60, 'accepted')], cuts), 1)
    assert.equal(judge([revoked('a', 10, 20), checked('b', 50, 'revoked'), checked('c', 60, 'accepted')], cuts), 0)
    assert.equal(judge([checked('b', 50, 'unknown'), checked('b', 60, 'accepted')], cuts), 0)
  })

  test('what a region knew by a server whose writes are lost it may forget, for as long as the bound; not what it had acknowledged itself', () => {
    const at = (atMs: number, region = 'b') => ({ boundMs: 100, cuts: [{ fromMs: 0, toMs: 10_000 }], losses: [{ region, atMs }] })
    const history = [revoked('a', 10, 20), checked('b', 50, 'revoked'), checked('b', 200, 'accepted')]
    const count = (...[region, loss]: readonly [readonly Operation[], ReturnType<typeof at>]): number => violations(region, loss).length
    assert.deepEqual([count(history, at(100)), count(history, at(99)), count(history, at(201))], [0, 1, 0])
    assert.deepEqual([count(history, at(202)), count(history, at(50)), count(history, at(100, 'a'))], [1, 1, 1])
    assert.equal(count([revoked('b', 10, 20), checked('b', 200, 'accepted')], at(100)), 1)
  })

  test('nothing is refused as revoked before somebody asked for that', () => {
    assert.equal(judge([checked('a', 5, 'revoked'), revoked('a', 10, 20)]), 1)
    assert.equal(judge([checked('a', 9.5, 'revoked'), revoked('a', 10, 20)]), 0)
    assert.equal(judge([checked('a', 9, 'revoked')]), 1)
  })
})
