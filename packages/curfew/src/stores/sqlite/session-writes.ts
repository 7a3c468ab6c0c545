import type { SessionId } from '../../core/ids.ts'
import type { Participant } from '../../core/participant.ts'
import { addressesOf, type SessionEnd } from '../../core/session.ts'
import { dueHereAtMs, joinActivity, toldShare } from '../activity.ts'
import type { EndedFact } from '../fact.ts'
import { joinParticipant, joinRenewal, tombstoneUntilMs } from '../facts.ts'
import { storeError } from '../store-error.ts'
import type { Handlers } from './command.ts'
import { type Database, prepare } from './driver.ts'
import {
  insertParticipant,
  insertSession,
  insertSessionAddress,
  participantColumns,
  participantDoc,
  type ParticipantRow,
  participantValues,
  readEnd,
  readParticipant,
  readSession,
  type SessionRow,
  sessionColumns,
  sessionDoc,
  sessionValues
} from './rows.ts'
import type { RunWrites } from './run-writes.ts'
import type { Tally } from './tally.ts'
import type { Teller } from './teller.ts'

type SessionHandlers = Pick<Handlers, 'openSession' | 'addParticipant' | 'endSession' | 'openRun' | 'touch' | 'renewSession'>

export interface SessionWriteParts {
  readonly capacity: number
  readonly tally: Tally
  readonly runs: RunWrites
  readonly revoke: Handlers['revoke']
  readonly teller: Teller
}

export function sessionWrites(db: Database, parts: SessionWriteParts): SessionHandlers {
  return { ...factWrites(db, parts), ...endWrites(db, parts), ...touchWrites(db, parts), ...renewWrites(db, parts) }
}

function factWrites(db: Database, { tally, capacity, teller }: SessionWriteParts): Pick<SessionHandlers, 'openSession' | 'addParticipant'> {
  const state = prepare<{ readonly version: number; readonly end_doc: string | null }>(db, 'SELECT version, end_doc FROM session WHERE id = ?')
  const insert = prepare(db, insertSession)
  const insertAddress = prepare(db, insertSessionAddress)
  const bump = prepare(db, 'UPDATE session SET version = version + 1 WHERE id = ?')
  const knownParticipant = prepare<ParticipantRow>(db, `SELECT ${participantColumns} FROM participant p WHERE p.session_id = ? AND p.id = ?`)
  const insertOne = prepare(db, insertParticipant)
  const updateParticipant = prepare(db, 'UPDATE participant SET name_id = ?, session_index = ?, doc = ? WHERE session_id = ? AND id = ?')

  return {
    openSession(session) {
      if (state.get(session.id) !== undefined) return 'exists'
      if (tally.liveSessions >= capacity) return 'full'
      insert.run(...sessionValues(session, teller.home))
      for (const address of addressesOf(session)) insertAddress.run(address, session.id)
      tally.liveSessions += 1
      const { end: _, ...opened } = session
      teller.tell({ kind: 'opened', service: 'sessions', session: opened })
      return 'opened'
    },

    addParticipant({ sessionId, participant: given }) {
      const participant = teller.group === undefined ? given : { ...given, group: teller.group }
      const session = state.get(sessionId)
      if (session === undefined) return 'unknown'
      if (session.end_doc !== null) return 'ended'
      const row = knownParticipant.get(sessionId, participant.id)
      if (row === undefined) {
        insertOne.run(...participantValues(sessionId, participant))
        bump.run(sessionId)
        teller.tell({ kind: 'participant', service: 'sessions', sessionId, participant })
        return 'added'
      }
      const known = readParticipant(row)
      const joined = joinParticipant(known, participant)
      if (joined !== known) {
        updateParticipant.run(joined.nameId.value, joined.sessionIndex, participantDoc(joined), sessionId, participant.id)
        bump.run(sessionId)
        teller.tell({ kind: 'participant', service: 'sessions', sessionId, participant: joined })
      }
      return 'exists'
    }
  }
}

function endWrites(db: Database, { tally, runs, revoke, teller }: SessionWriteParts): Pick<SessionHandlers, 'endSession' | 'openRun'> {
  const byId = prepare<SessionRow>(db, `SELECT ${sessionColumns} FROM session s WHERE s.id = ?`)
  const participants = prepare<ParticipantRow>(db, `SELECT ${participantColumns} FROM participant p WHERE p.session_id = ?`)
  const end = prepare(db, 'UPDATE session SET version = version + 1, end_doc = ?, keep_until_ms = ?, ending_doc = ? WHERE id = ?')

  return {
    endSession(commit) {
      const row = byId.get(commit.sessionId)
      if (row === undefined) return { kind: 'unknown' }
      if (row.end_doc !== null) return { kind: 'already', runId: readEnd(row.end_doc).runId }
      if (row.version !== commit.expectedVersion) return { kind: 'changed' }
      if (runs.exists(commit.run.id)) throw storeError('CURFEW_STORE_RUN_EXISTS', { runId: commit.run.id })
      const session = readSession(row)
      const known = participants.all(session.id).map(readParticipant)
      const keepUntilMs = tombstoneUntilMs(session, Math.max(commit.end.atMs, commit.keptUntilMs ?? 0), commit.revokedUntilMs, known)
      const ending = endingOf(teller.group, session.id, commit.end, keepUntilMs, known)
      end.run(JSON.stringify(commit.end), keepUntilMs, ending === undefined ? null : JSON.stringify(ending), session.id)
      if (ending !== undefined) teller.tell(ending)
      tally.liveSessions -= 1
      if (commit.revokedUntilMs !== undefined) revoke({ sri: session.sri, untilMs: commit.revokedUntilMs, atMs: commit.end.atMs })
      runs.insert(commit.run, commit.effects)
      return { kind: 'ended' }
    },

    openRun({ sessionId, expectedVersion, run, effects }) {
      const row = byId.get(sessionId)
      if (row === undefined) return 'unknown'
      if (row.end_doc !== null) return 'ended'
      if (row.version !== expectedVersion) return 'changed'
      if (runs.exists(run.id)) throw storeError('CURFEW_STORE_RUN_EXISTS', { runId: run.id })
      runs.insert(run, effects)
      return 'opened'
    }
  }
}

function endingOf(
  group: string | undefined,
  sessionId: SessionId,
  end: SessionEnd,
  keptUntilMs: number,
  participants: readonly Participant[]
): EndedFact | undefined {
  if (group === undefined) return undefined
  const known = participants.map(({ id, lastIssuedAtMs }) => ({ id, lastIssuedAtMs }))
  return { kind: 'ended', service: 'sessions', sessionId, group, end, keptUntilMs, known }
}

function touchWrites(db: Database, { teller }: SessionWriteParts): Pick<SessionHandlers, 'touch'> {
  const known = prepare<ActivityRow>(
    db,
    `SELECT last_activity_at_ms, idle_expires_at_ms, expires_at_ms, end_doc, created_at_ms, told_at_ms,
       ${teller.group === undefined ? '0' : "doc ->> '$.idleTimeoutMs'"} AS idle_timeout_ms FROM session WHERE id = ?`
  )
  const told = prepare(db, 'UPDATE session SET told_at_ms = ? WHERE id = ?')
  const move = prepare(db, 'UPDATE session SET last_activity_at_ms = ?, idle_expires_at_ms = ?, due_at_ms = ? WHERE id = ?')

  return {
    touch({ sessionId, lastActivityAtMs, idleExpiresAtMs }) {
      const row = known.get(sessionId)
      if (row === undefined) return 'unknown'
      if (row.end_doc !== null) return 'ended'
      const before = { lastActivityAtMs: row.last_activity_at_ms, idleExpiresAtMs: row.idle_expires_at_ms }
      const next = joinActivity(before, { lastActivityAtMs, idleExpiresAtMs }, row.expires_at_ms)
      if (next.lastActivityAtMs === before.lastActivityAtMs && next.idleExpiresAtMs === before.idleExpiresAtMs) return 'touched'
      const limits = { id: sessionId, idleExpiresAtMs: next.idleExpiresAtMs, expiresAtMs: row.expires_at_ms, idleTimeoutMs: row.idle_timeout_ms }
      move.run(next.lastActivityAtMs, next.idleExpiresAtMs, dueHereAtMs(limits, teller.home), sessionId)
      if (teller.isTold('sessions') && next.lastActivityAtMs - (row.told_at_ms ?? row.created_at_ms) >= row.idle_timeout_ms * toldShare) {
        told.run(next.lastActivityAtMs, sessionId)
        teller.tell({ kind: 'active', service: 'sessions', sessionId, ...next })
      }
      return 'touched'
    }
  }
}

function renewWrites(db: Database, { teller }: SessionWriteParts): Pick<SessionHandlers, 'renewSession'> {
  const byId = prepare<SessionRow>(db, `SELECT ${sessionColumns} FROM session s WHERE s.id = ?`)
  const update = prepare(db, 'UPDATE session SET version = ?, token_hash = ?, persistent_token_hash = ?, doc = ? WHERE id = ?')

  return {
    renewSession({ sessionId, renewal }) {
      const row = byId.get(sessionId)
      if (row === undefined) return 'unknown'
      if (row.end_doc !== null) return 'ended'
      const session = readSession(row)
      const renewed = joinRenewal(session, renewal)
      if (renewed === session) return 'renewed'
      update.run(renewed.version, renewed.tokenHash, renewed.persistentTokenHash ?? null, sessionDoc(renewed), sessionId)
      teller.tell({ kind: 'renewed', service: 'sessions', sessionId, renewal })
      return 'renewed'
    }
  }
}

type ActivityRow = Pick<SessionRow, 'last_activity_at_ms' | 'idle_expires_at_ms' | 'expires_at_ms' | 'end_doc' | 'created_at_ms'> & {
  readonly told_at_ms: number | null
  readonly idle_timeout_ms: number
}
