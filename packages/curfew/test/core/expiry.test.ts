import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { idleExpiry, neverMs, sessionTimes, shouldWriteActivity } from '../../src/core/expiry.ts'
import { retryDelayMs } from '../../src/core/retry.ts'
import { policy } from './samples.ts'

suite('Session limits', () => {
  test('idle and maximum count from now', () => {
    assert.deepEqual(sessionTimes({ idleMinutes: 60, maxMinutes: 480 }, 0), { idleTimeoutMs: 3_600_000, idleExpiresAtMs: 3_600_000, expiresAtMs: 28_800_000 })
  })

  test('-1 for idle is as long as the maximum, -1 for the maximum is never', () => {
    assert.equal(sessionTimes({ idleMinutes: -1, maxMinutes: 480 }, 0).idleExpiresAtMs, 28_800_000)
    assert.equal(sessionTimes({ idleMinutes: 60, maxMinutes: -1 }, 0).expiresAtMs, neverMs)
    assert.equal(sessionTimes({ idleMinutes: -1, maxMinutes: -1 }, 5).idleExpiresAtMs, neverMs)
  })

  test('activity never outlives the maximum', () => {
    assert.equal(idleExpiry(100, 50, 120), 120)
  })

  test('AC-124 activity is written once a quarter of the idle time has passed', () => {
    const session = { lastActivityAtMs: 0, idleTimeoutMs: 1_000 }
    assert.equal(shouldWriteActivity(session, 249), false)
    assert.equal(shouldWriteActivity(session, 250), true)
  })
})

suite('Retry delay', () => {
  test('doubles under full jitter up to its cap', () => {
    assert.deepEqual(
      [1, 2, 3, 4, 5].map((n) => retryDelayMs(policy, n, 1)),
      [1_000, 2_000, 4_000, 8_000, 8_000]
    )
    assert.equal(retryDelayMs(policy, 3, 0), 0)
  })
})
