import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import type { Store } from '../../../src/stores/store.ts'
import { openOn } from '../../stores/redis/opened.ts'
import { type Server, skipReason, startServer } from '../../stores/redis/servers.ts'
import { createFakeClock } from '../fake-clock.ts'
import { createKit, signIn } from '../kit.ts'
import { call, end, makeStream, receiver, sessionOf, until } from './support.ts'

suite('shared signals, two nodes on one Redis', { skip: skipReason, timeout: 60_000 }, () => {
  const on: { server?: Server } = {}
  before(async () => {
    on.server = await startServer()
  })
  after(() => on.server?.stop())

  const open = (): Promise<Store & AsyncDisposable> => openOn([on.server ?? assert.fail()])

  test('a push that one node owes is sent once, by either, and again by the other when the first one is gone', async () => {
    await using store = await open()
    const clock = createFakeClock(Temporal.Now.instant().epochMilliseconds)
    const sent: string[] = []
    const state = { status: 503 }
    const network = async ({ body }: { readonly body?: string | Uint8Array }) => {
      sent.push(String(body))
      return { status: state.status }
    }
    const options = { clock, store, clients: [receiver()], network }
    const first = await createKit(options)
    await using second = await createKit(options)
    await makeStream(first, { method: 'urn:ietf:rfc:8935', endpoint_url: 'https://radar.example/events' })
    await signIn(first.browser(), '/')
    await end(first, await sessionOf(first))
    await until('it was tried', async () => (await second.ctx.signals.list())[0]?.lastError !== undefined)
    const tries = sent.length
    await first[Symbol.asyncDispose]()
    state.status = 202
    await until('the other node sends it', async () => {
      clock.advance(2_000)
      return (await second.ctx.signals.list())[0]?.accepted === 1
    })
    assert.equal(sent.length, tries + 1)
    assert.equal((await second.ctx.signals.list())[0]?.owed, 0)
  })

  test('a poll at one node hands out what the other owes, and an acknowledgement settles it for both', async () => {
    await using store = await open()
    const clock = createFakeClock(Temporal.Now.instant().epochMilliseconds)
    await using first = await createKit({ clock, store, clients: [receiver()] })
    await using second = await createKit({ clock, store, clients: [receiver()] })
    await makeStream(first)
    for (const name of ['ana', 'ben']) {
      await signIn(first.browser(), '/', name)
      await end(first, await sessionOf(first, name))
    }
    await until('both are owed', async () => (await second.ctx.signals.list())[0]?.owed === 2)
    const { body } = await call(second, { method: 'POST', url: '/ssf/poll', body: { returnImmediately: true } })
    const jtis = Object.keys(body['sets'] as object)
    assert.equal(jtis.length, 2)
    await call(first, { method: 'POST', url: '/ssf/poll', body: { returnImmediately: true, ack: jtis } })
    assert.deepEqual((await call(second, { method: 'POST', url: '/ssf/poll', body: { returnImmediately: true } })).body, { sets: {} })
  })
})
