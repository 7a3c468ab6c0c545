import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { closeFrame, trackFrames } from '../../../src/gateway/proxy/frames.ts'

/** A frame as RFC 6455 section 5.2 draws it. */
function frame(length: number, isMasked: boolean): Buffer {
  const mask = isMasked ? 0x80 : 0
  const head =
    length < 126
      ? Buffer.from([0x82, mask | length])
      : length < 65_536
        ? Buffer.from([0x82, mask | 126, length >> 8, length & 255])
        : Buffer.concat([Buffer.from([0x82, mask | 127]), bigLength(length)])
  return Buffer.concat([head, Buffer.alloc(isMasked ? 4 : 0, 7), Buffer.alloc(length, 0x81)])
}

function bigLength(length: number): Buffer {
  const octets = Buffer.alloc(8)
  octets.writeBigUInt64BE(BigInt(length))
  return octets
}

suite('Boundaries between WebSocket frames', () => {
  test('are found however the octets come', () => {
    const lengths = fc.array(fc.constantFrom(0, 1, 125, 126, 127, 300, 65_535, 65_536), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(lengths, fc.boolean(), fc.array(fc.nat(70_000), { maxLength: 8 }), (all, isMasked, cuts) => {
        const frames = all.map((length) => frame(length, isMasked))
        const octets = Buffer.concat(frames)
        const ends = new Set(frames.map((_, i) => frames.slice(0, i + 1).reduce((sum, one) => sum + one.length, 0)))
        const tracker = trackFrames()
        let from = 0
        for (const to of [...cuts.map((cut) => cut % octets.length), octets.length].sort((a, b) => a - b)) {
          const boundary = tracker.take(octets.subarray(from, to))
          const expected = [...ends].filter((end) => end > from && end <= to)
          assert.equal(boundary, expected.length === 0 ? 0 : Math.max(...expected) - from)
          assert.equal(tracker.isAtBoundary, to === 0 || ends.has(to))
          from = to
        }
      }),
      { numRuns: 200 }
    )
  })

  test('a close frame says the code and the reason, masked from a client', () => {
    assert.deepEqual([...closeFrame(4001, 'bye', false)], [0x88, 5, 0x0f, 0xa1, 0x62, 0x79, 0x65])
    assert.deepEqual([...closeFrame(4001, 'bye', true)], [0x88, 0x85, 0, 0, 0, 0, 0x0f, 0xa1, 0x62, 0x79, 0x65])
  })
})
