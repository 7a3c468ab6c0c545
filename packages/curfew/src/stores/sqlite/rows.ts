import type { ParticipantId, PeerId, SessionId } from '../../core/ids.ts'
import type { Participant } from '../../core/participant.ts'
import type { Session, SessionEnd } from '../../core/session.ts'
import { dueHereAtMs, type Home } from '../activity.ts'
import type { Column } from './driver.ts'

/** Columns of table `session`. What has a column is not repeated in `doc`. */
export interface SessionRow {
  readonly id: SessionId
  readonly version: number
  readonly user_key: string
  readonly username: string
  readonly token_hash: string
  readonly persistent_token_hash: string | null
  readonly created_at_ms: number
  readonly last_activity_at_ms: number
  readonly idle_expires_at_ms: number
  readonly expires_at_ms: number
  readonly end_doc: string | null
  readonly doc: string
}

/** With a table alias in front, for joins in which a name appears twice. */
export const sessionColumns = [
  's.id',
  's.version',
  's.user_key',
  's.username',
  's.token_hash',
  's.persistent_token_hash',
  's.created_at_ms',
  's.last_activity_at_ms',
  's.idle_expires_at_ms',
  's.expires_at_ms',
  's.end_doc',
  's.doc'
].join(', ')

type SessionDoc = Omit<
  Session,
  | 'id'
  | 'version'
  | 'userKey'
  | 'username'
  | 'tokenHash'
  | 'persistentTokenHash'
  | 'createdAtMs'
  | 'lastActivityAtMs'
  | 'idleExpiresAtMs'
  | 'expiresAtMs'
  | 'end'
>

export function readSession(row: SessionRow): Session {
  const doc = JSON.parse(row.doc) as SessionDoc
  return {
    id: row.id,
    version: row.version,
    userKey: row.user_key,
    username: row.username,
    ...doc,
    createdAtMs: row.created_at_ms,
    lastActivityAtMs: row.last_activity_at_ms,
    idleExpiresAtMs: row.idle_expires_at_ms,
    expiresAtMs: row.expires_at_ms,
    tokenHash: row.token_hash,
    ...(row.persistent_token_hash !== null && { persistentTokenHash: row.persistent_token_hash }),
    ...(row.end_doc !== null && { end: readEnd(row.end_doc) })
  }
}

export function readEnd(doc: string): SessionEnd {
  return JSON.parse(doc) as SessionEnd
}

/** Column order of {@link insertSession}. */
export const insertSession = `INSERT INTO session (id, version, user_key, username, token_hash, persistent_token_hash, created_at_ms,
  last_activity_at_ms, idle_expires_at_ms, expires_at_ms, due_at_ms, doc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

/** Values for {@link insertSession}. A session begins without an end. `home`: of a store that replicates. */
export function sessionValues(session: Session, home: Home | undefined): readonly Column[] {
  return [
    session.id,
    session.version,
    session.userKey,
    session.username,
    session.tokenHash,
    session.persistentTokenHash ?? null,
    session.createdAtMs,
    session.lastActivityAtMs,
    session.idleExpiresAtMs,
    session.expiresAtMs,
    dueHereAtMs(session, home),
    sessionDoc(session)
  ]
}

/** One row for each of {@link addressesOf}, with the session. */
export const insertSessionAddress = 'INSERT OR IGNORE INTO session_address (address, session_id) VALUES (?, ?)'

/** What of a session is kept in `doc`. */
export function sessionDoc(session: Session): string {
  const {
    id: _id,
    version: _version,
    userKey: _userKey,
    username: _username,
    tokenHash: _tokenHash,
    persistentTokenHash: _persistentTokenHash,
    createdAtMs: _createdAtMs,
    lastActivityAtMs: _lastActivityAtMs,
    idleExpiresAtMs: _idleExpiresAtMs,
    expiresAtMs: _expiresAtMs,
    end: _end,
    ...rest
  } = session
  const doc: SessionDoc = rest
  return JSON.stringify(doc)
}

/** Columns of table `participant` besides the session. */
export interface ParticipantRow {
  readonly participant_id: ParticipantId
  readonly peer_id: PeerId
  readonly name_id: string
  readonly session_index: string
  readonly participant_doc: string
}

/** Named so that they can stand beside {@link sessionColumns}. */
export const participantColumns = 'p.id AS participant_id, p.peer_id, p.name_id, p.session_index, p.doc AS participant_doc'

type ParticipantDoc = Omit<Participant, 'id' | 'peerId' | 'nameId' | 'sessionIndex'> & {
  readonly nameId: Omit<Participant['nameId'], 'value'>
}

export function readParticipant(row: ParticipantRow): Participant {
  const doc = JSON.parse(row.participant_doc) as ParticipantDoc
  return {
    ...doc,
    id: row.participant_id,
    peerId: row.peer_id,
    nameId: { value: row.name_id, ...doc.nameId },
    sessionIndex: row.session_index
  }
}

/** Column order of {@link participantValues}. */
export const insertParticipant = 'INSERT INTO participant (session_id, id, peer_id, name_id, session_index, doc) VALUES (?, ?, ?, ?, ?, ?)'

export function participantValues(sessionId: SessionId, participant: Participant): readonly Column[] {
  const { id, peerId, nameId, sessionIndex } = participant
  return [sessionId, id, peerId, nameId.value, sessionIndex, participantDoc(participant)]
}

/** What of a participant is kept in `doc`. */
export function participantDoc(participant: Participant): string {
  const { id: _id, peerId: _peerId, sessionIndex: _sessionIndex, nameId, ...rest } = participant
  const { value: _value, ...qualifiers } = nameId
  const doc: ParticipantDoc = { ...rest, nameId: qualifiers }
  return JSON.stringify(doc)
}
