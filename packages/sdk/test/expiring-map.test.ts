import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { createExpiringMap, slotMs } from '../src/expiring-map.ts'

suite('Expiring map', () => {
  test('drops what is over, tells of it, and keeps what was prolonged or deleted meanwhile as it is', () => {
    const dropped: string[] = []
    const map = createExpiringMap<string>((value) => void dropped.push(value))
    map.set('a', 'first', slotMs)
    map.set('b', 'second', 2 * slotMs)
    map.set('c', 'third', slotMs)
    map.set('c', 'prolonged', 5 * slotMs)
    map.set('d', 'deleted', slotMs)
    assert.equal(map.delete('d'), true)
    map.expire(slotMs)
    assert.deepEqual([map.size, dropped], [3, []], 'what ends now may still be there for a slot')
    map.expire(2 * slotMs)
    assert.deepEqual([map.size, dropped], [2, ['first']])
    map.expire(1_000 * slotMs)
    assert.deepEqual([map.size, dropped], [0, ['first', 'second', 'prolonged']])
  })

  test('an entry that was over when it came leaves with the next ones, also after time went backwards', () => {
    const map = createExpiringMap<number>()
    map.expire(10 * slotMs)
    map.set('old', 1, slotMs)
    map.expire(3 * slotMs)
    assert.equal(map.size, 1)
    map.expire(11 * slotMs)
    assert.equal(map.size, 0)
  })

  test('makes room by what was kept first, a share at once', () => {
    const map = createExpiringMap<number>()
    for (let i = 0; i < 32; i++) map.set(String(i), i, 1_000_000 - i)
    map.dropFirst()
    assert.deepEqual([map.size, map.has('0'), map.has('1'), map.has('2')], [30, false, false, true])
  })

  test('holds, at any time, all that is not over and nothing that was over one slot ago', () => {
    const step = fc.record({ key: fc.nat(20), lifeMs: fc.nat(100 * slotMs), pauseMs: fc.oneof(fc.nat(2 * slotMs), fc.nat(300 * slotMs)) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const map = createExpiringMap<number>()
        const model = new Map<string, number>()
        let nowMs = 0
        for (const { key, lifeMs, pauseMs } of steps) {
          nowMs += pauseMs
          map.expire(nowMs)
          map.set(String(key), nowMs + lifeMs, nowMs + lifeMs)
          model.set(String(key), nowMs + lifeMs)
          for (const [name, untilMs] of model) {
            if (untilMs >= nowMs) assert.equal(map.get(name), untilMs)
            if (untilMs < nowMs - 2 * slotMs) assert.equal(map.get(name), undefined)
          }
        }
      })
    )
  })
})
