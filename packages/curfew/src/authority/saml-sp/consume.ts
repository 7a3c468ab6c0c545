import { CurfewError, decodePost, type Received, type Response, type Verified, validateResponse, verifyResponse } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Session } from '../../core/session.ts'
import type { Participant } from '../../core/participant.ts'
import type { AuthorityContext } from '../context.ts'
import { judgeLanding } from '../redirects.ts'
import { formPairs, seeOther } from '../request.ts'
import type { IdpConnection } from '../saml/connection.ts'
import { assertionConsumerUrl, instant, samlPaths } from '../saml/endpoints.ts'
import { identityProviderOf, requireBinding } from '../saml/partner.ts'
import { participantIdOf } from '../saml/participant-id.ts'
import { isBuried } from '../saml/tombstone.ts'
import { browserOf } from '../sign-on/browser-session.ts'
import { endReplaced, sessionToReplace, signIn } from '../sign-on/sign-in.ts'
import { type Arrival, arrivalOf, isNoPassive } from './arrival.ts'
import { type PendingRequest, readPending, takePending } from './request.ts'

export interface SamlSpDeps extends AuthorityContext {
  /** Goes on with the sign-on transaction that waited; `session` undefined: nobody is signed in, and no page may be shown. */
  finish(nonce: string, session: Session | undefined, authenticatedAtMs: number, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply>
}

/** A judged answer on its way to the browser's own request, where cookies show. */
interface Waiting {
  readonly arrival: Arrival | undefined
  /** Absent: nobody asked here. */
  readonly pending?: PendingRequest
  readonly relayState?: string
}

/** The browser comes back at once: it only follows a redirect. */
const waitingMs = 5 * 60_000

/**
 * `/sp/ACS.saml2`: an identity provider's answer, by POST. Judged here; whether this browser may have it is decided
 * one redirect later, because a form of another site comes without cookies.
 * @see saml-profiles-2.0-os section 4.1.4.3
 */
export async function receiveResponse(deps: SamlSpDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const received = decodePost(formPairs(request))
  if (received.kind !== 'Response') throw new CurfewError('CURFEW_SAML_STRUCTURE', { what: received.kind })
  const provider = identityProviderOf(deps, received)
  requireBinding(provider, received)
  const response = verifyResponse(received, provider.verification)
  const { inResponseTo } = response
  const pending = await pendingOf(deps, provider, inResponseTo)
  const arrival = judge(deps, provider, response)
  if (arrival !== undefined) await requireFirst(deps, provider, response)
  if (inResponseTo !== undefined && (await takePending(deps, inResponseTo)) === undefined)
    throw new CurfewError('CURFEW_SAML_IN_RESPONSE_TO', { connection: provider.id })
  return wait(deps, { arrival, ...(pending === undefined ? {} : { pending }), ...relayOf(received) }, reply)
}

function relayOf({ relayState }: Received): { readonly relayState?: string } {
  return relayState === undefined ? {} : { relayState }
}

/** @throws CURFEW_SAML_IN_RESPONSE_TO, CURFEW_SAML_PROFILE_OFF for an answer that nobody asked for */
async function pendingOf(deps: SamlSpDeps, provider: IdpConnection, inResponseTo: string | undefined): Promise<PendingRequest | undefined> {
  if (inResponseTo === undefined) {
    if (!provider.profiles.idpInitiatedSso) throw new CurfewError('CURFEW_SAML_PROFILE_OFF', { connection: provider.id, profile: 'idpInitiatedSso' })
    return undefined
  }
  const pending = await readPending(deps, inResponseTo)
  if (pending?.providerId !== provider.id) throw new CurfewError('CURFEW_SAML_IN_RESPONSE_TO', { connection: provider.id })
  return pending
}

/** The user, or undefined where the identity provider could not sign anybody in without a page. */
function judge(deps: SamlSpDeps, provider: IdpConnection, response: Verified<Response>): Arrival | undefined {
  const nowMs = deps.clock.nowMs()
  try {
    validateResponse(response, {
      now: instant(nowMs),
      skewSeconds: deps.saml.clockSkewSeconds,
      consumerUrl: assertionConsumerUrl(deps),
      audience: deps.saml.entityId,
      ...(response.inResponseTo === undefined ? {} : { inResponseTo: response.inResponseTo })
    })
  } catch (error) {
    if (isNoPassive(error)) return undefined
    throw error
  }
  const arrival = arrivalOf(provider, response)
  const { notOnOrAfterMs } = arrival.identity
  if (notOnOrAfterMs !== undefined && notOnOrAfterMs <= nowMs) throw new CurfewError('CURFEW_SAML_CONDITIONS', { what: 'SessionNotOnOrAfter has passed' })
  return arrival
}

/** @throws CURFEW_SAML_REPLAYED for an assertion that was presented before, at any node */
async function requireFirst(deps: SamlSpDeps, provider: IdpConnection, { assertion }: Response): Promise<void> {
  if (assertion === undefined) return
  const ends = assertion.subject.confirmations.map((c) => c.notOnOrAfter?.epochMilliseconds ?? 0)
  const untilMs = Math.max(...ends, assertion.conditions.notOnOrAfter?.epochMilliseconds ?? 0) + deps.saml.clockSkewSeconds * 1000
  const { value } = await deps.store.replaySeen(provider.entityId, assertion.id, untilMs, deps.clock.nowMs())
  if (value === 'seen') throw new CurfewError('CURFEW_SAML_REPLAYED', { connection: provider.id })
}

async function wait(deps: SamlSpDeps, waiting: Waiting, reply: FastifyReply): Promise<FastifyReply> {
  const nonce = deps.ids.cookie()
  await deps.store.txCreate(waitingKey(nonce), waiting, deps.clock.nowMs() + waitingMs)
  return seeOther(reply, resumePathOf(nonce))
}

/**
 * `/sp/<nonce>/resume/sp/ACS.saml2`: the browser that asked opens its session. Anybody else's answer is refused, so
 * that no page can sign a visitor in as somebody else.
 */
export async function resumeResponse(deps: SamlSpDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { nonce } = request.params as { nonce: string }
  const waiting = (await deps.store.txTake(waitingKey(nonce), deps.clock.nowMs())).value as Waiting | undefined
  if (waiting === undefined) throw new CurfewError('CURFEW_SESSION_STATE_NOT_FOUND', {})
  const { arrival, pending } = waiting
  if (pending !== undefined && pending.formHash !== browserOf(deps, request).formHash) throw new CurfewError('CURFEW_SESSION_FORM_FOREIGN', {})
  if (arrival === undefined) return deps.finish(pending?.nonce ?? '', undefined, deps.clock.nowMs(), request, reply)
  const former = await sessionToReplace(deps, arrival.identity.userKey, request)
  if (former !== undefined) return replace(deps, former, waiting, arrival, reply)
  const { session } = await signIn(deps, arrival.identity, { persistent: false }, request, reply)
  await remember(deps, session, arrival)
  if (pending !== undefined) return deps.finish(pending.nonce, session, arrival.identity.authenticatedAtMs, request, reply)
  return seeOther(reply, landingOf(deps, waiting, request))
}

/** Somebody else is signed in here: that session's logout runs first, then the browser comes back with the answer. */
async function replace(deps: SamlSpDeps, former: Session, waiting: Waiting, arrival: Arrival, reply: FastifyReply): Promise<FastifyReply> {
  const nonce = deps.ids.cookie()
  await deps.store.txCreate(waitingKey(nonce), waiting, deps.clock.nowMs() + waitingMs)
  const runId = await endReplaced(deps, former, arrival.identity.username, deps.baseUrl + resumePathOf(nonce))
  return seeOther(reply, runId === undefined ? resumePathOf(nonce) : `/signoff/${runId}`)
}

/**
 * The identity provider takes part in the session that it signed the user in to. A logout that it asked for meanwhile
 * either finds the session here or left its tombstone: whichever was first, the session does not live on.
 * @throws CURFEW_SAML_SESSION_ENDED
 */
async function remember(deps: SamlSpDeps, session: Session, arrival: Arrival): Promise<void> {
  const nowMs = deps.clock.nowMs()
  const provider = deps.connections.byId(arrival.providerId)
  if (provider === undefined) throw new CurfewError('CURFEW_SAML_PEER_UNKNOWN', { connection: arrival.providerId })
  const participant: Participant = {
    id: participantIdOf(provider.id, arrival.nameId, arrival.sessionIndex),
    peerId: provider.id,
    role: 'upstream',
    protocol: 'saml',
    nameId: arrival.nameId,
    sessionIndex: arrival.sessionIndex,
    addedAtMs: nowMs,
    lastIssuedAtMs: nowMs,
    assertionNotOnOrAfterMs: arrival.notOnOrAfterMs
  }
  const { value } = await deps.store.addParticipant(session.id, participant)
  const isOver = value === 'ended' || value === 'unknown'
  if (!isOver && !(await isBuried(deps, arrival))) return audit(deps, session, provider.id)
  if (!isOver) await endBuried(deps, session, participant)
  throw new CurfewError('CURFEW_SAML_SESSION_ENDED', { session: session.id })
}

async function endBuried(deps: SamlSpDeps, session: Session, participant: Participant): Promise<void> {
  await deps.engine.endSessions({
    scope: { kind: 'session', sessionId: session.id },
    reason: 'upstream',
    by: { kind: 'peer', id: participant.peerId },
    starter: { kind: 'none' },
    browser: 'absent'
  })
}

async function audit(deps: SamlSpDeps, session: Session, providerId: string): Promise<void> {
  await deps.store.appendAudit({
    atMs: deps.clock.nowMs(),
    event: 'assertion.accepted',
    actor: { kind: 'peer', id: providerId },
    userKey: session.userKey,
    sessionId: session.id,
    peerId: providerId
  })
  deps.logger.info({ event: 'assertion.accepted', connection: providerId, session: session.id }, `Assertion accepted from ${providerId}`)
}

/** RelayState of an unsolicited answer is a wish like any other; else the default page of that identity provider. */
function landingOf(deps: SamlSpDeps, { arrival, relayState }: Waiting, request: FastifyRequest): string {
  const provider = arrival === undefined ? undefined : deps.connections.byId(arrival.providerId)
  const { url } = judgeLanding(deps, { use: 'sso', parameter: 'RelayState', raw: relayState }, request)
  return url ?? (provider?.role === 'idp' ? provider.targetUrl : undefined) ?? deps.signOn.successUrl ?? '/'
}

function resumePathOf(nonce: string): string {
  return samlPaths.sp.resumeConsumer.replace(':nonce', nonce)
}

function waitingKey(nonce: string): string {
  return `arrival:${nonce}`
}
