import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { compactDecrypt, createLocalJWKSet, jwtVerify } from 'jose'
import { deriveKey, deriveKeyPair, keyPeriodMs, periodOf } from '../../../src/gateway/session/cookie-keys.ts'
import { cookieCharactersMax, createEncryptedSealer, createSignedSealer, type Sealer, signingKeyId, signingPair } from '../../../src/gateway/session/sealer.ts'
import { systemRandom } from '../../../src/platform/random.ts'

const secret = Buffer.alloc(32, 1)
const nowMs = 1_772_438_400_000
const maxMs = 48 * 3_600_000
const options = { secret, use: 'ACE', maxMs, random: systemRandom }
const kinds: readonly (readonly [string, (more?: Partial<typeof options>) => Sealer])[] = [
  ['encrypted', (more) => createEncryptedSealer({ ...options, ...more })],
  ['signed', (more) => createSignedSealer({ ...options, ...more })]
]

for (const [kind, make] of kinds) {
  suite(`A ${kind} cookie value`, () => {
    test('comes back, whatever the text', () => {
      const sealer = make()
      fc.assert(
        fc.property(fc.string({ maxLength: 500, unit: 'grapheme' }), (text) => assert.equal(sealer.open(sealer.seal(text, nowMs), nowMs), text)),
        { numRuns: 50 }
      )
    })

    test('with any one character changed, taken away or added is refused', () => {
      const sealer = make()
      const value = sealer.seal('{"sub":"ana"}', nowMs)
      for (let i = 0; i < value.length; i++) {
        for (const other of ['A', 'B', '.', '-', '=', '+']) {
          if (other === value[i]) continue
          assert.equal(sealer.open(value.slice(0, i) + other + value.slice(i + 1), nowMs), undefined, `${i} ${other}`)
        }
        assert.equal(sealer.open(value.slice(0, i) + value.slice(i + 1), nowMs), undefined)
        assert.equal(sealer.open(`${value.slice(0, i)}A${value.slice(i)}`, nowMs), undefined)
        assert.equal(sealer.open(value.slice(0, i), nowMs), undefined)
      }
    })

    test('of another secret, another use or of nobody is refused', () => {
      const value = make().seal('ana', nowMs)
      assert.equal(make({ secret: Buffer.alloc(32, 2) }).open(value, nowMs), undefined)
      assert.equal(make({ use: 'OTHER' }).open(value, nowMs), undefined)
      for (const [, other] of kinds.filter(([name]) => name !== kind)) assert.equal(other().open(value, nowMs), undefined)
      for (const junk of ['', '.', '....', 'a.b.c', 'a'.repeat(5_000), '\u0000']) assert.equal(make().open(junk, nowMs), undefined)
    })

    test('that is longer than browsers keep is not looked at, however well it is sealed', () => {
      const sealer = make()
      const sealed = Array.from({ length: 40 }, (_, i) => sealer.seal('x'.repeat(2_900 + 10 * i), nowMs))
      const [short, long] = [true, false].map((isShort) => sealed.filter(({ length }) => length <= cookieCharactersMax === isShort))
      assert.ok((short?.length ?? 0) > 0 && (long?.length ?? 0) > 0)
      for (const value of short ?? []) assert.ok(sealer.open(value, nowMs) !== undefined, `${value.length} characters`)
      for (const value of long ?? []) assert.equal(sealer.open(value, nowMs), undefined, `${value.length} characters`)
    })

    test('AC-080 is written with a new key every day, and those of the keys before are read as long as they may be good', () => {
      const sealer = make()
      const value = sealer.seal('ana', nowMs)
      const kid = (text: string) => (JSON.parse(Buffer.from(text.split('.')[0] ?? '', 'base64url').toString()) as { kid: string }).kid
      assert.notEqual(kid(sealer.seal('ana', nowMs + keyPeriodMs)), kid(value))
      assert.equal(sealer.open(value, nowMs + keyPeriodMs), 'ana')
      assert.equal(sealer.open(value, nowMs + maxMs - 1), 'ana')
      assert.equal(sealer.open(value, nowMs + maxMs + 2 * keyPeriodMs), undefined)
      // A second gateway that was started later, with the same secret and nothing else.
      assert.equal(make().open(value, nowMs + keyPeriodMs), 'ana')
    })
  })
}

suite('Cookies as another implementation reads them', () => {
  test('an encrypted one is a JWE that jose decrypts', async () => {
    const value = createEncryptedSealer(options).seal('{"sub":"ana"}', nowMs)
    const { plaintext, protectedHeader } = await compactDecrypt(value, deriveKey(secret, `ACE ${periodOf(nowMs)}`))
    assert.deepEqual([Buffer.from(plaintext).toString(), protectedHeader.enc], ['{"sub":"ana"}', 'A256GCM'])
  })

  test('a signed one is a JWT that jose verifies with the published key', async () => {
    const value = createSignedSealer(options).seal(JSON.stringify({ sub: 'ana' }), nowMs)
    const jwk = { ...signingPair(secret, 'ACE', periodOf(nowMs)).publicKey.export({ format: 'jwk' }), kid: signingKeyId('ACE', periodOf(nowMs)), kty: 'EC' }
    const { payload } = await jwtVerify(value, createLocalJWKSet({ keys: [jwk] }), { algorithms: ['ES256'] })
    assert.equal(payload.sub, 'ana')
  })

  test('key pairs are the same for the same secret and use, and differ otherwise', () => {
    const x = (use: string, from = secret) => deriveKeyPair(from, use).publicKey.export({ format: 'jwk' }).x
    assert.equal(x('a'), x('a'))
    assert.equal(new Set([x('a'), x('b'), x('a', Buffer.alloc(32, 2))]).size, 3)
    assert.throws(() => deriveKeyPair(Buffer.alloc(31), 'a'), TypeError)
    assert.throws(() => deriveKey(Buffer.alloc(31), 'a'), TypeError)
  })
})
