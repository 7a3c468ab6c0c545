import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { openDatabase, prepare } from '../../src/stores/sqlite/driver.ts'
import { migrate } from '../../src/stores/sqlite/schema.ts'
import { listOf } from '../../src/stores/sqlite/session-reads.ts'

suite('the list of sessions in SQLite', () => {
  test('looks at the participants of each session, and not at all those of the application for each of them', () => {
    const db = openDatabase(':memory:', { timeout: 0 })
    migrate(db, ':memory:')
    const { sql, values } = listOf({ state: 'live', peerId: 'payroll', limit: 500, nowMs: 1 })
    const plan = prepare<{ readonly detail: string }>(db, `EXPLAIN QUERY PLAN ${sql}`)
      .all(...values)
      .map(({ detail }) => detail)
    assert.ok(
      plan.some((step) => /^SEARCH p USING .*session_id=\?/.test(step)),
      plan.join('; ')
    )
    assert.ok(
      plan.some((step) => step.includes('session_created')),
      plan.join('; ')
    )
    db.close()
  })
})
