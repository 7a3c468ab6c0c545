import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { LogoutChannel } from '../../src/core/peer.ts'
import type { Participant } from '../../src/core/participant.ts'
import type { Session } from '../../src/core/session.ts'
import { isOpenedSince } from '../../src/engine/opened-since.ts'
import { sampleDelivery, sampleParticipant, sampleRun, sampleSession, t0 } from '../../src/stores/conformance/samples.ts'
import type { Store } from '../../src/stores/store.ts'

const session = sampleSession(1)
const one = sampleParticipant('board', 1, { id: 'board:one', lastIssuedAtMs: t0 })
const other = sampleParticipant('board', 1, { id: 'board:other', lastIssuedAtMs: t0 + 5_000 })
const picture: LogoutChannel = { kind: 'frame', binding: 'image', url: 'https://one.test/logout.png' }
const backChannel: LogoutChannel = { kind: 'server', binding: 'back-channel', url: 'https://board.test/logout' }

/** Whether the delivery to the first host waits for nothing any more, by these channels. */
function isOpened(channels: readonly LogoutChannel[], isPartial = true): Promise<boolean> {
  const delivery = { ...sampleDelivery(one, []), channels }
  const run = sampleRun(1, session, [], { startedAtMs: t0 + 1_000, deliveries: [delivery], ...(isPartial ? { isPartial: true } : {}) })
  return isOpenedSince({ getParticipants: async () => [one, other], findByNameId: async () => [] }, run, delivery.id)
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

const provider = sampleParticipant('cloud', 1, { role: 'upstream', sessionIndex: '', nameId: { value: 'ana at cloud' }, addedAtMs: t0 })
const soap: LogoutChannel = { kind: 'server', binding: 'soap', url: 'https://cloud.test/slo' }
const hop: LogoutChannel = { kind: 'hop', binding: 'redirect', url: 'https://cloud.test/slo' }
const endSession: LogoutChannel = { kind: 'hop', binding: 'end-session', url: 'https://cloud.test/end' }

interface Since {
  readonly addedAtMs?: number
  readonly lastIssuedAtMs?: number
  readonly channel?: LogoutChannel
  readonly sessionIndex?: string
  readonly protocol?: Participant['protocol']
  readonly hasEnded?: boolean
}

/** Whether a run from a second after `t0` leaves a provider alone that signed the user in to another session. */
function isLeftAlone({
  addedAtMs = t0 + 5_000,
  lastIssuedAtMs = addedAtMs,
  channel = soap,
  sessionIndex = '',
  protocol = 'saml',
  hasEnded = false
}: Since): Promise<boolean> {
  const delivery = { ...sampleDelivery({ ...provider, sessionIndex }, []), channels: [channel] }
  const run = sampleRun(1, session, [], { startedAtMs: t0 + 1_000, deliveries: [delivery] })
  const end: Session['end'] = { atMs: t0 + 6_000, reason: 'user', by: { kind: 'user', id: 'ana' }, runId: 'run_2' }
  const newer = { session: sampleSession(2, hasEnded ? { end } : {}), participant: { ...provider, sessionIndex, protocol, addedAtMs, lastIssuedAtMs } }
  const former = { session, participant: { ...provider, addedAtMs: t0 + 5_000 } }
  const findByNameId: Store['findByNameId'] = async (peerId, name) => (peerId === 'cloud' && name === 'ana at cloud' ? [former, newer] : [])
  return isOpenedSince({ getParticipants: async () => [], findByNameId }, run, delivery.id)
}

suite('An identity provider that gave no SessionIndex, and has signed the same user in to another session since', () => {
  test('is not told of the older sign-out any more: it would end the newer sign-in', async () => {
    assert.equal(await isLeftAlone({}), true)
    assert.equal(await isLeftAlone({ channel: hop }), true)
    assert.equal(await isLeftAlone({ addedAtMs: t0 + 500, lastIssuedAtMs: t0 + 5_000 }), true)
  })
  test('is told where the other session was there before, or has ended itself', async () => {
    assert.equal(await isLeftAlone({ addedAtMs: t0 + 500 }), false)
    assert.equal(await isLeftAlone({ hasEnded: true }), false)
  })
  test('is told where the message says which session is meant, or the browser brings it along', async () => {
    assert.equal(await isLeftAlone({ sessionIndex: 's1' }), false)
    assert.equal(await isLeftAlone({ channel: endSession }), false)
    assert.equal(await isLeftAlone({ protocol: 'opentoken' }), false)
  })
})
