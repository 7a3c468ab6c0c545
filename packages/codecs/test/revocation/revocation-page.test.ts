import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { suite, test } from 'node:test'
import { type JSONWebKeySet, SignJWT } from 'jose'
import { isCurfewError } from '../../src/errors.ts'
import {
  revocationFingerprint,
  revocationPageAudience,
  revocationPageClaims,
  revocationPageEntriesMax,
  revocationPageType,
  verifyRevocationPage
} from '../../src/revocation/revocation-page.ts'

const now = Temporal.Instant.from('2026-03-02T08:00:00Z')
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const keys: JSONWebKeySet = { keys: [{ ...pair.publicKey.export({ format: 'jwk' }), kid: 'k1', kty: 'EC' }] }
const expected = { issuer: 'https://login.example.com', keys, now }
const entry = { fingerprint: revocationFingerprint('sri-1'), untilSeconds: 1_800_000_000 }

interface Change {
  readonly claims?: Record<string, unknown>
  readonly type?: string
  readonly audience?: string
  readonly issuer?: string
  readonly key?: KeyObject
}

function page({ claims = {}, type = revocationPageType, audience = revocationPageAudience, issuer = expected.issuer, key = pair.privateKey }: Change = {}) {
  return new SignJWT({ ...revocationPageClaims({ prev: 3, seq: 5, hasMore: false, entries: [entry] }), ...claims })
    .setProtectedHeader({ alg: 'ES256', kid: 'k1', typ: type })
    .setIssuer(issuer)
    .setAudience(audience)
    .setIssuedAt(now.epochMilliseconds / 1000)
    .sign(key)
}

async function codeOf(token: Promise<string>): Promise<string> {
  try {
    await verifyRevocationPage(await token, expected)
    return 'taken'
  } catch (error) {
    return isCurfewError(error) ? error.code : String(error)
  }
}

suite('A page of the revocation feed', () => {
  test('comes back as it was written', async () => {
    assert.deepEqual(await verifyRevocationPage(await page(), expected), {
      prev: 3,
      seq: 5,
      hasMore: false,
      issuedAtMs: now.epochMilliseconds,
      entries: [entry]
    })
  })

  test('signed by another key, for another reader, by another issuer or of another type is refused', async () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    assert.equal(await codeOf(page({ key: other })), 'CURFEW_OIDC_TOKEN_SIGNATURE')
    assert.equal(await codeOf(page({ audience: 'wiki' })), 'CURFEW_OIDC_TOKEN_CLAIM')
    assert.equal(await codeOf(page({ issuer: 'https://evil.example.com' })), 'CURFEW_OIDC_TOKEN_CLAIM')
    assert.equal(await codeOf(page({ type: 'logout+jwt' })), 'CURFEW_OIDC_TOKEN_TYPE')
    assert.equal(await codeOf(page({ type: 'JWT' })), 'CURFEW_OIDC_TOKEN_TYPE')
  })

  for (const [what, claims] of Object.entries({
    'a position that goes back': { prev: 6, seq: 5 },
    'a negative position': { prev: -1 },
    'a position that is no number': { seq: '5' },
    'a list without a name': { list: '', end: 5 },
    'a list whose name is too long': { list: 'l'.repeat(129), end: 5 },
    'a list without an end': { list: 'l' },
    'entries that are no list': { entries: {} },
    'a fingerprint of another length': { entries: [['short', 5]] },
    'a time that is no number': { entries: [[entry.fingerprint, 'soon']] },
    'more entries than a page may hold': { entries: Array.from({ length: revocationPageEntriesMax + 1 }, () => ['A'.repeat(22), 1]) }
  })) {
    test(`with ${what} is refused`, async () => assert.equal(await codeOf(page({ claims })), 'CURFEW_OIDC_TOKEN_CLAIM'))
  }

  test('may hold the most entries, and says nothing that a session could be named by', async () => {
    const entries = Array.from({ length: revocationPageEntriesMax }, (_, i) => [revocationFingerprint(`sri-${i}`), 1_800_000_000])
    const token = await page({ claims: { entries } })
    assert.equal((await verifyRevocationPage(token, expected)).entries.length, revocationPageEntriesMax)
    assert.ok(
      !Buffer.from(token.split('.')[1] ?? '', 'base64url')
        .toString()
        .includes('sri-')
    )
  })
})
