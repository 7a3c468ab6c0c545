import type { ParticipantId, PeerId, RunId, SessionId, UserKey } from '../core/ids.ts'
import type { Participant } from '../core/participant.ts'
import type { Effect, LogoutRun } from '../core/run.ts'
import type { Actor, EndReason, Session, SessionEnd } from '../core/session.ts'
import type { FactStore, LateStore } from './fact-store.ts'

/**
 * State of the authority in words of the domain. Everything that must survive is a fact that only grows; every call
 * is safe to repeat. Time comes in by argument. One conformance suite decides what an implementation must do.
 */
export interface Store {
  // --- sessions and participants -------------------------------------------------------------------------------
  /** `full`: the configured capacity is reached; nothing is evicted to make room. */
  openSession(session: Session): Promise<Ack<'opened' | 'exists' | 'full'>>
  /**
   * Adds or, for a known participant, moves `lastIssuedAtMs` and `assertionNotOnOrAfterMs` forward. Whatever it changes
   * makes the session's version grow, so that an ending planned before is planned again. `ended` also for a known one.
   */
  addParticipant(sessionId: SessionId, participant: Participant): Promise<Ack<'added' | 'exists' | 'ended' | 'unknown'>>
  /**
   * One transaction: session end, SRI revocation, run with its deliveries, effects. Plan again on `changed`.
   * @throws CURFEW_STORE_RUN_EXISTS when the id of the run is taken
   */
  endSession(commit: EndCommit): Promise<Ack<EndResult>>
  /**
   * A run in a session that goes on (partial logout), with its effects, in one transaction. Plan again on `changed`.
   * @throws CURFEW_STORE_RUN_EXISTS when the id of the run is taken
   */
  openRun(opening: RunOpening): Promise<Ack<'opened' | 'changed' | 'ended' | 'unknown'>>
  /**
   * Moves activity forward (never back, never past the absolute limit); ended sessions stay as they are. The caller
   * looks at `isLive` first: an idle limit that has passed but was not acted on yet is moved as well.
   */
  touch(sessionId: SessionId, lastActivityAtMs: number, idleExpiresAtMs: number): Promise<Ack<'touched' | 'ended' | 'unknown'>>
  /**
   * Puts new cookies in the place of the former ones, after the user proved again who it is, and says how, where that
   * is another way; the version grows. What is earlier than the proof that is known changes nothing. Ended sessions
   * stay as they are.
   */
  renewSession(sessionId: SessionId, renewal: Renewal): Promise<Ack<'renewed' | 'ended' | 'unknown'>>
  getSession(sessionId: SessionId): Promise<Session | undefined>
  getParticipants(sessionId: SessionId): Promise<readonly Participant[]>
  /** Live or ended; should a cookie belong to several, the live one, then the newest. */
  findSessionByToken(tokenHash: string): Promise<Session | undefined>
  findSessionByPersistentToken(persistentTokenHash: string): Promise<Session | undefined>
  /** Sessions (live or ended) in which this peer knows the user by exactly this identifier. */
  findByNameId(peerId: PeerId, nameIdValue: string): Promise<readonly SessionParticipant[]>
  /** The session (live or ended) this index was issued in; of several participants the one issued to last. */
  findByIndex(peerId: PeerId, sessionIndex: string): Promise<SessionParticipant | undefined>
  /** Live sessions of a user, oldest first. */
  findByUser(userKey: UserKey): Promise<readonly Session[]>
  /** Live sessions of whoever has this address ({@link addressesOf}), in lower case; oldest first. */
  findByAddress(address: string): Promise<readonly Session[]>
  /** Newest first. A page may hold less than `limit` and still have a `nextCursor`: one call looks at so many only. */
  listSessions(query: SessionQuery): Promise<Page<SessionSummary>>
  /** Sessions that nothing has ended: what counts against the capacity. */
  countLiveSessions(): Promise<number>
  /** Live sessions whose idle or absolute limit has passed at `nowMs`, at most `max`. */
  dueSessions(nowMs: number, max: number): Promise<readonly Session[]>
  /**
   * Removes what is past keeping, at most `max` entries, and tells how many: ended sessions past their original expiry
   * (a tombstone keeps late facts out until then), revocations, replay ids, failed sign-ins and transaction state past
   * their time, finished runs `keepRunsMs` after their end.
   */
  purge(nowMs: number, keepRunsMs: number, max: number): Promise<number>

  // --- runs and outbox -----------------------------------------------------------------------------------------
  getRun(runId: RunId): Promise<LogoutRun | undefined>
  /** Newest first; pages as in {@link listSessions}. */
  listRuns(query: RunQuery): Promise<Page<LogoutRun>>
  /** Open run of the session with this cookie, the latest of several: what a returning browser has to carry on. */
  findOpenRunByToken(tokenHash: string): Promise<LogoutRun | undefined>
  /** Which delivery a message id belongs to; message ids are unique per peer. */
  findByMessage(peerId: PeerId, messageId: string): Promise<{ readonly runId: RunId; readonly deliveryId: string } | undefined>
  /**
   * Writes the next state of a run, its new effects and the removal of executed ones in one transaction.
   * `changed` when `run.version` is not the stored version + 1; then nothing is written or settled.
   */
  commitRun(commit: RunCommit): Promise<Ack<'committed' | 'changed' | 'unknown'>>
  /**
   * Leases due effects, the longest due first. A run has one owner at a time: effects of a run of which somebody else
   * holds one are left out. An effect under lease is handed to nobody, not even to its owner, before the lease ends.
   */
  claimEffects(claim: EffectClaim): Promise<readonly ClaimedEffect[]>
  /** Gives back every lease of this owner, for an orderly stop; returns how many. */
  releaseEffects(owner: string): Promise<Ack<number>>
  /** When the next effect can be claimed: its due time, or the end of its lease when it is under one. */
  nextEffectAtMs(): Promise<number | undefined>

  // --- revocation, replay, locking, transactions ---------------------------------------------------------------
  /** A later `untilMs` of a known SRI moves the entry to the end of the feed; an earlier one changes nothing. */
  revoke(sri: string, untilMs: number, atMs: number): Promise<Ack<'revoked' | 'known'>>
  isRevoked(sri: string, nowMs: number): Promise<boolean>
  /** Entries after `cursor` (0: from the start) in order; the cursor of the last one continues. */
  revocationFeed(cursor: number, max: number): Promise<readonly RevocationEntry[]>
  /** Which list the feed is of, and where it ends. */
  revocationList(): Promise<RevocationListMark>
  /** First writer wins until `untilMs`. */
  replaySeen(issuer: string, id: string, untilMs: number, nowMs: number): Promise<Ack<'fresh' | 'seen'>>
  /** Failed sign-ins of a user in `(nowMs - windowMs, nowMs]`; returns the count with this one. */
  lockBump(userKey: UserKey, nowMs: number, windowMs: number): Promise<Ack<number>>
  lockRead(userKey: UserKey, nowMs: number, windowMs: number): Promise<number>
  lockClear(userKey: UserKey): Promise<Ack<'cleared'>>
  /** Inter-request state: a sign-in in progress, one-time values. `value` is JSON; keys are never used twice. */
  txCreate(key: string, value: unknown, untilMs: number): Promise<Ack<'created' | 'exists'>>
  txGet(key: string, nowMs: number): Promise<unknown>
  /** One-time read: exactly one caller gets the value. */
  txTake(key: string, nowMs: number): Promise<Ack<unknown>>

  // --- artifacts of OpenID: grants, codes, tokens ---------------------------------------------------------------
  /**
   * Stores an artifact, or puts it in the place of the one with its kind and id. A consumed one stays consumed.
   * `isEnding`: it says that something ended, and is never refused for want of copies or memory.
   */
  putArtifact(artifact: Artifact, promise?: { readonly isEnding?: boolean }): Promise<Ack<'stored'>>
  getArtifact(kind: string, id: string, nowMs: number): Promise<Artifact | undefined>
  /** Uses an artifact up: exactly one caller gets `consumed`. */
  consumeArtifact(kind: string, id: string, nowMs: number): Promise<Ack<'consumed' | 'already' | 'unknown'>>
  dropArtifact(kind: string, id: string): Promise<Ack<'dropped' | 'unknown'>>
  /** Drops everything that was issued under a grant, and the grant; returns how many. */
  dropGrant(grantId: string): Promise<Ack<number>>
  /** Artifacts of one kind that belong to a session, at most `max`. */
  artifactsOf(sessionId: SessionId, kind: string, nowMs: number, max: number): Promise<readonly Artifact[]>
  /** Artifacts of one kind that were issued under a grant, in the order of their ids, at most `max`. */
  artifactsOfGrant(grantId: string, kind: string, nowMs: number, max: number): Promise<readonly Artifact[]>

  // --- audit ----------------------------------------------------------------------------------------------------
  appendAudit(record: AuditRecord): Promise<Ack<'appended'>>
  /** In the order they were appended. */
  listAudit(query: {
    readonly afterId?: number
    readonly limit: number
    readonly userKey?: UserKey
  }): Promise<readonly (AuditRecord & { readonly id: number })[]>

  // --- other regions ---------------------------------------------------------------------------------------------
  /** What other regions are told and what they told; absent where the store was not opened for that. */
  readonly facts?: FactStore
  /** Absent where an end knows every participant: on a store of one file. */
  readonly late?: LateStore

  /** Name and state for health, metrics and `doctor`. */
  describe(): Promise<StoreDescription>
  [Symbol.asyncDispose](): Promise<void>
}

/** New cookies of a session that goes on, what the person says of the device now, and how it proved itself, where that is another way. */
export type Renewal = Pick<Session, 'tokenHash' | 'persistentTokenHash' | 'persistent' | 'device' | 'authenticatedAtMs'> &
  Partial<Pick<Session, 'authnContext'>>

/** How safely a write is kept: on every copy asked for, on fewer, on this machine only. */
export type Durability = 'replicated' | 'degraded' | 'local'

export interface Ack<T> {
  readonly value: T
  readonly durability: Durability
}

export interface SessionParticipant {
  readonly session: Session
  readonly participant: Participant
}

export interface EndCommit {
  readonly sessionId: SessionId
  /** The version the plan was made against. */
  readonly expectedVersion: number
  readonly end: SessionEnd
  /** How long the SRI stays on the revocation list. Absent: this ending does not put it there. */
  readonly revokedUntilMs?: number
  /** Until when the ended session and its participants can still be found, at least. Absent: as long as anything of it is valid. */
  readonly keptUntilMs?: number
  readonly run: LogoutRun
  readonly effects: readonly Effect[]
}

export interface RunOpening {
  readonly sessionId: SessionId
  /** The version of the session that the plan was made against. */
  readonly expectedVersion: number
  readonly run: LogoutRun
  readonly effects: readonly Effect[]
}

export type EndResult =
  | { readonly kind: 'ended' }
  | { readonly kind: 'already'; readonly runId: RunId }
  | { readonly kind: 'changed' }
  | { readonly kind: 'unknown' }

export interface RunCommit {
  readonly run: LogoutRun
  /**
   * The run that this was decided on, as it was read or stored. A store whose servers take over from each other may have
   * gone back since, and have another run of that version by now: then it is `changed`.
   */
  readonly before?: LogoutRun
  readonly effects: readonly Effect[]
  /** Ids of executed effects (from {@link ClaimedEffect}) that this commit settles. */
  readonly settled: readonly number[]
}

export interface EffectClaim {
  readonly owner: string
  readonly nowMs: number
  readonly leaseMs: number
  readonly max: number
}

export interface ClaimedEffect {
  readonly id: number
  readonly runId: RunId
  readonly effect: Effect
}

/** Something that OpenID or shared signals hand out and ask for again. Secrets are kept as their hashes. */
export interface Artifact {
  readonly kind: string
  readonly id: string
  /** What it was issued under. */
  readonly grantId?: string
  readonly sessionId?: SessionId
  readonly untilMs: number
  /** JSON. */
  readonly value: unknown
  readonly consumedAtMs?: number
}

export interface RevocationEntry {
  readonly cursor: number
  readonly sri: string
  readonly untilMs: number
  readonly atMs: number
}

/** Cursors of one list say nothing about another. */
export interface RevocationListMark {
  /** Tells this list from that of any other store, and from one that was begun anew or brought back from a copy. */
  readonly id: string
  /** The last cursor that it gave out. A reader who stands behind it read something that this list does not have. */
  readonly end: number
}

export interface SessionQuery {
  readonly userKey?: UserKey
  readonly username?: string
  readonly peerId?: PeerId
  readonly state?: 'live' | 'ended'
  readonly sinceMs?: number
  readonly cursor?: string
  readonly limit: number
  readonly nowMs: number
}

export interface SessionSummary {
  readonly session: Session
  readonly participants: readonly { readonly id: ParticipantId; readonly peerId: PeerId }[]
}

export interface RunQuery {
  readonly username?: string
  readonly sessionId?: SessionId
  readonly peerId?: PeerId
  readonly state?: 'open' | 'done'
  readonly reason?: EndReason
  readonly sinceMs?: number
  readonly cursor?: string
  readonly limit: number
}

export interface Page<T> {
  readonly items: readonly T[]
  readonly nextCursor?: string
}

/** One line of the append-only audit log. No secrets, no full identifiers of partners. */
export interface AuditRecord {
  readonly atMs: number
  readonly event: string
  readonly actor: Actor
  readonly userKey?: UserKey
  readonly sessionId?: SessionId
  readonly runId?: RunId
  readonly peerId?: PeerId
  readonly code?: string
  readonly detail?: Readonly<Record<string, string | number | boolean>>
}

export interface StoreDescription {
  readonly kind: 'sqlite' | 'memory' | 'redis'
  readonly location: string
  readonly durability: Durability
  readonly liveSessions: number
  readonly openRuns: number
  readonly pendingEffects: number
  /** How far the clock of this machine is ahead of the time of a store that several machines share; negative: behind. */
  readonly clockAheadMs?: number
  /** Entries that led nowhere and were dropped by this process, of a store that several machines share. */
  readonly sweptEntries?: number
}
