import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { OutboundRequest, OutboundResponse } from '../../../src/platform/outbound.ts'
import { createMemoryStore } from '../../../src/stores/memory/memory-store.ts'
import { createFakeClock } from '../fake-clock.ts'
import { createKit, type Kit, type KitOptions, signIn } from '../kit.ts'
import { authorityUrl } from '../partner.ts'
import { basic, call, end, liveSession, makeStream, pushToken, receiver, secret, sessionOf, transmitter, until } from './support.ts'

const otherUrl = 'https://other.example'
const pushDelivery = { method: 'urn:ietf:rfc:8935', endpoint_url: `${otherUrl}/ssf/receive/tower`, authorization_header: `Bearer ${pushToken}` }

/** What one server asks of another arrives there; `broken` is asked before. */
function wire(to: () => Kit, broken?: () => number | undefined): (request: OutboundRequest) => Promise<Partial<OutboundResponse>> {
  return async ({ url, method, headers, body }) => {
    const status = broken?.()
    if (status !== undefined) return { status }
    const { pathname, search } = new URL(url)
    const answer = await to().app.inject({ method, url: pathname + search, ...(headers === undefined ? {} : { headers }), payload: Buffer.from(body ?? '') })
    return { status: answer.statusCode, body: Buffer.from(answer.body) }
  }
}

interface Pair extends AsyncDisposable {
  /** Tells. */
  readonly sender: Kit
  /** Is told. */
  readonly hearer: Kit
}

async function makePair(more: { sender?: KitOptions; hearer?: KitOptions; broken?: () => number | undefined } = {}): Promise<Pair> {
  const clock = createFakeClock()
  const kits: { sender?: Kit; hearer?: Kit } = {}
  const found = (kit: Kit | undefined): Kit => kit ?? assert.fail('not there yet')
  const sender = await createKit({
    clock,
    clients: [receiver({ sharedSignals: { subject: 'email' } })],
    network: wire(() => found(kits.hearer), more.broken),
    ...more.sender
  })
  kits.sender = sender
  const hearer = await createKit({
    clock,
    baseUrl: otherUrl,
    transmitters: [transmitter()],
    network: wire(() => found(kits.sender), more.broken),
    fetchKeys: async (url) => {
      const answer = await sender.app.inject({ url: new URL(url).pathname })
      return new Response(answer.body, { status: answer.statusCode })
    },
    ...more.hearer
  })
  kits.hearer = hearer
  return {
    sender,
    hearer,
    async [Symbol.asyncDispose]() {
      await sender[Symbol.asyncDispose]()
      await hearer[Symbol.asyncDispose]()
    }
  }
}

async function signInAt(kit: Kit, username = 'ana'): Promise<void> {
  const path = kit.ctx.baseUrl === authorityUrl ? await kit.partner('payroll').ssoRedirect() : '/'
  await signIn(kit.browser(), path, username)
}

suite('Shared signals between two servers', () => {
  test('by push: a session that ends at one ends at the other, and only of that user', async () => {
    await using pair = await makePair()
    const { sender, hearer } = pair
    for (const username of ['ana', 'ben']) await signInAt(hearer, username)
    await signInAt(sender)
    await makeStream(sender, pushDelivery)
    await end(sender, await sessionOf(sender))
    await until('the session at the other server ends', async () => (await liveSession(hearer)) === undefined)
    const [run] = (await hearer.store.listRuns({ username: 'ana', limit: 1 })).items
    assert.equal(run?.reason, 'shared-signal')
    assert.deepEqual(run?.startedBy, { kind: 'peer', id: 'tower' })
    assert.ok((await liveSession(hearer, 'ben')) !== undefined)
    await until('the token is settled', async () => (await sender.ctx.signals.list())[0]?.owed === 0)
    const [overview] = await sender.ctx.signals.list()
    assert.equal(overview?.accepted, 1)
  })

  test('no run waits for a stream or becomes partial by it', async () => {
    await using pair = await makePair({ broken: () => 503, sender: { partners: { payroll: {} } } })
    await signInAt(pair.sender)
    await makeStream(pair.sender, pushDelivery)
    const sessionId = await sessionOf(pair.sender)
    await end(pair.sender, sessionId)
    const [run] = (await pair.sender.store.listRuns({ sessionId, limit: 1 })).items
    assert.deepEqual(
      run?.deliveries.map(({ peerId }) => peerId),
      ['payroll']
    )
  })

  test('by push: a receiver that is down is asked again with the same jti, until it takes the token', async () => {
    const state = { status: 503 as number | undefined }
    const seen: string[] = []
    await using pair = await makePair({ broken: () => state.status })
    const { sender, hearer } = pair
    await signInAt(hearer)
    await signInAt(sender)
    await makeStream(sender, pushDelivery)
    await end(sender, await sessionOf(sender))
    await until('the first attempt failed', async () => (await sender.ctx.signals.list())[0]?.lastError !== undefined)
    assert.equal((await sender.ctx.signals.list())[0]?.owed, 1)
    const stream = (await sender.ctx.signals.streams.find('radar')) ?? assert.fail('no stream')
    const note = async (): Promise<void> => void seen.push(...(await sender.ctx.signals.streams.owed(stream, 5)).map(({ set }) => `${set.jti} ${set.attempts}`))
    await note()
    sender.clock.advance(5_000)
    await until('the second attempt failed', async () => ((await sender.ctx.signals.streams.owed(stream, 5))[0]?.set.attempts ?? 0) >= 2)
    await note()
    assert.equal(seen[0]?.split(' ')[0], seen[1]?.split(' ')[0])
    assert.ok((await liveSession(hearer)) !== undefined)
    state.status = undefined
    sender.clock.advance(20_000)
    await until('it is taken', async () => (await liveSession(hearer)) === undefined)
  })

  test('by poll: tokens stay owed until they are acknowledged, which happens after they were acted on', async () => {
    const poll = { url: `${authorityUrl}/ssf/poll`, clientId: 'radar', clientSecret: secret }
    await using pair = await makePair({ hearer: { transmitters: [transmitter({ pushToken: undefined, poll })] } })
    const { sender, hearer } = pair
    await signInAt(hearer)
    await signInAt(sender)
    await makeStream(sender)
    await end(sender, await sessionOf(sender))
    await until('it is owed', async () => (await sender.ctx.signals.list())[0]?.owed === 1)
    assert.equal(await hearer.pollReceiver.ask('tower'), true)
    assert.equal(await liveSession(hearer), undefined)
    assert.equal((await sender.ctx.signals.list())[0]?.owed, 1)
    assert.equal(await hearer.pollReceiver.ask('tower'), false)
    const [overview] = await sender.ctx.signals.list()
    assert.deepEqual({ owed: overview?.owed, accepted: overview?.accepted }, { owed: 0, accepted: 1 })
  })

  test('what came from a party does not go back to it', async () => {
    const clients = [
      receiver({ id: 'tower', clientId: 'b-tower', sharedSignals: { subject: 'email' } }),
      receiver({ id: 'third', sharedSignals: { subject: 'email' } })
    ]
    await using pair = await makePair({ hearer: { clients, baseUrl: otherUrl, transmitters: [transmitter()] } })
    const { sender, hearer } = pair
    for (const authorization of [basic('b-tower'), basic('third')]) {
      assert.equal((await call(hearer, { method: 'POST', url: '/ssf/stream', body: {}, authorization })).status, 201)
    }
    await signInAt(hearer)
    await signInAt(sender)
    await makeStream(sender, pushDelivery)
    await end(sender, await sessionOf(sender))
    await until('the third is owed', async () => (await hearer.ctx.signals.list()).find(({ connection }) => connection === 'third')?.owed === 1)
    assert.equal((await hearer.ctx.signals.list()).find(({ connection }) => connection === 'tower')?.owed, 0)
  })

  test('one receiver that hangs delays no other', async () => {
    const clock = createFakeClock()
    const told: string[] = []
    const hanging = Promise.withResolvers<Partial<OutboundResponse>>()
    await using kit = await createKit({
      clock,
      clients: [receiver(), receiver({ id: 'slow' })],
      network: ({ url }) => (url.includes('slow') ? hanging.promise : Promise.resolve(told.push(url)).then(() => ({ status: 202 })))
    })
    for (const id of ['slow', 'radar']) {
      const delivery = { method: 'urn:ietf:rfc:8935', endpoint_url: `https://${id}.example/events` }
      await call(kit, { method: 'POST', url: '/ssf/stream', body: { delivery }, authorization: basic(id) })
    }
    for (const username of ['ana', 'ben']) await signInAt(kit, username)
    for (const username of ['ana', 'ben']) await end(kit, await sessionOf(kit, username))
    try {
      await until('the other is told of both', async () => told.length === 2)
    } finally {
      hanging.resolve({ status: 202 })
    }
  })

  test('an attempt that died with its process is made again by another, however often that one has looked meanwhile', async () => {
    const clock = createFakeClock()
    const store = createMemoryStore({ capacity: 10 })
    const dead = Promise.withResolvers<Partial<OutboundResponse>>()
    const asked: string[] = []
    const told: string[] = []
    await using first = await createKit({
      clock,
      store,
      clients: [receiver()],
      network: ({ url }) => {
        asked.push(url)
        return dead.promise
      }
    })
    try {
      await makeStream(first, pushDelivery)
      await signInAt(first)
      await end(first, await sessionOf(first))
      await until('the attempt is under way', async () => asked.length === 1)
      await using second = await createKit({
        clock,
        store,
        clients: [receiver()],
        network: async ({ url }) => {
          told.push(url)
          return { status: 202 }
        }
      })
      for (let i = 0; i < 15; i++) {
        clock.advance(1_000)
        await new Promise((resolve) => setTimeout(resolve, 4))
      }
      assert.deepEqual(told, [], 'while the attempt may still be under way nobody repeats it')
      for (let i = 0; i < 20; i++) {
        clock.advance(1_000)
        await new Promise((resolve) => setTimeout(resolve, 4))
      }
      await until('it is told', async () => told.length === 1)
      assert.equal((await second.ctx.signals.list())[0]?.owed, 0)
    } finally {
      dead.resolve({ status: 503 })
    }
  })

  test('a transmitter whose keys nobody wrote down is asked for its metadata, which has to be its own', async () => {
    for (const [issuer, status] of [
      [authorityUrl, 202],
      [`${authorityUrl}/tenant`, 503]
    ] as const) {
      const asked: string[] = []
      await using pair = await makePair({
        hearer: { transmitters: [transmitter({ jwksUri: undefined, issuer })] }
      })
      const { sender, hearer } = pair
      const { fetchKeys } = hearer.ctx
      await using listening = await createKit({
        clock: hearer.clock,
        baseUrl: otherUrl,
        transmitters: [transmitter({ jwksUri: undefined, issuer })],
        fetchKeys: async (url) => {
          asked.push(new URL(url).pathname)
          return fetchKeys(url.replace('/tenant', ''))
        }
      })
      await makeStream(sender)
      await call(sender, { method: 'POST', url: '/ssf/verification', body: { stream_id: (await sender.ctx.signals.streams.find('radar'))?.id } })
      const polled = await call(sender, { method: 'POST', url: '/ssf/poll', body: { returnImmediately: true } })
      const [set] = Object.values(polled.body['sets'] as Record<string, string>)
      const answer = await listening.app.inject({
        method: 'POST',
        url: '/ssf/receive/tower',
        headers: { 'content-type': 'application/secevent+jwt', authorization: `Bearer ${pushToken}` },
        payload: set ?? ''
      })
      assert.equal(answer.statusCode, status, answer.body)
      assert.equal(asked[0], issuer === authorityUrl ? '/.well-known/ssf-configuration' : '/.well-known/ssf-configuration/tenant')
    }
  })
})
