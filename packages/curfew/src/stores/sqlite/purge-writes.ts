import type { LogoutRun } from '../../core/run.ts'
import { messagesOf } from '../facts.ts'
import type { Handlers } from './command.ts'
import { type Database, prepare } from './driver.ts'

/** Free pages are given back to the disk when they are more than this share of the file. */
const freeShareMax = 0.25
const pagesGivenBackMax = 256

/** Removes what is past keeping: oldest first within each kind, kind after kind, until `max` entries are gone. */
export function purgeWrites(db: Database): Pick<Handlers, 'purge'> {
  const sessions = prepare<{ readonly id: string }>(
    db,
    'SELECT id FROM session WHERE keep_until_ms IS NOT NULL AND keep_until_ms <= ? ORDER BY keep_until_ms, id LIMIT ?'
  )
  const dropSession = prepare(db, 'DELETE FROM session WHERE id = ?')
  const dropAddresses = prepare(db, 'DELETE FROM session_address WHERE session_id = ?')
  const dropParticipants = prepare(db, 'DELETE FROM participant WHERE session_id = ?')
  const simple = [
    'DELETE FROM revocation WHERE cursor IN (SELECT cursor FROM revocation WHERE until_ms <= ? ORDER BY until_ms, sri LIMIT ?)',
    'DELETE FROM replay WHERE (issuer, id) IN (SELECT issuer, id FROM replay WHERE until_ms <= ? ORDER BY until_ms LIMIT ?)',
    'DELETE FROM tx WHERE key IN (SELECT key FROM tx WHERE until_ms <= ? ORDER BY until_ms, key LIMIT ?)',
    'DELETE FROM artifact WHERE (kind, id) IN (SELECT kind, id FROM artifact WHERE until_ms <= ? ORDER BY until_ms, kind, id LIMIT ?)',
    `DELETE FROM failed_sign_in WHERE number IN
       (SELECT number FROM failed_sign_in WHERE until_ms <= ? ORDER BY until_ms, user_key, number LIMIT ?)`,
    'DELETE FROM fact_guard WHERE session_id IN (SELECT session_id FROM fact_guard WHERE until_ms <= ? ORDER BY until_ms LIMIT ?)',
    'DELETE FROM gone WHERE (kind, id) IN (SELECT kind, id FROM gone WHERE until_ms <= ? ORDER BY until_ms LIMIT ?)',
    'DELETE FROM sign_ins_cleared WHERE (user_key, origin) IN (SELECT user_key, origin FROM sign_ins_cleared WHERE until_ms <= ? ORDER BY until_ms LIMIT ?)'
  ].map((sql) => prepare(db, sql))
  const runs = prepare<{ readonly doc: string }>(db, "SELECT doc FROM run WHERE state = 'done' AND finished_at_ms <= ? ORDER BY finished_at_ms, id LIMIT ?")
  // The run of a region that is gone is never done.
  const copies = prepare(
    db,
    `DELETE FROM run WHERE number IN (SELECT number FROM run WHERE is_copy = 1 AND state = 'open'
       AND started_at_ms + (doc ->> '$.policy.deadlineMs') <= ? LIMIT ?)`
  )
  const dropRun = prepare(db, 'DELETE FROM run WHERE id = ?')
  const dropMessage = prepare(db, 'DELETE FROM message WHERE peer_id = ? AND message_id = ? AND run_id = ?')
  const dropEffects = prepare(db, 'DELETE FROM effect WHERE run_id = ?')
  const free = prepare<{ readonly freelist_count: number }>(db, 'PRAGMA freelist_count')
  const pages = prepare<{ readonly page_count: number }>(db, 'PRAGMA page_count')

  const purgeSessions = (nowMs: number, max: number): number => {
    const past = sessions.all(nowMs, max)
    for (const { id } of past) {
      dropParticipants.run(id)
      dropAddresses.run(id)
      dropSession.run(id)
    }
    return past.length
  }
  const purgeCopies = (startedUntilMs: number, max: number): number => copies.run(startedUntilMs, max)
  const purgeRuns = (finishedUntilMs: number, max: number): number => {
    const past = runs.all(finishedUntilMs, max)
    for (const { doc } of past) {
      const run = JSON.parse(doc) as LogoutRun
      for (const { peerId, messageId } of messagesOf(run)) dropMessage.run(peerId, messageId, run.id)
      dropEffects.run(run.id)
      dropRun.run(run.id)
    }
    return past.length
  }

  return {
    purge({ nowMs, keepRunsMs, max }) {
      let left = max - purgeSessions(nowMs, max)
      for (const kind of simple) left -= kind.run(nowMs, left)
      left -= purgeRuns(nowMs - keepRunsMs, left)
      left -= purgeCopies(nowMs - keepRunsMs, left)
      const freePages = free.get()?.freelist_count ?? 0
      if (freePages > freeShareMax * (pages.get()?.page_count ?? 0)) db.exec(`PRAGMA incremental_vacuum(${pagesGivenBackMax})`)
      return max - left
    }
  }
}
