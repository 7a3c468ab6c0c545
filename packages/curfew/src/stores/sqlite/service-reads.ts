import type { AuditRecord, RevocationEntry, RevocationListMark } from '../store.ts'
import { type Database, prepare } from './driver.ts'
import { countFailures } from './service-writes.ts'

export interface ServiceReads {
  isRevoked(sri: string, nowMs: number): boolean
  revocationFeed(cursor: number, max: number): readonly RevocationEntry[]
  revocationList(): RevocationListMark
  lockRead(userKey: string, nowMs: number, windowMs: number): number
  txGet(key: string, nowMs: number): unknown
  listAudit(query: { readonly afterId?: number; readonly limit: number; readonly userKey?: string }): readonly (AuditRecord & { readonly id: number })[]
}

export function serviceReads(db: Database): ServiceReads {
  const revoked = prepare<{ readonly found: 1 }>(db, 'SELECT 1 AS found FROM revocation WHERE sri = ? AND until_ms > ?')
  const feed = prepare<{
    readonly cursor: number
    readonly sri: string
    readonly until_ms: number
    readonly at_ms: number
  }>(db, 'SELECT cursor, sri, until_ms, at_ms FROM revocation WHERE cursor > ? ORDER BY cursor LIMIT ?')
  const list = prepare<{ readonly id: string; readonly end: number }>(
    db,
    "SELECT text AS id, COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'revocation'), 0) AS end FROM fact_note WHERE name = 'list'"
  )
  const failures = prepare<{ readonly n: number }>(db, countFailures)
  const tx = prepare<{ readonly value: string }>(db, 'SELECT value FROM tx WHERE key = ? AND until_ms > ?')
  const audit = prepare<{ readonly id: number; readonly doc: string }>(db, 'SELECT id, doc FROM audit WHERE id > ? ORDER BY id LIMIT ?')
  const auditOf = prepare<{ readonly id: number; readonly doc: string }>(db, 'SELECT id, doc FROM audit WHERE user_key = ? AND id > ? ORDER BY id LIMIT ?')
  return {
    isRevoked: (sri, nowMs) => revoked.get(sri, nowMs) !== undefined,
    revocationFeed: (cursor, max) => feed.all(cursor, max).map((row) => ({ cursor: row.cursor, sri: row.sri, untilMs: row.until_ms, atMs: row.at_ms })),
    // It was named when the file was opened.
    revocationList() {
      const { id = '', end = 0 } = list.get() ?? {}
      return { id, end }
    },
    lockRead: (userKey, nowMs, windowMs) => failures.get(userKey, nowMs - windowMs, nowMs)?.n ?? 0,
    txGet(key, nowMs) {
      const row = tx.get(key, nowMs)
      return row === undefined ? undefined : (JSON.parse(row.value) as unknown)
    },
    listAudit({ afterId = 0, limit, userKey }) {
      const rows = userKey === undefined ? audit.all(afterId, limit) : auditOf.all(userKey, afterId, limit)
      return rows.map(({ id, doc }) => ({ ...(JSON.parse(doc) as AuditRecord), id }))
    }
  }
}
