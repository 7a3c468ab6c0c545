import type { Participant } from '../../core/participant.ts'
import type { SessionId } from '../../core/ids.ts'
import type { EndedFact } from '../fact.ts'
import { noSessionState, type SessionState } from '../session-state.ts'
import { type Database, prepare } from './driver.ts'
import { participantColumns, type ParticipantRow, readParticipant, readSession, sessionColumns, type SessionRow } from './rows.ts'

/** Reads everything about a session: as it is kept, or what waits for it. */
export interface SessionStates {
  stateOf(id: SessionId): SessionState
}

interface StateRow extends SessionRow {
  readonly keep_until_ms: number | null
  readonly ending_doc: string | null
}

export function sessionStates(db: Database): SessionStates {
  const byId = prepare<StateRow>(db, `SELECT ${sessionColumns}, s.keep_until_ms, s.ending_doc FROM session s WHERE s.id = ?`)
  const participants = prepare<ParticipantRow>(db, `SELECT ${participantColumns} FROM participant p WHERE p.session_id = ?`)
  const guard = prepare<{ readonly doc: string }>(db, 'SELECT doc FROM fact_guard WHERE session_id = ?')
  return {
    stateOf(id) {
      const row = byId.get(id)
      if (row === undefined) {
        const waiting = guard.get(id)
        return waiting === undefined ? noSessionState : readGuard(waiting.doc)
      }
      return {
        session: readSession(row),
        participants: byParticipant(participants.all(id).map(readParticipant)),
        late: new Set(),
        ...(row.keep_until_ms === null ? {} : { keepUntilMs: row.keep_until_ms }),
        ...(row.ending_doc === null ? {} : { ending: JSON.parse(row.ending_doc) as EndedFact })
      }
    }
  }
}

function readGuard(doc: string): SessionState {
  const { participants, ...rest } = JSON.parse(doc) as Omit<SessionState, 'participants' | 'late'> & { readonly participants: readonly Participant[] }
  return { ...rest, participants: byParticipant(participants), late: new Set() }
}

function byParticipant(participants: readonly Participant[]): SessionState['participants'] {
  return new Map(participants.map((one) => [one.id, one]))
}
