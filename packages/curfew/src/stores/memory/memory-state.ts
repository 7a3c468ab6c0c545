import type { ParticipantId, RunId, SessionId, UserKey } from '../../core/ids.ts'
import type { Participant } from '../../core/participant.ts'
import type { Effect, LogoutRun } from '../../core/run.ts'
import type { Session } from '../../core/session.ts'
import type { EndedFact, Fact, Replication } from '../fact.ts'
import type { SessionState } from '../session-state.ts'
import type { Artifact, AuditRecord, Durability, RevocationEntry } from '../store.ts'

export interface StoredSession {
  readonly session: Session
  readonly participants: ReadonlyMap<ParticipantId, Participant>
  /** Set when the session ends: until when it stays as a tombstone. */
  readonly keepUntilMs?: number
  /** The ending as other regions are told it. */
  readonly ending?: EndedFact
  /** Activity that other regions know of. */
  readonly toldAtMs?: number
}

/** What is kept for other regions, and what of theirs waits. Empty where the store does not replicate. */
export interface MemoryReplicated {
  readonly facts: { readonly number: number; readonly fact: Fact }[]
  readonly notes: Map<string, string>
  /** Facts about sessions that are not known yet. */
  readonly guards: Map<SessionId, { readonly untilMs: number; readonly state: SessionState }>
  /** What was dropped or taken and must not come back, by kind and id. */
  readonly gone: Map<string, { readonly kind: string; readonly id: string; readonly untilMs: number }>
  readonly late: Map<SessionId, ReadonlySet<ParticipantId>>
  readonly cleared: Map<UserKey, { readonly upTo: Readonly<Record<string, number>>; readonly untilMs: number }>
  /** Runs of other regions. */
  readonly copies: Set<RunId>
  readonly leases: Map<string, { readonly owner: string; readonly untilMs: number }>
  /** Last number given out, and the last fact that is gone. */
  readonly count: { last: number; floor: number }
}

export interface StoredEffect {
  readonly id: number
  readonly runId: RunId
  readonly effect: Effect
  /** When it can be claimed: its due time, or the end of the lease of `owner`. */
  readonly readyAtMs: number
  readonly owner?: string
}

export interface FailedSignIn {
  /** Names it among all regions, where the store replicates. */
  readonly origin?: string
  readonly number?: number
  readonly atMs: number
  readonly untilMs: number
}

/** A value that is good until an instant. Values are kept as JSON, so that nobody shares an object with the store. */
export interface Timed {
  readonly untilMs: number
  readonly json: string
}

/** An artifact whose value is JSON text. */
export type StoredArtifact = Omit<Artifact, 'value'> & { readonly json: string; readonly version?: number }

/** Everything the store knows. Entries are never changed in place, so a copy of the maps is a copy of the state. */
export interface MemoryState {
  readonly sessions: Map<SessionId, StoredSession>
  readonly runs: Map<RunId, LogoutRun>
  readonly messages: Map<string, { readonly runId: RunId; readonly deliveryId: string }>
  readonly effects: Map<number, StoredEffect>
  /** Name of the revocation list. */
  readonly listId: string
  /** By SRI, in the order of their cursors. */
  readonly revocations: Map<string, RevocationEntry>
  readonly replays: Map<string, number>
  readonly failedSignIns: Map<UserKey, readonly FailedSignIn[]>
  readonly transactions: Map<string, Timed>
  /** By kind and id. */
  readonly artifacts: Map<string, StoredArtifact>
  readonly audit: (AuditRecord & { readonly id: number })[]
  readonly replicated: MemoryReplicated
  /** Counters: last numbers given out, and the sessions that nothing has ended. */
  readonly count: { effectId: number; cursor: number; liveSessions: number }
}

export function emptyState(listId: string): MemoryState {
  return {
    listId,
    sessions: new Map(),
    runs: new Map(),
    messages: new Map(),
    effects: new Map(),
    revocations: new Map(),
    replays: new Map(),
    failedSignIns: new Map(),
    transactions: new Map(),
    artifacts: new Map(),
    audit: [],
    replicated: {
      facts: [],
      notes: new Map(),
      guards: new Map(),
      gone: new Map(),
      late: new Map(),
      cleared: new Map(),
      copies: new Set(),
      leases: new Map(),
      count: { last: 0, floor: 0 }
    },
    count: { effectId: 0, cursor: 0, liveSessions: 0 }
  }
}

export function copyState(state: MemoryState): MemoryState {
  return {
    listId: state.listId,
    sessions: new Map(state.sessions),
    runs: new Map(state.runs),
    messages: new Map(state.messages),
    effects: new Map(state.effects),
    revocations: new Map(state.revocations),
    replays: new Map(state.replays),
    failedSignIns: new Map(state.failedSignIns),
    transactions: new Map(state.transactions),
    artifacts: new Map(state.artifacts),
    audit: [...state.audit],
    replicated: copyReplicated(state.replicated),
    count: { ...state.count }
  }
}

function copyReplicated(all: MemoryReplicated): MemoryReplicated {
  return {
    facts: [...all.facts],
    notes: new Map(all.notes),
    guards: new Map(all.guards),
    gone: new Map(all.gone),
    late: new Map(all.late),
    cleared: new Map(all.cleared),
    copies: new Set(all.copies),
    leases: new Map(all.leases),
    count: { ...all.count }
  }
}

/** Two texts as one key; the length keeps `a` + `bc` apart from `ab` + `c`. */
export function pairKey(a: string, b: string): string {
  return `${a.length}:${a}${b}`
}

/** Calls that change something, by name: what faults are injected into. */
export type StoreWrite =
  | 'openSession'
  | 'addParticipant'
  | 'endSession'
  | 'openRun'
  | 'touch'
  | 'renewSession'
  | 'purge'
  | 'commitRun'
  | 'claimEffects'
  | 'releaseEffects'
  | 'revoke'
  | 'replaySeen'
  | 'lockBump'
  | 'lockClear'
  | 'txCreate'
  | 'txTake'
  | 'putArtifact'
  | 'consumeArtifact'
  | 'dropArtifact'
  | 'dropGrant'
  | 'appendAudit'
  | 'applyFacts'
  | 'openLateRun'

/** What the parts of the memory store share. */
export interface MemoryContext {
  /** The state of this moment; `restore` puts another one in its place. */
  readonly state: () => MemoryState
  /** Carries a change out in one step, with the faults that were asked for. */
  readonly write: <T>(call: StoreWrite, change: (state: MemoryState) => T) => Promise<T>
  readonly capacity: number
  readonly replication?: Replication
  /** Appends a fact for other regions, with the change it is about; nothing where its service does not replicate. */
  readonly tell: (state: MemoryState, fact: Fact) => void
}

export const memoryDurability: Durability = 'local'
