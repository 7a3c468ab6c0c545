import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { decodeJwt } from 'jose'
import { createAdminServer } from '../../../src/admin/server.ts'
import { streamCheck } from '../../../src/cli/doctor-stream.ts'
import { silentLogger } from '../../../src/platform/logger.ts'
import { createMetrics } from '../../../src/platform/metrics.ts'
import { alone } from '../../admin/alone.ts'
import { createKit, type Kit, signIn } from '../kit.ts'
import { authorityUrl } from '../partner.ts'
import { basic, call, end, makeStream, receiver, sessionOf, until } from './support.ts'

/** The engine counts in real time. */
const createLiveKit = (): Promise<Kit> => createKit({ clients: [receiver(), receiver({ id: 'other' })], startMs: Temporal.Now.instant().epochMilliseconds })

async function tokenOf(kit: Kit, scope: string, clientId = 'radar'): Promise<string> {
  const answer = await kit.app.inject({
    method: 'POST',
    url: '/as/token.oauth2',
    headers: { 'content-type': 'application/x-www-form-urlencoded', authorization: basic(clientId) },
    payload: new URLSearchParams({ grant_type: 'client_credentials', ...(scope === '' ? {} : { scope }) }).toString()
  })
  assert.equal(answer.statusCode, 200, answer.body)
  return answer.json<{ access_token: string }>().access_token
}

const by = (token: string): string => `Bearer ${token}`

/** What a pushed token is about. */
function eventOf(token: string): string {
  const events = Object.keys((decodeJwt(token)['events'] ?? {}) as object)
  return events[0]?.split('/').at(-1) ?? ''
}

suite('Shared Signals 1.0: stream management by access token', () => {
  test('a token with ssf.manage makes, reads and changes the stream of its client', async () => {
    await using kit = await createLiveKit()
    const authorization = by(await tokenOf(kit, 'ssf.manage'))
    const made = await call(kit, { method: 'POST', url: '/ssf/stream', body: {}, authorization })
    assert.deepEqual([made.status, made.body['aud']], [201, 'radar'])
    assert.equal((await call(kit, { method: 'GET', url: '/ssf/stream', authorization })).status, 200)
    const stream_id = made.body['stream_id']
    assert.equal((await call(kit, { method: 'POST', url: '/ssf/status', body: { stream_id, status: 'paused' }, authorization })).status, 200)
  })

  test('a token with ssf.read reads and polls, and changes nothing', async () => {
    await using kit = await createLiveKit()
    const id = await makeStream(kit)
    const authorization = by(await tokenOf(kit, 'ssf.read'))
    assert.equal((await call(kit, { method: 'GET', url: '/ssf/stream', authorization })).status, 200)
    assert.equal((await call(kit, { method: 'GET', url: `/ssf/status?stream_id=${id}`, authorization })).status, 200)
    assert.equal((await call(kit, { method: 'POST', url: '/ssf/poll', body: { returnImmediately: true }, authorization })).status, 200)
    for (const [method, url, body] of [
      ['PATCH', '/ssf/stream', { stream_id: id, description: 'x' }],
      ['DELETE', `/ssf/stream?stream_id=${id}`, undefined],
      ['POST', '/ssf/status', { stream_id: id, status: 'disabled' }],
      ['POST', '/ssf/verification', { stream_id: id }],
      ['POST', '/ssf/subjects/remove', { stream_id: id, subject: { format: 'email', email: 'ana@example.org' } }]
    ] as const) {
      assert.equal((await call(kit, { method, url, authorization, ...(body === undefined ? {} : { body }) })).status, 403, url)
    }
  })

  test('without a scope, of a person, of another client, past its time, or made up: nothing', async () => {
    await using kit = await createLiveKit()
    const id = await makeStream(kit)
    assert.equal((await call(kit, { method: 'GET', url: '/ssf/stream', authorization: by(await tokenOf(kit, '')) })).status, 403)
    const others = await call(kit, { method: 'GET', url: `/ssf/stream?stream_id=${id}`, authorization: by(await tokenOf(kit, 'ssf.manage', 'other')) })
    assert.equal(others.status, 404)
    for (const token of ['x', 'a.b.c']) assert.equal((await call(kit, { method: 'GET', url: '/ssf/stream', authorization: by(token) })).status, 401)
    const token = await tokenOf(kit, 'ssf.read')
    kit.clock.advance(601_000)
    assert.equal((await call(kit, { method: 'GET', url: '/ssf/stream', authorization: by(token) })).status, 401)
  })

  test('introspection knows the token, and discovery and the metadata name the way', async () => {
    await using kit = await createLiveKit()
    const token = await tokenOf(kit, 'ssf.read')
    const facts = await kit.app.inject({
      method: 'POST',
      url: '/as/introspect.oauth2',
      headers: { 'content-type': 'application/x-www-form-urlencoded', authorization: basic() },
      payload: `token=${token}`
    })
    const { active, client_id: clientId, scope } = facts.json<Record<string, unknown>>()
    assert.deepEqual([active, clientId, scope], [true, 'radar', 'ssf.read'])
    const discovery = (await kit.app.inject('/.well-known/openid-configuration')).json<{ grant_types_supported: string[]; scopes_supported: string[] }>()
    assert.ok(discovery.grant_types_supported.includes('client_credentials') && discovery.scopes_supported.includes('ssf.manage'))
    const metadata = (await kit.app.inject('/.well-known/ssf-configuration')).json<{ authorization_schemes: { spec_urn: string }[] }>()
    assert.ok(metadata.authorization_schemes.some(({ spec_urn: urn }) => urn === 'urn:ietf:rfc:6749'))
  })

  test('a client without shared signals gets no such token', async () => {
    const { sharedSignals: _sharedSignals, ...plain } = receiver({ id: 'plain' })
    await using kit = await createKit({ clients: [receiver(), plain], startMs: Temporal.Now.instant().epochMilliseconds })
    const answer = await kit.app.inject({
      method: 'POST',
      url: '/as/token.oauth2',
      headers: { 'content-type': 'application/x-www-form-urlencoded', authorization: basic('plain') },
      payload: 'grant_type=client_credentials&scope=ssf.manage'
    })
    assert.equal(answer.statusCode, 400)
  })
})

suite('An administrator looks after streams', () => {
  const token = 'token of the test'

  function adminOf(kit: Kit) {
    const { store, engine, clock, ids, signals, everywhere } = kit.ctx
    return createAdminServer({
      everywhere,
      store,
      engine,
      clock,
      ids,
      metrics: createMetrics(),
      logger: silentLogger,
      token,
      version: '0',
      baseUrl: authorityUrl,
      peers: () => [],
      streams: () => signals.list(),
      setStreamStatus: (connection, status, reason) => signals.setStatus(connection, status, reason),
      verifyStream: (connection) => signals.verify(connection),
      resetPassword: async () => assert.fail('not asked for'),
      accountLinks: { list: async () => assert.fail('nobody asks'), remove: async () => assert.fail('nobody asks') },
      peer: (id) => kit.ctx.peer(id),
      cluster: alone,
      settings: { startedAtMs: 0, items: [] },
      status: () => 'ok'
    })
  }

  async function admin(kit: Kit, method: 'GET' | 'POST', url: string, payload?: object) {
    await using server = adminOf(kit)
    const answer = await server.inject({ method, url, headers: { authorization: `Bearer ${token}` }, ...(payload === undefined ? {} : { payload }) })
    return { status: answer.statusCode, body: answer.json<Record<string, unknown>>() }
  }

  test('pauses one: what it is owed is kept, the receiver sees why, and it comes after all', async () => {
    const told: string[] = []
    await using kit = await createKit({
      clients: [receiver()],
      network: async ({ body }) => {
        told.push(eventOf(String(body)))
        return { status: 202 }
      }
    })
    const id = await makeStream(kit, { method: 'urn:ietf:rfc:8935', endpoint_url: 'https://radar.example/events' })
    assert.equal((await admin(kit, 'POST', '/v1/streams/radar/status', { status: 'paused', reason: 'repairs' })).body['status'], 'paused')
    const seen = await call(kit, { method: 'GET', url: `/ssf/status?stream_id=${id}` })
    assert.deepEqual(seen.body, { stream_id: id, status: 'paused', reason: 'repairs' })
    await signIn(kit.browser(), '/')
    await end(kit, await sessionOf(kit))
    await until('it is owed', async () => (await kit.ctx.signals.list())[0]?.owed === 1)
    assert.deepEqual(told, ['stream-updated'], 'of the pause alone')
    await admin(kit, 'POST', '/v1/streams/radar/status', { status: 'enabled' })
    await until('it is told', async () => told.length === 3)
    assert.deepEqual(told.toSorted(), ['session-revoked', 'stream-updated', 'stream-updated'])
  })

  test('sees one that was paused because its receiver took nothing for an hour; let go on, it tells all that it owes', async () => {
    const receiving = { status: 503, told: [] as string[] }
    await using kit = await createKit({
      clients: [receiver()],
      network: async ({ body }) => {
        if (receiving.status === 202) receiving.told.push(eventOf(String(body)))
        return { status: receiving.status }
      }
    })
    const id = await makeStream(kit, { method: 'urn:ietf:rfc:8935', endpoint_url: 'https://radar.example/events' })
    await signIn(kit.browser(), '/')
    await end(kit, await sessionOf(kit))
    const overview = async () => (await kit.ctx.signals.list())[0] ?? assert.fail('no stream')
    await until('the first push failed', async () => (await overview()).failures === 1)
    const failing = kit.clock.nowMs()
    // Time passes between pushes, never while one is under way.
    for (let failures = 1; (await overview()).status === 'enabled'; failures = (await overview()).failures ?? 0) {
      const known = failures
      kit.clock.advance(300_000)
      await until('one more failed', async () => (await overview()).failures !== known || (await overview()).status !== 'enabled')
    }
    const paused = await overview()
    assert.ok((paused.failures ?? 0) >= 10 && kit.clock.nowMs() - failing >= 3_600_000, `${paused.failures ?? 0} failures`)
    assert.match(paused.reason ?? '', /^\d+ pushes failed since 2026-.*: CURFEW_OUTBOUND_STATUS$/)
    const seen = await call(kit, { method: 'GET', url: `/ssf/status?stream_id=${id}` })
    assert.deepEqual([seen.body['status'], seen.body['reason']], ['paused', paused.reason])
    const [listed] = (await admin(kit, 'GET', '/v1/streams')).body['items'] as readonly { status: string; reason: string }[]
    assert.deepEqual([listed?.status, listed?.reason], ['paused', paused.reason])
    await using server = adminOf(kit)
    const figures = (await server.inject('/metrics')).body
    assert.match(figures, /^curfew_signal_streams\{peer="radar",status="paused"\} 1$/m)
    assert.match(figures, /^curfew_signals_owed\{peer="radar"\} [12]$/m)
    const check = streamCheck(paused)
    assert.equal(check.verdict, 'warn')
    assert.match(`${check.why} ${check.fix ?? ''}`, /paused: \d+ pushes failed.*curfew streams resume radar/)
    const events = (await kit.store.listAudit({ limit: 50 })).filter(({ event }) => event === 'stream.paused')
    assert.deepEqual(
      events.map(({ actor, peerId }) => [actor.id, peerId]),
      [['signals', 'radar']]
    )

    receiving.status = 202
    await signIn(kit.browser(), '/')
    await end(kit, await sessionOf(kit))
    await until('both are owed, and the word of the pause', async () => (await overview()).owed >= 2)
    assert.equal(receiving.told.includes('session-revoked'), false, 'a paused stream tells nothing')
    await call(kit, { method: 'POST', url: '/ssf/status', body: { stream_id: id, status: 'enabled' } })
    await until('everything is told', async () => (await overview()).owed === 0)
    assert.deepEqual(receiving.told.toSorted(), ['session-revoked', 'session-revoked', 'stream-updated'])
    assert.equal((await overview()).failures, undefined)
    assert.equal((await overview()).status, 'enabled')
  })

  test('has one verified, and hears where there is none', async () => {
    await using kit = await createKit({ clients: [receiver()] })
    for (const url of ['/v1/streams/radar/verify', '/v1/streams/nobody/verify']) assert.equal((await admin(kit, 'POST', url)).status, 404)
    assert.equal((await admin(kit, 'POST', '/v1/streams/radar/status', { status: 'paused' })).status, 404)
    await makeStream(kit)
    assert.equal((await admin(kit, 'POST', '/v1/streams/radar/verify')).status, 200)
    const polled = await call(kit, { method: 'POST', url: '/ssf/poll', body: { returnImmediately: true } })
    assert.equal(Object.keys(polled.body['sets'] as object).length, 1)
    const events = (await kit.store.listAudit({ limit: 20 })).map(({ event }) => event)
    assert.ok(events.includes('stream.verified'))
  })
})
