import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { EventView } from '../../src/admin/schemas.ts'
import { readEvents } from '../../src/cli/event-source.ts'
import { readFilter } from '../../src/cli/filter-text.ts'
import { dayLine, eventLine, gapLine } from '../../src/cli/tail-text.ts'
import { contextOf } from './context.ts'

const { terminal } = contextOf().context
const base = { id: 'aud_1', position: '1-1', atMs: Date.UTC(2026, 10, 28, 12), user: 'ana', run: 'run_A', session: 'ses_A' } as const
const wide = Number.POSITIVE_INFINITY

/** Without the time, which is that of this machine's zone. */
const words = (event: Partial<EventView>, widthMax = wide): string => eventLine({ ...base, event: 'x', ...event }, terminal, widthMax).slice(14)

suite('a line of curfew tail', () => {
  const cases: readonly (readonly [Partial<EventView>, string])[] = [
    [{ event: 'session.opened' }, '<-- ana         signed in'],
    [{ event: 'sign-in.locked', user: 'local:ana' }, '!!  local:ana   sign-in locked'],
    [{ event: 'assertion.issued', peer: 'payroll' }, '--> payroll     SAML: signs ana in'],
    [{ event: 'attempt.sent', peer: 'payroll', channel: 'server/soap' }, '--> payroll     SAML LogoutRequest (SOAP) for ana'],
    [
      {
        event: 'attempt.failed',
        peer: 'legacy',
        code: 'CURFEW_OUTBOUND_TIMEOUT',
        tookMs: 5_000,
        detail: { attempt: 1, attemptsMax: 4, nextAttemptAtMs: base.atMs + 10_000 }
      },
      '!!  legacy      no answer after 5 s, attempt 1 of 4, next in 10 s'
    ],
    [{ event: 'delivery.waiting', peer: 'payroll', channel: 'hop/redirect' }, '--> payroll     SAML LogoutRequest (redirect) waits for the browser of ana'],
    [
      { event: 'delivery.final', peer: 'wiki', channel: 'server/back-channel', outcome: 'ended', tookMs: 37 },
      '<-- wiki        logout token accepted 37 ms: signed out, confirmed (ana)'
    ],
    [
      { event: 'delivery.final', peer: 'legacy', channel: 'server/soap', outcome: 'timed-out', code: 'CURFEW_OUTBOUND_TIMEOUT', tookMs: 5_000 },
      '!!  legacy      no answer after 5 s: did not answer (ana)'
    ],
    [{ event: 'delivery.final', peer: 'old', outcome: 'unsupported' }, '--  old         not possible: it has no sign-out (ana)'],
    [
      { event: 'session.ended', actor: 'admin cli', detail: { reason: 'admin', participants: 3 } },
      '==  ana         session ended: admin, by cli, 3 applications to tell  run_A'
    ],
    [{ event: 'run.finished', detail: { verdict: 'partial', ended: 2, refused: 1 } }, '==  ana         partial: 2 ended, 1 refused  run_A'],
    [{ event: 'password.changed', actor: 'user ana', detail: { endedSessions: 2 } }, '--  ana         password.changed by=user ana endedSessions=2']
  ]
  for (const [event, expected] of cases)
    test(String(event.event) + (event.outcome ?? ''), () => {
      assert.equal(words(event), expected)
    })

  test('is broken at the width of the terminal, below where it began', () => {
    const text = words({ event: 'session.ended', actor: 'admin cli', detail: { reason: 'admin', participants: 3 } }, 80)
    for (const line of text.split('\n')) assert.ok(line.length <= 80, line)
    assert.match(text, /^==  ana {9}session ended: admin, by cli, 3 applications to\n {30}tell {2}run_A$/)
  })

  test('shows no character that would steer the terminal', () => {
    assert.equal(words({ event: 'session.opened', user: 'a\u001B[2Jb\nc' }), '<-- a?[2Jb?c    signed in')
  })

  test('a gap says what is missing; another day is said once', () => {
    const gap = (why: 'trimmed' | 'store-went-back'): string => gapLine({ position: '1-1', atMs: base.atMs, why }, terminal, wide).slice(14)
    assert.equal(gap('trimmed'), '!!  gap         events in between are no longer kept')
    assert.match(gap('store-went-back'), /the store lost its last lines/)
    assert.equal(dayLine(base.atMs, base.atMs + 1_000, terminal), undefined)
    assert.match(dayLine(base.atMs, base.atMs + 3 * 86_400_000, terminal) ?? '', /^-- 2026-11-2[789]$/)
  })
})

suite('the words of a filter', () => {
  test('each with a value, several, or one with spaces', () => {
    assert.deepEqual(readFilter('app=payroll outcome=failed'), { app: 'payroll', outcome: 'failed' })
    assert.deepEqual(readFilter('  app=payroll,wiki   event=session.* '), { app: 'payroll,wiki', event: 'session.*' })
    assert.deepEqual(readFilter('user="ana maria" app=a app=b'), { user: 'ana maria', app: 'a,b' })
    assert.deepEqual(readFilter(''), {})
  })

  test('what is none of them is refused, with what was meant', () => {
    assert.throws(() => readFilter('ap=payroll'), /"ap" is no word of a filter\. Did you mean "app"\?/)
    for (const text of ['payroll', 'app=', 'app', 'user="ana', '=x']) assert.throws(() => readFilter(text), RangeError, text)
  })
})

suite('server-sent events', () => {
  test('are read whatever the pieces are that they come in', async () => {
    const text = ': alive\n\nid: 7-1\nevent: event\ndata: {"a":1}\n\nevent: run\ndata: {}\n\ndata: half'
    for (const size of [1, 2, 3, 7, 1_000]) {
      const pieces = async function* (): AsyncGenerator<string> {
        for (let i = 0; i < text.length; i += size) yield text.slice(i, i + size)
      }
      assert.deepEqual(await Array.fromAsync(readEvents(pieces())), [
        { id: '7-1', event: 'event', data: '{"a":1}' },
        { event: 'run', data: '{}' }
      ])
    }
  })
})
