import assert from 'node:assert/strict'
import { generateKeyPairSync, hash, type KeyObject } from 'node:crypto'
import { suite, test } from 'node:test'
import { type JWTPayload, SignJWT, UnsecuredJWT } from 'jose'
import { backChannelLogoutEvent, isCurfewError, verifyIdToken, verifyLogoutToken } from '../../src/index.ts'

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const keys = {
  keys: [
    { ...pair.publicKey.export({ format: 'jwk' }), kid: 'ec' },
    { ...rsa.publicKey.export({ format: 'jwk' }), kid: 'rsa' }
  ]
}
const now = Temporal.Instant.from('2026-03-01T09:00:00Z')
const seconds = now.epochMilliseconds / 1000
const issuer = 'https://op.example'
const expected = { issuer, audience: 'wiki', keys: keys as never, now }

interface Making {
  readonly claims?: JWTPayload
  readonly header?: Readonly<Record<string, unknown>>
  readonly key?: KeyObject
}

const logoutClaims: JWTPayload = {
  iss: issuer,
  aud: 'wiki',
  iat: seconds,
  exp: seconds + 120,
  jti: 'j1',
  sub: 'ana',
  sid: 's1',
  events: { [backChannelLogoutEvent]: {} }
}

function make({ claims = logoutClaims, header = {}, key = pair.privateKey }: Making = {}): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'ec', typ: 'logout+jwt', ...header }).sign(key)
}

function without(...names: readonly string[]): JWTPayload {
  return Object.fromEntries(Object.entries(logoutClaims).filter(([name]) => !names.includes(name)))
}

async function refusedWith(code: string, work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error) => isCurfewError(error) && (error.code === code || assert.equal(error.code, code)))
}

suite('Logout tokens', () => {
  test('are read with what they say', async () => {
    assert.deepEqual(await verifyLogoutToken(await make(), expected), {
      issuer,
      jti: 'j1',
      issuedAtMs: seconds * 1000,
      expiresAtMs: (seconds + 120) * 1000,
      subject: 'ana',
      sid: 's1'
    })
    assert.equal((await verifyLogoutToken(await make({ claims: without('sub') }), expected)).subject, undefined)
    assert.equal((await verifyLogoutToken(await make({ claims: without('sid') }), expected)).sid, undefined)
    assert.equal((await verifyLogoutToken(await make({ claims: { ...logoutClaims, aud: ['other', 'wiki'] } }), expected)).jti, 'j1')
    assert.equal((await verifyLogoutToken(await make({ header: { alg: 'RS256', kid: 'rsa' }, key: rsa.privateKey }), expected)).jti, 'j1')
  })

  const cases: Readonly<Record<string, readonly [Making, string]>> = {
    'without exp': [{ claims: without('exp') }, 'CURFEW_OIDC_TOKEN_CLAIM'],
    'past its time': [{ claims: { ...logoutClaims, exp: seconds - 61 } }, 'CURFEW_OIDC_TOKEN_EXPIRED'],
    'issued in the future': [{ claims: { ...logoutClaims, iat: seconds + 120 } }, 'CURFEW_OIDC_TOKEN_CLAIM'],
    'without iat': [{ claims: without('iat') }, 'CURFEW_OIDC_TOKEN_CLAIM'],
    'for another audience': [{ claims: { ...logoutClaims, aud: 'chat' } }, 'CURFEW_OIDC_TOKEN_CLAIM'],
    'without audience': [{ claims: without('aud') }, 'CURFEW_OIDC_TOKEN_CLAIM'],
    'of another issuer': [{ claims: { ...logoutClaims, iss: 'https://op.example/' } }, 'CURFEW_OIDC_TOKEN_CLAIM'],
    'without events': [{ claims: without('events') }, 'CURFEW_OIDC_LOGOUT_EVENT'],
    'with another event': [{ claims: { ...logoutClaims, events: { 'https://other': {} } } }, 'CURFEW_OIDC_LOGOUT_EVENT'],
    'with events as a list': [{ claims: { ...logoutClaims, events: [backChannelLogoutEvent] } }, 'CURFEW_OIDC_LOGOUT_EVENT'],
    'with a nonce': [{ claims: { ...logoutClaims, nonce: 'n' } }, 'CURFEW_OIDC_LOGOUT_EVENT'],
    'without sub and sid': [{ claims: without('sub', 'sid') }, 'CURFEW_OIDC_TOKEN_CLAIM'],
    'without jti': [{ claims: without('jti') }, 'CURFEW_OIDC_TOKEN_CLAIM'],
    'with a sid that is no text': [{ claims: { ...logoutClaims, sid: { $ne: '' } } }, 'CURFEW_OIDC_TOKEN_CLAIM'],
    'typed as a JWT': [{ header: { typ: 'JWT' } }, 'CURFEW_OIDC_TOKEN_TYPE'],
    'typed as an access token': [{ header: { typ: 'at+jwt' } }, 'CURFEW_OIDC_TOKEN_TYPE'],
    'typed as a security event': [{ header: { typ: 'secevent+jwt' } }, 'CURFEW_OIDC_TOKEN_TYPE'],
    'by a key that is not published': [{ key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey }, 'CURFEW_OIDC_TOKEN_SIGNATURE'],
    'by a key with another name': [{ header: { kid: 'other' } }, 'CURFEW_OIDC_TOKEN_KEY_UNKNOWN']
  }
  for (const [name, [making, code]] of Object.entries(cases)) {
    test(`${name} are refused`, async () => refusedWith(code, verifyLogoutToken(await make(making), expected)))
  }

  test('with alg none, or with the public key as an HMAC secret, are refused', async () => {
    await refusedWith('CURFEW_OIDC_TOKEN_ALGORITHM', verifyLogoutToken(new UnsecuredJWT(logoutClaims).encode(), expected))
    const secret = Buffer.from(rsa.publicKey.export({ type: 'spki', format: 'pem' }))
    const confused = await new SignJWT(logoutClaims).setProtectedHeader({ alg: 'HS256', kid: 'rsa', typ: 'logout+jwt' }).sign(secret)
    await refusedWith('CURFEW_OIDC_TOKEN_ALGORITHM', verifyLogoutToken(confused, expected))
    await refusedWith('CURFEW_OIDC_TOKEN_ALGORITHM', verifyLogoutToken(await make(), { ...expected, algorithms: ['RS256'] }))
  })

  test('that were changed, cut off or are too long are refused', async () => {
    const [head = '', body = '', signature = ''] = (await make()).split('.')
    const other = Buffer.from(JSON.stringify({ ...logoutClaims, sub: 'ben' })).toString('base64url')
    await refusedWith('CURFEW_OIDC_TOKEN_SIGNATURE', verifyLogoutToken([head, other, signature].join('.'), expected))
    for (const text of [[head, body].join('.'), `${head}.${body}.`, '', '..', 'x'.repeat(40_000)])
      await assert.rejects(verifyLogoutToken(text, expected), isCurfewError)
  })

  test('of older providers are taken where that is switched on, and only while they are fresh', async () => {
    const untyped = await make({ claims: without('exp'), header: { typ: undefined } })
    const tolerant = { ...expected, acceptMissingExp: true, acceptMissingType: true }
    assert.equal((await verifyLogoutToken(untyped, tolerant)).jti, 'j1')
    await refusedWith('CURFEW_OIDC_TOKEN_TYPE', verifyLogoutToken(untyped, { ...expected, acceptMissingExp: true }))
    await refusedWith('CURFEW_OIDC_TOKEN_EXPIRED', verifyLogoutToken(untyped, { ...tolerant, now: now.add({ minutes: 4 }) }))
  })
})

suite('ID tokens', () => {
  const claims: JWTPayload = { iss: issuer, aud: 'wiki', iat: seconds, exp: seconds + 600, sub: 'ana', sid: 's1', nonce: 'n', auth_time: seconds - 5 }
  const header = { typ: 'JWT' }
  const wanted = { ...expected, nonce: 'n' }

  test('are read with what they say', async () => {
    const token = await verifyIdToken(await make({ claims, header }), wanted)
    assert.deepEqual([token.subject, token.sid, token.authenticatedAtMs, token.claims['nonce']], ['ana', 's1', (seconds - 5) * 1000, 'n'])
  })

  test('with the hash of the access token that came with them', async () => {
    const digest = hash('sha256', 'the access token', 'buffer')
    const good = await make({ claims: { ...claims, at_hash: digest.subarray(0, 16).toString('base64url') }, header })
    assert.equal((await verifyIdToken(good, { ...wanted, accessToken: 'the access token' })).subject, 'ana')
    await refusedWith('CURFEW_OIDC_TOKEN_CLAIM', verifyIdToken(good, { ...wanted, accessToken: 'another' }))
  })

  const cases: Readonly<Record<string, readonly [JWTPayload, string]>> = {
    'with another nonce': [{ ...claims, nonce: 'm' }, 'CURFEW_OIDC_TOKEN_CLAIM'],
    'without exp': [Object.fromEntries(Object.entries(claims).filter(([name]) => name !== 'exp')), 'CURFEW_OIDC_TOKEN_CLAIM'],
    'for several clients without azp': [{ ...claims, aud: ['wiki', 'chat'] }, 'CURFEW_OIDC_TOKEN_CLAIM'],
    'with the azp of another client': [{ ...claims, azp: 'chat' }, 'CURFEW_OIDC_TOKEN_CLAIM'],
    'that are logout tokens': [{ ...claims, events: {} }, 'CURFEW_OIDC_TOKEN_TYPE']
  }
  for (const [name, [payload, code]] of Object.entries(cases)) {
    test(`${name} are refused`, async () => refusedWith(code, verifyIdToken(await make({ claims: payload, header }), wanted)))
  }
})
