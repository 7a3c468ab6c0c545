import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { youngCollector } from '../../src/platform/young-generation.ts'

const bytes = 64 * 1024

/** What is held when so many octets were read in parts, each let go at once. */
function heldAfter(parts: number, collect: () => void): number {
  for (let i = 0; i < parts; i++) {
    Buffer.from(new ArrayBuffer(bytes)).fill(1)
    if (i % 64 === 63) collect()
  }
  return process.memoryUsage().arrayBuffers
}

suite('Garbage of what was read just now', () => {
  test('is gone after a collection, and waits for the engine without one', () => {
    const collect = youngCollector()
    collect()
    const before = process.memoryUsage().arrayBuffers
    const left = heldAfter(256, collect) - before
    assert.ok(left < 2_000_000, `${left}`)
    collect()
    const waiting = heldAfter(256, () => undefined) - before
    assert.ok(waiting > 8_000_000, `${waiting}: nothing would have to be done`)
  })

  test('no switch of the engine stays on', () => {
    youngCollector()
    assert.equal('gc' in globalThis, process.execArgv.includes('--expose-gc'))
  })
})
