import assert from 'node:assert/strict'
import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { suite, test } from 'node:test'
import { SignJWT } from 'jose'
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

function assertion(kit: Kit, change: Claims = {}, key = privateKey): Promise<string> {
  const now = Math.floor(kit.clock.nowMs() / 1000)
  const { iss = 'wiki', sub = 'wiki', aud = `http://curfew.test${introspection}`, exp = now + 60, jti = randomUUID() } = change
  return new SignJWT({})
    .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
    .setIssuer(iss)
    .setSubject(sub)
    .setAudience(aud)
    .setExpirationTime(exp)
    .setJti(jti)
    .sign(key)
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
