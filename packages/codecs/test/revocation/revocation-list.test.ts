import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createRevocationList, feedClockAllowanceMs } from '../../src/revocation/revocation-list.ts'
import { revocationFingerprint, type RevocationPage } from '../../src/revocation/revocation-page.ts'
import { revocationKey } from '../../src/revocation/revoked-set.ts'

/** A list, and the two clocks that it goes by. */
function installation() {
  const time = { dateMs: 100_000, steadyMs: 7 }
  const list = createRevocationList(
    () => undefined,
    () => time.steadyMs
  )
  return {
    time,
    list,
    pass(ms: number) {
      time.dateMs += ms
      time.steadyMs += ms
    },
    /** What the authority sends when nothing was revoked; signed now unless it says otherwise. */
    take: (page: Partial<RevocationPage> = {}) =>
      list.take({ prev: list.position, seq: list.position, hasMore: false, entries: [], issuedAtMs: time.dateMs, ...page }, time.dateMs),
    age: () => list.ageMs(time.dateMs)
  }
}

suite('How old what is known of the list is', () => {
  test('it is as old as the page it knows, whenever that came: the same page again is no news', () => {
    const { list, pass, take, age } = installation()
    take({ issuedAtMs: 99_800 })
    assert.deepEqual([list.completeAtMs, age()], [100_000, 0])
    for (const ms of [10_000, 40_000, 9_000]) {
      pass(ms)
      take({ issuedAtMs: 99_800 })
    }
    assert.equal(list.completeAtMs, 99_800 + feedClockAllowanceMs)
    take({ issuedAtMs: 90_000 })
    assert.equal(list.completeAtMs, 99_800 + feedClockAllowanceMs)
    assert.equal(age(), 159_000 - 99_800 - feedClockAllowanceMs)
  })

  test('it has none before the last page of a long list', () => {
    const { list, pass, take, age } = installation()
    assert.deepEqual([list.completeAtMs, age()], [undefined, undefined])
    take({ seq: 1, hasMore: true })
    assert.equal(age(), undefined)
    pass(6)
    take({ seq: 2 })
    pass(3)
    assert.deepEqual([list.completeAtMs, age()], [100_006, 3])
  })

  test('a date that is set back makes nothing young', () => {
    const { time, pass, take, age } = installation()
    take()
    time.dateMs -= 3_600_000
    pass(11_000)
    assert.equal(age(), 11_000)
    take()
    assert.equal(age(), 0, 'a page that is signed and comes now is young, whatever the date was')
    pass(2_000)
    assert.equal(age(), 2_000)
  })

  test('nor does a machine that slept, whose steady clock stood still', () => {
    const { time, take, age } = installation()
    take()
    time.dateMs += 3_600_000
    assert.equal(age(), 3_600_000)
  })
})

suite('Reading a list from its start', () => {
  test('is told while its pages come, and no longer once it is read to its end', () => {
    const { list, pass, take } = installation()
    assert.equal(list.readingMs(), undefined)
    take({ seq: 4, hasMore: true })
    pass(20)
    assert.equal(list.readingMs(), 20)
    take({ seq: 8, hasMore: true })
    assert.equal(list.readingMs(), 0)
    take({ seq: 9 })
    assert.equal(list.readingMs(), undefined)
  })

  test('begins anew with another list, while what was known grows old', () => {
    const { list, pass, take, age } = installation()
    take({ seq: 9, list: 'a', end: 9 })
    pass(1_000)
    assert.equal(take({ list: 'b', end: 40 }), 'other')
    assert.equal(list.readingMs(), 0)
    assert.equal(take({ prev: 0, seq: 30, list: 'b', end: 40, hasMore: true }), 'taken')
    pass(1_000)
    assert.deepEqual([age(), list.readingMs()], [2_000, 1_000])
    take({ prev: 30, seq: 40, list: 'b', end: 40 })
    assert.deepEqual([age(), list.readingMs()], [0, undefined])
  })
})

suite('What was ended here', () => {
  test('is on the list with what the authority ended, and is told from it', () => {
    const { list, time, take } = installation()
    const keyOf = (name: string) => revocationKey(revocationFingerprint(name))
    list.add('mine', time.dateMs + 5_000, time.dateMs)
    take({ seq: 1, entries: [{ fingerprint: revocationFingerprint('theirs'), untilSeconds: 105 }] })
    const known = (name: string) => [list.isListed(keyOf(name), time.dateMs), list.isRevoked(name, time.dateMs), list.isAdded(keyOf(name), time.dateMs)]
    assert.deepEqual(known('mine'), [true, true, true])
    assert.deepEqual(known('theirs'), [true, true, false])
    assert.deepEqual(known('neither'), [false, false, false])
    assert.equal(list.size, 2)
    time.dateMs += 5_000
    for (const name of ['mine', 'theirs']) assert.deepEqual(known(name), [false, false, false])
  })
})
