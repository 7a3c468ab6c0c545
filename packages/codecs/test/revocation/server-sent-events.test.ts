import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { serverSentEvents } from '../../src/revocation/server-sent-events.ts'

async function* chunksOf(text: string, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  const octets = Buffer.from(text)
  const places = [...new Set(cuts.map((cut) => cut % (octets.length + 1)))].sort((a, b) => a - b)
  let from = 0
  for (const to of [...places, octets.length]) {
    yield octets.subarray(from, to)
    from = to
  }
}

suite('Server-sent events', () => {
  test('are read the same however the stream is cut', async () => {
    const text = ': hello\n\nid: 1\nevent: revocations\ndata: eins\n\ndata: zwei\ndata: drei ü\nid:2\n\nid: 9\n\n'
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(200), { maxLength: 20 }), async (cuts) => {
        const events = await Array.fromAsync(serverSentEvents(chunksOf(text, cuts), 1_000), ({ data, ...rest }) => ({ ...rest, data: data.toString() }))
        assert.deepEqual(events, [
          { id: '1', type: 'revocations', data: 'eins' },
          { id: '2', type: 'message', data: 'zwei\ndrei ü' }
        ])
      }),
      { numRuns: 100 }
    )
  })

  test('longer than accepted end the reading', async () => {
    await assert.rejects(Array.fromAsync(serverSentEvents(chunksOf(`data: ${'a'.repeat(2_000)}`, [500, 1_500]), 1_000)), {
      code: 'CURFEW_FEED_REFUSED'
    })
  })
})
