import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { revocationKey, RevokedSet } from '../../src/revocation/revoked-set.ts'

const count = 10_000_000
const nowSeconds = 1_000_000_000
/** The bound that a gateway is held to. */
const bytesMax = 400e6
/** Resident beside the table, in shares of it: tables that were grown out of leave nothing behind. */
const overheadMax = 0.2

/** Octets of this process before there was any set. */
const before = process.memoryUsage().rss

/** Another number for each, spread as the octets of a hash are. */
function spread(i: number): number {
  let n = i
  n = Math.imul(n ^ (n >>> 16), 0x85ebca6b)
  n = Math.imul(n ^ (n >>> 13), 0xc2b2ae35)
  return (n ^ (n >>> 16)) >>> 0
}

/** 16 octets for a number: different for every number, and nothing like those of its neighbours. */
function fingerprintOf(i: number, octets: Buffer): string {
  octets.writeUInt32BE(spread(i), 0)
  octets.writeUInt32BE(spread(i ^ 0x9e3779b9), 4)
  return octets.toString('base64url')
}

suite('The list of revoked sessions at its promised size', () => {
  test('AC-102 ten million entries fit in 400 MB while they come in and after, and none is dropped before its time', (t) => {
    const set = new RevokedSet()
    const octets = Buffer.alloc(16)
    let peak = before
    for (let i = 0; i < count; i++) {
      set.add(fingerprintOf(i, octets), nowSeconds + 1 + (i % 1_000), nowSeconds)
      if (i % 20_000 === 0) peak = Math.max(peak, process.memoryUsage().rss)
    }
    t.diagnostic(`${Math.round(set.bytes / 1e6)} MB, ${Math.round((peak - before) / 1e6)} MB resident at the most`)
    assert.ok(peak - before <= bytesMax, `${peak - before}`)
    assert.ok(peak - before <= set.bytes * (1 + overheadMax), `${peak - before} for ${set.bytes}`)
    assert.equal(set.size, count)
    // At second 500 half of them have run out: exactly those, and no other.
    let live = 0
    for (let i = 0; i < count; i++) if (set.has(revocationKey(fingerprintOf(i, octets)), nowSeconds + 500)) live += 1
    assert.equal(live, count / 2)
    for (let i = 0; i < 1_000; i++) assert.equal(set.has(revocationKey(fingerprintOf(i, octets)), nowSeconds + i), true)
    for (let i = 0; i < 1_000; i++) assert.equal(set.has(revocationKey(fingerprintOf(i, octets)), nowSeconds + i + 1), false)
  })

  test('AC-102 while some run out and as many come, it stays within 400 MB and never stops for long', (t) => {
    const set = new RevokedSet()
    const octets = Buffer.alloc(16)
    const turnover = 2_600_000
    const perSecond = turnover / 1_000
    const peak = { table: 0, resident: 0, pauseMs: 0 }
    for (let i = 0; i < count; i++) {
      const untilSeconds = i < turnover ? nowSeconds + 1 + Math.floor(i / perSecond) : nowSeconds + 10_000
      set.add(fingerprintOf(i, octets), untilSeconds, nowSeconds)
    }
    for (let i = 0; i < turnover; i++) {
      const second = nowSeconds + Math.floor(i / perSecond)
      const startedMs = performance.now()
      set.add(fingerprintOf(count + i, octets), nowSeconds + 10_000, second)
      peak.pauseMs = Math.max(peak.pauseMs, performance.now() - startedMs)
      peak.table = Math.max(peak.table, set.bytes)
      if (i % 20_000 === 0) peak.resident = Math.max(peak.resident, process.memoryUsage().rss - before)
    }
    t.diagnostic(`${Math.round(peak.table / 1e6)} MB, ${Math.round(peak.resident / 1e6)} MB resident at the most; longest pause ${peak.pauseMs.toFixed(1)} ms`)
    assert.ok(peak.table <= bytesMax, `${peak.table}`)
    assert.ok(peak.resident <= bytesMax, `${peak.resident}`)
    assert.ok(peak.resident <= peak.table * (1 + overheadMax), `${peak.resident} for ${peak.table}`)
    let live = 0
    for (let i = 0; i < count + turnover; i++) if (set.has(revocationKey(fingerprintOf(i, octets)), nowSeconds + 1_000)) live += 1
    assert.equal(live, count)
  })
})
