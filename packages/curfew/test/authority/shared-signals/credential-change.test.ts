import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { decodeJwt } from 'jose'
import type { User } from '../../../src/authority/sign-on/user-directory.ts'
import { createMemoryStore } from '../../../src/stores/memory/memory-store.ts'
import { createFakeClock } from '../fake-clock.ts'
import { createKit, type Kit, users } from '../kit.ts'
import { basic, call, makeStream, receiver } from './support.ts'

const credentialChange = 'https://schemas.openid.net/secevent/caep/event-type/credential-change'
const day = 86_400_000

function changed(kit: Pick<Kit, 'clock'>, agoMs = 0, username = 'ana'): User {
  const { attributes } = users.find((user) => user.username === username) ?? assert.fail(username)
  return {
    userKey: `local:${username}`,
    username,
    attributes,
    isDisabled: false,
    canChangePassword: true,
    directory: 'local',
    passwordChangedAtMs: kit.clock.nowMs() - agoMs
  }
}

interface Told {
  readonly sub_id: unknown
  readonly events: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

async function owed(kit: Kit, id = 'radar'): Promise<readonly Told[]> {
  const { body } = await call(kit, { method: 'POST', url: '/ssf/poll', body: { returnImmediately: true }, authorization: basic(id) })
  return Object.values(body['sets'] as Record<string, string>).map((text) => decodeJwt(text) as unknown as Told)
}

suite('CAEP 1.0 section 3.3: a changed password is told', () => {
  test('once, of the user and of no session, with or without one', async () => {
    await using kit = await createKit({ clients: [receiver()] })
    await makeStream(kit)
    const user = changed(kit)
    for (let i = 0; i < 3; i++) await kit.ctx.signals.passwordsChanged([user])
    const [one, ...more] = await owed(kit)
    assert.equal(more.length, 0)
    const event = one?.events[credentialChange]
    assert.deepEqual([event?.['credential_type'], event?.['change_type']], ['password', 'update'])
    assert.equal((one?.sub_id as { format: string } | undefined)?.format, 'iss_sub')
  })

  test('by the address where the stream names people so, and to nobody whose user has none or was removed', async () => {
    await using kit = await createKit({ clients: [receiver({ sharedSignals: { subject: 'email' } })] })
    const id = await makeStream(kit)
    await kit.ctx.signals.passwordsChanged([changed(kit), changed(kit, 0, 'ben')])
    assert.deepEqual(
      (await owed(kit)).map(({ sub_id: subject }) => subject),
      [{ format: 'email', email: 'ana@example.org' }]
    )
    await call(kit, { method: 'POST', url: '/ssf/subjects/remove', body: { stream_id: id, subject: { format: 'email', email: 'ana@example.org' } } })
    kit.clock.advance(1_000)
    await kit.ctx.signals.passwordsChanged([changed(kit)])
    assert.equal((await owed(kit)).length, 1)
  })

  test('not again by another process, nor after a restart when the receiver has taken it', async () => {
    const clock = createFakeClock()
    const store = createMemoryStore({ capacity: 10 })
    await using one = await createKit({ clock, store, clients: [receiver()] })
    await makeStream(one)
    const user = changed(one)
    await one.ctx.signals.passwordsChanged([user])
    const { body } = await call(one, { method: 'POST', url: '/ssf/poll', body: { returnImmediately: true } })
    await call(one, { method: 'POST', url: '/ssf/poll', body: { returnImmediately: true, ack: Object.keys(body['sets'] as object) } })
    await using other = await createKit({ clock, store, clients: [receiver()] })
    await other.ctx.signals.passwordsChanged([user])
    assert.deepEqual(await owed(other), [])
    clock.advance(7.5 * day)
    await other.ctx.signals.passwordsChanged([{ ...user, attributes: {} }])
    assert.deepEqual(await owed(other), [])
  })

  test('a change from before signals are kept is news to nobody', async () => {
    await using kit = await createKit({ clients: [receiver()] })
    await makeStream(kit)
    await kit.ctx.signals.passwordsChanged([changed(kit, 8 * day)])
    assert.deepEqual(await owed(kit), [])
  })

  test('only to a stream that asked for it', async () => {
    await using kit = await createKit({ clients: [receiver()] })
    const events_requested = ['https://schemas.openid.net/secevent/caep/event-type/session-revoked']
    await call(kit, { method: 'POST', url: '/ssf/stream', body: { events_requested } })
    await kit.ctx.signals.passwordsChanged([changed(kit)])
    assert.deepEqual(await owed(kit), [])
  })
})

suite('RFC 8936 section 2.4: a long poll', () => {
  test('without news is answered empty when its time is over, and not before', async () => {
    await using kit = await createKit({ clients: [receiver()] })
    await makeStream(kit)
    const answer = call(kit, { method: 'POST', url: '/ssf/poll', body: {} })
    const state = { isDone: false }
    void answer.then(() => (state.isDone = true))
    const pass = async (ms: number): Promise<void> => {
      for (let passed = 0; passed < ms; passed += 500) {
        kit.clock.advance(500)
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
    await pass(24_000)
    assert.equal(state.isDone, false)
    await pass(2_000)
    assert.deepEqual((await answer).body, { sets: {} })
  })

  test('hears within a second what another process owes', async () => {
    const clock = createFakeClock()
    const store = createMemoryStore({ capacity: 10 })
    await using one = await createKit({ clock, store, clients: [receiver()] })
    await using other = await createKit({ clock, store, clients: [receiver()] })
    await makeStream(one)
    const answer = call(one, { method: 'POST', url: '/ssf/poll', body: {} })
    await new Promise((resolve) => setTimeout(resolve, 20))
    await other.ctx.signals.passwordsChanged([changed(other)])
    await new Promise((resolve) => setTimeout(resolve, 20))
    clock.advance(1_000)
    assert.equal(Object.keys((await answer).body['sets'] as object).length, 1)
  })
})
