import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { openDatabase, prepare } from '../../src/stores/sqlite/driver.ts'
import { migrate } from '../../src/stores/sqlite/schema.ts'

const page = readFileSync(new URL('../../src/stores/sqlite/STORAGE-SCHEMA.md', import.meta.url), 'utf8')

suite('STORAGE-SCHEMA.md', () => {
  test('names every table with exactly its columns and indexes, owner, lifetime, size and who deletes', () => {
    const db = openDatabase(':memory:', { timeout: 0 })
    migrate(db, ':memory:')
    const made = prepare<{ readonly name: string; readonly type: string; readonly tbl_name: string }>(
      db,
      "SELECT name, type, tbl_name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name"
    ).all()
    const columns = prepare<{ readonly name: string }>(db, 'SELECT name FROM pragma_table_info(?)')
    const tables = made.filter(({ type }) => type === 'table')
    const sections = new Map(
      page
        .split(/^## /mu)
        .slice(1)
        .map((section) => [section.slice(0, section.indexOf('\n')), section] as const)
    )
    assert.deepEqual(
      [...sections.keys()].sort(),
      tables.map(({ name }) => name)
    )
    for (const { name } of tables) {
      const section = sections.get(name) ?? ''
      const documented = [...section.matchAll(/^\| `(\w+)` \|/gmu)].map(([, column]) => column)
      assert.deepEqual(
        documented,
        columns.all(name).map((column) => column.name),
        name
      )
      const indexes = made.filter(({ type, tbl_name }) => type === 'index' && tbl_name === name).map((index) => index.name)
      const listed = [...(section.match(/^Index(?:es)?: .*/mu)?.[0] ?? '').matchAll(/`(\w+)`/gu)].map(([, index]) => index)
      assert.deepEqual(listed.sort(), indexes, name)
      for (const fact of [/Owner: `[\w-]+\.ts`/u, /Lifetime: /u, /Size: /u, /(?:delete|purge)/iu]) assert.match(section, fact, name)
    }
    db.close()
  })

  test('lists no look-up that would read a whole table', () => {
    const db = openDatabase(':memory:', { timeout: 0 })
    migrate(db, ':memory:')
    const plan = (sql: string): string =>
      prepare<{ readonly detail: string }>(db, `EXPLAIN QUERY PLAN ${sql}`)
        .all()
        .map(({ detail }) => detail)
        .join('; ')
    for (const sql of [
      "SELECT * FROM session WHERE token_hash = 'a'",
      "SELECT session_id FROM session_address WHERE address = 'a'",
      "DELETE FROM session_address WHERE session_id = 'a'",
      "SELECT * FROM session WHERE persistent_token_hash = 'a'",
      "SELECT * FROM session WHERE user_key = 'a' AND end_doc IS NULL ORDER BY created_at_ms, id",
      'SELECT * FROM session WHERE end_doc IS NULL AND due_at_ms <= 1 ORDER BY due_at_ms, id LIMIT 5',
      'SELECT id FROM session WHERE (created_at_ms, id) < (1, 2) ORDER BY created_at_ms DESC, id DESC',
      "SELECT id FROM session WHERE username = 'a' AND (created_at_ms, id) < (1, 2) ORDER BY created_at_ms DESC, id DESC",
      "SELECT id FROM run WHERE username = 'a' AND (started_at_ms, id) < (1, 2) ORDER BY started_at_ms DESC, id DESC",
      "SELECT doc FROM run WHERE token_hash = 'a' AND state = 'open'",
      'SELECT min(ready_at_ms) FROM effect',
      "SELECT * FROM participant WHERE peer_id = 'a' AND session_index = 'b'",
      "SELECT * FROM participant WHERE peer_id = 'a' AND name_id = 'b'"
    ]) {
      assert.match(plan(sql), /SEARCH/u, sql)
      assert.doesNotMatch(plan(sql), /TEMP B-TREE/u, sql)
    }
    db.close()
  })
})
