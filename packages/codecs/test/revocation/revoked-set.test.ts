import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { revocationFingerprint } from '../../src/revocation/revocation-page.ts'
import fc from 'fast-check'
import { highAt, lowAt, revocationKey, RevokedSet } from '../../src/revocation/revoked-set.ts'

const nowSeconds = 1_000

suite('The set of revoked sessions', () => {
  test('holds what was added and nothing else, over many renewals of the table', () => {
    const set = new RevokedSet()
    for (let i = 0; i < 20_000; i++) set.add(revocationFingerprint(`in-${i}`), nowSeconds + 10, nowSeconds)
    assert.equal(set.size, 20_000)
    for (let i = 0; i < 20_000; i++) assert.ok(set.has(revocationKey(revocationFingerprint(`in-${i}`)), nowSeconds))
    for (let i = 0; i < 20_000; i++) assert.ok(!set.has(revocationKey(revocationFingerprint(`out-${i}`)), nowSeconds))
  })

  test('forgets an entry when its time is over, and makes room for others without growing', () => {
    const set = new RevokedSet()
    for (let round = 0; round < 50; round++) {
      const second = nowSeconds + round * 10
      for (let i = 0; i < 500; i++) set.add(revocationFingerprint(`${round}-${i}`), second + 10, second)
      assert.ok(set.has(revocationKey(revocationFingerprint(`${round}-0`)), second + 9))
      assert.ok(!set.has(revocationKey(revocationFingerprint(`${round}-0`)), second + 10))
    }
    assert.ok(set.bytes <= 150_000, `${set.bytes}`)
  })

  test('agrees with a plain map on any sequence', () => {
    const step = fc.record({ key: fc.nat(40), until: fc.integer({ min: 1, max: 60 }), pass: fc.nat(3) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const set = new RevokedSet()
        const model = new Map<string, number>()
        let second = 1
        for (const { key, until, pass } of steps) {
          const fingerprint = revocationFingerprint(`k${key}`)
          second += pass
          set.add(fingerprint, second + until, second)
          model.set(fingerprint, Math.max(model.get(fingerprint) ?? 0, second + until))
          for (const [known, end] of model) assert.equal(set.has(revocationKey(known), second), end > second)
        }
      }),
      { numRuns: 50 }
    )
  })

  test('knows a fingerprint that stands in octets by the same numbers', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(5), (octets, at) => {
        const fingerprint = Buffer.from(octets).toString('base64url')
        const key = revocationKey(fingerprint)
        const written = Buffer.from('x'.repeat(at) + fingerprint)
        const [high, low] = [highAt(written, at), lowAt(written, at)]
        assert.deepEqual([high >>> 0, low >>> 0], [key.high, key.low])
        assert.equal(Buffer.from(octets).readUInt32BE(0), key.high)
        const set = new RevokedSet()
        set.addNumbers(high, low, nowSeconds + 5, nowSeconds)
        assert.deepEqual([set.has(key, nowSeconds + 4), set.has(key, nowSeconds + 5)], [true, false])
      })
    )
  })

  test('takes two fingerprints that differ in the last of 64 bits for two', () => {
    const set = new RevokedSet()
    const octets = Buffer.alloc(16, 9)
    set.add(octets.toString('base64url'), nowSeconds + 5, nowSeconds)
    octets[7] = 8
    assert.ok(!set.has(revocationKey(octets.toString('base64url')), nowSeconds))
  })
})
