import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { browserSteps } from '../../src/core/browser-steps.ts'
import type { LogoutChannel } from '../../src/core/peer.ts'
import type { Delivery, LogoutRun, RunEvent } from '../../src/core/run.ts'
import { step } from '../../src/core/step.ts'
import { starterAnswer } from '../../src/core/verdict.ts'
import { delivery, frame, hop, picture, policy, proof, run, server } from './samples.ts'

type Loose = Record<string, unknown> & { readonly kind: RunEvent['kind'] }

/** Steps through events; ids and times are filled in. */
function play(start: LogoutRun, ...events: readonly Loose[]): LogoutRun {
  return events.reduce<LogoutRun>(
    (current, event, i) => step(current, { atMs: i + 1, deliveryId: 'dlv_a', messageId: '_1', jitter: 0.5, ...event } as unknown as RunEvent)[0],
    start
  )
}

function outcomeOf(r: LogoutRun, id = 'dlv_a'): string | undefined {
  return r.deliveries.find((d) => d.id === id)?.outcome?.kind
}

const started: Loose = { kind: 'attempt-started', attempt: 1, by: 'node-1' }
const confirmed: Loose = { kind: 'confirmed', result: 'ended', proof }
const failed: Loose = { kind: 'failed', why: 'unreachable', code: 'CURFEW_OUTBOUND_UNREACHABLE', retryable: true }

suite('step: server-to-server deliveries', () => {
  test('a proved answer ends the delivery and, as the last one, the run', () => {
    const done = play(run([delivery('a', [server])]), started, confirmed)
    assert.equal(outcomeOf(done), 'ended')
    assert.equal(done.state, 'done')
    assert.equal(done.finishedAtMs, 2)
  })

  test('the last outcome asks for the receipt once', () => {
    const open = play(run([delivery('a', [server])]), started)
    const [, effects] = step(open, { kind: 'confirmed', deliveryId: 'dlv_a', messageId: '_1', result: 'ended', proof, atMs: 5 })
    assert.deepEqual(effects, [{ kind: 'receipt', dueAtMs: 5 }])
  })

  test('a repeated answer changes nothing', () => {
    const done = play(run([delivery('a', [server])]), started, confirmed)
    const [same, effects] = step(done, { kind: 'confirmed', deliveryId: 'dlv_a', messageId: '_1', result: 'ended', proof, atMs: 9 })
    assert.equal(same, done)
    assert.deepEqual(effects, [])
  })

  test('an answer to a message that was never sent changes nothing', () => {
    const open = run([delivery('a', [server])])
    assert.equal(play(open, { ...confirmed, messageId: '_other' }), open)
  })

  test('a failure is tried again after a jittered delay, up to the number of attempts, then the delivery is a dead letter', () => {
    let current = run([delivery('a', [server])], { browserSeenAtMs: 0 })
    for (let n = 1; n <= 2; n++) {
      current = play(current, { ...started, messageId: `_${n}` })
      const [next, effects] = step(current, { ...failed, deliveryId: 'dlv_a', messageId: `_${n}`, atMs: 100, jitter: 0.5 } as RunEvent)
      assert.equal(next.deliveries[0]?.state, 'retrying')
      assert.deepEqual(
        effects.map(({ kind, dueAtMs }) => ({ kind, dueAtMs })),
        [{ kind: 'send', dueAtMs: 100 + 500 * 2 ** (n - 1) }]
      )
      current = next
    }
    const last = play(current, { ...started, messageId: '_3' }, { ...failed, messageId: '_3' })
    assert.equal(outcomeOf(last), 'unreachable')
    assert.equal(last.deliveries[0]?.attempts.length, 3)
  })

  test('a failure that trying again can not mend is final at once', () => {
    assert.equal(outcomeOf(play(run([delivery('a', [server])]), started, { ...failed, retryable: false })), 'unreachable')
  })

  test('an application that was opened again is not asked any more, and not called asked where it never was; a proof that is under way still counts', () => {
    const again: Loose = { kind: 'opened-again' }
    const untouched = play(run([delivery('a', [server])]), again)
    assert.deepEqual(untouched.deliveries[0]?.outcome, { kind: 'not-asked', code: 'CURFEW_RUN_OPENED_AGAIN' })
    const asked = play(run([delivery('a', [server])]), started, failed, again)
    assert.deepEqual([asked.state, asked.deliveries[0]?.outcome], ['done', { kind: 'unconfirmed', code: 'CURFEW_RUN_OPENED_AGAIN' }])
    assert.equal(outcomeOf(play(run([delivery('a', [server])]), started, again, confirmed)), 'ended')
    assert.equal(play(asked, again), asked)
    assert.equal(play(asked, { kind: 'retry-requested', newDeliveryId: 'dlv_b', by: { kind: 'admin', id: 'x' } }), asked)
  })

  test('a refusal is final and keeps the status code', () => {
    const done = play(run([delivery('a', [server])]), started, { kind: 'refused', statusCode: 'RequestDenied', code: 'CURFEW_SAML_LOGOUT_REFUSED' })
    assert.deepEqual(done.deliveries[0]?.outcome, { kind: 'refused', statusCode: 'RequestDenied', code: 'CURFEW_SAML_LOGOUT_REFUSED' })
  })

  test('an unusable answer is unconfirmed, never signed out', () => {
    assert.equal(outcomeOf(play(run([delivery('a', [server])]), started, { kind: 'unusable-answer', code: 'CURFEW_SAML_SIGNATURE_INVALID' })), 'unconfirmed')
  })

  test('with a browser at hand a failed server channel goes on to the browser instead of waiting', () => {
    const next = play(run([delivery('a', [server, hop])]), started, failed)
    assert.equal(next.deliveries[0]?.state, 'waiting-for-browser')
  })

  test('a node that died while it was sending is noticed by the clock', () => {
    const open = play(run([delivery('a', [server])]), started)
    assert.equal(play(open, { kind: 'tick', atMs: 3_000 }).deliveries[0]?.state, 'sent')
    assert.equal(play(open, { kind: 'tick', atMs: 4_001 }).deliveries[0]?.state, 'retrying')
  })
})

suite('step: from the browser back to the server', () => {
  test('when the browser can not carry the message either, the server channel gets the rest of its attempts', () => {
    const waiting = play(run([delivery('a', [server, hop])]), started, failed)
    const [back, effects] = step(waiting, { kind: 'probe-failed', deliveryId: 'dlv_a', code: 'CURFEW_OUTBOUND_UNREACHABLE', atMs: 10, jitter: 0.5 })
    assert.equal(back.deliveries[0]?.state, 'retrying')
    assert.deepEqual(
      effects.map((e) => e.kind),
      ['send']
    )
    const second = play(back, { ...started, messageId: '_2' }, { ...failed, messageId: '_2' })
    assert.equal(second.deliveries[0]?.state, 'retrying', 'the browser is not sent away again')
    assert.equal(outcomeOf(play(second, { ...started, messageId: '_3' }, { ...confirmed, messageId: '_3' })), 'ended')
  })

  test('a server that refused, or that trying again can not mend, is not asked again', () => {
    const probe: Loose = { kind: 'probe-failed', code: 'CURFEW_OUTBOUND_UNREACHABLE' }
    assert.equal(outcomeOf(play(run([delivery('a', [server, hop])]), started, { ...failed, retryable: false }, probe)), 'unreachable')
    assert.equal(outcomeOf(play(run([delivery('a', [server, hop])]), started, { kind: 'refused', statusCode: 'x', code: 'X' }, probe)), 'unreachable')
  })
})

suite('step: a browser that was waited for and does not come', () => {
  const goneAtMs = policy.hopTimeoutMs + policy.patienceMs
  const tickAt = (current: LogoutRun, atMs: number): ReturnType<typeof step> => step(current, { kind: 'tick', atMs, jitter: 0.5 })
  const waitingFor = (...channels: LogoutChannel[]): LogoutRun => play(run([delivery('a', channels)]), started, failed)

  test('is looked for once it could be back, and the server is asked again meanwhile', () => {
    const open = play(run([delivery('a', [server, hop])]), started)
    const [waiting, watched] = step(open, { ...failed, deliveryId: 'dlv_a', messageId: '_1', atMs: 2, jitter: 0.5 } as RunEvent)
    assert.equal(waiting.deliveries[0]?.state, 'waiting-for-browser')
    assert.deepEqual(watched, [{ kind: 'wake', dueAtMs: goneAtMs }])
    assert.equal(tickAt(waiting, goneAtMs - 1)[0], waiting)
    const [back, effects] = tickAt(waiting, goneAtMs)
    assert.equal(back.deliveries[0]?.state, 'retrying')
    assert.deepEqual(effects, [{ kind: 'send', deliveryId: 'dlv_a', attempt: 2, dueAtMs: goneAtMs + 500 }])
    assert.equal(outcomeOf(play(back, { ...started, messageId: '_2' }, { ...confirmed, messageId: '_2' })), 'ended')
  })

  test('has as much time again whenever it is seen', () => {
    const [seen] = step(waitingFor(server, hop), { kind: 'browser-seen', atMs: 5_000 })
    const [later, effects] = tickAt(seen, goneAtMs)
    assert.equal(later.deliveries[0]?.state, 'waiting-for-browser')
    assert.deepEqual(effects, [{ kind: 'wake', dueAtMs: 5_000 + goneAtMs }])
    assert.equal(tickAt(later, 5_000 + goneAtMs)[0].deliveries[0]?.state, 'retrying')
  })

  test('carries the message after all when it comes back before the retry: never both', () => {
    for (const channels of [
      [server, hop],
      [server, frame, hop]
    ]) {
      const [back] = tickAt(waitingFor(...channels), goneAtMs)
      const [again, effects] = step(back, { kind: 'browser-seen', atMs: goneAtMs + 100 })
      assert.equal(again.deliveries[0]?.state, 'waiting-for-browser')
      assert.equal(again.deliveries[0]?.channelIndex, 1)
      assert.deepEqual(effects, [{ kind: 'wake', dueAtMs: goneAtMs + 100 + goneAtMs }])
      assert.equal(play(again, { ...started, messageId: '_2', atMs: goneAtMs + 500 }), again, 'the retry is void')
      const [out] = step(again, { kind: 'browser-sent', deliveryId: 'dlv_a', messageId: '_3', atMs: goneAtMs + 600 })
      assert.equal(out.deliveries[0]?.attempts.at(-1)?.channel, channels[1])
    }
  })

  test('that comes back while the server is asked waits for what that says', () => {
    const asked = play(tickAt(waitingFor(server, hop), goneAtMs)[0], { ...started, messageId: '_2', atMs: goneAtMs + 500 })
    const seen = play(asked, { kind: 'browser-seen', atMs: goneAtMs + 600 })
    assert.equal(seen.deliveries[0]?.state, 'sent')
    assert.equal(play(seen, { kind: 'browser-sent', messageId: '_3', atMs: goneAtMs + 700 }), seen)
    assert.equal(play(seen, { ...failed, messageId: '_2', atMs: goneAtMs + 800 }).deliveries[0]?.state, 'waiting-for-browser')
  })

  test('that has gone is not waited for when a further attempt fails, up to the number of attempts; then it may still come', () => {
    let [current] = tickAt(waitingFor(server, hop), goneAtMs)
    current = play(current, { ...started, messageId: '_2', atMs: goneAtMs + 500 }, { ...failed, messageId: '_2', atMs: goneAtMs + 600 })
    assert.equal(current.deliveries[0]?.state, 'retrying')
    current = play(current, { ...started, messageId: '_3', atMs: goneAtMs + 5_000 }, { ...failed, messageId: '_3', atMs: goneAtMs + 5_100 })
    assert.equal(current.deliveries[0]?.state, 'waiting-for-browser')
    assert.equal(tickAt(current, 59_999)[0], current, 'a server that had its attempts is not asked again')
    assert.equal(play(current, { kind: 'browser-sent', messageId: '_4' }).deliveries[0]?.state, 'sent')
  })

  test('that was wanted first leaves its place to the server that was to come after it, and may take it again', () => {
    const first = run([delivery('a', [frame, hop, server], { nextAttemptAtMs: goneAtMs })])
    assert.equal(tickAt(first, goneAtMs - 1)[0], first)
    const [asked, effects] = tickAt(first, goneAtMs)
    assert.deepEqual([asked.deliveries[0]?.state, asked.deliveries[0]?.channels], ['pending', [server, frame, hop]])
    assert.deepEqual(effects, [{ kind: 'send', deliveryId: 'dlv_a', attempt: 1, dueAtMs: goneAtMs }])
    const sent = play(asked, { ...started, atMs: goneAtMs + 1 })
    assert.equal(outcomeOf(play(sent, { ...confirmed, atMs: goneAtMs + 2 })), 'ended')
    const retrying = play(sent, { ...failed, atMs: goneAtMs + 2 })
    assert.equal(retrying.deliveries[0]?.state, 'retrying')
    const back = play(retrying, { kind: 'browser-seen', atMs: goneAtMs + 3 })
    assert.deepEqual([back.deliveries[0]?.state, back.deliveries[0]?.channelIndex], ['waiting-for-browser', 1])
  })

  test('changes nothing about a server that refused, or about what is final', () => {
    const refused = play(run([delivery('a', [server, hop])]), started, { kind: 'refused', statusCode: 'x', code: 'X' })
    assert.equal(tickAt(refused, goneAtMs)[0], refused)
    const done = play(waitingFor(server, hop), { ...confirmed, atMs: 3 })
    assert.equal(tickAt(done, goneAtMs)[0], done)
  })
})

suite('step: an answer to an earlier attempt while the last one may still leave', () => {
  const second: Loose = { ...started, messageId: '_2' }
  const partly: Loose = { kind: 'refused', statusCode: 'PartialLogout', code: 'CURFEW_SAML_LOGOUT_PARTIAL' }
  const both = play(run([delivery('a', [server])]), started, second)
  const overAtMs = 2 + 2 * policy.sendTimeoutMs

  test('is kept, and is the outcome as soon as the last one is over, whatever comes of that', () => {
    const kept = play(both, confirmed)
    assert.deepEqual([kept.state, kept.deliveries[0]?.state, kept.deliveries[0]?.outcome], ['open', 'sent', undefined])
    const refused: Loose = { kind: 'refused', statusCode: 'RequestDenied', code: 'X' }
    for (const last of [failed, refused, { kind: 'unusable-answer', code: 'X' }, { ...confirmed, result: 'already-ended' }] satisfies Loose[]) {
      const done = play(kept, { ...last, messageId: '_2', atMs: 50 })
      assert.deepEqual([done.state, outcomeOf(done), done.deliveries[0]?.finalAtMs], ['done', 'ended', 50], last.kind)
      assert.equal(done.deliveries[0]?.held, undefined)
    }
    assert.equal(play(kept, { kind: 'tick', atMs: overAtMs - 1 }), kept)
    assert.equal(outcomeOf(play(kept, { kind: 'tick', atMs: overAtMs })), 'ended', 'nobody told what came of the last one')
    assert.equal(outcomeOf(play(kept, { kind: 'opened-again' })), 'ended')
    assert.equal(outcomeOf(play(kept, { kind: 'tick', atMs: policy.deadlineMs })), 'ended')
  })

  test('lets nobody be asked once more', () => {
    const kept = play(both, confirmed)
    assert.equal(play(kept, { ...started, messageId: '_3' }), kept)
    assert.equal(play(kept, confirmed), kept, 'a repeat changes nothing')
  })

  test('counts for whoever waits', () => {
    assert.equal(starterAnswer(both, 3), undefined)
    assert.equal(starterAnswer(play(both, confirmed), 3), 'success')
    assert.equal(starterAnswer(play(both, partly), 3), undefined)
  })

  test('that the application ended only its own session is not made better by one that knows nobody any more', () => {
    const nobody: Loose = { ...confirmed, result: 'already-ended', messageId: '_2' }
    assert.equal(outcomeOf(play(both, partly, nobody)), 'refused')
    assert.equal(outcomeOf(play(both, partly, { ...nobody, result: 'ended' })), 'ended')
    // The other way round: nobody knows in which order they were given, where two nodes had asked.
    const byTwo = play(run([delivery('a', [server])]), { ...started, by: 'node-2' }, { ...started, messageId: '_2' })
    assert.equal(outcomeOf(play(byTwo, nobody, partly)), 'refused')
  })

  test('that brought nothing leaves it to the last one', () => {
    for (const first of [failed, { kind: 'refused', statusCode: 'RequestDenied', code: 'X' }, { kind: 'unusable-answer', code: 'X' }] satisfies Loose[]) {
      const open = play(both, first)
      assert.equal(open.deliveries[0]?.state, 'sent', first.kind)
      assert.equal(outcomeOf(play(open, { ...confirmed, messageId: '_2' })), 'ended')
      assert.equal(play(open, { ...failed, messageId: '_2' }).deliveries[0]?.state, 'retrying')
    }
  })

  test('is the outcome at once when the last one was recorded too long ago to leave, or was made by the browser', () => {
    assert.equal(outcomeOf(play(both, { ...confirmed, atMs: overAtMs })), 'ended')
    const away = play(run([delivery('a', [server, hop])]), started, failed, { kind: 'browser-sent', messageId: '_2' })
    assert.equal(outcomeOf(play(away, confirmed)), 'ended')
  })
})

suite('step: an attempt that a node recorded after it stood still, while another one is about to send', () => {
  const refused: Loose = { kind: 'refused', statusCode: 'RequestDenied', code: 'X', messageId: '_2' }
  const both = play(run([delivery('a', [server])]), { ...started, by: 'node-2' }, { ...started, messageId: '_2' })
  const overAtMs = 1 + 2 * policy.sendTimeoutMs

  test('is no outcome before the other one is over', () => {
    const kept = play(both, { ...confirmed, messageId: '_2' })
    assert.deepEqual([kept.state, kept.deliveries[0]?.outcome, kept.deliveries[0]?.held?.kind], ['open', undefined, 'ended'])
    assert.equal(play(kept, { kind: 'tick', atMs: overAtMs - 1 }), kept)
    assert.equal(outcomeOf(play(kept, { kind: 'tick', atMs: overAtMs })), 'ended')
    assert.equal(outcomeOf(play(kept, failed)), 'ended')
    for (const last of [refused, { ...failed, messageId: '_2', retryable: false }]) {
      const open = play(both, last)
      assert.deepEqual([open.state, open.deliveries[0]?.state], ['open', 'sent'], last.kind)
      assert.equal(play(open, { kind: 'tick', atMs: overAtMs }).deliveries[0]?.state, 'retrying')
      assert.equal(outcomeOf(play(open, confirmed)), 'ended')
    }
  })

  test('is one where that was the same node: what it was at before is over', () => {
    const again = play(run([delivery('a', [server])]), started, { ...started, messageId: '_2' })
    assert.equal(outcomeOf(play(again, { ...confirmed, messageId: '_2' })), 'ended')
  })
})

suite('step: what is held, and a node of a former version that knows nothing of it', () => {
  const second: Loose = { ...started, messageId: '_2', by: 'node-2' }
  const heldOf = (more: Partial<Delivery>, channels = [server]): LogoutRun => {
    const kept = play(run([delivery('a', channels), delivery('b', [hop])]), started, second, confirmed)
    const [a, b] = kept.deliveries as [Delivery, Delivery]
    assert.equal(a.held?.kind, 'ended')
    const attempts = a.attempts.map((one) => ({ ...one, endedAtMs: one.endedAtMs ?? 40 }))
    return { ...kept, deliveries: [{ ...a, attempts, ...more }, b] }
  }
  const isSettled = (r: LogoutRun): void => {
    assert.deepEqual([r.deliveries[0]?.state, outcomeOf(r), r.deliveries[0]?.held], ['final', 'ended', undefined])
  }

  test('is the outcome instead of a further attempt', () => {
    const retrying = heldOf({ state: 'retrying', nextAttemptAtMs: 60 })
    const [settled, effects] = step(retrying, { kind: 'attempt-started', deliveryId: 'dlv_a', attempt: 3, messageId: '_3', atMs: 60 })
    isSettled(settled)
    assert.deepEqual([settled.version, settled.deliveries[0]?.attempts.length, effects], [retrying.version + 1, 2, []])
  })

  test('is the outcome instead of a visit, and nobody is sent there', () => {
    const waiting = heldOf({ state: 'waiting-for-browser', channelIndex: 1 }, [server, hop])
    assert.deepEqual(
      browserSteps(waiting).hops.map(({ id }) => id),
      ['dlv_b']
    )
    for (const event of [{ kind: 'browser-sent', messageId: '_3' }, { kind: 'browser-seen' }, { kind: 'tick' }] satisfies Loose[])
      isSettled(play(waiting, { ...event, atMs: 60 }))
  })

  test('is waited with while a message may be leaving', () => {
    const [open, other] = heldOf({ state: 'waiting-for-browser', channelIndex: 1 }, [server, hop]).deliveries as [Delivery, Delivery]
    const attempts = [...open.attempts, { number: 3, channel: server, messageId: '_3', by: 'node-3', startedAtMs: 50 }]
    const waiting = run([{ ...open, attempts }, other])
    assert.equal(play(waiting, { kind: 'browser-sent', messageId: '_4', atMs: 60 }), waiting)
    isSettled(play(waiting, { kind: 'tick', atMs: 50 + 2 * policy.sendTimeoutMs }))
  })

  test('is the outcome in the place of one that became final beside it, with a receipt of its own; a better one stays', () => {
    const outcome = { kind: 'unreachable', code: 'X', attempts: 3 } as const
    const { deliveries } = heldOf({ state: 'final', outcome, finalAtMs: 50 })
    const done: LogoutRun = { ...run(deliveries.slice(0, 1)), state: 'done', finishedAtMs: 50 }
    const [settled, effects] = step(done, { kind: 'receipt-made', receipt: 'of the former outcome', atMs: 60 })
    isSettled(settled)
    assert.deepEqual(effects, [{ kind: 'receipt', dueAtMs: 60 }])
    assert.equal(step(settled, { kind: 'tick', atMs: 61, jitter: 0 })[0], settled)
    const partly = { kind: 'refused', statusCode: 'PartialLogout', code: 'CURFEW_SAML_LOGOUT_PARTIAL' } as const
    const ended: LogoutRun = { ...done, deliveries: done.deliveries.map((d) => ({ ...d, outcome: { kind: 'ended', proof }, held: partly })) }
    assert.equal(outcomeOf(step(ended, { kind: 'browser-seen', atMs: 60 })[0]), 'ended')
    const notAll: LogoutRun = { ...done, deliveries: done.deliveries.map((d) => ({ ...d, outcome: partly, held: { kind: 'already-ended', proof } })) }
    assert.equal(outcomeOf(step(notAll, { kind: 'browser-seen', atMs: 60 })[0]), 'refused', 'that it knows nobody any more says nothing of the rest')
  })
})

suite('step: what comes late', () => {
  test('a late proof lifts a final outcome and renews the receipt', () => {
    const timedOut = play(run([delivery('a', [server])]), started, { kind: 'tick', atMs: 70_000 })
    assert.equal(outcomeOf(timedOut), 'timed-out')
    const [better, effects] = step(timedOut, { kind: 'confirmed', deliveryId: 'dlv_a', messageId: '_1', result: 'ended', proof, atMs: 71_000 })
    assert.equal(better.deliveries[0]?.outcome?.kind, 'ended')
    assert.deepEqual(
      effects.map((e) => e.kind),
      ['receipt']
    )
  })

  test('nothing lowers a final outcome', () => {
    const done = play(run([delivery('a', [server])]), started, confirmed)
    for (const event of [failed, { kind: 'refused', statusCode: 'x', code: 'x' }, { kind: 'unusable-answer', code: 'x' }] as const)
      assert.equal(play(done, event), done)
  })

  test('a late failure of an earlier attempt leaves the present one alone', () => {
    const second = play(run([delivery('a', [server])]), started, failed, { ...started, messageId: '_2' })
    assert.equal(play(second, failed), second)
  })

  test('nothing starts on a final delivery', () => {
    const done = play(run([delivery('a', [server])]), started, confirmed)
    assert.equal(play(done, { ...started, messageId: '_9' }), done)
  })
})

suite('step: the browser', () => {
  const sent: Loose = { kind: 'browser-sent' }

  test('a hop that brings a proved answer is signed out', () => {
    assert.equal(outcomeOf(play(run([delivery('a', [hop])]), sent, confirmed)), 'ended')
  })

  test('a browser back on our page closes the hop that brought nothing', () => {
    const back = play(run([delivery('a', [hop]), delivery('b', [hop])]), sent, { kind: 'browser-seen', atMs: 1_500 })
    assert.equal(outcomeOf(back), 'timed-out')
    assert.equal(back.deliveries[1]?.state, 'waiting-for-browser')
  })

  test('a hidden frame without answer is followed by a hop', () => {
    const open = play(run([delivery('a', [frame, hop])]), sent)
    const next = play(open, { kind: 'tick', atMs: 5_000 })
    assert.equal(next.deliveries[0]?.state, 'waiting-for-browser')
    assert.equal(next.deliveries[0]?.channelIndex, 1)
  })

  test('an unreachable hop falls to the next channel or is final', () => {
    const probe: Loose = { kind: 'probe-failed', code: 'CURFEW_OUTBOUND_UNREACHABLE' }
    assert.equal(outcomeOf(play(run([delivery('a', [hop])]), probe)), 'unreachable')
    assert.equal(play(run([delivery('a', [hop, server])]), probe).deliveries[0]?.state, 'pending')
  })

  test('a delivery that only a browser can make waits for it until the deadline, then says so', () => {
    const open = run([delivery('a', [hop])])
    assert.equal(play(open, { kind: 'tick', atMs: 59_000 }), open)
    const late = play(open, { kind: 'tick', atMs: 60_000 })
    assert.deepEqual(late.deliveries[0]?.outcome, { kind: 'timed-out', code: 'CURFEW_RUN_BROWSER_ABSENT', attempts: 0 })
  })
})

suite('step: the rest', () => {
  test('the starter is answered once', () => {
    const once = play(run([delivery('a', [server])]), { kind: 'starter-answered' })
    assert.equal(once.starterAnsweredAtMs, 1)
    assert.equal(play(once, { kind: 'starter-answered', atMs: 9 }), once)
    assert.equal(play(once, { kind: 'starter-answered', atMs: 9, answerId: '_late' }), once)
    assert.equal(
      play(run([delivery('a', [server])]), { kind: 'starter-answered', answerId: '_a' }, { kind: 'starter-answered', answerId: '_b' }).starterAnswerId,
      '_a'
    )
  })

  test('a repeat is a new delivery in the same run; the old one keeps its outcome', () => {
    const done = play(run([delivery('a', [server])]), started, { ...failed, retryable: false })
    const again = play(done, { kind: 'retry-requested', newDeliveryId: 'dlv_b', by: { kind: 'admin', id: 'ops' }, atMs: 90_000 })
    assert.equal(again.state, 'open')
    assert.equal(outcomeOf(again), 'unreachable')
    assert.equal(again.deliveries[1]?.retryOf, 'dlv_a')
    assert.ok(again.startedAtMs + again.policy.deadlineMs > 90_000, 'the repeat gets time of its own')
    assert.equal(play(again, { kind: 'retry-requested', newDeliveryId: 'dlv_c', by: { kind: 'admin', id: 'ops' } }), again)
  })

  test('what was confirmed is not repeated', () => {
    const done = play(run([delivery('a', [server])]), started, confirmed)
    assert.equal(play(done, { kind: 'retry-requested', newDeliveryId: 'dlv_b', by: { kind: 'admin', id: 'ops' } }), done)
  })

  test('a receipt belongs to a run that is done', () => {
    const open = run([delivery('a', [server])])
    assert.equal(play(open, { kind: 'receipt-made', receipt: 'x' }), open)
    const done = play(open, started, confirmed, { kind: 'receipt-made', receipt: 'x' })
    assert.equal(done.receipt, 'x')
  })
})

suite('step: frames and pictures of a page', () => {
  const asked: Loose = { kind: 'browser-sent', atMs: 100 }
  const over = (how: 'loaded' | 'failed' | 'not-loaded' | 'unknown', atMs = 1_000): Loose => ({ kind: 'frame-over', how, atMs })
  const offered = (atMs: number): Loose => ({ kind: 'frames-offered', deliveryIds: ['dlv_a'], atMs })

  for (const [how, outcome] of [
    ['loaded', { kind: 'unconfirmed', code: 'CURFEW_RUN_NO_ANSWER_POSSIBLE' }],
    ['unknown', { kind: 'unconfirmed', code: 'CURFEW_RUN_NO_ANSWER_POSSIBLE' }],
    ['failed', { kind: 'unconfirmed', code: 'CURFEW_RUN_PICTURE_FAILED' }],
    ['not-loaded', { kind: 'timed-out', code: 'CURFEW_RUN_FRAME_NOT_LOADED', attempts: 1 }]
  ] as const) {
    test(`a picture that was asked for and is ${how} is ${outcome.kind}: ${outcome.code}`, () => {
      const done = play(run([delivery('a', [picture])]), asked, over(how))
      assert.deepEqual(done.deliveries[0]?.outcome, outcome)
      assert.equal(play(done, over('failed'), over('loaded'), over('not-loaded')), done, 'what is said later changes nothing')
    })
  }

  test('that a frame loaded which can answer says nothing: its answer is waited for, until the page is over', () => {
    const open = play(run([delivery('a', [frame])]), asked)
    assert.equal(play(open, over('loaded')), open)
    assert.equal(play(open, over('failed')), open)
    assert.equal(outcomeOf(play(open, over('loaded'), confirmed)), 'ended')
    assert.equal(outcomeOf(play(open, over('unknown'))), 'timed-out')
  })

  test('one that a page offered and no browser asked for is final two seconds after the time of the page', () => {
    const [open, effects] = step(run([delivery('a', [picture]), delivery('b', [picture])]), { kind: 'frames-offered', deliveryIds: ['dlv_a'], atMs: 500 })
    assert.deepEqual(effects, [{ kind: 'wake', dueAtMs: 4_500 }])
    assert.equal(play(open, { kind: 'tick', atMs: 4_499 }), open)
    const late = play(open, { kind: 'tick', atMs: 4_500 })
    assert.deepEqual(late.deliveries[0]?.outcome, { kind: 'timed-out', code: 'CURFEW_RUN_FRAME_NOT_ASKED', attempts: 0 })
    assert.equal(late.deliveries[1]?.state, 'waiting-for-browser', 'the other one still waits for a browser')
    const again = play(open, offered(3_000), { kind: 'tick', atMs: 4_500 })
    assert.equal(again.deliveries[0]?.state, 'waiting-for-browser', 'a page that is opened again offers it anew')
    assert.equal(outcomeOf(play(open, over('unknown'))), 'timed-out', 'and the end of the page is its end')
  })

  test('where an application started it, the page has three seconds at most', () => {
    const starter = { kind: 'participant', participantId: 'x:1', peerId: 'x', binding: 'redirect', requestId: '_r', wantsResponse: true } as const
    const long = { policy: { ...run([]).policy, frameTimeoutMs: 20_000 } }
    const wakes = (more: object) => step(run([delivery('a', [picture])], { ...long, ...more }), { kind: 'frames-offered', deliveryIds: ['dlv_a'], atMs: 0 })[1]
    assert.deepEqual(wakes({ starter }), [{ kind: 'wake', dueAtMs: 5_000 }])
    assert.deepEqual(wakes({}), [{ kind: 'wake', dueAtMs: 22_000 }])
  })
})

suite('step: a participant that ended its own session and not all that hangs on it', () => {
  const partly: Loose = { kind: 'refused', statusCode: 'PartialLogout', code: 'CURFEW_SAML_LOGOUT_PARTIAL' }
  const nobody: Loose = { kind: 'confirmed', result: 'already-ended', proof }

  test('is not asked on another way, where it would know nobody any more', () => {
    const done = play(run([delivery('a', [server, hop])], { browserSeenAtMs: 0 }), started, partly)
    assert.equal(outcomeOf(done), 'refused')
    assert.equal(done.state, 'done')
  })

  test('does not count as ended by a late word that it knows nobody', () => {
    const done = play(run([delivery('a', [server])]), started, { ...started, messageId: '_2' }, { ...partly, messageId: '_2' })
    assert.equal(outcomeOf(done), 'refused')
    assert.equal(outcomeOf(play(done, nobody)), 'refused')
    assert.equal(outcomeOf(play(done, confirmed)), 'ended')
  })

  test('does not count as ended when a person asks to try again', () => {
    const done = play(run([delivery('a', [server])]), started, partly)
    const again = play(done, { kind: 'retry-requested', newDeliveryId: 'dlv_b', by: { kind: 'admin', id: 'ops' }, atMs: 90_000 })
    const asked = play(again, { ...started, deliveryId: 'dlv_b', messageId: '_2' })
    assert.equal(outcomeOf(play(asked, { ...nobody, deliveryId: 'dlv_b', messageId: '_2' }), 'dlv_b'), 'refused')
    assert.equal(outcomeOf(play(asked, { ...confirmed, deliveryId: 'dlv_b', messageId: '_2' }), 'dlv_b'), 'ended')
  })
})
