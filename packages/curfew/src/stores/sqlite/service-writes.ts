import type { Handlers } from './command.ts'
import { type Database, prepare } from './driver.ts'

type ServiceHandlers = Pick<Handlers, 'revoke' | 'replaySeen' | 'lockBump' | 'lockClear' | 'txCreate' | 'txTake' | 'appendAudit'>

export function serviceWrites(db: Database): ServiceHandlers {
  const revocation = prepare<{ readonly until_ms: number; readonly at_ms: number }>(db, 'SELECT until_ms, at_ms FROM revocation WHERE sri = ?')
  const dropRevocation = prepare(db, 'DELETE FROM revocation WHERE sri = ?')
  const insertRevocation = prepare(db, 'INSERT INTO revocation (sri, until_ms, at_ms) VALUES (?, ?, ?)')
  const replay = prepare<{ readonly until_ms: number }>(db, 'SELECT until_ms FROM replay WHERE issuer = ? AND id = ?')
  const keepReplay = prepare(db, 'INSERT OR REPLACE INTO replay (issuer, id, until_ms) VALUES (?, ?, ?)')
  const insertFailure = prepare(db, 'INSERT INTO failed_sign_in (user_key, at_ms, until_ms) VALUES (?, ?, ?)')
  const failures = prepare<{ readonly n: number }>(db, countFailures)
  const clearFailures = prepare(db, 'DELETE FROM failed_sign_in WHERE user_key = ?')
  const insertTx = prepare(db, 'INSERT OR IGNORE INTO tx (key, until_ms, value) VALUES (?, ?, ?)')
  const takeTx = prepare<{ readonly until_ms: number; readonly value: string }>(db, 'DELETE FROM tx WHERE key = ? RETURNING until_ms, value')
  const insertAudit = prepare(db, 'INSERT INTO audit (user_key, doc) VALUES (?, ?)')

  return {
    revoke({ sri, untilMs, atMs }) {
      const known = revocation.get(sri)
      if (known !== undefined && known.until_ms >= untilMs) return 'known'
      if (known !== undefined) dropRevocation.run(sri)
      insertRevocation.run(sri, untilMs, known?.at_ms ?? atMs)
      return known === undefined ? 'revoked' : 'known'
    },

    replaySeen({ issuer, id, untilMs, nowMs }) {
      const known = replay.get(issuer, id)?.until_ms ?? nowMs
      if (untilMs > known) keepReplay.run(issuer, id, untilMs)
      return known > nowMs ? 'seen' : 'fresh'
    },

    lockBump({ userKey, nowMs, windowMs }) {
      insertFailure.run(userKey, nowMs, nowMs + windowMs)
      return failures.get(userKey, nowMs - windowMs, nowMs)?.n ?? 0
    },

    lockClear({ userKey }) {
      clearFailures.run(userKey)
      return 'cleared'
    },

    txCreate: ({ key, json, untilMs }) => (insertTx.run(key, untilMs, json) === 1 ? 'created' : 'exists'),

    txTake({ key, nowMs }) {
      const row = takeTx.get(key)
      return row === undefined || row.until_ms <= nowMs ? undefined : row.value
    },

    appendAudit(record) {
      insertAudit.run(record.userKey ?? null, JSON.stringify(record))
      return 'appended'
    }
  }
}

/** Failed sign-ins of a user after one instant, up to another. */
export const countFailures = 'SELECT count(*) AS n FROM failed_sign_in WHERE user_key = ? AND at_ms > ? AND at_ms <= ?'
