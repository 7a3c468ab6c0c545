import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { pageWait, visitMs } from '../../src/core/frame-wait.ts'
import type { Delivery } from '../../src/core/run.ts'
import { step } from '../../src/core/step.ts'
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

  test('two seconds, where one will if its frame brings nothing: the visit comes after', () => {
    assert.equal(pageWait({ ...run([delivery('a', [frame, hop])]), policy }).maxMs, 2_000)
  })
})

suite('How long the browser may stay away at an application', () => {
  const policy = { ...run([]).policy, hopTimeoutMs: 8_000 }
  const tookMs = (ms: number): Pick<Delivery, 'attempts'> => ({
    attempts: [{ number: 1, channel: frame, messageId: '_1', startedAtMs: 500, endedAtMs: 500 + ms }]
  })

  test('as long as it is configured, and what its frame took without an answer comes off', () => {
    assert.equal(visitMs({ policy }, { attempts: [] }), 8_000)
    assert.equal(visitMs({ policy }, tookMs(2_000)), 6_000)
  })

  test('three seconds however long its frame took, unless every visit has less', () => {
    assert.equal(visitMs({ policy }, tookMs(7_000)), 3_000)
    assert.equal(visitMs({ policy: { ...policy, hopTimeoutMs: 1_000 } }, tookMs(7_000)), 1_000)
  })

  test('and the run gives it up then', () => {
    const away: Delivery = { ...delivery('a', [frame, hop]), channelIndex: 1, ...tookMs(2_000) }
    const [sent, effects] = step({ ...run([away]), policy }, { kind: 'browser-sent', deliveryId: away.id, messageId: '_2', atMs: 3_000 })
    assert.deepEqual(effects, [{ kind: 'wake', dueAtMs: 9_000 }])
    const stateAt = (atMs: number): string | undefined => step(sent, { kind: 'tick', atMs, jitter: 0 })[0].deliveries[0]?.outcome?.kind
    assert.deepEqual([stateAt(8_999), stateAt(9_000)], [undefined, 'timed-out'])
  })
})
