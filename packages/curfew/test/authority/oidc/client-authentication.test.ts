import assert from 'node:assert/strict'
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { suite, test } from 'node:test'
import { SignJWT } from 'jose'
import { againMs, createClientKeys, keepMs, keptCharactersMax } from '../../../src/authority/oidc/client-keys.ts'
import { createFakeClock } from '../fake-clock.ts'
import type { Kit } from '../kit.ts'
import { clientOf, codeFor, createOidcKit, verifier } from './relying-party.ts'

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'k1' }
const introspection = '/as/introspect.oauth2'
const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

function kitWithKeys(): Promise<Kit> {
  const { clientSecret: _secret, ...rest } = clientOf('wiki')
  return createOidcKit({
    clients: [{ ...rest, authentication: 'privateKeyJwt', jwks: { keys: [jwk] } }, clientOf('chat'), clientOf('mail', { authentication: 'clientSecretPost' })]
  })
}

interface Claims {
  readonly iss?: string
  readonly sub?: string
  readonly aud?: string
  readonly exp?: number
  readonly jti?: string
}

function assertion(kit: Kit, change: Claims = {}, key = privateKey, kid = 'k1'): Promise<string> {
  const now = Math.floor(kit.clock.nowMs() / 1000)
  const { iss = 'wiki', sub = 'wiki', aud = `http://curfew.test${introspection}`, exp = now + 60, jti = randomUUID() } = change
  return new SignJWT({}).setProtectedHeader({ alg: 'ES256', kid }).setIssuer(iss).setSubject(sub).setAudience(aud).setExpirationTime(exp).setJti(jti).sign(key)
}

function send(kit: Kit, fields: Readonly<Record<string, string>>, url = introspection) {
  return kit.app.inject({
    method: 'POST',
    url,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    payload: new URLSearchParams(fields).toString()
  })
}

suite('Clients prove who they are', () => {
  test('by a signed assertion, once, at our endpoints and at those of the engine', async () => {
    await using kit = await kitWithKeys()
    const signed = await assertion(kit)
    const fields = { token: 'x', client_assertion_type: type, client_assertion: signed }
    assert.equal((await send(kit, fields)).statusCode, 200)
    assert.equal((await send(kit, fields)).statusCode, 401)
    const code = await codeFor(kit, kit.browser(), 'wiki')
    const exchange = {
      grant_type: 'authorization_code',
      code,
      redirect_uri: 'http://wiki.test/cb',
      code_verifier: verifier,
      client_assertion_type: type,
      client_assertion: await assertion(kit, { aud: 'http://curfew.test' })
    }
    const tokens = await send(kit, exchange, '/as/token.oauth2')
    assert.equal(tokens.statusCode, 200, tokens.body)
  })

  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const wrong: Readonly<Record<string, (kit: Kit) => Promise<string>>> = {
    'by another key': (kit) => assertion(kit, {}, other),
    'for another audience': (kit) => assertion(kit, { aud: 'http://elsewhere.test' }),
    'in the name of another client': (kit) => assertion(kit, { iss: 'chat', sub: 'chat' }),
    'with another subject': (kit) => assertion(kit, { sub: 'chat' }),
    'past its time': (kit) => assertion(kit, { exp: Math.floor(kit.clock.nowMs() / 1000) - 60 }),
    'good for a year': (kit) => assertion(kit, { exp: Math.floor(kit.clock.nowMs() / 1000) + 31_536_000 })
  }
  for (const [name, make] of Object.entries(wrong)) {
    test(`an assertion ${name} is refused`, async () => {
      await using kit = await kitWithKeys()
      assert.equal((await send(kit, { token: 'x', client_assertion_type: type, client_assertion: await make(kit) })).statusCode, 401)
    })
  }

  test('a secret works by the configured method only, and never two methods at once', async () => {
    await using kit = await kitWithKeys()
    const secret = 'a secret that is long enough'
    assert.equal((await send(kit, { token: 'x', client_id: 'mail', client_secret: secret })).statusCode, 200)
    assert.equal((await send(kit, { token: 'x', client_id: 'chat', client_secret: secret })).statusCode, 401)
    assert.equal((await send(kit, { token: 'x', client_id: 'mail', client_secret: `${secret}!` })).statusCode, 401)
    const both = await send(kit, { token: 'x', client_id: 'mail', client_secret: secret, client_assertion_type: type, client_assertion: await assertion(kit) })
    assert.equal(both.statusCode, 401)
  })

  test('introspection without a token is a malformed request', async () => {
    await using kit = await kitWithKeys()
    const answer = await send(kit, { client_id: 'mail', client_secret: 'a secret that is long enough' })
    assert.deepEqual([answer.statusCode, answer.json<{ error: string }>().error], [400, 'invalid_request'])
  })
})

suite('Key sets of clients at an address', () => {
  const rotated = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const rotatedJwk = { ...rotated.publicKey.export({ format: 'jwk' }), kid: 'k2' }

  /** A client whose key set is at an address; how often that was read, and what stands there now. */
  async function kitAtAddress() {
    const state = { reads: 0, keys: [jwk] as object[], status: 200 }
    const { clientSecret: _secret, ...rest } = clientOf('wiki')
    const kit = await createOidcKit({
      clients: [{ ...rest, authentication: 'privateKeyJwt', jwksUri: 'https://wiki.example/jwks' }],
      fetchKeys: async () => {
        state.reads += 1
        return Response.json({ keys: state.keys }, { status: state.status })
      }
    })
    const ask = async (key = privateKey, kid = 'k1') => {
      const answer = await send(kit, { token: 'x', client_assertion_type: type, client_assertion: await assertion(kit, {}, key, kid) })
      return answer.statusCode
    }
    return { kit, state, ask }
  }

  test('are read once for many requests, also for those that come together, and again when they are old', async () => {
    const { kit, state, ask } = await kitAtAddress()
    await using _kit = kit
    assert.deepEqual(await Promise.all([ask(), ask(), ask()]), [200, 200, 200])
    assert.equal(state.reads, 1)
    await kit.clock.advance(keepMs - 1)
    assert.deepEqual([await ask(), state.reads], [200, 1])
    state.keys = [rotatedJwk]
    await kit.clock.advance(1)
    assert.deepEqual([await ask(), state.reads], [401, 2], 'a key that was taken back counts no more')
  })

  test('are read again for a key that is not in them, or has the name of a former one, at most every ten seconds', async () => {
    const { kit, state, ask } = await kitAtAddress()
    await using _kit = kit
    await ask()
    state.keys = [jwk, rotatedJwk]
    for (let i = 0; i < 5; i++) assert.deepEqual([await ask(rotated.privateKey, 'k2'), state.reads], [401, 1])
    await kit.clock.advance(againMs)
    assert.deepEqual([await ask(rotated.privateKey, 'k2'), state.reads], [200, 2])
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    for (const kid of ['k1', 'k3', 'k4']) assert.deepEqual([await ask(stranger, kid), state.reads], [401, 2], 'whoever makes them up causes no more')
    state.keys = [{ ...rotatedJwk, kid: 'k1' }]
    await kit.clock.advance(againMs)
    assert.deepEqual([await ask(rotated.privateKey, 'k1'), state.reads], [200, 3])
  })

  test('that can not be read are asked for at most every ten seconds, and what is known of them counts to its end', async () => {
    const { kit, state, ask } = await kitAtAddress()
    await using _kit = kit
    state.status = 500
    for (let i = 0; i < 3; i++) assert.deepEqual([await ask(), state.reads], [401, 1])
    state.status = 200
    await kit.clock.advance(againMs)
    assert.deepEqual([await ask(), state.reads], [200, 2])
    state.status = 500
    await kit.clock.advance(againMs)
    assert.deepEqual([await ask(rotated.privateKey, 'k2'), await ask(), state.reads], [401, 200, 3])
  })

  test('are kept in bounded room', async () => {
    let reads = 0
    const large = JSON.stringify({ keys: [{ kty: 'oct', note: 'x'.repeat(256 * 1024 - 100) }] })
    const keys = createClientKeys({ clock: createFakeClock(), fetchKeys: async () => new Response(large, { status: (reads += 1) > 0 ? 200 : 500 }) })
    const many = Math.floor(keptCharactersMax / large.length) + 1
    for (let i = 0; i < many; i++) await keys.of({ jwksUri: `https://client.example/${i}` })
    assert.equal(reads, many)
    await keys.of({ jwksUri: `https://client.example/${many - 1}` })
    assert.equal(reads, many)
    await keys.of({ jwksUri: 'https://client.example/0' })
    assert.equal(reads, many + 1, 'the one that was not asked for longest gave way')
  })
})
