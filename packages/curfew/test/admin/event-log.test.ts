import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type AuditLine, newestPosition, positionAt, readAfter, readPosition } from '../../src/admin/event-log.ts'
import { createMemoryStore } from '../../src/stores/memory/memory-store.ts'
import type { AuditRecord, Store } from '../../src/stores/store.ts'

const record = (n: number): AuditRecord => ({ atMs: n * 1_000, event: `e${n}`, actor: { kind: 'system', id: 'timer' } })

/** A log that was trimmed, or that a copy with fewer lines took over: what Redis may do and memory does not. */
function logOf(lines: readonly AuditLine[]): Pick<Store, 'listAudit'> {
  return { listAudit: async ({ afterId = 0, limit }) => lines.filter(({ id }) => id > afterId).slice(0, limit) }
}

const line = (id: number, n = id): AuditLine => ({ ...record(n), id })
const range = (from: number, to: number): readonly AuditLine[] => Array.from({ length: to - from + 1 }, (_, i) => line(from + i))

suite('the end of the audit log', () => {
  test('is found in a log of any length, also where its beginning or lines inside are gone', async () => {
    for (const length of [0, 1, 2, 3, 7, 8, 9, 100]) {
      const store = createMemoryStore({ capacity: 10 })
      for (let n = 1; n <= length; n++) await store.appendAudit(record(n))
      assert.equal((await newestPosition(store)).id, length)
    }
    assert.equal((await newestPosition(logOf(range(5_001, 5_100)))).id, 5_100)
    const sparse = [7, 8, 1_795_874_722_989, 1_795_874_722_990, 1_795_900_000_000].map((id) => line(id))
    for (let count = 1; count <= sparse.length; count++) assert.equal((await newestPosition(logOf(sparse.slice(0, count)))).id, sparse[count - 1]?.id)
  })

  test('a point of time leads to the lines from then on, with room for lines out of order', async () => {
    const log = logOf(range(1, 500))
    for (const n of [0, 1, 6, 7, 250, 499, 500]) {
      const { lines } = await readAfter(log, await positionAt(log, n * 1_000), 1_000)
      assert.equal(lines[0]?.id, Math.max(1, n - 5), String(n))
    }
    assert.deepEqual((await readAfter(log, await positionAt(log, 900_000), 10)).lines, [])
  })
})

suite('reading behind a position', () => {
  test('page by page nothing is left out and nothing comes twice', async () => {
    const log = logOf(range(1, 25))
    const read: number[] = []
    let position = { id: 0, atMs: 0 }
    for (;;) {
      const batch = await readAfter(log, position, 10)
      assert.equal(batch.gap, undefined)
      read.push(...batch.lines.map(({ id }) => id))
      position = batch.position
      if (!batch.hasMore) break
    }
    assert.deepEqual(
      read,
      range(1, 25).map(({ id }) => id)
    )
    assert.deepEqual(await readAfter(log, position, 10), { lines: [], position, hasMore: false })
  })

  test('lines that were trimmed are said to be missing', async () => {
    const at = { id: 10, atMs: 10_000 }
    const { lines, gap } = await readAfter(logOf(range(15, 20)), at, 10)
    assert.deepEqual([lines[0]?.id, gap], [15, { why: 'trimmed' }])
    assert.equal((await readAfter(logOf(range(11, 20)), at, 10)).gap, undefined, 'only the line that is known is gone')
    assert.equal((await readAfter(logOf(range(4, 20)), { id: 0, atMs: 0 }, 10)).gap, undefined, 'who begins at the beginning knows none')
  })

  test('a store that lost its last lines is noticed, also when others took their numbers', async () => {
    const at = { id: 10, atMs: 10_000 }
    const shorter = await readAfter(logOf(range(1, 8)), at, 10)
    assert.deepEqual([shorter.lines, shorter.position.id, shorter.gap], [[], 8, { why: 'store-went-back' }])
    const others = await readAfter(logOf([...range(1, 8), line(9, 90), line(10, 91), line(11, 92)]), at, 10)
    assert.deepEqual([others.lines.map(({ id }) => id), others.gap], [[10, 11], { why: 'store-went-back' }])
  })

  test('a position is text that says both, and nothing else is one', () => {
    assert.deepEqual(readPosition('12-34'), { id: 12, atMs: 34 })
    for (const text of ['', '12', '-1-2', '1-2-3', 'a-b', '12345678901234567-1']) assert.equal(readPosition(text), undefined, text)
  })
})
