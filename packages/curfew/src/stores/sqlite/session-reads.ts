import type { ParticipantId, PeerId } from '../../core/ids.ts'
import type { Participant } from '../../core/participant.ts'
import type { Session } from '../../core/session.ts'
import { readCursor } from '../cursor.ts'
import { inJoinOrder } from '../facts.ts'
import type { Page, SessionParticipant, SessionQuery, SessionSummary } from '../store.ts'
import { type Column, type Database, prepare } from './driver.ts'
import { type ScannedRow, takePage } from './list-page.ts'
import { participantColumns, type ParticipantRow, readParticipant, readSession, type SessionRow, sessionColumns } from './rows.ts'

export interface SessionReads {
  getSession(id: string): Session | undefined
  getParticipants(id: string): readonly Participant[]
  findSessionByToken(tokenHash: string): Session | undefined
  findSessionByPersistentToken(tokenHash: string): Session | undefined
  findByNameId(peerId: PeerId, nameIdValue: string): readonly SessionParticipant[]
  findByIndex(peerId: PeerId, sessionIndex: string): SessionParticipant | undefined
  findByUser(userKey: string): readonly Session[]
  findByAddress(address: string): readonly Session[]
  listSessions(query: SessionQuery): Page<SessionSummary>
  countLiveSessions(): number
  dueSessions(nowMs: number, max: number): readonly Session[]
}

/** Sessions one call of the list looks at. */
const scannedMax = 10_000

export function sessionReads(db: Database): SessionReads {
  const select = `SELECT ${sessionColumns} FROM session s`
  const joined = `SELECT ${sessionColumns}, ${participantColumns} FROM participant p JOIN session s ON s.id = p.session_id`
  const preferred = 'ORDER BY s.end_doc IS NOT NULL, s.created_at_ms DESC, s.id DESC LIMIT 1'
  const byId = prepare<SessionRow>(db, `${select} WHERE s.id = ?`)
  const participants = prepare<ParticipantRow>(db, `SELECT ${participantColumns} FROM participant p WHERE p.session_id = ?`)
  const byToken = prepare<SessionRow>(db, `${select} WHERE s.token_hash = ? ${preferred}`)
  const byPersistentToken = prepare<SessionRow>(db, `${select} WHERE s.persistent_token_hash = ? ${preferred}`)
  const byNameId = prepare<SessionRow & ParticipantRow>(db, `${joined} WHERE p.peer_id = ? AND p.name_id = ? ORDER BY s.created_at_ms, s.id, p.id`)
  const byIndex = prepare<SessionRow & ParticipantRow>(db, `${joined} WHERE p.peer_id = ? AND p.session_index = ? ORDER BY s.created_at_ms, s.id, p.id`)
  const byUser = prepare<SessionRow>(db, `${select} WHERE s.user_key = ? AND s.end_doc IS NULL ORDER BY s.created_at_ms, s.id`)
  const byAddress = prepare<SessionRow>(
    db,
    `SELECT ${sessionColumns} FROM session_address a JOIN session s ON s.id = a.session_id
     WHERE a.address = ? AND s.end_doc IS NULL ORDER BY s.created_at_ms, s.id`
  )
  const live = prepare<{ readonly value: number }>(db, "SELECT value FROM tally WHERE name = 'live_sessions'")
  const due = prepare<SessionRow>(db, `${select} WHERE s.end_doc IS NULL AND s.due_at_ms <= ? ORDER BY s.due_at_ms, s.id LIMIT ?`)
  const summary = prepare<{ readonly id: ParticipantId; readonly peer_id: PeerId; readonly added: number }>(
    db,
    "SELECT id, peer_id, doc ->> '$.addedAtMs' AS added FROM participant WHERE session_id = ? ORDER BY added, id"
  )

  const pair = (row: SessionRow & ParticipantRow): SessionParticipant => ({
    session: readSession(row),
    participant: readParticipant(row)
  })
  const one = (row: SessionRow | undefined): Session | undefined => (row === undefined ? undefined : readSession(row))

  return {
    getSession: (id) => one(byId.get(id)),
    getParticipants: (id) => inJoinOrder(participants.all(id).map(readParticipant)),
    findSessionByToken: (tokenHash) => one(byToken.get(tokenHash)),
    findSessionByPersistentToken: (tokenHash) => one(byPersistentToken.get(tokenHash)),
    findByNameId: (peerId, nameIdValue) => byNameId.all(peerId, nameIdValue).map(pair),
    findByIndex: (peerId, sessionIndex) =>
      byIndex
        .all(peerId, sessionIndex)
        .map(pair)
        .sort((a, b) => b.participant.lastIssuedAtMs - a.participant.lastIssuedAtMs)[0],
    findByUser: (userKey) => byUser.all(userKey).map(readSession),
    findByAddress: (address) => byAddress.all(address).map(readSession),
    countLiveSessions: () => live.get()?.value ?? 0,
    dueSessions: (nowMs, max) => due.all(nowMs, max).map(readSession),
    listSessions(query) {
      const { sql, values } = listOf(query)
      const { ids, ...rest } = takePage(prepare<ScannedRow>(db, sql).iterate(...values), query.limit, scannedMax)
      const items = ids.flatMap((id) => {
        const session = one(byId.get(id))
        if (session === undefined) return []
        return [{ session, participants: summary.all(id).map((row) => ({ id: row.id, peerId: row.peer_id })) }]
      })
      return { items, ...rest }
    }
  }
}

/** Filters with an index choose the rows, the others only mark them. */
export function listOf(query: SessionQuery): { readonly sql: string; readonly values: readonly Column[] } {
  const after = readCursor(query.cursor)
  const hits: string[] = ['1']
  const hitValues: Column[] = []
  if (query.state === 'live') {
    hits.push('s.end_doc IS NULL AND min(s.idle_expires_at_ms, s.expires_at_ms) > ?')
    hitValues.push(query.nowMs)
  }
  if (query.state === 'ended') hits.push('s.end_doc IS NOT NULL')
  if (query.peerId !== undefined) {
    // The plus keeps the index over applications out: each session would go through all participants of this one.
    hits.push('EXISTS (SELECT 1 FROM participant p WHERE p.session_id = s.id AND +p.peer_id = ?)')
    hitValues.push(query.peerId)
  }
  const wheres = ['(s.created_at_ms, s.id) < (?, ?)']
  const whereValues: Column[] = [after.atMs, after.id]
  const filter = (sql: string, value: Column | undefined): void => {
    if (value === undefined) return
    wheres.push(sql)
    whereValues.push(value)
  }
  filter('s.user_key = ?', query.userKey)
  filter('s.username = ?', query.username)
  filter('s.created_at_ms >= ?', query.sinceMs)
  const sql = `SELECT s.id, s.created_at_ms AS at_ms, (${hits.join(' AND ')}) AS hit FROM session s
    WHERE ${wheres.join(' AND ')} ORDER BY s.created_at_ms DESC, s.id DESC`
  return { sql, values: [...hitValues, ...whereValues] }
}
