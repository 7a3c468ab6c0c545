import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { pageWait } from '../../src/core/frame-wait.ts'
import type { Delivery } from '../../src/core/run.ts'
import { delivery, frame, hop, run } from './samples.ts'

suite('How long the sign-off page stays for its frames', () => {
  const policy = { ...run([]).policy, frameTimeoutMs: 5_000 }
  const at = (kind: 'hop' | 'frame', state: Delivery['state'] = 'waiting-for-browser'): Delivery => ({
    ...delivery(kind, [kind === 'hop' ? hop : frame]),
    state
  })

  test('as long as it is configured, where no application waits for a visit', () => {
    assert.equal(pageWait({ ...run([at('frame'), at('hop', 'final')]), policy }).maxMs, 5_000)
  })

  test('two seconds, where one does: it is not held up by a frame that hangs', () => {
    const wait = pageWait({ ...run([at('frame'), at('hop')]), policy })
    assert.deepEqual([wait.minMs, wait.maxMs], [2_000, 2_000])
  })
})
