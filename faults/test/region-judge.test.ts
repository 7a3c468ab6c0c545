import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Event, Fact } from '../events.ts'
import { leftOpen } from '../region-judge.ts'

const ticket = (n: number) => ({ id: `ses_${n}`, sri: `sri-${n}`, tokenHash: `token-${n}` }) as const
const span = (toMs: number) => ({ fromMs: toMs - 1, toMs })
const done = (n: number, what: Fact, toMs: number): Event => ({ kind: 'acknowledged', what, lane: 0, ticket: ticket(n), durability: 'local', ...span(toMs) })

suite('faults: sessions that a lost region leaves open', () => {
  test('have been joined, and nobody has asked to end them, with or without an answer', () => {
    const events: readonly Event[] = [
      done(1, 'opened', 10),
      done(1, 'added', 20),
      done(2, 'added', 20),
      done(2, 'ended', 30),
      done(3, 'added', 20),
      { kind: 'refused', what: 'ended', lane: 0, ticket: ticket(3), code: 'CURFEW_STORE_UNREACHABLE', ...span(30) },
      done(4, 'opened', 20)
    ]
    assert.deepEqual(leftOpen(events), [ticket(1)])
  })
})
