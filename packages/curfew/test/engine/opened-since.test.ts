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
  return isOpenedSince(
    { getParticipants: async () => [one, other], findByNameId: async () => [], getSession: async () => session },
    run,
    delivery.id,
    t0 + 9_000
  )
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
const post: LogoutChannel = { kind: 'hop', binding: 'post', url: 'https://cloud.test/slo' }
const ofCloud = { sourceId: 'cloud', authenticatedAtMs: t0 }

interface Since {
  /** When the person signed in at the provider, by what it said at the other session. */
  readonly authenticatedAtMs?: number
  /** The same at the session that ended. */
  readonly formerAtMs?: number
  readonly channel?: LogoutChannel
  readonly sessionIndex?: string
  readonly participant?: Partial<Participant>
  readonly other?: Partial<Session>
}

/** Whether a run from a second after `t0` leaves a provider alone from which another session came five seconds after `t0`. */
function isLeftAlone(since: Since): Promise<boolean> {
  const { authenticatedAtMs = t0 + 5_000, formerAtMs = t0, channel = soap, sessionIndex = '' } = since
  const delivery = { ...sampleDelivery({ ...provider, sessionIndex }, []), channels: [channel] }
  const run = sampleRun(1, session, [], { startedAtMs: t0 + 1_000, deliveries: [delivery] })
  const former = { session: { ...session, ...ofCloud, authenticatedAtMs: formerAtMs }, participant: provider }
  const newer = {
    session: sampleSession(2, { ...ofCloud, authenticatedAtMs, ...since.other }),
    participant: { ...provider, sessionIndex, addedAtMs: t0 + 5_000, ...since.participant }
  }
  const findByNameId: Store['findByNameId'] = async (peerId, name) => (peerId === 'cloud' && name === 'ana at cloud' ? [former, newer] : [])
  return isOpenedSince({ getParticipants: async () => [], findByNameId, getSession: async () => former.session }, run, delivery.id, t0 + 9_000)
}

suite('An identity provider that gave no SessionIndex, and has signed the same user in to another session since', () => {
  test('is not told of the older sign-out any more: it would end the newer sign-in', async () => {
    assert.equal(await isLeftAlone({}), true)
    assert.equal(await isLeftAlone({ participant: { role: 'application' }, other: { sourceId: 'form', authenticatedAtMs: t0 } }), true)
  })
  test('is not told where it is an application that was opened once more in the other session', async () => {
    const again = { role: 'application', addedAtMs: t0, lastIssuedAtMs: t0 + 5_000 } as const
    assert.equal(await isLeftAlone({ participant: again, other: { sourceId: 'form', authenticatedAtMs: t0 } }), true)
    assert.equal(await isLeftAlone({ participant: { ...again, lastIssuedAtMs: t0 }, other: { sourceId: 'form', authenticatedAtMs: t0 } }), false)
  })
  test('is told where nobody signed in there anew: it let the person in by the very session that is to end', async () => {
    assert.equal(await isLeftAlone({ authenticatedAtMs: t0 }), false)
    assert.equal(await isLeftAlone({ authenticatedAtMs: t0 + 3_000, formerAtMs: t0 + 3_000 }), false, 'by a clock that is ahead')
    assert.equal(await isLeftAlone({ other: { sourceId: 'form' } }), false, 'the time is of a password that was given here')
    const before = { addedAtMs: t0, lastIssuedAtMs: t0 }
    assert.equal(await isLeftAlone({ participant: before }), false, 'it came before the sign-out: its clock is ahead, or the password was given here')
    assert.equal(await isLeftAlone({ participant: { ...before, lastIssuedAtMs: t0 + 5_000 } }), true, 'it let the person in once more')
  })
  test('is told where the other session has ended itself, or is over', async () => {
    const end: Session['end'] = { atMs: t0 + 6_000, reason: 'user', by: { kind: 'user', id: 'ana' }, runId: 'run_2' }
    assert.equal(await isLeftAlone({ other: { end } }), false)
    assert.equal(await isLeftAlone({ other: { idleExpiresAtMs: t0 + 8_000 } }), false)
  })
  test('is told where the message says which session is meant, or the browser brings it along', async () => {
    assert.equal(await isLeftAlone({ sessionIndex: 's1' }), false)
    for (const channel of [hop, post]) assert.equal(await isLeftAlone({ channel }), false, channel.binding)
  })
})
