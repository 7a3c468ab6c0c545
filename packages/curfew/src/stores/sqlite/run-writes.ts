import type { RunId } from '../../core/ids.ts'
import type { Effect, LogoutRun } from '../../core/run.ts'
import { messagesOf } from '../facts.ts'
import type { Handlers } from './command.ts'
import { type Database, prepare } from './driver.ts'
import type { Teller } from './teller.ts'

export interface RunWrites extends Pick<Handlers, 'commitRun' | 'claimEffects' | 'releaseEffects'> {
  exists(runId: RunId): boolean
  insert(run: LogoutRun, effects: readonly Effect[]): void
}

interface EffectRow {
  readonly id: number
  readonly run_id: RunId
  readonly doc: string
}

export function runWrites(db: Database, teller: Teller): RunWrites {
  const stored = prepare<{ readonly version: number; readonly is_copy: number }>(db, 'SELECT version, is_copy FROM run WHERE id = ?')
  const insertRun = prepare(
    db,
    `INSERT INTO run (id, version, session_id, username, token_hash, reason, state, started_at_ms, finished_at_ms, doc)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
  )
  const updateRun = prepare(db, 'UPDATE run SET version = ?, state = ?, finished_at_ms = ?, doc = ? WHERE id = ?')
  const insertMessage = prepare(db, 'INSERT OR IGNORE INTO message (peer_id, message_id, run_id, delivery_id) VALUES (?, ?, ?, ?)')
  const outbox = outboxWrites(db)

  const addMessages = (run: LogoutRun): void => {
    for (const { peerId, messageId, deliveryId } of messagesOf(run)) insertMessage.run(peerId, messageId, run.id, deliveryId)
  }

  return {
    exists: (runId) => stored.get(runId) !== undefined,

    insert(run, effects) {
      const { id, version, sessionId, username, tokenHash, reason, state, startedAtMs, finishedAtMs } = run
      insertRun.run(id, version, sessionId, username, tokenHash, reason, state, startedAtMs, finishedAtMs ?? null, JSON.stringify(run))
      addMessages(run)
      outbox.add(id, effects)
      teller.tell({ kind: 'run', service: 'sessions', run })
    },

    commitRun({ run, effects, settled }) {
      const known = stored.get(run.id)
      if (known === undefined || known.is_copy === 1) return 'unknown'
      if (run.version !== known.version + 1) return 'changed'
      updateRun.run(run.version, run.state, run.finishedAtMs ?? null, JSON.stringify(run), run.id)
      addMessages(run)
      outbox.settle(run.id, settled)
      outbox.add(run.id, effects)
      if (run.state === 'done') teller.tell({ kind: 'run', service: 'sessions', run })
      return 'committed'
    },

    claimEffects: outbox.claimEffects,
    releaseEffects: outbox.releaseEffects
  }
}

interface OutboxWrites extends Pick<Handlers, 'claimEffects' | 'releaseEffects'> {
  readonly add: (runId: RunId, effects: readonly Effect[]) => void
  readonly settle: (runId: RunId, ids: readonly number[]) => void
}

function outboxWrites(db: Database): OutboxWrites {
  const insertEffect = prepare(db, 'INSERT INTO effect (run_id, due_at_ms, ready_at_ms, doc) VALUES (?, ?, ?, ?)')
  const drop = prepare(db, 'DELETE FROM effect WHERE id = ? AND run_id = ?')
  const ready = prepare<EffectRow>(
    db,
    `SELECT id, run_id, doc FROM effect e WHERE ready_at_ms <= ?1 AND NOT EXISTS
       (SELECT 1 FROM effect o WHERE o.run_id = e.run_id AND o.ready_at_ms > ?1 AND o.owner <> ?2)
     ORDER BY ready_at_ms, id LIMIT ?3`
  )
  const lease = prepare(db, 'UPDATE effect SET owner = ?, ready_at_ms = ? WHERE id = ?')
  const release = prepare(db, 'UPDATE effect SET owner = NULL, ready_at_ms = due_at_ms WHERE owner = ?')

  return {
    add(runId, effects) {
      for (const effect of effects) insertEffect.run(runId, effect.dueAtMs, effect.dueAtMs, JSON.stringify(effect))
    },

    settle(runId, ids) {
      for (const id of ids) drop.run(id, runId)
    },

    claimEffects({ owner, nowMs, leaseMs, max }) {
      const rows = ready.all(nowMs, owner, max)
      for (const { id } of rows) lease.run(owner, nowMs + leaseMs, id)
      return rows.map(({ id, run_id, doc }) => ({ id, runId: run_id, effect: JSON.parse(doc) as Effect }))
    },

    releaseEffects: ({ owner }) => release.run(owner)
  }
}
