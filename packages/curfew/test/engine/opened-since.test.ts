import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { LogoutChannel } from '../../src/core/peer.ts'
import { isOpenedSince } from '../../src/engine/opened-since.ts'
import { sampleDelivery, sampleParticipant, sampleRun, sampleSession, t0 } from '../../src/stores/conformance/samples.ts'

const session = sampleSession(1)
const one = sampleParticipant('board', 1, { id: 'board:one', lastIssuedAtMs: t0 })
const other = sampleParticipant('board', 1, { id: 'board:other', lastIssuedAtMs: t0 + 5_000 })
const picture: LogoutChannel = { kind: 'frame', binding: 'image', url: 'https://one.test/logout.png' }
const backChannel: LogoutChannel = { kind: 'server', binding: 'back-channel', url: 'https://board.test/logout' }

/** Whether the delivery to the first host waits for nothing any more, by these channels. */
function isOpened(channels: readonly LogoutChannel[], isPartial = true): Promise<boolean> {
  const delivery = { ...sampleDelivery(one, []), channels }
  const run = sampleRun(1, session, [], { startedAtMs: t0 + 1_000, deliveries: [delivery], ...(isPartial ? { isPartial: true } : {}) })
  return isOpenedSince({ getParticipants: async () => [one, other] }, run, delivery.id)
}

suite('An application that was opened at another of its hosts since', () => {
  test('is still asked by the picture of the first host, which ends nothing elsewhere', async () => {
    assert.equal(await isOpened([picture]), false)
  })
  test('is not asked by what ends all of it', async () => {
    assert.equal(await isOpened([backChannel]), true)
    assert.equal(await isOpened([backChannel, picture]), true)
  })
  test('is asked by all ways where the session itself ended', async () => {
    assert.equal(await isOpened([backChannel], false), false)
  })
})
