import type { SessionId } from '../../core/ids.ts'
import type { Artifact } from '../store.ts'
import { artifactColumns, type ArtifactRow, readArtifact } from './artifact-writes.ts'
import { type Database, prepare } from './driver.ts'

export interface ArtifactReads {
  get(kind: string, id: string, nowMs: number): Artifact | undefined
  ofGrant(grantId: string, kind: string, nowMs: number, max: number): readonly Artifact[]
  ofSession(sessionId: SessionId, kind: string, nowMs: number, max: number): readonly Artifact[]
}

export function artifactReads(db: Database): ArtifactReads {
  const one = prepare<ArtifactRow>(db, `SELECT ${artifactColumns} FROM artifact WHERE kind = ? AND id = ? AND until_ms > ?`)
  const ofSession = prepare<ArtifactRow>(db, `SELECT ${artifactColumns} FROM artifact WHERE session_id = ? AND kind = ? AND until_ms > ? ORDER BY id LIMIT ?`)
  const ofGrant = prepare<ArtifactRow>(db, `SELECT ${artifactColumns} FROM artifact WHERE grant_id = ? AND kind = ? AND until_ms > ? ORDER BY id LIMIT ?`)
  return {
    get(kind, id, nowMs) {
      const row = one.get(kind, id, nowMs)
      return row === undefined ? undefined : readArtifact(row)
    },
    ofGrant: (grantId, kind, nowMs, max) => ofGrant.all(grantId, kind, nowMs, max).map(readArtifact),
    ofSession: (sessionId, kind, nowMs, max) => ofSession.all(sessionId, kind, nowMs, max).map(readArtifact)
  }
}
