import type { RunId } from '../../core/ids.ts'
import type { LogoutRun } from '../../core/run.ts'
import { readCursor } from '../cursor.ts'
import type { Page, RunQuery } from '../store.ts'
import { type Column, type Database, prepare } from './driver.ts'
import { type ScannedRow, takePage } from './list-page.ts'

export interface RunReads {
  getRun(id: RunId): LogoutRun | undefined
  listRuns(query: RunQuery): Page<LogoutRun>
  findOpenRunByToken(tokenHash: string): LogoutRun | undefined
  findByMessage(peerId: string, messageId: string): { readonly runId: RunId; readonly deliveryId: string } | undefined
  nextEffectAtMs(): number | undefined
  openRuns(): number
  pendingEffects(): number
}

/** Runs one call of the list looks at; fewer than sessions, their documents are larger. */
const scannedMax = 2000

export function runReads(db: Database): RunReads {
  const byId = prepare<{ readonly doc: string }>(db, 'SELECT doc FROM run WHERE id = ?')
  const openByToken = prepare<{ readonly doc: string }>(
    db,
    "SELECT doc FROM run WHERE token_hash = ? AND state = 'open' ORDER BY started_at_ms DESC, id DESC LIMIT 1"
  )
  const byMessage = prepare<{ readonly run_id: RunId; readonly delivery_id: string }>(
    db,
    'SELECT run_id, delivery_id FROM message WHERE peer_id = ? AND message_id = ?'
  )
  const next = prepare<{ readonly at: number | null }>(db, 'SELECT min(ready_at_ms) AS at FROM effect')
  const open = prepare<{ readonly n: number }>(db, "SELECT count(*) AS n FROM run WHERE state = 'open' AND is_copy = 0")
  const effects = prepare<{ readonly n: number }>(db, 'SELECT count(*) AS n FROM effect')
  const one = (row: { readonly doc: string } | undefined): LogoutRun | undefined => (row === undefined ? undefined : (JSON.parse(row.doc) as LogoutRun))

  return {
    getRun: (id) => one(byId.get(id)),
    findOpenRunByToken: (tokenHash) => one(openByToken.get(tokenHash)),
    findByMessage(peerId, messageId) {
      const row = byMessage.get(peerId, messageId)
      return row === undefined ? undefined : { runId: row.run_id, deliveryId: row.delivery_id }
    },
    nextEffectAtMs: () => next.get()?.at ?? undefined,
    openRuns: () => open.get()?.n ?? 0,
    pendingEffects: () => effects.get()?.n ?? 0,
    listRuns(query) {
      const { sql, values } = listOf(query)
      const { ids, ...rest } = takePage(prepare<ScannedRow>(db, sql).iterate(...values), query.limit, scannedMax)
      return { items: ids.flatMap((id) => one(byId.get(id)) ?? []), ...rest }
    }
  }
}

/** Filters with an index choose the rows, the others only mark them. */
function listOf(query: RunQuery): { readonly sql: string; readonly values: readonly Column[] } {
  const after = readCursor(query.cursor)
  const hits: string[] = ['1']
  const hitValues: Column[] = []
  if (query.state !== undefined) {
    hits.push('state = ?')
    hitValues.push(query.state)
  }
  if (query.reason !== undefined) {
    hits.push('reason = ?')
    hitValues.push(query.reason)
  }
  if (query.peerId !== undefined) {
    // The text is looked for first: reading every document as JSON is far slower.
    hits.push("instr(doc, ?) > 0 AND EXISTS (SELECT 1 FROM json_each(doc, '$.deliveries') WHERE value ->> '$.peerId' = ?)")
    hitValues.push(`"peerId":${JSON.stringify(query.peerId)}`, query.peerId)
  }
  const wheres = ['(started_at_ms, id) < (?, ?)']
  const whereValues: Column[] = [after.atMs, after.id]
  const filter = (sql: string, value: Column | undefined): void => {
    if (value === undefined) return
    wheres.push(sql)
    whereValues.push(value)
  }
  filter('username = ?', query.username)
  filter('session_id = ?', query.sessionId)
  filter('started_at_ms >= ?', query.sinceMs)
  const sql = `SELECT id, started_at_ms AS at_ms, (${hits.join(' AND ')}) AS hit FROM run
    WHERE ${wheres.join(' AND ')} ORDER BY started_at_ms DESC, id DESC`
  return { sql, values: [...hitValues, ...whereValues] }
}
