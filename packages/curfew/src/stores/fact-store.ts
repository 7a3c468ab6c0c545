import type { ParticipantId, SessionId } from '../core/ids.ts'
import type { Participant } from '../core/participant.ts'
import type { Effect, LogoutRun } from '../core/run.ts'
import type { Session } from '../core/session.ts'
import type { Fact } from './fact.ts'
import type { Ack } from './store.ts'

/** Participants that joined a session whose end could not know them: in another region, or on a server that had forgotten the end. */
export interface LateStore {
  /** Sessions that have ended, with the participants that only this group can tell; at most `max`. */
  late(max: number): Promise<readonly LateParticipants[]>
  /** One transaction: a run for late participants, its effects, and that they are no longer late. */
  openLateRun(opening: LateRunOpening): Promise<Ack<'opened' | 'nothing'>>
}

/**
 * What a store does for other regions: it appends a fact with every change, in the step that makes it, and joins the
 * facts of others. Facts that came from others are not appended again.
 */
export interface FactStore extends LateStore {
  /** The group this store belongs to. */
  readonly group: string
  /** Facts after a cursor that this store gave, at most about `max`; empty: none yet. */
  read(cursor: string, max: number): Promise<FactPage>
  /** Tells this store and its stream from any other. */
  streamId(): Promise<string>
  /** Where the stream ends now. */
  head(): Promise<string>
  /**
   * Joins facts of another group and keeps its cursor, so that a repetition changes nothing and nothing is passed over.
   * `held`: they count here, but too few copies have them, and more are owed than is remembered. The cursor stays, and
   * they have to come again.
   */
  apply(batch: FactBatch): Promise<Ack<'applied' | 'held'>>
  /** The cursor kept under a name; empty: nothing was joined yet. */
  cursorOf(source: string): Promise<string>
  /** Another group says how far it has read. */
  acknowledge(group: string, cursor: string): Promise<void>
  /** Facts that the slowest of these groups has not read yet. */
  backlog(groups: readonly string[]): Promise<number>
  /** Drops facts that all these groups have read, and what is older or more than the limits whether or not they have. */
  trim(limits: TrimLimits): Promise<void>
  /** Everything about one session, as facts; empty: it is not known. */
  ofSession(sessionId: SessionId): Promise<readonly Fact[]>
  /**
   * Everything there is, as facts, page by page. Whoever takes the head before the first page and reads on from there
   * has missed nothing.
   */
  export(place: string | undefined, max: number, nowMs: number): Promise<{ readonly facts: readonly Fact[]; readonly place?: string }>
  /** Takes or keeps a lease until `untilMs`; false: somebody else has it. */
  lease(name: string, owner: string, nowMs: number, untilMs: number): Promise<boolean>
}

export type FactPage =
  | { readonly kind: 'facts'; readonly facts: readonly Fact[]; readonly cursor: string }
  /** What comes after the cursor was dropped, or was never appended: everything has to be read once ({@link FactStore.export}). */
  | { readonly kind: 'behind' }

export interface FactBatch {
  /** Name of the stream: the group the facts come from, or a part of it. */
  readonly source: string
  /** Where to read on; undefined: the cursor stays. */
  readonly cursor?: string
  readonly facts: readonly Fact[]
  readonly nowMs: number
}

export interface TrimLimits {
  readonly nowMs: number
  /** Groups that read here. */
  readonly groups: readonly string[]
  readonly ageMsMax: number
  /** Facts kept at most, in each part of the stream. */
  readonly factsMax: number
}

export interface LateParticipants {
  readonly session: Session
  readonly participants: readonly Participant[]
}

export interface LateRunOpening {
  readonly sessionId: SessionId
  readonly participantIds: readonly ParticipantId[]
  readonly run: LogoutRun
  readonly effects: readonly Effect[]
}
