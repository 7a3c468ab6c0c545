import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { GatewayContext } from '../../../src/gateway/context.ts'
import { firstReading } from '../../../src/gateway/feed/first-reading.ts'

type Waiting = Parameters<typeof firstReading>[0] & Pick<GatewayContext, 'clock'>

const looksMax = 50

/** A gateway whose date goes on by so much with every look, and its steady time by half a second. */
function starting(dateStepMs: number) {
  const state = { dateMs: 1_772_438_400_000, steadyMs: 0, looks: 0 }
  const nowMs = (): number => {
    state.looks += 1
    assert.ok(state.looks < looksMax, 'it goes by the date, and does not end')
    return (state.dateMs += dateStepMs)
  }
  const sessionCheck = { feed: true }
  const waiting = {
    settings: { sessionCheck },
    revocations: { completeAtMs: undefined },
    endings: { isYoung: () => true },
    steadyMs: () => (state.steadyMs += 500),
    clock: { nowMs }
  } as unknown as Waiting
  return { state, waiting }
}

suite('The first reading of the revocation list', () => {
  for (const [date, dateStepMs] of [
    ['stands still', 0],
    ['is set back again and again', -3_600_000],
    ['is set ahead', 86_400_000]
  ] as const)
    test(`is waited for five seconds, also where the date ${date}`, async () => {
      const { state, waiting } = starting(dateStepMs)
      await firstReading(waiting)
      assert.equal(state.steadyMs, 5_500)
    })
})
