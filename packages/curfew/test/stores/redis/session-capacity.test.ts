import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createSessionCapacity } from '../../../src/stores/redis/session-capacity.ts'

/** Sessions that live somewhere, and how one is opened there: not at once. */
function place(live = 0) {
  let counts = 0
  let answering: Promise<unknown> = Promise.resolve()
  return {
    get live() {
      return live
    },
    get counts() {
      return counts
    },
    /** Counts are answered only then. */
    answerAfter(event: Promise<unknown>) {
      answering = event
    },
    async count() {
      counts += 1
      await answering
      return live
    },
    async open(isFull?: () => Promise<boolean>): Promise<'opened' | 'full'> {
      if ((await isFull?.()) === true) return 'full'
      await Promise.resolve()
      live += 1
      return 'opened'
    }
  }
}

suite('redis: room for sessions', () => {
  for (const capacity of [0, 1, 150, 201, 1_000, 5_000])
    test(`never more than ${capacity} are open, however many come at once, and all of those`, async () => {
      const there = place()
      const room = createSessionCapacity(capacity, () => there.count())
      const answers = await Promise.all(Array.from({ length: capacity + 300 }, () => room.open((isFull) => there.open(isFull))))
      assert.equal(there.live, capacity)
      assert.equal(answers.filter((answer) => answer === 'full').length, 300)
    })

  test('far from the capacity nobody waits for a count', async () => {
    const there = place()
    const room = createSessionCapacity(1_000_000, () => there.count())
    await room.open((isFull) => there.open(isFull))
    const { promise, resolve } = Promise.withResolvers<void>()
    there.answerAfter(promise)
    for (let n = 0; n < 3_000; n++) assert.equal(await room.open((isFull) => there.open(isFull)), 'opened')
    assert.equal(there.counts, 2, 'one at the start and one that is not answered')
    resolve()
  })

  test('where a count is not answered, openings go on for a while and then wait for it', async () => {
    const there = place()
    const room = createSessionCapacity(1_000_000, () => there.count())
    await room.open((isFull) => there.open(isFull))
    const { promise, resolve } = Promise.withResolvers<void>()
    there.answerAfter(promise)
    const all = Promise.all(Array.from({ length: 10_000 }, () => room.open((isFull) => there.open(isFull))))
    await new Promise(setImmediate)
    assert.ok(there.live >= 3_000 && there.live < 5_000, `${there.live} opened`)
    resolve()
    await all
    assert.equal(there.live, 10_001)
  })

  test('what other processes open meanwhile is seen in time', async () => {
    const [there, others] = [place(), place()]
    const room = createSessionCapacity(10_000, async () => there.live + others.live)
    while ((await room.open((isFull) => there.open(isFull))) === 'opened') if (there.live + others.live < 10_000) await others.open()
    assert.equal(there.live + others.live, 10_000)
    assert.equal(there.live, 5_000)
  })

  test('a count that fails is made again', async () => {
    const there = place()
    let isDown = false
    const room = createSessionCapacity(1_000, async () => {
      if (isDown) throw new Error('down')
      return there.count()
    })
    await room.open((isFull) => there.open(isFull))
    isDown = true
    const answers = await Promise.allSettled(Array.from({ length: 2_000 }, () => room.open((isFull) => there.open(isFull))))
    assert.ok(there.live <= 1_000)
    assert.ok(answers.some(({ status }) => status === 'rejected'))
    isDown = false
    while ((await room.open((isFull) => there.open(isFull))) !== 'full') assert.ok(there.live <= 1_000)
    assert.equal(there.live, 1_000)
  })
})
