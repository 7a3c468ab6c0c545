import type { ParticipantId, SessionId, UserKey } from '../core/ids.ts'
import type { Participant } from '../core/participant.ts'
import type { LogoutRun } from '../core/run.ts'
import type { Session, SessionEnd } from '../core/session.ts'
import type { Activity } from './activity.ts'
import type { Artifact, Renewal } from './store.ts'

/** What other groups are told of, each with a switch of its own; registered clients and revocations have none, they always go everywhere. */
export const replicatedServices = ['sessions', 'assertionReplay', 'accountLocking', 'referenceTokens', 'transactions', 'registeredClients'] as const
export type ReplicatedService = (typeof replicatedServices)[number]

/** How a store takes part in replication; without it a store appends no fact and none of this costs anything. */
export interface Replication {
  /** The group this store belongs to, one character: marks what was issued and counted here. */
  readonly group: string
  /** How long the region of a session has to end it when a limit passes, before this one does. */
  readonly takeOverMs: number
  readonly services: Readonly<Record<ReplicatedService, boolean>>
  /** Which kinds of artifacts travel, and with which service. Kinds that are not named stay here. */
  readonly artifacts: Readonly<Record<string, ArtifactService>>
}

/** A participant as the region knew it that ended the session. */
export interface KnownParticipant {
  readonly id: ParticipantId
  readonly lastIssuedAtMs: number
}

/** A session ended, with everything its ending knew. */
export interface EndedFact {
  readonly kind: 'ended'
  readonly service: 'sessions'
  readonly sessionId: SessionId
  /** The group whose run tells the participants in `known`. */
  readonly group: string
  readonly end: SessionEnd
  readonly keptUntilMs: number
  readonly known: readonly KnownParticipant[]
}

/** What is joined into one session. */
export type SessionFact =
  | { readonly kind: 'opened'; readonly service: 'sessions'; readonly session: Session }
  | { readonly kind: 'participant'; readonly service: 'sessions'; readonly sessionId: SessionId; readonly participant: Participant }
  | ({ readonly kind: 'active'; readonly service: 'sessions'; readonly sessionId: SessionId } & Activity)
  | { readonly kind: 'renewed'; readonly service: 'sessions'; readonly sessionId: SessionId; readonly renewal: Renewal }
  | EndedFact

/** The run of another region, to look at; nobody but its region changes it. The later version wins. */
export interface RunFact {
  readonly kind: 'run'
  readonly service: 'sessions'
  readonly run: LogoutRun
}

/** One failed sign-in. `origin` and `number` name it among all regions. */
export interface FailedSignInFact {
  readonly kind: 'failed-sign-in'
  readonly service: 'accountLocking'
  readonly userKey: UserKey
  readonly origin: string
  readonly number: number
  readonly atMs: number
  readonly untilMs: number
}

/** Failed sign-ins up to these numbers, by origin, count no more. */
export interface ClearedFact {
  readonly kind: 'sign-ins-cleared'
  readonly service: 'accountLocking'
  readonly userKey: UserKey
  readonly upTo: Readonly<Record<string, number>>
  readonly untilMs: number
}

/** What is joined by itself, without a session. */
export type ServiceFact =
  | { readonly kind: 'revoked'; readonly service: 'revocations'; readonly sri: string; readonly untilMs: number; readonly atMs: number }
  | { readonly kind: 'replay'; readonly service: 'assertionReplay'; readonly issuer: string; readonly id: string; readonly untilMs: number }
  | FailedSignInFact
  | ClearedFact
  /** `version` counts how often it was put; of two the later one stays, and what is used up stays so. */
  | { readonly kind: 'artifact'; readonly service: ArtifactService; readonly artifact: Artifact; readonly version: number }
  | { readonly kind: 'artifact-dropped'; readonly service: ArtifactService; readonly of: string; readonly id: string; readonly untilMs: number }
  | { readonly kind: 'grant-dropped'; readonly service: 'referenceTokens'; readonly grantId: string; readonly untilMs: number }
  | { readonly kind: 'transaction'; readonly service: 'transactions'; readonly key: string; readonly value: unknown; readonly untilMs: number }
  | { readonly kind: 'transaction-taken'; readonly service: 'transactions'; readonly key: string; readonly untilMs: number }

export type ArtifactService = 'sessions' | 'assertionReplay' | 'referenceTokens' | 'transactions' | 'registeredClients'

/** Something that happened in one region and is true in all, in whatever order and however often it is told. */
export type Fact = SessionFact | RunFact | ServiceFact

/** Facts about one session, which are joined together; undefined: the fact stands by itself. */
export function sessionOf(fact: Fact): SessionId | undefined {
  switch (fact.kind) {
    case 'opened':
      return fact.session.id
    case 'participant':
    case 'active':
    case 'renewed':
    case 'ended':
      return fact.sessionId
    case 'run':
    case 'revoked':
    case 'replay':
    case 'failed-sign-in':
    case 'sign-ins-cleared':
    case 'artifact':
    case 'artifact-dropped':
    case 'grant-dropped':
    case 'transaction':
    case 'transaction-taken':
      return undefined
  }
}

/** True for what this region takes from others: its service is on here as well. */
export function isTaken(fact: Fact, { services }: Pick<Replication, 'services'>): boolean {
  return fact.service === 'revocations' || services[fact.service]
}

/** Kind under which dropped grants are remembered; no artifact has it. */
export const grantGone = '(grant)'
/** Kind under which taken transactions are remembered. */
export const transactionGone = '(transaction)'

/** What was dropped or taken, told again. */
export function goneFact(kind: string, id: string, untilMs: number, artifacts: Replication['artifacts']): ServiceFact {
  if (kind === grantGone) return { kind: 'grant-dropped', service: 'referenceTokens', grantId: id, untilMs }
  if (kind === transactionGone) return { kind: 'transaction-taken', service: 'transactions', key: id, untilMs }
  return { kind: 'artifact-dropped', service: artifacts[kind] ?? 'referenceTokens', of: kind, id, untilMs }
}

/** How long something about what is not known yet is kept at least: until what it belongs to has come, or never comes. */
export const guardMs = 3_600_000
