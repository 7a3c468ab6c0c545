import type { SessionId } from '../../core/ids.ts'
import type { Artifact } from '../store.ts'
import type { Handlers } from './command.ts'
import { type Database, prepare } from './driver.ts'

export interface ArtifactRow {
  readonly kind: string
  readonly id: string
  readonly grant_id: string | null
  readonly session_id: SessionId | null
  readonly until_ms: number
  readonly consumed_at_ms: number | null
  readonly doc: string
}

export const artifactColumns = 'kind, id, grant_id, session_id, until_ms, consumed_at_ms, doc'

export function artifactWrites(db: Database): Pick<Handlers, 'putArtifact' | 'consumeArtifact' | 'dropArtifact' | 'dropGrant'> {
  const put = prepare(
    db,
    `INSERT INTO artifact (${artifactColumns}) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (kind, id) DO UPDATE SET grant_id = excluded.grant_id, session_id = excluded.session_id, until_ms = excluded.until_ms,
       consumed_at_ms = coalesce(artifact.consumed_at_ms, excluded.consumed_at_ms), doc = excluded.doc`
  )
  const known = prepare<{ readonly until_ms: number; readonly consumed_at_ms: number | null }>(
    db,
    'SELECT until_ms, consumed_at_ms FROM artifact WHERE kind = ? AND id = ?'
  )
  const consume = prepare(db, 'UPDATE artifact SET consumed_at_ms = ? WHERE kind = ? AND id = ?')
  const drop = prepare(db, 'DELETE FROM artifact WHERE kind = ? AND id = ?')
  const dropGrant = prepare(db, 'DELETE FROM artifact WHERE grant_id = ?')

  return {
    putArtifact({ kind, id, grantId, sessionId, untilMs, consumedAtMs, json }) {
      put.run(kind, id, grantId ?? null, sessionId ?? null, untilMs, consumedAtMs ?? null, json)
      return 'stored'
    },

    consumeArtifact({ kind, id, nowMs }) {
      const row = known.get(kind, id)
      if (row === undefined || row.until_ms <= nowMs) return 'unknown'
      if (row.consumed_at_ms !== null) return 'already'
      consume.run(nowMs, kind, id)
      return 'consumed'
    },

    dropArtifact: ({ kind, id }) => (drop.run(kind, id) === 1 ? 'dropped' : 'unknown'),
    dropGrant: ({ grantId }) => dropGrant.run(grantId)
  }
}

export function readArtifact(row: ArtifactRow): Artifact {
  const { kind, id, grant_id, session_id, until_ms, consumed_at_ms, doc } = row
  return {
    kind,
    id,
    untilMs: until_ms,
    value: JSON.parse(doc) as unknown,
    ...(grant_id === null ? {} : { grantId: grant_id }),
    ...(session_id === null ? {} : { sessionId: session_id }),
    ...(consumed_at_ms === null ? {} : { consumedAtMs: consumed_at_ms })
  }
}
