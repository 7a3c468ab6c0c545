import type { ParticipantId, RunId, SessionId, UserKey } from '../../core/ids.ts'
import type { Participant } from '../../core/participant.ts'
import type { Effect, LogoutRun } from '../../core/run.ts'
import type { Session } from '../../core/session.ts'
import type { Artifact, AuditRecord, Durability, RevocationEntry } from '../store.ts'

export interface StoredSession {
  readonly session: Session
  readonly participants: ReadonlyMap<ParticipantId, Participant>
  /** Set when the session ends: until when it stays as a tombstone. */
  readonly keepUntilMs?: number
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
  readonly atMs: number
  readonly untilMs: number
}

/** A value that is good until an instant. Values are kept as JSON, so that nobody shares an object with the store. */
export interface Timed {
  readonly untilMs: number
  readonly json: string
}

/** An artifact whose value is JSON text. */
export type StoredArtifact = Omit<Artifact, 'value'> & { readonly json: string }

/** Everything the store knows. Entries are never changed in place, so a copy of the maps is a copy of the state. */
export interface MemoryState {
  readonly sessions: Map<SessionId, StoredSession>
  readonly runs: Map<RunId, LogoutRun>
  readonly messages: Map<string, { readonly runId: RunId; readonly deliveryId: string }>
  readonly effects: Map<number, StoredEffect>
  /** By SRI, in the order of their cursors. */
  readonly revocations: Map<string, RevocationEntry>
  readonly replays: Map<string, number>
  readonly failedSignIns: Map<UserKey, readonly FailedSignIn[]>
  readonly transactions: Map<string, Timed>
  /** By kind and id. */
  readonly artifacts: Map<string, StoredArtifact>
  readonly audit: (AuditRecord & { readonly id: number })[]
  /** Counters: last numbers given out, and the sessions that nothing has ended. */
  readonly count: { effectId: number; cursor: number; liveSessions: number }
}

export function emptyState(): MemoryState {
  return {
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
    count: { effectId: 0, cursor: 0, liveSessions: 0 }
  }
}

export function copyState(state: MemoryState): MemoryState {
  return {
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
    count: { ...state.count }
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

/** What the parts of the memory store share. */
export interface MemoryContext {
  /** The state of this moment; `restore` puts another one in its place. */
  readonly state: () => MemoryState
  /** Carries a change out in one step, with the faults that were asked for. */
  readonly write: <T>(call: StoreWrite, change: (state: MemoryState) => T) => Promise<T>
  readonly capacity: number
}

export const memoryDurability: Durability = 'local'
