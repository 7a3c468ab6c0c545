import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { browserSteps } from '../../src/core/browser-steps.ts'
import { joinOutcomes, type Outcome } from '../../src/core/outcome.ts'
import { isSettled, starterAnswer, verdictOf } from '../../src/core/verdict.ts'
import { byParticipant, delivery, frame, hop, proof, run, server } from './samples.ts'

const ended = { state: 'final', outcome: { kind: 'ended', proof } } as const
const refused = { state: 'final', outcome: { kind: 'refused', code: 'X', statusCode: 'X' } } as const

suite('Verdict: SAML Core 3.7.3.2', () => {
  test('AC-146 only ended and already-ended count; anything else makes it partial', () => {
    const others: readonly Outcome[] = [
      { kind: 'unconfirmed', code: 'X' },
      { kind: 'refused', code: 'X', statusCode: 'X' },
      { kind: 'unreachable', code: 'X', attempts: 1 },
      { kind: 'timed-out', code: 'X', attempts: 1 },
      { kind: 'unsupported', code: 'X' },
      { kind: 'not-asked', code: 'X' }
    ]
    const done = (outcome: Outcome) => run([delivery('a', [server], ended), delivery('b', [server], { state: 'final', outcome })], { state: 'done' })
    assert.equal(starterAnswer(done({ kind: 'already-ended', proof }), 0), 'success')
    for (const outcome of others) assert.equal(starterAnswer(done(outcome), 0), 'partial-logout', outcome.kind)
  })

  test('a session without other participants is all ended', () => {
    assert.equal(verdictOf(run([], { state: 'done' })).kind, 'all-ended')
  })

  test('the starter waits while somebody may still answer, and no longer than its patience', () => {
    const open = run([delivery('a', [server], { state: 'sent' })], { starter: byParticipant('z') })
    assert.equal(starterAnswer(open, 4_999), undefined)
    assert.equal(starterAnswer(open, 5_000), 'partial-logout')
  })

  test('a retry that is due later keeps nobody waiting', () => {
    assert.equal(isSettled(run([delivery('a', [server], { state: 'retrying' })]), 1), true)
  })

  test('a hop that the browser can still make keeps the browser', () => {
    assert.equal(isSettled(run([delivery('a', [hop])]), 60_000), false)
  })

  test('a starter by SOAP is not kept waiting for a browser', () => {
    assert.equal(isSettled(run([delivery('a', [hop])], { starter: byParticipant('z', 'soap') }), 1), true)
  })

  test('a repeat stands in for the delivery it repeats', () => {
    const twice = run([delivery('a', [server], refused), delivery('b', [server], { ...ended, retryOf: 'dlv_a' })], { state: 'done' })
    assert.equal(verdictOf(twice).kind, 'all-ended')
  })

  test('joining outcomes keeps the better proven one, in either order', () => {
    assert.equal(joinOutcomes({ kind: 'timed-out', code: 'X', attempts: 1 }, { kind: 'ended', proof })?.kind, 'ended')
    assert.equal(joinOutcomes({ kind: 'ended', proof }, { kind: 'refused', code: 'X', statusCode: 'X' })?.kind, 'ended')
  })
})

suite('What the browser does next', () => {
  test('loads all frames together and visits one application at a time', () => {
    const steps = browserSteps(run([delivery('a', [frame, hop]), delivery('b', [frame, hop]), delivery('c', [hop]), delivery('d', [hop])]))
    assert.deepEqual(
      steps.frames.map((d) => d.peerId),
      ['a', 'b']
    )
    assert.equal(steps.hops[0]?.peerId, 'c')
  })

  test('offers no hop while the browser is out', () => {
    assert.deepEqual(browserSteps(run([delivery('a', [hop], { state: 'sent' }), delivery('b', [hop])])).hops, [])
  })
})
