import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { suite, test } from 'node:test'
import { type JWTPayload, SignJWT, UnsecuredJWT } from 'jose'
import {
  backChannelLogoutEvent,
  isCurfewError,
  parseSubject,
  securityEvents,
  signSecurityEventToken,
  verifyIdToken,
  verifyLogoutToken,
  verifySecurityEventToken
} from '../../src/index.ts'

const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
const foreign = generateKeyPairSync('rsa', { modulusLength: 2048 })
const keys = { keys: [{ ...pair.publicKey.export({ format: 'jwk' }), kid: 'k1' }] }
const now = Temporal.Instant.from('2026-03-01T09:00:00Z')
const seconds = now.epochMilliseconds / 1000
const issuer = 'https://transmitter.example'
const expected = { issuer, audience: 'receiver', keys: keys as never, now }
const subject = { format: 'complex', user: { format: 'iss_sub', iss: issuer, sub: 'ana' }, session: { format: 'opaque', id: 's1' } } as const

const claims: JWTPayload = {
  iss: issuer,
  aud: 'receiver',
  iat: seconds,
  jti: 'j1',
  txn: 'run_1',
  sub_id: subject,
  events: { [securityEvents.sessionRevoked]: { event_timestamp: seconds - 5 } }
}

function make(more: Readonly<Record<string, unknown>> = {}, header: Readonly<Record<string, unknown>> = {}, key = pair.privateKey): Promise<string> {
  const all = Object.fromEntries(Object.entries({ ...claims, ...more }).filter(([, value]) => value !== undefined))
  return new SignJWT(all).setProtectedHeader({ alg: 'RS256', kid: 'k1', typ: 'secevent+jwt', ...header }).sign(key)
}

async function refusedWith(code: string, work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error) => isCurfewError(error) && (error.code === code || assert.equal(error.code, code)))
}

suite('Security Event Tokens (RFC 8417, SSF 1.0)', () => {
  test('are read with what they say, even long after they were made', async () => {
    const read = {
      issuer,
      jti: 'j1',
      issuedAtMs: seconds * 1000,
      subject,
      event: securityEvents.sessionRevoked,
      payload: { event_timestamp: seconds - 5 },
      eventAtMs: (seconds - 5) * 1000,
      txn: 'run_1'
    }
    assert.deepEqual(await verifySecurityEventToken(await make(), expected), read)
    assert.equal((await verifySecurityEventToken(await make(), { ...expected, now: now.add({ hours: 200 }) })).jti, 'j1')
  })

  test('that are signed here are read here', async () => {
    const parts = {
      issuer,
      audience: 'receiver',
      jti: 'j2',
      issuedAtMs: seconds * 1000,
      subject: { format: 'email', email: 'ana@example.org' },
      event: securityEvents.verification,
      payload: { state: 'x' }
    } as const
    const text = await signSecurityEventToken(parts, { key: pair.privateKey, kid: 'k1', algorithm: 'RS256' })
    const { audience: _audience, ...read } = parts
    assert.deepEqual(await verifySecurityEventToken(text, expected), read)
  })

  const cases: Readonly<Record<string, readonly [() => Promise<string>, string]>> = {
    'without type': [() => make({}, { typ: undefined }), 'CURFEW_OIDC_TOKEN_TYPE'],
    'typed as a logout token': [() => make({}, { typ: 'logout+jwt' }), 'CURFEW_OIDC_TOKEN_TYPE'],
    'typed as any JWT': [() => make({}, { typ: 'JWT' }), 'CURFEW_OIDC_TOKEN_TYPE'],
    'with exp': [() => make({ exp: seconds + 60 }), 'CURFEW_OIDC_TOKEN_CLAIM'],
    'with sub': [() => make({ sub: 'ana' }), 'CURFEW_OIDC_TOKEN_CLAIM'],
    'with a nonce': [() => make({ nonce: 'n' }), 'CURFEW_OIDC_TOKEN_CLAIM'],
    'of another issuer': [() => make({ iss: 'https://other.example' }), 'CURFEW_OIDC_TOKEN_CLAIM'],
    'for another audience': [() => make({ aud: 'other' }), 'CURFEW_OIDC_TOKEN_CLAIM'],
    'without audience': [() => make({ aud: undefined }), 'CURFEW_OIDC_TOKEN_CLAIM'],
    'without iat': [() => make({ iat: undefined }), 'CURFEW_OIDC_TOKEN_CLAIM'],
    'of the future': [() => make({ iat: seconds + 300 }), 'CURFEW_OIDC_TOKEN_CLAIM'],
    'without jti': [() => make({ jti: undefined }), 'CURFEW_OIDC_TOKEN_CLAIM'],
    'without events': [() => make({ events: undefined }), 'CURFEW_SET_EVENT'],
    'with no event': [() => make({ events: {} }), 'CURFEW_SET_EVENT'],
    'with two events': [() => make({ events: { [securityEvents.sessionRevoked]: {}, [securityEvents.credentialChange]: {} } }), 'CURFEW_SET_EVENT'],
    'with an event that is no object': [() => make({ events: { [securityEvents.sessionRevoked]: true } }), 'CURFEW_SET_EVENT'],
    'with a timestamp that is no number': [() => make({ events: { [securityEvents.sessionRevoked]: { event_timestamp: 'now' } } }), 'CURFEW_OIDC_TOKEN_CLAIM'],
    'without subject': [() => make({ sub_id: undefined }), 'CURFEW_SET_SUBJECT'],
    'of a foreign key': [() => make({}, {}, foreign.privateKey), 'CURFEW_OIDC_TOKEN_SIGNATURE'],
    'of an unknown key id': [() => make({}, { kid: 'other' }, foreign.privateKey), 'CURFEW_OIDC_TOKEN_KEY_UNKNOWN'],
    'with alg none': [async () => `${new UnsecuredJWT(claims).encode()}`, 'CURFEW_OIDC_TOKEN_ALGORITHM'],
    'that are too long': [async () => `${await make()}${'A'.repeat(40_000)}`, 'CURFEW_JWT_MALFORMED'],
    'that are no token': [async () => 'hello', 'CURFEW_JWT_MALFORMED']
  }
  for (const [name, [text, code]] of Object.entries(cases)) {
    test(`${name} are refused`, async () => refusedWith(code, verifySecurityEventToken(await text(), expected)))
  }

  test('are no ID token and no logout token, and those are no Security Event Token', async () => {
    const text = await make()
    await refusedWith('CURFEW_OIDC_TOKEN_TYPE', verifyLogoutToken(text, expected))
    await refusedWith('CURFEW_OIDC_TOKEN_TYPE', verifyIdToken(text, { ...expected, nonce: 'n' }))
    const logout = await make({ exp: seconds + 60, sub: 'ana', events: { [backChannelLogoutEvent]: {} } }, { typ: 'logout+jwt' })
    await refusedWith('CURFEW_OIDC_TOKEN_TYPE', verifySecurityEventToken(logout, expected))
  })
})

suite('Subject identifiers (RFC 9493, SSF 1.0 section 3)', () => {
  test('of known formats are read without what they do not need', () => {
    assert.deepEqual(parseSubject({ format: 'email', email: 'a@b.c', more: 1 }), { format: 'email', email: 'a@b.c' })
    assert.deepEqual(parseSubject({ format: 'iss_sub', iss: 'i', sub: 's' }), { format: 'iss_sub', iss: 'i', sub: 's' })
    assert.deepEqual(parseSubject({ format: 'opaque', id: 'x' }), { format: 'opaque', id: 'x' })
    assert.deepEqual(parseSubject(subject), subject)
  })

  const refused: Readonly<Record<string, unknown>> = {
    'no object': 'ana',
    'a list': [],
    'an unknown format': { format: 'phone_number', phone_number: '+1' },
    'a missing field': { format: 'email' },
    'an empty field': { format: 'opaque', id: '' },
    'a field of the wrong kind': { format: 'iss_sub', iss: 'i', sub: 5 },
    'a field that is too long': { format: 'opaque', id: 'x'.repeat(1_025) },
    'a complex one without members': { format: 'complex' },
    'a complex one with a member that can not be matched': { ...subject, device: { format: 'opaque', id: 'd' } },
    'a complex one inside a complex one': { format: 'complex', user: subject }
  }
  for (const [name, value] of Object.entries(refused)) {
    test(`${name} is refused`, () => assert.throws(() => parseSubject(value), { code: 'CURFEW_SET_SUBJECT' }))
  }
})
