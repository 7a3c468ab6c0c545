import type { RunId, SessionId, UserKey } from '../core/ids.ts'
import type { LogoutRun } from '../core/run.ts'
import { type Cleared, isCleared, joinCleared } from './cleared.ts'
import {
  type Fact,
  type FailedSignInFact,
  grantGone,
  guardMs,
  isTaken,
  type Replication,
  type ServiceFact,
  type SessionFact,
  sessionOf,
  transactionGone
} from './fact.ts'
import { cursorNote } from './fact-log.ts'
import type { FactBatch } from './fact-store.ts'
import { joinArtifact, type VersionedArtifact } from './join-artifact.ts'
import { joinFact, type SessionState } from './session-state.ts'
import type { Artifact } from './store.ts'

/** What a store that does everything in one transaction reads and writes while facts of another region are joined. */
export interface FactRows {
  session(id: SessionId): SessionState
  /** `late` of `next` is added to what is late already. A session that is not known yet waits until `guardUntilMs`. */
  keepSession(id: SessionId, before: SessionState, next: SessionState, guardUntilMs: number): void
  run(id: RunId): { readonly version: number; readonly isCopy: boolean } | undefined
  keepCopy(run: LogoutRun): void
  revoke(sri: string, untilMs: number, atMs: number): void
  seeReplay(issuer: string, id: string, untilMs: number): void
  cleared(userKey: UserKey): Cleared | undefined
  /** Drops the failed sign-ins that it clears. */
  keepCleared(userKey: UserKey, cleared: Cleared): void
  /** Nothing where it is known. */
  addFailure(userKey: UserKey, failure: Pick<FailedSignInFact, 'origin' | 'number' | 'atMs' | 'untilMs'>): void
  isGone(kind: string, id: string): boolean
  addGone(kind: string, id: string, untilMs: number): void
  artifact(kind: string, id: string): VersionedArtifact | undefined
  keepArtifact(artifact: Artifact, version: number): void
  dropArtifact(kind: string, id: string): void
  dropGrant(grantId: string): void
  /** Nothing where the key is in use. */
  addTransaction(key: string, value: unknown, untilMs: number): void
  dropTransaction(key: string): void
  keepNote(name: string, text: string): void
}

/** Joins facts of another region and keeps the cursor behind them; everything in the transaction that is open. */
export function applyFacts(rows: FactRows, { source, cursor, facts, nowMs }: FactBatch, replication: Replication): void {
  for (const fact of facts) if (isTaken(fact, replication)) applyFact(rows, fact, nowMs, replication.group)
  if (cursor !== undefined) rows.keepNote(cursorNote(source), cursor)
}

function applyFact(rows: FactRows, fact: Fact, nowMs: number, group: string): void {
  const sessionId = sessionOf(fact)
  if (sessionId !== undefined) {
    const before = rows.session(sessionId)
    const next = joinFact(before, fact as SessionFact, group)
    if (next !== before) rows.keepSession(sessionId, before, next, nowMs + guardMs)
  } else if (fact.kind === 'run') {
    const known = rows.run(fact.run.id)
    if (known === undefined || (known.isCopy && known.version < fact.run.version)) rows.keepCopy(fact.run)
  } else {
    applyServiceFact(rows, fact as ServiceFact, nowMs)
  }
}

function applyServiceFact(rows: FactRows, fact: ServiceFact, nowMs: number): void {
  switch (fact.kind) {
    case 'revoked':
      return rows.revoke(fact.sri, fact.untilMs, fact.atMs)
    case 'replay':
      return rows.seeReplay(fact.issuer, fact.id, fact.untilMs)
    case 'failed-sign-in': {
      const { origin, number, atMs, untilMs } = fact
      if (!isCleared(fact, rows.cleared(fact.userKey))) rows.addFailure(fact.userKey, { origin, number, atMs, untilMs })
      return
    }
    case 'sign-ins-cleared':
      return rows.keepCleared(fact.userKey, joinCleared(rows.cleared(fact.userKey), { upTo: fact.upTo, untilMs: Math.max(fact.untilMs, nowMs + guardMs) }))
    case 'transaction':
      if (!rows.isGone(transactionGone, fact.key)) rows.addTransaction(fact.key, fact.value, fact.untilMs)
      return
    case 'transaction-taken':
      rows.addGone(transactionGone, fact.key, Math.max(fact.untilMs, nowMs + guardMs))
      return rows.dropTransaction(fact.key)
    case 'artifact': {
      const { kind, id, grantId } = fact.artifact
      if (rows.isGone(kind, id) || (grantId !== undefined && rows.isGone(grantGone, grantId))) return
      const { artifact, version } = joinArtifact(rows.artifact(kind, id), fact)
      return rows.keepArtifact(artifact, version)
    }
    case 'artifact-dropped':
      rows.addGone(fact.of, fact.id, Math.max(fact.untilMs, nowMs + guardMs))
      return rows.dropArtifact(fact.of, fact.id)
    case 'grant-dropped':
      rows.addGone(grantGone, fact.grantId, Math.max(fact.untilMs, nowMs + guardMs))
      return rows.dropGrant(fact.grantId)
  }
}
