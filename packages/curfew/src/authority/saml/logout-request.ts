import {
  type Binding,
  CurfewError,
  type LogoutRequest,
  logoutReason,
  type Received,
  replayEntry,
  type Status,
  sameNameId,
  status,
  statusUri,
  type Verified,
  validateLogoutRequest,
  verifyLogoutRequest
} from '@curfew/codecs'
import type { RunId } from '../../core/ids.ts'
import type { LogoutRun } from '../../core/run.ts'
import { starterAnswer, verdictOf } from '../../core/verdict.ts'
import type { EndReason, Session } from '../../core/session.ts'
import type { Found } from '../../stores/everywhere.ts'
import type { SessionParticipant } from '../../stores/store.ts'
import type { AuthorityContext } from '../context.ts'
import type { SamlPartner } from './connection.ts'
import { instant } from './endpoints.ts'
import type { LogoutDoor } from './logout-door.ts'
import { requireBinding } from './partner.ts'
import { buryLateAssertions } from './tombstone.ts'

/** A LogoutRequest that may be acted on: proved, addressed to us, in time, and not carried out before. */
export interface AcceptedLogout {
  readonly connection: SamlPartner
  readonly message: Verified<LogoutRequest>
  readonly binding: Binding
  readonly relayState?: string
  /** It was received before, and what it asked for was not done: only what it meant then may end. */
  readonly isRepeat?: true
  /** Of the sessions that the request names only these may end. */
  includes(session: Session): boolean
}

/** What became of it: a run whose end is awaited, or an answer that is known at once. */
export type LogoutStarted = { readonly kind: 'run'; readonly runId: RunId } | { readonly kind: 'answer'; readonly status: Status }

/**
 * Checks a LogoutRequest in the order of the standard. Nothing has changed when it throws.
 * @throws CURFEW_SAML_PEER_UNKNOWN, CURFEW_SAML_BINDING_REFUSED, CURFEW_SAML_REPLAYED and those of verification
 * @see saml-core-2.0-os section 3.7.3.2
 */
export async function acceptLogoutRequest(ctx: AuthorityContext, door: LogoutDoor, received: Received): Promise<AcceptedLogout> {
  const { connection, message } = await senderOf(ctx, door, received)
  const nowMs = ctx.clock.nowMs()
  const { clockSkewSeconds: skewSeconds } = ctx.saml
  validateLogoutRequest(message, { now: instant(nowMs), destinations: door.destinations, skewSeconds })
  const { issuer, id, untilMs } = replayEntry(message, skewSeconds)
  const { value } = await ctx.store.replaySeen(issuer, id, untilMs, nowMs)
  const includes = (session: Session): boolean => door.includes?.(session) ?? true
  const isRepeat = value === 'seen'
  if (isRepeat && !(await isHalfDone(ctx, { connection, message, includes }))) throw new CurfewError('CURFEW_SAML_REPLAYED', { connection: connection.id })
  ctx.metrics.logoutMessages.inc({ peer: connection.id, binding: received.binding, kind: 'LogoutRequest' })
  const { binding, relayState } = received
  return { connection, message, binding, includes, ...(isRepeat ? { isRepeat } : {}), ...(relayState === undefined ? {} : { relayState }) }
}

/**
 * True where a message that was received before has work left: it is noted as received before its sessions end, and a
 * store that is busy, a group that is away or the end of the process may come between the two. Two of one message at
 * once are no danger: a session ends once, and whoever comes second is refused then.
 */
async function isHalfDone(ctx: AuthorityContext, request: Pick<AcceptedLogout, 'connection' | 'message' | 'includes'>): Promise<boolean> {
  const { connection, message } = request
  if (!mayAsk(connection)) return false
  const { found, unreached } = await findSessions(ctx, connection, message)
  return unreached.length > 0 || found.some((one) => one.session.end === undefined && request.includes(one.session) && isMeant(ctx, request, one))
}

/**
 * What a repeat may end: sessions that were there when the message came first. An index of ours belongs to one session
 * for ever; a name, and an index of somebody else, come again with the next sign-in.
 */
function isMeant(
  { saml }: AuthorityContext,
  { connection, message }: Pick<AcceptedLogout, 'connection' | 'message'>,
  { participant }: SessionParticipant
): boolean {
  if (connection.role === 'sp' && message.sessionIndexes.length > 0) return true
  return participant.addedAtMs < message.issueInstant.epochMilliseconds - saml.clockSkewSeconds * 1000
}

type Sender = Pick<AcceptedLogout, 'connection' | 'message'>

/**
 * The partner whose keys prove the message, by whose rules it may come. Of an entity that is a partner in both roles it
 * is the one that takes part in a session that the message names; without any the identity provider, whose late
 * assertions are refused then. What one of the two connections forbids does not bind the other.
 */
async function senderOf(ctx: AuthorityContext, door: LogoutDoor, received: Received): Promise<Sender> {
  const senders: Sender[] = []
  const refusals: unknown[] = []
  for (const connection of door.partnersOf(received)) {
    try {
      requireBinding(connection, received)
      senders.push({ connection, message: verifyLogoutRequest(received, connection.verification) })
    } catch (error) {
      refusals.push(error)
    }
  }
  const [first, ...others] = senders.toSorted((a, b) => rankOf(a) - rankOf(b))
  if (first === undefined) throw refusals[0] ?? new CurfewError('CURFEW_SAML_PEER_UNKNOWN', {})
  if (others.length === 0) return first
  for (const one of [first, ...others]) if ((await findSessions(ctx, one.connection, one.message)).found.length > 0) return one
  return first
}

/** Who may ask at all comes first, and of those the identity provider. */
function rankOf({ connection }: Sender): number {
  return (mayAsk(connection) ? 0 : 2) + (connection.role === 'idp' ? 0 : 1)
}

/**
 * Ends what the request names. Without SessionIndex these are all sessions of the subject with this partner; they end
 * too, and the answer speaks of all of them.
 * @param browserHash - hash of this browser's session cookie: its own session is the one whose run it follows
 */
export async function startLogout(ctx: AuthorityContext, accepted: AcceptedLogout, browserHash: string | undefined): Promise<LogoutStarted> {
  const { connection, message, isRepeat = false } = accepted
  if (!mayAsk(connection)) return { kind: 'answer', status: status.requester(statusUri.requestDenied) }
  // Before the look-up: an assertion that is on its way meets the tombstone, or this request meets its session.
  if (connection.role === 'idp') await buryLateAssertions(ctx, connection.id, message)
  const { found: named, unreached } = await findSessions(ctx, connection, message)
  const found = named.filter(({ session }) => accepted.includes(session))
  // What a group that does not answer has goes on, whatever ends here.
  if (found.length === 0) return { kind: 'answer', status: unreached.length === 0 ? status.requester(statusUri.unknownPrincipal) : status.responder() }
  // A session past its limits that no timer has ended yet is open all the same: it ends now, by this request.
  const open = found.filter((one) => one.session.end === undefined && (!isRepeat || isMeant(ctx, accepted, one)))
  const main = open.find(({ session }) => session.tokenHash === browserHash) ?? open.at(-1)
  if (main === undefined) {
    if (isRepeat && unreached.length === 0) throw new CurfewError('CURFEW_SAML_REPLAYED', { connection: connection.id })
    const runIds = found.flatMap(({ session }) => session.end?.runId ?? [])
    return { kind: 'answer', status: unreached.length > 0 ? status.partialLogout() : await statusOfRuns(ctx, runIds) }
  }
  // Of a message that was carried out in part: what it ended then belongs to its answer now.
  const others: RunId[] = isRepeat ? await ownRuns(ctx, accepted, found) : []
  for (const one of open.filter((candidate) => candidate !== main)) others.push((await endOne(ctx, accepted, one, 'absent')).runId)
  const owed: Others = { runIds: others, isPartial: unreached.length > 0 }
  if (others.length > 0 || owed.isPartial) await ctx.store.txCreate(othersKey(connection.id, message.id), owed, ctx.clock.nowMs() + othersKeptMs)
  // Any other browser brings the message and no more: the applications of the session can not be visited by it.
  const isHere = accepted.binding !== 'soap' && main.session.tokenHash === browserHash
  const { runId, isOurs } = await endOne(ctx, accepted, main, isHere ? 'present' : 'absent')
  // Somebody else's logout was faster: its run answers its own starter, this request is answered on its own.
  if (isOurs) return { kind: 'run', runId }
  if (await isOwnRun(ctx, accepted, runId)) throw new CurfewError('CURFEW_SAML_REPLAYED', { connection: connection.id })
  return { kind: 'answer', status: owed.isPartial ? status.partialLogout() : await statusOfRuns(ctx, [runId, ...others]) }
}

/** Runs of ended sessions that this same message started. */
async function ownRuns(ctx: AuthorityContext, accepted: AcceptedLogout, found: readonly SessionParticipant[]): Promise<RunId[]> {
  const runIds = found.flatMap(({ session }) => session.end?.runId ?? [])
  const areOwn = await Promise.all(runIds.map((runId) => isOwnRun(ctx, accepted, runId)))
  return runIds.filter((_, i) => areOwn[i] === true)
}

/** True where the same message came a second time and was faster. */
async function isOwnRun(ctx: AuthorityContext, { connection, message }: AcceptedLogout, runId: RunId): Promise<boolean> {
  const starter = (await ctx.store.getRun(runId))?.starter
  return starter?.kind === 'participant' && starter.peerId === connection.id && starter.requestId === message.id
}

/** The profile by which this partner may send LogoutRequests. */
function mayAsk({ role, profiles }: SamlPartner): boolean {
  return role === 'sp' ? profiles.spInitiatedSlo : profiles.idpInitiatedSlo
}

/** Every SessionIndex is read; each must name a session in which this partner knows exactly this subject. */
async function findSessions(ctx: AuthorityContext, connection: SamlPartner, message: LogoutRequest): Promise<Found<SessionParticipant>> {
  const { sessionIndexes, subject } = message
  const answers =
    sessionIndexes.length === 0
      ? [await ctx.everywhere.byName(connection.id, subject.value)]
      : await Promise.all(sessionIndexes.map((index) => ctx.everywhere.byIndex(connection.id, index)))
  // An absent qualifier stands for whoever issued the name, and whom it was issued to.
  const qualifiers = connection.role === 'sp' ? ([ctx.saml.entityId, connection.entityId] as const) : ([connection.entityId, ctx.saml.entityId] as const)
  const matching = answers.flatMap(({ found }) => found).filter(({ participant }) => sameNameId(participant.nameId, subject, ...qualifiers))
  return { found: [...new Map(matching.map((one) => [one.session.id, one])).values()], unreached: [...new Set(answers.flatMap(({ unreached }) => unreached))] }
}

async function endOne(
  ctx: AuthorityContext,
  accepted: AcceptedLogout,
  one: SessionParticipant,
  browser: 'present' | 'absent'
): Promise<{ readonly runId: RunId; readonly isOurs: boolean }> {
  const { connection, message, binding, relayState } = accepted
  const summary = await ctx.engine.endSessions({
    scope: { kind: 'session', sessionId: one.session.id },
    reason: reasonOf(connection, message),
    by: { kind: 'peer', id: connection.id },
    starter: {
      kind: 'participant',
      participantId: one.participant.id,
      peerId: connection.id,
      binding,
      requestId: message.id,
      // The asynchronous extension exists for browsers only: a SOAP exchange has its answer anyway.
      wantsResponse: binding === 'soap' || !message.asynchronous,
      ...(relayState === undefined ? {} : { relayState })
    },
    browser
  })
  const [ended] = summary.ended
  const run = ended ?? summary.already[0]
  if (run === undefined) throw new CurfewError('CURFEW_SAML_SESSION_ENDED', { session: one.session.id })
  return { runId: run.runId, isOurs: ended !== undefined }
}

/** An administrator there is not one of ours: what an upstream provider ends is its own reason. */
function reasonOf(connection: SamlPartner, message: LogoutRequest): EndReason {
  if (connection.role === 'idp') return 'upstream'
  return message.reason === logoutReason.admin ? 'admin' : 'user'
}

/** What else a request meant: other sessions that it ended, and whether there may be more where nobody answered. */
interface Others {
  readonly runIds: readonly RunId[]
  readonly isPartial: boolean
}

/** How long the answer may have to wait for. */
const othersKeptMs = 24 * 3_600_000

function othersKey(peerId: string, requestId: string): string {
  return `slo-others:${peerId}:${requestId}`
}

/** Status for the partner that started a run, over all sessions that its request ended. */
export async function starterStatus(ctx: AuthorityContext, run: LogoutRun): Promise<Status> {
  const nowMs = ctx.clock.nowMs()
  if (starterAnswer(run, nowMs) !== 'success' || run.starter.kind !== 'participant') return status.partialLogout()
  const owed = (await ctx.store.txGet(othersKey(run.starter.peerId, run.starter.requestId), nowMs)) as Others | undefined
  return owed?.isPartial === true ? status.partialLogout() : statusOfRuns(ctx, owed?.runIds ?? [])
}

/** Own sessions have ended; `PartialLogout` says that somebody did not confirm. */
async function statusOfRuns(ctx: AuthorityContext, runIds: readonly RunId[]): Promise<Status> {
  const runs = await Promise.all(runIds.map((id) => ctx.store.getRun(id)))
  const isComplete = runs.every((run) => run === undefined || verdictOf(run).kind === 'all-ended')
  return isComplete ? status.success() : status.partialLogout()
}
