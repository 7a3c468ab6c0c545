import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Delivery, LogoutRun } from '../../packages/curfew/src/core/run.ts'
import { sampleAttempt, sampleDelivery, sampleParticipant, sampleRun, sampleSession, t0 } from '../../packages/curfew/src/stores/conformance/samples.ts'
import { createJournal, type Journal } from '../journal.ts'
import type { Outage } from '../net.ts'
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

function heard(...entries: readonly (readonly [atMs: number, messageId: string, madeAtMs?: number])[]): Journal {
  const journal = createJournal()
  for (const [atMs, messageId, madeAtMs] of entries) journal.write('wiki', wiki.sessionIndex, { atMs, madeAtMs: madeAtMs ?? atMs, messageId })
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
    other.write('chat', wiki.sessionIndex, { atMs: finalAtMs - 5, madeAtMs: finalAtMs - 9, messageId: 'first' })
    other.write('wiki', 'of another session', { atMs: finalAtMs - 5, madeAtMs: finalAtMs - 9, messageId: 'first' })
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
    assert.equal(after(onItsWayMs + 1, 'first'), 1, 'that its attempt was recorded does not excuse it')
    assert.match(judgeTold([done()], heard([finalAtMs - 5, 'first'], [finalAtMs + 5_000, 'unknown'])).faults.join(), /after its outcome/)
  })

  test('a message that was made before the outcome and held up by a cut of the network is a repetition', () => {
    const afterOutcome = (madeAtMs: number, outages: readonly Outage[]): number =>
      judgeTold([done()], heard([finalAtMs - 5, 'first'], [finalAtMs + 6_000, 'unknown', madeAtMs]), outages).told.afterOutcome
    const cut = { fromMs: finalAtMs - 2_000, toMs: finalAtMs + 5_900 }
    assert.equal(afterOutcome(finalAtMs - 1_000, [cut]), 0)
    assert.equal(afterOutcome(finalAtMs - 1_000, []), 1, 'no cut')
    assert.equal(afterOutcome(finalAtMs - 1_000, [{ fromMs: cut.fromMs - 9_000, toMs: finalAtMs - 1_001 }]), 1, 'over before it was made')
    assert.equal(afterOutcome(finalAtMs, [cut]), 0)
    assert.equal(afterOutcome(finalAtMs + 1, [cut]), 1, 'made after the outcome')
    // As long again as the cut was, and what a message may need: 6,000 at the limit.
    const short = { fromMs: finalAtMs, toMs: finalAtMs + (6_000 - onItsWayMs) / 2 }
    assert.equal(afterOutcome(finalAtMs - 1_000, [short]), 0)
    assert.equal(afterOutcome(finalAtMs - 1_000, [{ ...short, toMs: short.toMs - 1 }]), 1, 'long after the cut')
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
