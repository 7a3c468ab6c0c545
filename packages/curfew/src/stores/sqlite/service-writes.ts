import { clearedBy, type NamedFailure } from '../cleared.ts'
import { transactionGone } from '../fact.ts'
import type { Handlers } from './command.ts'
import { type Database, prepare } from './driver.ts'
import { goneRows } from './gone-rows.ts'
import type { Teller } from './teller.ts'

type ServiceHandlers = Pick<Handlers, 'revoke' | 'replaySeen' | 'lockBump' | 'lockClear' | 'txCreate' | 'txTake' | 'appendAudit'>

export function serviceWrites(db: Database, teller: Teller): ServiceHandlers {
  const revocation = prepare<{ readonly until_ms: number; readonly at_ms: number }>(db, 'SELECT until_ms, at_ms FROM revocation WHERE sri = ?')
  const dropRevocation = prepare(db, 'DELETE FROM revocation WHERE sri = ?')
  const insertRevocation = prepare(db, 'INSERT INTO revocation (sri, until_ms, at_ms) VALUES (?, ?, ?)')
  const replay = prepare<{ readonly until_ms: number }>(db, 'SELECT until_ms FROM replay WHERE issuer = ? AND id = ?')
  const keepReplay = prepare(db, 'INSERT OR REPLACE INTO replay (issuer, id, until_ms) VALUES (?, ?, ?)')
  const insertFailure = prepare(db, 'INSERT INTO failed_sign_in (user_key, at_ms, until_ms, origin, origin_number) VALUES (?, ?, ?, ?, ?)')
  const failures = prepare<{ readonly n: number }>(db, countFailures)
  const clearFailures = prepare(db, 'DELETE FROM failed_sign_in WHERE user_key = ?')
  const insertTx = prepare(db, 'INSERT OR IGNORE INTO tx (key, until_ms, value) VALUES (?, ?, ?)')
  const takeTx = prepare<{ readonly until_ms: number; readonly value: string }>(db, 'DELETE FROM tx WHERE key = ? RETURNING until_ms, value')
  const named = prepare<NamedFailure>(
    db,
    'SELECT origin, origin_number AS number, until_ms AS untilMs FROM failed_sign_in WHERE user_key = ? AND origin IS NOT NULL'
  )
  const keepCleared = prepare(
    db,
    `INSERT INTO sign_ins_cleared (user_key, origin, number, until_ms) VALUES (?, ?, ?, ?)
     ON CONFLICT (user_key, origin) DO UPDATE SET number = max(number, excluded.number), until_ms = max(until_ms, excluded.until_ms)`
  )
  const gone = goneRows(db)
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
      if (untilMs > known) {
        keepReplay.run(issuer, id, untilMs)
        teller.tell({ kind: 'replay', service: 'assertionReplay', issuer, id, untilMs })
      }
      return known > nowMs ? 'seen' : 'fresh'
    },

    lockBump({ userKey, nowMs, windowMs }) {
      const name = teller.group === undefined || !teller.isTold('accountLocking') ? undefined : { origin: teller.group, number: teller.next() }
      const failure = { atMs: nowMs, untilMs: nowMs + windowMs }
      insertFailure.run(userKey, failure.atMs, failure.untilMs, name?.origin ?? null, name?.number ?? null)
      if (name !== undefined) teller.tell({ kind: 'failed-sign-in', service: 'accountLocking', userKey, ...failure, ...name })
      return failures.get(userKey, nowMs - windowMs, nowMs)?.n ?? 0
    },

    lockClear({ userKey }) {
      if (teller.isTold('accountLocking')) {
        const cleared = clearedBy(named.all(userKey))
        if (cleared !== undefined) {
          for (const [origin, number] of Object.entries(cleared.upTo)) keepCleared.run(userKey, origin, number, cleared.untilMs)
          teller.tell({ kind: 'sign-ins-cleared', service: 'accountLocking', userKey, ...cleared })
        }
      }
      clearFailures.run(userKey)
      return 'cleared'
    },

    txCreate({ key, json, untilMs }) {
      if (insertTx.run(key, untilMs, json) !== 1) return 'exists'
      if (teller.isTold('transactions')) teller.tell({ kind: 'transaction', service: 'transactions', key, value: JSON.parse(json) as unknown, untilMs })
      return 'created'
    },

    txTake({ key, nowMs }) {
      const row = takeTx.get(key)
      if (row !== undefined && teller.isTold('transactions')) {
        gone.addGone(transactionGone, key, row.until_ms)
        teller.tell({ kind: 'transaction-taken', service: 'transactions', key, untilMs: row.until_ms })
      }
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
