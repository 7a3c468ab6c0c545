import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { countsAsSignedOut } from '../../src/core/outcome.ts'
import type { Effect, LogoutRun, RunEvent } from '../../src/core/run.ts'
import { step } from '../../src/core/step.ts'
import { delivery, frame, hop, picture, proof, run, server } from './samples.ts'

const channels = fc.constantFrom([server], [hop], [frame, hop], [server, hop], [server, frame, hop], [hop, server], [picture], [server, picture])
const runs = fc.array(channels, { minLength: 1, maxLength: 4 }).map((lists) => run(lists.map((list, i) => delivery('abcd'[i] ?? 'x', list))))

const ids = fc.constantFrom('dlv_a', 'dlv_b', 'dlv_c', 'dlv_d')
const messages = fc.constantFrom('_1', '_2', '_3')
const at = fc.integer({ min: 0, max: 50_000 })
const on = { deliveryId: ids, messageId: messages, atMs: at }
const jitter = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

const events = fc.oneof(
  fc.record({ kind: fc.constant('attempt-started'), attempt: fc.constant(1), by: fc.constantFrom('node-1', 'node-2'), ...on }),
  fc.record({ kind: fc.constant('browser-sent'), ...on }),
  fc.record({ kind: fc.constant('confirmed'), result: fc.constantFrom('ended', 'already-ended'), proof: fc.constant(proof), ...on }),
  fc.record({ kind: fc.constant('refused'), statusCode: fc.constant('RequestDenied'), code: fc.constant('X'), ...on }),
  fc.record({ kind: fc.constant('unusable-answer'), code: fc.constant('X'), ...on }),
  fc.record({ kind: fc.constant('failed'), why: fc.constantFrom('unreachable', 'timed-out'), code: fc.constant('X'), retryable: fc.boolean(), jitter, ...on }),
  fc.record({ kind: fc.constant('probe-failed'), code: fc.constant('X'), deliveryId: ids, atMs: at, jitter }),
  fc.record({ kind: fc.constant('opened-again'), deliveryId: ids, atMs: at }),
  fc.record({ kind: fc.constant('browser-seen'), atMs: at }),
  fc.record({ kind: fc.constant('frames-offered'), deliveryIds: fc.uniqueArray(ids), atMs: at }),
  fc.record({ kind: fc.constant('frames-watched'), atMs: at }),
  fc.record({ kind: fc.constant('frame-over'), how: fc.constantFrom('loaded', 'failed', 'not-loaded', 'unknown'), deliveryId: ids, atMs: at }),
  fc.record({ kind: fc.constant('tick'), atMs: at, jitter }),
  fc.record({
    kind: fc.constant('retry-requested'),
    deliveryId: ids,
    newDeliveryId: fc.constantFrom('dlv_e', 'dlv_f'),
    by: fc.constant({ kind: 'admin', id: 'ops' }),
    atMs: at
  }),
  fc.record({ kind: fc.constant('starter-answered'), atMs: at })
) as fc.Arbitrary<RunEvent>

function playAll(start: LogoutRun, list: readonly RunEvent[]): { readonly run: LogoutRun; readonly effects: readonly Effect[] } {
  return list.reduce<{ run: LogoutRun; effects: Effect[] }>(
    (current, event) => {
      const [next, effects] = step(current.run, event)
      assert.ok(next === current.run ? effects.length === 0 : next.version === current.run.version + 1, 'one version per change, no effect without one')
      return { run: next, effects: [...current.effects, ...effects] }
    },
    { run: start, effects: [] }
  )
}

suite('step: properties', () => {
  test('whatever happens, in any order and however often, after the deadline every delivery has exactly one outcome', () => {
    fc.assert(
      fc.property(runs, fc.array(events, { maxLength: 60 }), (start, list) => {
        const { run: late } = playAll(start, [...list, { kind: 'tick', atMs: 10_000_000, jitter: 0 }])
        assert.equal(late.state, 'done')
        for (const d of late.deliveries) assert.ok(d.state === 'final' && d.outcome !== undefined)
      }),
      { numRuns: 500 }
    )
  })

  test('nothing is called signed out without a proof', () => {
    fc.assert(
      fc.property(runs, fc.array(events, { maxLength: 60 }), (start, list) => {
        const proved = new Set(list.filter((e) => e.kind === 'confirmed').map((e) => e.deliveryId))
        for (const d of playAll(start, list).run.deliveries) if (countsAsSignedOut(d.outcome)) assert.ok(proved.has(d.id))
      }),
      { numRuns: 500 }
    )
  })

  test('every event twice in a row is the event once', () => {
    fc.assert(
      fc.property(runs, fc.array(events, { maxLength: 40 }), (start, list) => {
        const once = playAll(start, list).run
        const twice = playAll(
          start,
          list.flatMap((e): RunEvent[] => (e.kind === 'tick' || e.kind === 'browser-seen' || e.kind === 'probe-failed' ? [e] : [e, e]))
        ).run
        assert.deepEqual(twice, once)
      }),
      { numRuns: 300 }
    )
  })

  test('a final outcome never gets worse', () => {
    const rank = ['not-asked', 'unsupported', 'unreachable', 'timed-out', 'unconfirmed', 'refused', 'already-ended', 'ended']
    fc.assert(
      fc.property(runs, fc.array(events, { maxLength: 60 }), (start, list) => {
        let current = start
        for (const event of list) {
          const [next] = step(current, event)
          for (const before of current.deliveries) {
            const after = next.deliveries.find((d) => d.id === before.id)
            if (before.outcome !== undefined) assert.ok(rank.indexOf(after?.outcome?.kind ?? '') >= rank.indexOf(before.outcome.kind))
          }
          current = next
        }
      }),
      { numRuns: 500 }
    )
  })

  test('every open run has something that will wake it', () => {
    fc.assert(
      fc.property(runs, fc.array(events, { maxLength: 40 }), (start, list) => {
        const { run: open, effects } = playAll(start, list)
        for (const d of open.deliveries) {
          if (d.state === 'retrying')
            assert.ok(
              effects.some((e) => e.kind === 'send' && e.deliveryId === d.id),
              'a retry has its effect'
            )
          if (d.state === 'sent')
            assert.ok(
              effects.some((e) => e.kind === 'wake'),
              'something sent has its alarm'
            )
        }
      }),
      { numRuns: 300 }
    )
  })
})
