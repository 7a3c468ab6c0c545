import { addressesOf } from '../../core/session.ts'
import type { Participant } from '../../core/participant.ts'
import { dueHereAtMs } from '../activity.ts'
import { applyFacts, type FactRows } from '../apply-facts.ts'
import type { Cleared } from '../cleared.ts'
import type { Replication } from '../fact.ts'
import { storeError } from '../store-error.ts'
import { type ArtifactRow, artifactColumns, readArtifact } from './artifact-writes.ts'
import type { Handlers } from './command.ts'
import { type Database, prepare } from './driver.ts'
import { goneRows } from './gone-rows.ts'
import { insertParticipant, insertSession, insertSessionAddress, participantDoc, participantValues, sessionDoc, sessionValues } from './rows.ts'
import type { RunWrites } from './run-writes.ts'
import { sessionStates } from './session-states.ts'
import type { Tally } from './tally.ts'

type FactHandlers = Pick<Handlers, 'applyFacts' | 'openLateRun' | 'keepNote' | 'dropFacts' | 'lease'>

export interface FactWriteParts {
  readonly tally: Tally
  readonly runs: RunWrites
  readonly revoke: Handlers['revoke']
  readonly replication: Replication | undefined
}

/** What a store does that hears from other regions. */
export function factWrites(db: Database, parts: FactWriteParts): FactHandlers {
  const { replication, runs } = parts
  const keepNote = prepare(db, 'INSERT OR REPLACE INTO fact_note (name, text) VALUES (?, ?)')
  const note = prepare<{ readonly text: string }>(db, 'SELECT text FROM fact_note WHERE name = ?')
  const drop = prepare(db, 'DELETE FROM fact WHERE number <= ?')
  const isLate = prepare<{ readonly n: number }>(db, 'SELECT count(*) AS n FROM late WHERE session_id = ? AND participant_id = ?')
  const notLate = prepare(db, 'DELETE FROM late WHERE session_id = ? AND participant_id = ?')
  const rows = openRows(db, parts)
  return {
    applyFacts(batch) {
      if (replication === undefined) throw storeError('CURFEW_STORE_FAILED', { why: 'this store was not opened for other regions' })
      applyFacts(rows, batch, replication)
      return 'applied'
    },
    openLateRun({ sessionId, participantIds, run, effects }) {
      if (!participantIds.every((id) => isLate.get(sessionId, id)?.n === 1)) return 'nothing'
      if (runs.exists(run.id)) throw storeError('CURFEW_STORE_RUN_EXISTS', { runId: run.id })
      runs.insert(run, effects)
      for (const id of participantIds) notLate.run(sessionId, id)
      return 'opened'
    },
    keepNote({ name, text }) {
      keepNote.run(name, text)
      return 'kept'
    },
    dropFacts({ upTo }) {
      const floor = Number(note.get('floor')?.text ?? 0)
      if (upTo <= floor) return 'dropped'
      drop.run(upTo)
      keepNote.run('floor', String(upTo))
      return 'dropped'
    },
    lease({ name, owner, nowMs, untilMs }) {
      const held = note.get(`lease:${name}`)?.text
      const [until = '', ...holder] = (held ?? '0 ').split(' ')
      if (holder.join(' ') !== owner && Number(until) > nowMs) return false
      keepNote.run(`lease:${name}`, `${untilMs} ${owner}`)
      return true
    }
  }
}

/** The tables as facts are joined into them. */
function openRows(db: Database, parts: FactWriteParts): FactRows {
  const keepNote = prepare(db, 'INSERT OR REPLACE INTO fact_note (name, text) VALUES (?, ?)')
  return {
    ...sessionRows(db, parts),
    ...runRows(db),
    ...signInRows(db),
    ...artifactRows(db),
    ...transactionRows(db),
    ...goneRows(db),
    ...replayRows(db),
    revoke: (sri, untilMs, atMs) => void parts.revoke({ sri, untilMs, atMs }),
    keepNote: (name, text) => void keepNote.run(name, text)
  }
}

function sessionRows(db: Database, { tally, replication }: FactWriteParts): Pick<FactRows, 'session' | 'keepSession'> {
  const read = sessionStates(db)
  const insert = prepare(db, insertSession)
  const insertAddress = prepare(db, insertSessionAddress)
  const update = prepare(
    db,
    `UPDATE session SET version = ?, last_activity_at_ms = ?, idle_expires_at_ms = ?, due_at_ms = ?, end_doc = ?, keep_until_ms = ?, ending_doc = ?,
       token_hash = ?, persistent_token_hash = ?, doc = ? WHERE id = ?`
  )
  const addParticipant = prepare(db, insertParticipant)
  const moveParticipant = prepare(db, 'UPDATE participant SET name_id = ?, session_index = ?, doc = ? WHERE session_id = ? AND id = ?')
  const guard = prepare(db, 'INSERT OR REPLACE INTO fact_guard (session_id, until_ms, doc) VALUES (?, ?, ?)')
  const unguard = prepare(db, 'DELETE FROM fact_guard WHERE session_id = ?')
  const late = prepare(db, 'INSERT OR IGNORE INTO late (session_id, participant_id) VALUES (?, ?)')
  const live = (end: unknown, isThere: boolean): number => Number(isThere && end === undefined)

  return {
    session: (id) => read.stateOf(id),
    keepSession(id, before, next, guardUntilMs) {
      const { session, participants, ending, keepUntilMs } = next
      if (session === undefined) {
        guard.run(id, guardUntilMs, JSON.stringify({ ...next, participants: [...participants.values()], late: [] }))
        return
      }
      if (before.session === undefined) {
        unguard.run(id)
        insert.run(...sessionValues(session, replication))
        for (const address of addressesOf(session)) insertAddress.run(address, id)
      }
      update.run(
        session.version,
        session.lastActivityAtMs,
        session.idleExpiresAtMs,
        dueHereAtMs(session, replication),
        session.end === undefined ? null : JSON.stringify(session.end),
        keepUntilMs ?? null,
        ending === undefined ? null : JSON.stringify(ending),
        session.tokenHash,
        session.persistentTokenHash ?? null,
        sessionDoc(session),
        id
      )
      tally.liveSessions += live(session.end, true) - live(before.session?.end, before.session !== undefined)
      const isNew = (one: Participant): boolean => before.session === undefined || !before.participants.has(one.id)
      for (const one of participants.values()) {
        if (isNew(one)) addParticipant.run(...participantValues(id, one))
        else if (before.participants.get(one.id) !== one) moveParticipant.run(one.nameId.value, one.sessionIndex, participantDoc(one), id, one.id)
      }
      for (const one of next.late) late.run(id, one)
    }
  }
}

function runRows(db: Database): Pick<FactRows, 'run' | 'keepCopy'> {
  const known = prepare<{ readonly version: number; readonly is_copy: number }>(db, 'SELECT version, is_copy FROM run WHERE id = ?')
  const insert = prepare(
    db,
    `INSERT INTO run (id, version, session_id, username, token_hash, reason, state, started_at_ms, finished_at_ms, doc, is_copy)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)
     ON CONFLICT (id) DO UPDATE SET version = excluded.version, state = excluded.state, finished_at_ms = excluded.finished_at_ms, doc = excluded.doc`
  )
  return {
    run(id) {
      const row = known.get(id)
      return row === undefined ? undefined : { version: row.version, isCopy: row.is_copy === 1 }
    },
    keepCopy(run) {
      const { id, version, sessionId, username, tokenHash, reason, state, startedAtMs, finishedAtMs } = run
      insert.run(id, version, sessionId, username, tokenHash, reason, state, startedAtMs, finishedAtMs ?? null, JSON.stringify(run))
    }
  }
}

function signInRows(db: Database): Pick<FactRows, 'cleared' | 'keepCleared' | 'addFailure'> {
  const cleared = prepare<{ readonly origin: string; readonly number: number; readonly until_ms: number }>(
    db,
    'SELECT origin, number, until_ms FROM sign_ins_cleared WHERE user_key = ?'
  )
  const keep = prepare(db, 'INSERT OR REPLACE INTO sign_ins_cleared (user_key, origin, number, until_ms) VALUES (?, ?, ?, ?)')
  const drop = prepare(db, 'DELETE FROM failed_sign_in WHERE user_key = ? AND origin = ? AND origin_number <= ?')
  const isKnown = prepare<{ readonly n: number }>(db, 'SELECT count(*) AS n FROM failed_sign_in WHERE user_key = ? AND origin = ? AND origin_number = ?')
  const insert = prepare(db, 'INSERT INTO failed_sign_in (user_key, at_ms, until_ms, origin, origin_number) VALUES (?, ?, ?, ?, ?)')
  return {
    cleared(userKey) {
      const rows = cleared.all(userKey)
      if (rows.length === 0) return undefined
      const upTo: Record<string, number> = {}
      for (const { origin, number } of rows) upTo[origin] = number
      return { upTo, untilMs: Math.max(...rows.map((row) => row.until_ms)) }
    },
    keepCleared(userKey, { upTo, untilMs }: Cleared) {
      for (const [origin, number] of Object.entries(upTo)) {
        keep.run(userKey, origin, number, untilMs)
        drop.run(userKey, origin, number)
      }
    },
    addFailure(userKey, { origin, number, atMs, untilMs }) {
      if (isKnown.get(userKey, origin, number)?.n === 0) insert.run(userKey, atMs, untilMs, origin, number)
    }
  }
}

function artifactRows(db: Database): Pick<FactRows, 'artifact' | 'keepArtifact' | 'dropArtifact' | 'dropGrant'> {
  const one = prepare<ArtifactRow & { readonly version: number }>(db, `SELECT ${artifactColumns}, version FROM artifact WHERE kind = ? AND id = ?`)
  const put = prepare(db, `INSERT OR REPLACE INTO artifact (${artifactColumns}, version) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`)
  const drop = prepare(db, 'DELETE FROM artifact WHERE kind = ? AND id = ?')
  const dropGrant = prepare(db, 'DELETE FROM artifact WHERE grant_id = ?')
  return {
    artifact(kind, id) {
      const row = one.get(kind, id)
      return row === undefined ? undefined : { artifact: readArtifact(row), version: row.version }
    },
    keepArtifact({ kind, id, grantId, sessionId, untilMs, consumedAtMs, value }, version) {
      put.run(kind, id, grantId ?? null, sessionId ?? null, untilMs, consumedAtMs ?? null, JSON.stringify(value) ?? 'null', version)
    },
    dropArtifact: (kind, id) => void drop.run(kind, id),
    dropGrant: (grantId) => void dropGrant.run(grantId)
  }
}

function transactionRows(db: Database): Pick<FactRows, 'addTransaction' | 'dropTransaction'> {
  const add = prepare(db, 'INSERT OR IGNORE INTO tx (key, until_ms, value) VALUES (?, ?, ?)')
  const drop = prepare(db, 'DELETE FROM tx WHERE key = ?')
  return {
    addTransaction: (key, value, untilMs) => void add.run(key, untilMs, JSON.stringify(value) ?? 'null'),
    dropTransaction: (key) => void drop.run(key)
  }
}

function replayRows(db: Database): Pick<FactRows, 'seeReplay'> {
  const keep = prepare(
    db,
    'INSERT INTO replay (issuer, id, until_ms) VALUES (?, ?, ?) ON CONFLICT (issuer, id) DO UPDATE SET until_ms = max(until_ms, excluded.until_ms)'
  )
  return { seeReplay: (issuer, id, untilMs) => void keep.run(issuer, id, untilMs) }
}
