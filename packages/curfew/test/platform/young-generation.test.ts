import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { youngCollector } from '../../src/platform/young-generation.ts'
import type { Held } from './young-generation-child.ts'

suite('Garbage of what was read just now', () => {
  test('is gone after a collection, and waits for the engine without one', async () => {
    // Other tests in this process would collect, or leave garbage, of their own.
    const child = fileURLToPath(new URL('young-generation-child.ts', import.meta.url))
    const { stdout } = await promisify(execFile)(process.execPath, [child])
    const { collected, waiting } = JSON.parse(stdout) as Held
    assert.ok(collected < 4_000_000, `${collected}`)
    assert.ok(waiting > 8_000_000, `${waiting}: nothing would have to be done`)
  })

  test('no switch of the engine stays on', () => {
    youngCollector()
    assert.equal('gc' in globalThis, process.execArgv.includes('--expose-gc'))
  })
})
