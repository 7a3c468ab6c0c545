import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { securityEvents, signSecurityEventToken } from '@curfew/codecs'
import { makeTokenKey } from '../../../src/authority/oidc/keys.ts'
import { createOutbound } from '../../../src/platform/outbound.ts'
import { createKit, type Kit, signIn } from '../kit.ts'
import { makeKeyPair } from '../key-pairs.ts'
import { authorityUrl } from '../partner.ts'
import { basic, call, end, liveSession, makeStream, pushToken, receiver, sessionOf, transmitter, until } from './support.ts'

const pair = makeKeyPair('tower')
const foreign = makeKeyPair('foreign')

async function hearing(): Promise<Kit> {
  const { key, kid } = await makeTokenKey(pair.key, 'test')
  const jwk = { ...(await import('node:crypto')).createPublicKey(key.export({ type: 'pkcs8', format: 'pem' }).toString()).export({ format: 'jwk' }), kid }
  return createKit({ transmitters: [transmitter({ issuer: 'https://tower.example' })], fetchKeys: async () => Response.json({ keys: [jwk] }) })
}

interface Making {
  readonly issuer?: string
  readonly audience?: string
  readonly event?: string
  readonly jti?: string
  readonly atMs?: number
  readonly key?: typeof pair.key
  readonly subject?: Parameters<typeof signSecurityEventToken>[0]['subject']
}

async function make(kit: Kit, more: Making = {}): Promise<string> {
  const { kid } = await makeTokenKey(pair.key, 'test')
  const { issuer = 'https://tower.example', audience = 'radar', event = securityEvents.sessionRevoked, jti = 'j1', atMs = kit.clock.nowMs() } = more
  const subject = more.subject ?? ({ format: 'email', email: 'ANA@example.org' } as const)
  const parts = { issuer, audience, event, jti, issuedAtMs: atMs, subject, payload: {} }
  return signSecurityEventToken(parts, { key: more.key ?? pair.key, kid, algorithm: 'ES256' })
}

async function push(kit: Kit, payload: string, headers: Readonly<Record<string, string>> = {}): Promise<{ readonly status: number; readonly err?: unknown }> {
  const answer = await kit.app.inject({
    method: 'POST',
    url: '/ssf/receive/tower',
    headers: { 'content-type': 'application/secevent+jwt', authorization: `Bearer ${pushToken}`, ...headers },
    payload
  })
  return answer.body === '' ? { status: answer.statusCode } : { status: answer.statusCode, err: (answer.json() as { err?: unknown }).err }
}

suite('Pushed tokens (RFC 8935)', () => {
  for (const event of [securityEvents.sessionRevoked, securityEvents.credentialChange, securityEvents.sessionsRevoked, securityEvents.accountDisabled]) {
    test(`${event} ends the sessions of its subject before 202 is said`, async () => {
      await using kit = await hearing()
      await signIn(kit.browser(), '/')
      assert.deepEqual(await push(kit, await make(kit, { event })), { status: 202 })
      assert.equal(await liveSession(kit), undefined)
    })
  }

  test('a replayed token, and one about the time before, end no new session', async () => {
    await using kit = await hearing()
    await signIn(kit.browser(), '/')
    const text = await make(kit)
    await push(kit, text)
    await signIn(kit.browser(), '/')
    assert.deepEqual(await push(kit, text), { status: 202 })
    assert.ok((await liveSession(kit)) !== undefined)
    assert.deepEqual(await push(kit, await make(kit, { jti: 'j2', atMs: kit.clock.nowMs() - 120_000 })), { status: 202 })
    assert.ok((await liveSession(kit)) !== undefined)
  })

  test('of a complex subject all members must match', async () => {
    await using kit = await hearing()
    await signIn(kit.browser(), '/')
    const session = (await kit.store.getSession(await sessionOf(kit))) ?? assert.fail('no session')
    const user = { format: 'email', email: 'ana@example.org' } as const
    await push(kit, await make(kit, { jti: 'a', subject: { format: 'complex', user, session: { format: 'opaque', id: 'other' } } }))
    await push(
      kit,
      await make(kit, { jti: 'b', subject: { format: 'complex', user: { ...user, email: 'x@example.org' }, session: { format: 'opaque', id: session.sri } } })
    )
    assert.ok((await liveSession(kit)) !== undefined)
    await push(kit, await make(kit, { jti: 'c', subject: { format: 'complex', user, session: { format: 'opaque', id: session.sri } } }))
    assert.equal(await liveSession(kit), undefined)
  })

  const refused: Readonly<Record<string, readonly [(kit: Kit) => Promise<string>, Readonly<Record<string, string>>, number, string]>> = {
    'of another issuer': [(kit) => make(kit, { issuer: 'https://other.example' }), {}, 400, 'invalid_issuer'],
    'for another audience': [(kit) => make(kit, { audience: 'other' }), {}, 400, 'invalid_audience'],
    'of a foreign key': [(kit) => make(kit, { key: foreign.key }), {}, 400, 'invalid_key'],
    'that is none': [async () => 'hello', {}, 400, 'invalid_request'],
    'that is too large': [async () => 'A'.repeat(40_000), {}, 400, 'invalid_request'],
    'of another media type': [(kit) => make(kit), { 'content-type': 'application/json' }, 400, 'invalid_request'],
    'with a wrong bearer token': [(kit) => make(kit), { authorization: 'Bearer wrong' }, 401, 'authentication_failed'],
    'without a bearer token': [(kit) => make(kit), { authorization: '' }, 401, 'authentication_failed']
  }
  for (const [name, [text, headers, status, err]] of Object.entries(refused)) {
    test(`a token ${name} is refused and ends nothing`, async () => {
      await using kit = await hearing()
      await signIn(kit.browser(), '/')
      assert.deepEqual(await push(kit, await text(kit), headers), { status, err })
      assert.ok((await liveSession(kit)) !== undefined)
    })
  }
})

suite('Streams (SSF 1.0 section 8)', () => {
  test('are made once, read, changed and removed by their client alone', async () => {
    await using kit = await createKit({ clients: [receiver(), receiver({ id: 'other' })] })
    assert.equal((await call(kit, { method: 'GET', url: '/ssf/stream', authorization: basic('radar', 'wrong') })).status, 401)
    assert.deepEqual((await call(kit, { method: 'GET', url: '/ssf/stream' })).body, [])
    const id = await makeStream(kit)
    assert.equal((await call(kit, { method: 'POST', url: '/ssf/stream', body: {} })).status, 409)
    const read = { method: 'GET', url: `/ssf/stream?stream_id=${id}` } as const
    const { body } = await call(kit, read)
    assert.deepEqual({ iss: body['iss'], aud: body['aud'] }, { iss: authorityUrl, aud: 'radar' })
    assert.equal((await call(kit, { ...read, authorization: basic('other') })).status, 404)
    const change = { stream_id: id, delivery: { method: 'urn:ietf:rfc:8935', endpoint_url: 'https://radar.example/e', authorization_header: 'Bearer hidden' } }
    assert.equal((await call(kit, { method: 'PATCH', url: '/ssf/stream', body: change })).status, 200)
    assert.ok(!JSON.stringify((await call(kit, read)).body).includes('hidden'))
    assert.equal((await call(kit, { method: 'DELETE', url: `/ssf/stream?stream_id=${id}` })).status, 204)
    assert.equal((await call(kit, read)).status, 404)
  })

  test('are verified with the state of the receiver, but not too often', async () => {
    await using kit = await createKit({ clients: [receiver()] })
    const body = { stream_id: await makeStream(kit), state: 'x1' }
    assert.equal((await call(kit, { method: 'POST', url: '/ssf/verification', body })).status, 204)
    assert.equal((await call(kit, { method: 'POST', url: '/ssf/verification', body })).status, 429)
    kit.clock.advance(30_000)
    assert.equal((await call(kit, { method: 'POST', url: '/ssf/verification', body })).status, 204)
    const polled = await call(kit, { method: 'POST', url: '/ssf/poll', body: { maxEvents: 1, returnImmediately: true } })
    assert.equal(polled.body['moreAvailable'], true)
    assert.equal(Object.keys(polled.body['sets'] as object).length, 1)
  })

  test('that are paused keep what they are owed, and a removed subject owes nothing', async () => {
    await using kit = await createKit({ clients: [receiver()] })
    const id = await makeStream(kit)
    await call(kit, { method: 'POST', url: '/ssf/status', body: { stream_id: id, status: 'paused' } })
    const subject = { format: 'email', email: 'ana@example.org' }
    assert.equal((await call(kit, { method: 'POST', url: '/ssf/subjects/remove', body: { stream_id: id, subject } })).status, 204)
    for (const username of ['ana', 'ben']) await signIn(kit.browser(), '/', username)
    for (const username of ['ana', 'ben']) await end(kit, await sessionOf(kit, username))
    await until('one of two is owed', async () => (await kit.ctx.signals.list())[0]?.owed === 1)
    const question = { method: 'POST', url: '/ssf/poll', body: { returnImmediately: true } } as const
    assert.deepEqual((await call(kit, question)).body, { sets: {} })
    await call(kit, { method: 'POST', url: '/ssf/status', body: { stream_id: id, status: 'enabled' } })
    assert.equal(Object.keys((await call(kit, question)).body['sets'] as object).length, 1)
  })

  test('a poll waits for news and is answered when they come', async () => {
    await using kit = await createKit({ clients: [receiver()] })
    await makeStream(kit)
    await signIn(kit.browser(), '/')
    const answer = call(kit, { method: 'POST', url: '/ssf/poll', body: {} })
    const first = await Promise.race([answer, new Promise((resolve) => setTimeout(() => resolve('waiting'), 50))])
    assert.equal(first, 'waiting')
    await end(kit, await sessionOf(kit))
    assert.equal(Object.keys((await answer).body['sets'] as object).length, 1)
  })

  test('whose address is private get nothing sent', async () => {
    const outbound = createOutbound({
      clock: { nowMs: () => Date.now(), after: () => assert.fail('no timers here') },
      allowPrivate: [],
      hosts: {},
      perPeerMax: 4
    })
    await using kit = await createKit({ clients: [receiver()], outbound })
    for (const endpoint of ['http://127.0.0.1:9/x', 'https://10.0.0.1/x', 'https://[::1]/x', 'https://169.254.169.254/x']) {
      const id = await makeStream(kit, { method: 'urn:ietf:rfc:8935', endpoint_url: endpoint })
      await call(kit, { method: 'POST', url: '/ssf/verification', body: { stream_id: id } })
      await until('the push was refused', async () => (await kit.ctx.signals.list())[0]?.lastError?.code === 'CURFEW_OUTBOUND_ADDRESS_FORBIDDEN')
      await call(kit, { method: 'DELETE', url: `/ssf/stream?stream_id=${id}` })
    }
    await outbound.close()
  })
})
