import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { revocationKey, RevokedSet } from '../../src/revocation/revoked-set.ts'

const count = 10_000_000
const nowSeconds = 1_000_000_000
/** The bound that a gateway is held to. */
const bytesMax = 400e6

/** 16 octets for a number, spread as those of a hash are, and different for every number. */
function fingerprintOf(i: number, octets: Buffer): string {
  octets.writeUInt32BE(Math.imul(i, 2_654_435_761) >>> 0, 0)
  octets.writeUInt32BE(Math.imul(i ^ 0x9e3779b9, 0x85ebca6b) >>> 0, 4)
  return octets.toString('base64url')
}

suite('The list of revoked sessions at its promised size', () => {
  test('AC-102 ten million entries fit in 400 MB while they come in and after, and none is dropped before its time', (t) => {
    const set = new RevokedSet()
    const octets = Buffer.alloc(16)
    const before = process.memoryUsage().rss
    let peak = before
    for (let i = 0; i < count; i++) {
      set.add(fingerprintOf(i, octets), nowSeconds + 1 + (i % 1_000), nowSeconds)
      if (i % 20_000 === 0) peak = Math.max(peak, process.memoryUsage().rss)
    }
    t.diagnostic(`${Math.round(set.bytes / 1e6)} MB, ${Math.round((peak - before) / 1e6)} MB resident at the most`)
    assert.ok(peak - before <= bytesMax, `${peak - before}`)
    assert.equal(set.size, count)
    // At second 500 half of them have run out: exactly those, and no other.
    let live = 0
    for (let i = 0; i < count; i++) if (set.has(revocationKey(fingerprintOf(i, octets)), nowSeconds + 500)) live += 1
    assert.equal(live, count / 2)
    for (let i = 0; i < 1_000; i++) assert.equal(set.has(revocationKey(fingerprintOf(i, octets)), nowSeconds + i), true)
    for (let i = 0; i < 1_000; i++) assert.equal(set.has(revocationKey(fingerprintOf(i, octets)), nowSeconds + i + 1), false)
  })
})
