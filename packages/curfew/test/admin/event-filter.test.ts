import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type EventFilter, isWanted } from '../../src/admin/event-filter.ts'

const final = { id: 'a', atMs: 1, event: 'delivery.final', user: 'ana', peer: 'payroll', outcome: 'refused', code: 'CURFEW_SAML_LOGOUT_REFUSED' } as const

suite('a filter of events', () => {
  test('wants every word to fit, each by one of its values', () => {
    const wanted: readonly EventFilter[] = [
      {},
      { app: ['payroll'] },
      { app: ['wiki', 'payroll'], outcome: ['failed'] },
      { event: ['delivery.*'] },
      { user: ['ana'], code: ['CURFEW_SAML_LOGOUT_REFUSED'] },
      { outcome: ['refused'] }
    ]
    const unwanted: readonly EventFilter[] = [
      { app: ['wiki'] },
      { app: ['payroll'], outcome: ['confirmed'] },
      { event: ['delivery'] },
      { event: ['deliver.*'] },
      { user: ['an'] },
      { run: ['run_A'] },
      { app: [] }
    ]
    for (const filter of wanted) assert.ok(isWanted(filter, final), JSON.stringify(filter))
    for (const filter of unwanted) assert.ok(!isWanted(filter, final), JSON.stringify(filter))
  })

  test('failed are attempts that failed, and outcomes that prove nothing; a user is found by the key, too', () => {
    const failed = { outcome: ['failed'] }
    for (const outcome of ['refused', 'unreachable', 'timed-out', 'unconfirmed']) assert.ok(isWanted(failed, { ...final, outcome }), outcome)
    for (const outcome of ['ended', 'already-ended', 'unsupported', 'not-asked']) assert.ok(!isWanted(failed, { ...final, outcome }), outcome)
    assert.ok(isWanted(failed, { id: 'b', atMs: 1, event: 'attempt.failed' }))
    assert.ok(!isWanted(failed, { id: 'b', atMs: 1, event: 'attempt.sent' }))
    for (const user of ['ana', 'form:ana']) assert.ok(isWanted({ user: [user] }, { ...final, user: 'form:ana' }))
    assert.ok(!isWanted({ user: ['na'] }, { ...final, user: 'form:ana' }))
  })
})
