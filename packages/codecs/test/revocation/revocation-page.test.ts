import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { CompactSign, type JSONWebKeySet, type JWK, SignJWT } from 'jose'
import { isCurfewError } from '../../src/errors.ts'
import { createRevocationList } from '../../src/revocation/revocation-list.ts'
import {
  createRevocationPageReader,
  revocationFingerprint,
  revocationPageAudience,
  revocationPageClaims,
  revocationPageEntriesMax,
  revocationPageType,
  verifyRevocationPage
} from '../../src/revocation/revocation-page.ts'
import { revocationKey } from '../../src/revocation/revoked-set.ts'

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

const reader = createRevocationPageReader()

/** Both ways to read a page say the same. */
async function codeOf(token: Promise<string>): Promise<string> {
  const text = await token
  const code = await codeBy(() => verifyRevocationPage(text, expected))
  assert.equal(await codeBy(() => reader.read(Buffer.from(text), expected)), code)
  return code
}

async function codeBy(read: () => Promise<unknown>): Promise<string> {
  try {
    await read()
    return 'taken'
  } catch (error) {
    return isCurfewError(error) ? error.code : String(error)
  }
}

/** Signed as it stands, however it is written. */
async function written(json: string, { key = pair.privateKey, alg = 'ES256' }: { readonly key?: KeyObject; readonly alg?: string } = {}): Promise<string> {
  return new CompactSign(Buffer.from(json)).setProtectedHeader({ alg, kid: 'k1', typ: revocationPageType }).sign(key)
}

async function bothOf(token: string, keySet = keys) {
  const whole = await verifyRevocationPage(token, { ...expected, keys: keySet })
  const inPlace = await reader.read(Buffer.from(token), { ...expected, keys: keySet })
  return { whole, inPlace: { ...inPlace, entries: [...inPlace.entries] } }
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

  const base = { iss: expected.issuer, aud: revocationPageAudience, iat: now.epochMilliseconds / 1000, prev: 0, seq: 1 }
  const [name] = [entry.fingerprint]

  test('is read where it lies as it is read by JSON, whatever stands in it', async () => {
    const any = fc.record({
      entries: fc.array(fc.tuple(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat()), { maxLength: 5 }),
      space: fc.constantFrom('', ' '),
      isFirst: fc.boolean(),
      list: fc.string({ minLength: 1, maxLength: 20, unit: 'binary' })
    })
    await fc.assert(
      fc.asyncProperty(any, async ({ entries, space, isFirst, list }) => {
        const listed = entries.map(([octets, until]) => `["${Buffer.from(octets).toString('base64url')}",${space}${until}]`).join(',')
        const others = JSON.stringify({ ...base, list, end: 1 }).slice(1, -1)
        const { whole, inPlace } = await bothOf(await written(isFirst ? `{"entries":[${listed}],${others}}` : `{${others},"entries":[${listed}]}`))
        assert.deepEqual(inPlace, whole)
        assert.equal(whole.entries.length, entries.length)
      }),
      { numRuns: 100 }
    )
  })

  for (const [what, json] of Object.entries({
    'entries twice': `{"entries":[["${name}",5]],"entries":[["${name}",6],["${name}",7]]`,
    'entries of something else before them': `{"other":{"entries":[["${name}",5]]},"entries":[["${name}",6]]`,
    'a text that looks like entries': `{"list":"\\"entries\\":[[","end":1,"entries":[["${name}",6]]`,
    'the largest time': `{"entries":[["${name}",${Number.MAX_SAFE_INTEGER}]]`
  })) {
    test(`with ${what} says the same both ways`, async () => {
      const { whole, inPlace } = await bothOf(await written(`${json},${JSON.stringify(base).slice(1)}`))
      assert.deepEqual(inPlace, whole)
    })
  }

  test('tells of those that matter by their fingerprint, and of no other', async () => {
    const fingerprints = Array.from({ length: 300 }, (_, i) => revocationFingerprint(`sri-${i}`))
    const held = new Set(fingerprints.slice(0, 3).map((fingerprint) => revocationKey(fingerprint).low | 0))
    const told: string[] = []
    const list = createRevocationList(
      (fingerprint) => told.push(fingerprint),
      () => 0,
      (signedLow) => held.has(signedLow)
    )
    const token = await page({ claims: { prev: 0, seq: 300, entries: fingerprints.map((fingerprint) => [fingerprint, 1_800_000_000]) } })
    list.take(await reader.read(Buffer.from(token), expected), now.epochMilliseconds)
    assert.deepEqual(told, fingerprints.slice(0, 3))
    assert.equal(list.size, 300)
    for (const fingerprint of fingerprints) assert.ok(list.isListed(revocationKey(fingerprint), now.epochMilliseconds))
  })

  test('whose payload is no base64url is refused where it lies', async () => {
    const [header = '', payload = ''] = (
      await page({ claims: { entries: Array.from({ length: 500 }, (_, i) => [revocationFingerprint(`sri-${i}`), 1]) } })
    ).split('.')
    for (const bad of ['*', '=', ' ', '\n']) {
      const signed = `${header}.${payload.slice(0, 30_000)}${bad}${payload.slice(30_000 + bad.length)}`
      const signature = sign('sha256', Buffer.from(signed), { key: pair.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')
      assert.equal(await codeBy(() => reader.read(Buffer.from(`${signed}.${signature}`), expected)), 'CURFEW_JWT_MALFORMED', JSON.stringify(bad))
    }
  })

  for (const [what, entries] of Object.entries({
    'a time with a zero before it': `[["${name}",05]]`,
    'a time that is too large': `[["${name}",9007199254740993]]`,
    'a time below zero': `[["${name}",-1]]`,
    'a time that is missing': `[["${name}",]]`,
    'three things in an entry': `[["${name}",5,6],[1]]`,
    'a fingerprint with a sign of plain base64': `[["${'+'.repeat(22)}",5]]`,
    'entries without an end': `[["${name}",5]`,
    'a comma behind the last': `[["${name}",5],]`
  })) {
    test(`with ${what} is refused both ways or taken both ways`, async () => {
      await codeOf(written(`{"entries":${entries},${JSON.stringify(base).slice(1)}`))
    })
  }

  test('with four thousand and one entries is refused where it lies, too', async () => {
    const entries = Array.from({ length: revocationPageEntriesMax + 1 }, () => `["${name}",1]`).join(',')
    assert.equal(await codeOf(written(`{"entries":[${entries}],${JSON.stringify(base).slice(1)}`)), 'CURFEW_OIDC_TOKEN_CLAIM')
  })

  for (const [alg, key] of [
    ['RS256', generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['PS256', generateKeyPairSync('rsa', { modulusLength: 2048 })],
    ['ES384', generateKeyPairSync('ec', { namedCurve: 'P-384' })],
    ['EdDSA', generateKeyPairSync('ed25519')]
  ] as const) {
    test(`signed by ${alg} is read where it lies, and a changed one is refused`, async () => {
      const keySet = { keys: [{ ...key.publicKey.export({ format: 'jwk' }), kid: 'k1' } as JWK] }
      const token = await written(`{"entries":[["${name}",5]],${JSON.stringify(base).slice(1)}`, { key: key.privateKey, alg })
      const { whole, inPlace } = await bothOf(token, keySet)
      assert.deepEqual(inPlace, whole)
      const changed = Buffer.from(token)
      changed[token.indexOf('.') + 20] = (changed[token.indexOf('.') + 20] ?? 0) ^ 1
      assert.equal(await codeBy(() => reader.read(changed, { ...expected, keys: keySet })), 'CURFEW_OIDC_TOKEN_SIGNATURE')
    })
  }

  test('that is no token is refused where it lies', async () => {
    for (const text of ['', '.', 'a.b', 'a.b.c', '..', 'a.b.c.d', `${(await page()).split('.').slice(0, 2).join('.')}.`]) await codeOf(Promise.resolve(text))
    assert.equal(await codeOf(Promise.resolve('a.b.c')), 'CURFEW_JWT_MALFORMED')
    assert.equal(await codeOf(page().then((token) => `${token.split('.').slice(0, 2).join('.')}.`)), 'CURFEW_OIDC_TOKEN_SIGNATURE')
  })
})
