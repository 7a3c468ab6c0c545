import assert from 'node:assert/strict'
import { deflateSync } from 'node:zlib'
import { createCipheriv, createHmac } from 'node:crypto'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import {
  decodeOpenToken,
  encodeOpenToken,
  isCurfewError,
  type OpenTokenKey,
  openTokenKey,
  openTokenLimits,
  openTokenSuites,
  parsePayload,
  serialisePayload
} from '../../src/index.ts'
import { seedOfRun } from '../support/seeded.ts'

const seed = seedOfRun()
const keys = ([1, 2, 3] as const).map((id) => openTokenKey(id, '2Federate'))
const iv = (key: OpenTokenKey): Uint8Array => Buffer.alloc(key.suite.ivBytes, 7)

const keyText = fc.stringMatching(/^[A-Za-z][A-Za-z0-9:._-]{0,20}$/)
const valueText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }).filter((text) => text.isWellFormed()),
  fc.string({ unit: fc.constantFrom('\\', "'", '"', '\n', '\r', '\t', ' ', '=', 'a', 'é', '\u{1f600}'), maxLength: 30 })
)
const pairsText = fc.array(fc.tuple(keyText, valueText), { minLength: 1, maxLength: 12 })

function codeOf(work: () => unknown): string | undefined {
  try {
    work()
    return undefined
  } catch (error) {
    return isCurfewError(error) ? error.code : String(error)
  }
}

/** Octets of a token, without its padding. */
function octetsOf(token: string): Buffer {
  return Buffer.from(token.replaceAll('*', ''), 'base64url')
}

suite('OpenToken properties', () => {
  test('AC-045 AC-046 AC-047 what is written reads back as it was: any attribute, any order, any suite', () => {
    fc.assert(
      fc.property(pairsText, fc.constantFrom(...keys), (pairs, key) => {
        assert.deepEqual(decodeOpenToken(encodeOpenToken(pairs, key, iv(key)), keys).pairs, pairs)
        assert.deepEqual(parsePayload(serialisePayload(pairs)), pairs)
      }),
      { seed, numRuns: 400 }
    )
  })

  test('AC-053 every single bit of a token counts, and all refusals look alike', () => {
    for (const key of keys) {
      const token = encodeOpenToken(
        [
          ['subject', 'ana'],
          ['group', 'a'],
          ['group', 'b']
        ],
        key,
        iv(key)
      )
      const octets = octetsOf(token)
      for (let bit = 0; bit < octets.length * 8; bit++) {
        const changed = Buffer.from(octets)
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        assert.equal(
          codeOf(() => decodeOpenToken(changed.toString('base64url'), keys)),
          'CURFEW_OPENTOKEN_INVALID',
          `bit ${bit} of suite ${key.suite.id}`
        )
      }
      for (const wrong of [octets.subarray(0, -1), Buffer.concat([octets, Buffer.of(0)]), octets.subarray(1), Buffer.alloc(0)])
        assert.equal(
          codeOf(() => decodeOpenToken(wrong.toString('base64url'), keys)),
          'CURFEW_OPENTOKEN_INVALID'
        )
      assert.equal(
        codeOf(() => decodeOpenToken(token, [openTokenKey(key.suite.id as 1 | 2 | 3, 'other')])),
        'CURFEW_OPENTOKEN_INVALID'
      )
    }
  })

  test('AC-053 octets put in, taken out, repeated or swapped are refused, and so is any other text', () => {
    const key = keys[1] as OpenTokenKey
    const token = encodeOpenToken([['subject', 'ana']], key, iv(key))
    const edit = fc.tuple(fc.nat(200), fc.nat(8), fc.string({ unit: fc.constantFrom(...'AZaz09-_*=+/ \n'), maxLength: 8 }))
    fc.assert(
      fc.property(edit, ([at, drop, put]) => {
        const changed = token.slice(0, at) + put + token.slice(at + drop)
        const isSame = changed.replace(/[*=]+$/, '') === token.replace(/[*=]+$/, '')
        if (!isSame)
          assert.equal(
            codeOf(() => decodeOpenToken(changed, keys)),
            'CURFEW_OPENTOKEN_INVALID'
          )
      }),
      { seed, numRuns: 2_000 }
    )
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => codeOf(() => decodeOpenToken(text, keys)) === 'CURFEW_OPENTOKEN_INVALID'),
      { seed }
    )
  })

  test('a key of one suite never opens a token of another, even with the same octets at its start', () => {
    const [aes256, aes128] = [openTokenKey(1, '2Federate'), openTokenKey(2, '2Federate')] as const
    const token = encodeOpenToken([['subject', 'ana']], aes128, iv(aes128))
    assert.equal(
      codeOf(() => decodeOpenToken(token, [aes256])),
      'CURFEW_OPENTOKEN_INVALID'
    )
    assert.equal(decodeOpenToken(token, [openTokenKey(2, 'newer'), aes128]).key, aes128)
  })

  test('AC-054 a payload that inflates past the limit is refused, one at the limit is read', () => {
    const { payloadBytesMax } = openTokenLimits
    for (const [bytes, isGood] of [
      [payloadBytesMax, true],
      [payloadBytesMax + 1, false],
      [64 * 1024 * 1024, false]
    ] as const) {
      const token = forged(`a=${'b'.repeat(bytes - 2)}`)
      const before = process.memoryUsage().arrayBuffers
      assert.equal(
        codeOf(() => decodeOpenToken(token, keys)),
        isGood ? undefined : 'CURFEW_OPENTOKEN_INVALID'
      )
      assert.ok(process.memoryUsage().arrayBuffers - before < 8 * 1024 * 1024)
    }
  })

  test('length, attributes and keys are bounded: at the limit it works, one above it does not', () => {
    const { attributesMax, charactersMax, keyCharactersMax } = openTokenLimits
    const key = keys[1] as OpenTokenKey
    const many = (count: number): readonly (readonly [string, string])[] => Array.from({ length: count }, () => ['a', ''] as const)
    assert.equal(decodeOpenToken(encodeOpenToken(many(attributesMax), key, iv(key)), keys).pairs.length, attributesMax)
    assert.equal(
      codeOf(() => serialisePayload(many(attributesMax + 1))),
      'CURFEW_OPENTOKEN_WRITE'
    )
    assert.equal(
      codeOf(() => parsePayload('a=\n'.repeat(attributesMax + 1))),
      'CURFEW_OPENTOKEN_TEXT'
    )
    assert.equal(parsePayload(`${'k'.repeat(keyCharactersMax)}=v`).length, 1)
    assert.equal(
      codeOf(() => parsePayload(`${'k'.repeat(keyCharactersMax + 1)}=v`)),
      'CURFEW_OPENTOKEN_TEXT'
    )
    assert.equal(
      codeOf(() => decodeOpenToken('A'.repeat(charactersMax + 1), keys)),
      'CURFEW_OPENTOKEN_INVALID'
    )
  })

  test('an IV of another length is refused by the writer, for every suite', () => {
    for (const key of keys)
      assert.equal(
        codeOf(() => encodeOpenToken([['a', 'b']], key, Buffer.alloc(key.suite.ivBytes + 1))),
        'CURFEW_OPENTOKEN_WRITE'
      )
    assert.deepEqual(
      openTokenSuites.map((s) => s.ivBytes),
      [0, 16, 16, 8]
    )
  })
})

/** A token whose MAC is right, around any text: what somebody with the key could send. */
function forged(text: string): string {
  const key = keys[1] as OpenTokenKey
  const octets = iv(key)
  const cipher = createCipheriv('aes-128-cbc', key.octets, octets)
  const payload = Buffer.concat([cipher.update(deflateSync(text)), cipher.final()])
  const mac = createHmac('sha1', key.octets).update(Buffer.of(1, 2)).update(octets).update(text).digest()
  const length = Buffer.alloc(2)
  length.writeUInt16BE(payload.length % 65_536)
  return Buffer.concat([Buffer.from('OTK'), Buffer.of(1, 2), mac, Buffer.of(16), octets, Buffer.of(0), length, payload]).toString('base64url')
}
