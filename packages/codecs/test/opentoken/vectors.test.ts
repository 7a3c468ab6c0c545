import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import {
  decodeOpenToken,
  encodeOpenToken,
  isCurfewError,
  type OpenTokenKey,
  openTokenKey,
  openTokenRawKey,
  parsePayload,
  serialisePayload,
  unsafeAllowNullSuite,
  unsafeNullSuiteKey
} from '../../src/index.ts'

interface Vector {
  readonly id: string
  readonly suite: 0 | 1 | 2 | 3
  readonly keyBase64?: string
  readonly password?: string
  readonly derivedKey?: string
  readonly iv?: string
  readonly mac?: string
  readonly token: string
  readonly text: string
  readonly attributes?: readonly (readonly [string, string])[]
}

function vectors<T = Vector>(name: string): readonly T[] {
  const text = readFileSync(new URL(`../../../../vectors/opentoken/${name}.json`, import.meta.url), 'utf8')
  return (JSON.parse(text) as { readonly vectors: readonly T[] }).vectors
}

const nullKey = unsafeNullSuiteKey({ [unsafeAllowNullSuite]: true })

function keyOf(vector: Vector): OpenTokenKey {
  if (vector.suite === 0) return nullKey
  if (vector.keyBase64 !== undefined) return openTokenRawKey(vector.suite, Buffer.from(vector.keyBase64, 'base64'))
  return openTokenKey(vector.suite, vector.password ?? '')
}

function refuses(work: () => unknown, code = 'CURFEW_OPENTOKEN_INVALID'): void {
  assert.throws(work, (error) => isCurfewError(error) && (assert.equal(error.code, code), true))
}

function decodes(vector: Vector): void {
  const { pairs } = decodeOpenToken(vector.token, [keyOf(vector)])
  assert.deepEqual(pairs, vector.attributes ?? parsePayload(vector.text))
  assert.ok(pairs.length >= 2)
}

suite('OpenToken vectors', () => {
  for (const vector of vectors('draft-smith-02')) {
    test(`AC-035 the draft's token of suite ${vector.suite} decodes to foo=bar, bar=baz`, () => {
      decodes(vector)
      assert.deepEqual(decodeOpenToken(vector.token, [keyOf(vector)]).pairs, [
        ['foo', 'bar'],
        ['bar', 'baz']
      ])
    })
    test(`AC-036 the same with the literal PTK of the draft is refused (suite ${vector.suite})`, () => {
      refuses(() => decodeOpenToken(`UFRL${vector.token.slice(4)}`, [keyOf(vector)]))
    })
    test(`AC-034 AC-042 is laid out, and its MAC covers what is specified (suite ${vector.suite})`, () => {
      const iv = Buffer.from(vector.iv ?? '', 'hex')
      const own = Buffer.from(encodeOpenToken(parsePayload(vector.text), keyOf(vector), iv).replaceAll('*', ''), 'base64url')
      const head = Buffer.concat([Buffer.from('OTK'), Buffer.of(1, vector.suite), Buffer.from(vector.mac ?? '', 'hex'), Buffer.of(iv.length), iv, Buffer.of(0)])
      assert.equal(own.subarray(0, head.length).toString('hex'), head.toString('hex'))
      assert.equal(own.readUInt16BE(head.length), own.length - head.length - 2)
    })
  }
  for (const vector of vectors('passwords')) {
    test(`AC-037 a token with a key from a password decodes (suite ${vector.suite})`, () => {
      decodes(vector)
      assert.equal(Buffer.from(keyOf(vector).octets).toString('hex'), vector.derivedKey)
    })
  }
  for (const vector of vectors('pingfederate')) test(`AC-038 the server's token ${vector.id} decodes`, () => decodes(vector))
  for (const vector of vectors('libraries')) test(`AC-039 the library's token ${vector.id} decodes`, () => decodes(vector))
  for (const vector of vectors('own')) {
    test(`AC-040 our own token decodes: ${vector.id}`, () => {
      decodes(vector)
      assert.equal(serialisePayload(vector.attributes ?? []), vector.text)
    })
  }
  test('AC-041 the key derivation gives the published check value', () => {
    for (const check of vectors<{ readonly suite: 2; readonly passwordBase64: string; readonly derivedKeyBase64: string }>('key-derivation')) {
      const key = openTokenKey(check.suite, Buffer.from(check.passwordBase64, 'base64'))
      assert.equal(Buffer.from(key.octets).toString('base64'), check.derivedKeyBase64)
    }
  })
  test('AC-043 suite 0 is a plain digest, and refused by every key that a configuration can make', () => {
    const [plain] = vectors('passwords').filter((vector) => vector.suite === 0)
    assert.ok(plain !== undefined)
    decodes(plain)
    for (const id of [1, 2, 3] as const) refuses(() => decodeOpenToken(plain.token, [openTokenKey(id, plain.password ?? '')]))
    refuses(() => openTokenKey(0 as never, ''), 'CURFEW_OPENTOKEN_KEY')
  })
  test('AC-044 stars are written as padding; equals signs, or nothing, are read as well, and nothing in between', () => {
    for (const { token, ...vector } of [...vectors('libraries'), ...vectors('draft-smith-02')]) {
      const keys = [keyOf({ token, ...vector })]
      const bare = token.replaceAll('*', '')
      const missing = token.length - bare.length
      assert.deepEqual(decodeOpenToken(bare, keys).pairs, parsePayload(vector.text))
      assert.deepEqual(decodeOpenToken(bare + '='.repeat(missing), keys).pairs, parsePayload(vector.text))
      if (missing === 2) refuses(() => decodeOpenToken(`${bare}*`, keys))
      refuses(() => decodeOpenToken(`${bare}${'*'.repeat(missing)}*`, keys))
      refuses(() => decodeOpenToken(` ${token}`, keys))
    }
  })
})
