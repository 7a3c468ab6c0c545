import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createRevocationHub, lookMs } from '../../../src/authority/revocation-feed/hub.ts'
import { createFakeClock } from '../../support/fake-clock.ts'

/** A list with entries at 1 to its end; counts how often it is asked. */
function stage(end: number) {
  const clock = createFakeClock()
  const list = { end, asked: 0 }
  const revocationFeed = async (after: number) => {
    list.asked += 1
    return after < list.end ? [{ sri: 's', untilMs: 0, atMs: 0, cursor: after + 1 }] : []
  }
  const woken: number[] = []
  const hub = createRevocationHub({ store: { revocationFeed }, clock })
  const wait = (position: number, timeoutMs = 10_000): void => void hub.waitForNews(position, timeoutMs).then(() => woken.push(position))
  return { clock, list, hub, wait, woken }
}

suite('Readers who wait for the revocation list', () => {
  test('who is behind is woken, who has everything waits on, however many stand where', async () => {
    for (const positions of [[10], [3], [10, 3], [3, 10], [10, 10, 10], [0, 1, 2, 9, 10, 11, 12], [9, 8, 7, 6, 5, 4, 3, 2, 1, 0], [11, 12, 13]]) {
      const { clock, wait, woken, hub } = stage(10)
      for (const position of positions) wait(position)
      await clock.advance(lookMs)
      assert.deepEqual(woken.toSorted(), positions.filter((position) => position < 10).toSorted(), positions.join(' '))
      hub.close()
    }
  })

  test('something new wakes everybody at the end, and looking costs one question while all stand there', async () => {
    const { clock, list, wait, woken } = stage(10)
    for (let i = 0; i < 100; i++) wait(10)
    await clock.advance(3 * lookMs)
    assert.deepEqual([woken.length, list.asked], [0, 3])
    list.end = 11
    await clock.advance(lookMs)
    assert.deepEqual([woken.length, list.asked], [100, 4])
  })

  test('who stands everywhere costs few questions', async () => {
    const { clock, list, wait, woken } = stage(500)
    for (let i = 0; i < 1_000; i++) wait(i)
    await clock.advance(lookMs)
    assert.equal(woken.length, 500)
    assert.ok(list.asked <= 12, `${list.asked} questions`)
  })

  test('when its time is over everybody is woken', async () => {
    const { clock, wait, woken } = stage(10)
    wait(10, 120)
    await clock.advance(2 * lookMs)
    assert.deepEqual(woken, [])
    await clock.advance(lookMs)
    assert.deepEqual(woken, [10])
  })
})
