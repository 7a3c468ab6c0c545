import type { SessionId, UserKey } from '../../core/ids.ts'
import type { Participant } from '../../core/participant.ts'
import type { Session } from '../../core/session.ts'
import type { Replication } from '../fact.ts'
import type { FactBatch, LateRunOpening } from '../fact-store.ts'
import type { Artifact, AuditRecord, ClaimedEffect, EffectClaim, EndCommit, EndResult, Renewal, RunCommit, RunOpening } from '../store.ts'

/** What the writer is asked to do and what it answers, call by call. */
export interface Commands {
  readonly openSession: { readonly input: Session; readonly result: 'opened' | 'exists' | 'full' }
  readonly addParticipant: {
    readonly input: { readonly sessionId: SessionId; readonly participant: Participant }
    readonly result: 'added' | 'exists' | 'ended' | 'unknown'
  }
  readonly endSession: { readonly input: EndCommit; readonly result: EndResult }
  readonly openRun: { readonly input: RunOpening; readonly result: 'opened' | 'changed' | 'ended' | 'unknown' }
  readonly touch: {
    readonly input: {
      readonly sessionId: SessionId
      readonly lastActivityAtMs: number
      readonly idleExpiresAtMs: number
    }
    readonly result: 'touched' | 'ended' | 'unknown'
  }
  readonly renewSession: {
    readonly input: { readonly sessionId: SessionId; readonly renewal: Renewal }
    readonly result: 'renewed' | 'ended' | 'unknown'
  }
  readonly commitRun: { readonly input: RunCommit; readonly result: 'committed' | 'changed' | 'unknown' }
  readonly claimEffects: { readonly input: EffectClaim; readonly result: readonly ClaimedEffect[] }
  readonly releaseEffects: { readonly input: { readonly owner: string }; readonly result: number }
  readonly revoke: {
    readonly input: { readonly sri: string; readonly untilMs: number; readonly atMs: number }
    readonly result: 'revoked' | 'known'
  }
  readonly replaySeen: {
    readonly input: {
      readonly issuer: string
      readonly id: string
      readonly untilMs: number
      readonly nowMs: number
    }
    readonly result: 'fresh' | 'seen'
  }
  readonly lockBump: {
    readonly input: { readonly userKey: UserKey; readonly nowMs: number; readonly windowMs: number }
    readonly result: number
  }
  readonly lockClear: { readonly input: { readonly userKey: UserKey }; readonly result: 'cleared' }
  readonly txCreate: {
    readonly input: { readonly key: string; readonly json: string; readonly untilMs: number }
    readonly result: 'created' | 'exists'
  }
  /** The JSON of the value, when there is one. */
  readonly txTake: {
    readonly input: { readonly key: string; readonly nowMs: number }
    readonly result: string | undefined
  }
  readonly putArtifact: { readonly input: Omit<Artifact, 'value'> & { readonly json: string }; readonly result: 'stored' }
  readonly consumeArtifact: {
    readonly input: { readonly kind: string; readonly id: string; readonly nowMs: number }
    readonly result: 'consumed' | 'already' | 'unknown'
  }
  readonly dropArtifact: { readonly input: { readonly kind: string; readonly id: string }; readonly result: 'dropped' | 'unknown' }
  readonly dropGrant: { readonly input: { readonly grantId: string }; readonly result: number }
  readonly applyFacts: { readonly input: FactBatch; readonly result: 'applied' }
  readonly openLateRun: { readonly input: LateRunOpening; readonly result: 'opened' | 'nothing' }
  readonly keepNote: { readonly input: { readonly name: string; readonly text: string }; readonly result: 'kept' }
  readonly dropFacts: { readonly input: { readonly upTo: number }; readonly result: 'dropped' }
  readonly lease: {
    readonly input: { readonly name: string; readonly owner: string; readonly nowMs: number; readonly untilMs: number }
    readonly result: boolean
  }
  readonly appendAudit: { readonly input: AuditRecord; readonly result: 'appended' }
  readonly purge: {
    readonly input: { readonly nowMs: number; readonly keepRunsMs: number; readonly max: number }
    readonly result: number
  }
}

export type CommandName = keyof Commands

export type Command = {
  [N in CommandName]: { readonly name: N; readonly input: Commands[N]['input'] }
}[CommandName]

/** Carries out one command inside the transaction that is open. */
export type Handlers = { readonly [N in CommandName]: (input: Commands[N]['input']) => Commands[N]['result'] }

/**
 * Commands that a full disk refuses: what makes a new sign-in. Everything that ends sessions, proves it or makes room
 * goes on and may use up the reserve.
 */
export function isSignOn(name: CommandName): boolean {
  return name === 'openSession' || name === 'addParticipant'
}

/** One command with the number its answer carries. */
export interface Request {
  readonly number: number
  readonly command: Command
}

/** An error in a form that crosses threads. */
export interface PlainError {
  readonly code: string
  readonly context: Readonly<Record<string, string | number | boolean>>
  readonly cause: string
}

export type Answer = { readonly number: number; readonly value: unknown } | { readonly number: number; readonly error: PlainError }

export type ToWriter = { readonly kind: 'requests'; readonly requests: readonly Request[] } | { readonly kind: 'close' }

export type FromWriter =
  | { readonly kind: 'ready'; readonly file: string }
  | { readonly kind: 'refused'; readonly error: PlainError }
  | { readonly kind: 'answers'; readonly answers: readonly Answer[] }
  | { readonly kind: 'closed' }

/** What the writer thread is started with. */
export interface WriterOptions {
  readonly file: string
  readonly capacity: number
  readonly busyTimeoutMs: number
  /** Absent: nothing is told to other regions. */
  readonly replication?: Replication
}
