import type { SessionId } from '../../core/ids.ts'
import { grantGone } from '../fact.ts'
import type { Artifact } from '../store.ts'
import type { Handlers } from './command.ts'
import { type Database, prepare } from './driver.ts'
import { goneRows } from './gone-rows.ts'
import type { Teller } from './teller.ts'

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

export function artifactWrites(db: Database, teller: Teller): Pick<Handlers, 'putArtifact' | 'consumeArtifact' | 'dropArtifact' | 'dropGrant'> {
  const put = prepare(
    db,
    `INSERT INTO artifact (${artifactColumns}) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (kind, id) DO UPDATE SET grant_id = excluded.grant_id, session_id = excluded.session_id, until_ms = excluded.until_ms,
       consumed_at_ms = coalesce(artifact.consumed_at_ms, excluded.consumed_at_ms), doc = excluded.doc,
       version = artifact.version + 1`
  )
  const known = prepare<{ readonly until_ms: number; readonly consumed_at_ms: number | null }>(
    db,
    'SELECT until_ms, consumed_at_ms FROM artifact WHERE kind = ? AND id = ?'
  )
  const consume = prepare(db, 'UPDATE artifact SET consumed_at_ms = ? WHERE kind = ? AND id = ?')
  const drop = prepare(db, 'DELETE FROM artifact WHERE kind = ? AND id = ?')
  const dropGrant = prepare(db, 'DELETE FROM artifact WHERE grant_id = ?')
  const longest = prepare<{ readonly until_ms: number | null }>(db, 'SELECT max(until_ms) AS until_ms FROM artifact WHERE grant_id = ?')
  const whole = prepare<ArtifactRow & { readonly version: number }>(db, `SELECT ${artifactColumns}, version FROM artifact WHERE kind = ? AND id = ?`)
  const gone = goneRows(db)
  const tellOf = (kind: string, id: string): void => {
    const service = teller.artifacts[kind]
    if (service === undefined || !teller.isTold(service)) return
    const row = whole.get(kind, id)
    if (row !== undefined) teller.tell({ kind: 'artifact', service, artifact: readArtifact(row), version: row.version })
  }

  return {
    putArtifact({ kind, id, grantId, sessionId, untilMs, consumedAtMs, json }) {
      put.run(kind, id, grantId ?? null, sessionId ?? null, untilMs, consumedAtMs ?? null, json)
      tellOf(kind, id)
      return 'stored'
    },

    consumeArtifact({ kind, id, nowMs }) {
      const row = known.get(kind, id)
      if (row === undefined || row.until_ms <= nowMs) return 'unknown'
      if (row.consumed_at_ms !== null) return 'already'
      consume.run(nowMs, kind, id)
      tellOf(kind, id)
      return 'consumed'
    },

    dropArtifact({ kind, id }) {
      const service = teller.artifacts[kind]
      const untilMs = service !== undefined && teller.isTold(service) ? known.get(kind, id)?.until_ms : undefined
      if (drop.run(kind, id) !== 1) return 'unknown'
      if (service !== undefined && untilMs !== undefined) {
        gone.addGone(kind, id, untilMs)
        teller.tell({ kind: 'artifact-dropped', service, of: kind, id, untilMs })
      }
      return 'dropped'
    },

    dropGrant({ grantId }) {
      const untilMs = teller.isTold('referenceTokens') ? longest.get(grantId)?.until_ms : undefined
      const dropped = dropGrant.run(grantId)
      if (dropped > 0 && typeof untilMs === 'number') {
        gone.addGone(grantGone, grantId, untilMs)
        teller.tell({ kind: 'grant-dropped', service: 'referenceTokens', grantId, untilMs })
      }
      return dropped
    }
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
