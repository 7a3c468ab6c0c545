import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Delivery, LogoutRun } from '../../packages/curfew/src/core/run.ts'
import { sampleAttempt, sampleDelivery, sampleParticipant, sampleRun, sampleSession, t0 } from '../../packages/curfew/src/stores/conformance/samples.ts'
import { createJournal, type Journal } from '../journal.ts'
import { judgeTold, onItsWayMs } from '../told.ts'

const session = sampleSession(1)
const wiki = sampleParticipant('wiki', 1)
const finalAtMs = t0 + 10_000
const first = sampleAttempt(1, 'first')

function done(change: Partial<Delivery> = {}): LogoutRun {
  const outcome = { kind: 'ended', proof: { kind: 'none' } } as const
  const delivery: Delivery = { ...sampleDelivery(wiki, [first]), state: 'final', outcome, finalAtMs, ...change }
  return sampleRun(1, session, [], { state: 'done', deliveries: [delivery] })
}

function heard(...entries: readonly (readonly [atMs: number, messageId: string])[]): Journal {
  const journal = createJournal()
  for (const [atMs, messageId] of entries) journal.write('wiki', wiki.sessionIndex, { atMs, messageId })
  return journal
}

suite('faults: outcomes and what applications wrote down', () => {
  test('one message and its outcome are as they should be', () => {
    assert.deepEqual(judgeTold([done()], heard([finalAtMs - 5, 'first'])), {
      told: { outcomes: 1, tooGood: 0, afterOutcome: 0, repeats: 0, unlike: 0 },
      faults: []
    })
  })

  test('signed out without a message to that application, or only long after, is better than its own record', () => {
    assert.equal(judgeTold([done()], heard()).told.tooGood, 1)
    const other = createJournal()
    other.write('chat', wiki.sessionIndex, { atMs: finalAtMs - 5, messageId: 'first' })
    other.write('wiki', 'of another session', { atMs: finalAtMs - 5, messageId: 'first' })
    const { told, faults } = judgeTold([done()], other)
    assert.equal(told.tooGood, 1)
    assert.match(faults.join(), /wiki.*own record/)
    assert.equal(judgeTold([done()], heard([finalAtMs + onItsWayMs + 1, 'first'])).told.tooGood, 1)
  })

  test('a second message before the outcome is a repetition', () => {
    const journal = heard([finalAtMs - 3_000, 'first'], [finalAtMs - 5, 'second'])
    assert.deepEqual(judgeTold([done()], journal).told, { outcomes: 1, tooGood: 0, afterOutcome: 0, repeats: 1, unlike: 0 })
  })

  test('a message after the outcome counts as soon as none may be on its way any more', () => {
    const after = (ms: number, messageId: string): number => judgeTold([done()], heard([finalAtMs - 5, 'first'], [finalAtMs + ms, messageId])).told.afterOutcome
    assert.equal(after(onItsWayMs, 'unknown'), 0)
    assert.equal(after(onItsWayMs + 1, 'unknown'), 1)
    assert.match(judgeTold([done()], heard([finalAtMs - 5, 'first'], [finalAtMs + 5_000, 'unknown'])).faults.join(), /after its outcome/)
    const leaseEndsAtMs = first.startedAtMs + 30_000
    assert.equal(after(leaseEndsAtMs - finalAtMs, 'first'), 0, 'recorded before the outcome was stored')
    assert.equal(after(leaseEndsAtMs - finalAtMs + 1, 'first'), 1, 'no lease is so long')
  })

  test('of two runs that ended one session the later outcome counts', () => {
    const runs = [done(), { ...done({ finalAtMs: finalAtMs + 9_000 }), id: 'run_2' as const }]
    const journal = heard([finalAtMs - 5, 'first'], [finalAtMs + 8_900, 'second'])
    assert.deepEqual(judgeTold(runs, journal).told, { outcomes: 2, tooGood: 0, afterOutcome: 0, repeats: 1, unlike: 0 })
  })

  test('what an application that is up was not signed out of is worse than it need be', () => {
    const outcome = { kind: 'unreachable', code: 'CURFEW_RUN_PARTICIPANT_UNREACHABLE', attempts: 4 } as const
    assert.deepEqual(judgeTold([done({ outcome })], heard()).told, { outcomes: 1, tooGood: 0, afterOutcome: 0, repeats: 0, unlike: 1 })
  })
})
