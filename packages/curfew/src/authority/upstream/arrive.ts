import { CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Participant } from '../../core/participant.ts'
import type { Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import { recordAdapter } from '../opentoken/participant.ts'
import { judgeLanding } from '../redirects.ts'
import { seeOther } from '../request.ts'
import { participantIdOf } from '../saml/participant-id.ts'
import { isBuried } from '../saml/tombstone.ts'
import { browserOf } from '../sign-on/browser-session.ts'
import { endReplaced, sessionToReplace, signIn } from '../sign-on/sign-in.ts'
import type { Arrival, WaitingArrival } from './arrival.ts'
import { keepIdToken } from './id-token.ts'
import { askForLink, resolveLink } from './link-sign-in.ts'
import { putAway, takeWaiting } from './waiting.ts'

export interface ArriveDeps extends AuthorityContext {
  /** Goes on with the sign-on transaction that waited; `session` undefined: nobody is signed in, and no page may be shown. */
  finish(nonce: string, session: Session | undefined, authenticatedAtMs: number, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply>
}

/**
 * The browser that asked opens its session with what its identity provider said. Anybody else's answer is refused, so
 * that no page can sign a visitor in as somebody else.
 * @throws CURFEW_SESSION_STATE_NOT_FOUND, CURFEW_SESSION_FORM_FOREIGN, CURFEW_SAML_SESSION_ENDED, CURFEW_OIDC_SESSION_OVER,
 *   CURFEW_OPENTOKEN_SESSION_ENDED, CURFEW_LINK_ACCOUNT, CURFEW_LINK_REQUIRED
 */
export async function resumeArrival(deps: ArriveDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const waiting = await takeWaiting(deps, request, browserOf(deps, request).formHash)
  const { arrival, asker } = waiting
  if (arrival === undefined) return deps.finish(asker?.nonce ?? '', undefined, deps.clock.nowMs(), request, reply)
  const verdict = await resolveLink(deps, waiting, arrival)
  if (verdict.kind === 'ask') return askForLink(deps, waiting, request, reply)
  if (verdict.kind === 'nobody') return deps.finish(asker?.nonce ?? '', undefined, deps.clock.nowMs(), request, reply)
  return openArrived(deps, waiting, verdict.arrival, request, reply)
}

/** @param arrival - as whoever it was found to be here; what waits keeps the provider's own words */
async function openArrived(deps: ArriveDeps, waiting: WaitingArrival, arrival: Arrival, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { asker } = waiting
  const former = await sessionToReplace(deps, arrival.identity, {}, request)
  if (former !== undefined) return replace(deps, former, waiting, arrival, reply)
  const session = await signIn(deps, arrival.identity, { persistent: false }, request, reply)
  await remember(deps, session, arrival)
  if (asker !== undefined) return deps.finish(asker.nonce, session, arrival.identity.authenticatedAtMs, request, reply)
  return seeOther(reply, landingOf(deps, waiting, request))
}

/** Somebody else is signed in here: that session's logout runs first, then the browser comes back with the answer. */
async function replace(deps: ArriveDeps, former: Session, waiting: WaitingArrival, arrival: Arrival, reply: FastifyReply): Promise<FastifyReply> {
  const path = await putAway(deps, arrival.protocol, waiting)
  const runId = await endReplaced(deps, former, arrival.identity.username, deps.baseUrl + path)
  return seeOther(reply, runId === undefined ? path : `/signoff/${runId}`)
}

/**
 * The identity provider takes part in the session that it signed the user in to. A logout that it asked for meanwhile
 * either finds the session here or left its tombstone: whichever was first, the session does not live on.
 * @throws CURFEW_SESSION_PROVIDER_UNKNOWN, CURFEW_SAML_SESSION_ENDED, CURFEW_OIDC_SESSION_OVER, CURFEW_OPENTOKEN_SESSION_ENDED
 */
async function remember(deps: ArriveDeps, session: Session, arrival: Arrival): Promise<void> {
  const { providerId, protocol, nameId, sessionIndex } = arrival
  // An application that signs people in sends no message at its logout: there is nothing that could be late.
  const adapter = protocol === 'opentoken' ? deps.adapters.byId(providerId) : undefined
  if (adapter !== undefined) return recordAdapter(deps, adapter, session, nameId.value)
  if (deps.peer(providerId) === undefined) throw new CurfewError('CURFEW_SESSION_PROVIDER_UNKNOWN', { connection: providerId })
  const participant: Participant = {
    id: participantIdOf(providerId, nameId, sessionIndex),
    peerId: providerId,
    role: 'upstream',
    protocol,
    nameId,
    sessionIndex,
    addedAtMs: deps.clock.nowMs(),
    lastIssuedAtMs: arrival.issuedAtMs,
    assertionNotOnOrAfterMs: arrival.notOnOrAfterMs
  }
  await keepIdToken(deps, session, participant, arrival.idToken)
  const { value } = await deps.store.addParticipant(session.id, participant)
  const isOver = value === 'ended' || value === 'unknown'
  if (!isOver && !(await isBuried(deps, arrival))) return audit(deps, session, providerId)
  if (!isOver) await endBuried(deps, session, participant)
  throw new CurfewError(protocol === 'oidc' ? 'CURFEW_OIDC_SESSION_OVER' : 'CURFEW_SAML_SESSION_ENDED', { session: session.id })
}

async function endBuried(deps: ArriveDeps, session: Session, participant: Participant): Promise<void> {
  await deps.engine.endSessions({
    scope: { kind: 'session', sessionId: session.id },
    reason: 'upstream',
    by: { kind: 'peer', id: participant.peerId },
    starter: { kind: 'none' },
    browser: 'absent'
  })
}

async function audit(deps: ArriveDeps, session: Session, providerId: string): Promise<void> {
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
function landingOf(deps: ArriveDeps, { arrival, relayState }: WaitingArrival, request: FastifyRequest): string {
  // Only SAML providers may speak unasked.
  const provider = arrival === undefined ? undefined : deps.connections.byId(arrival.providerId)
  const { url } = judgeLanding(deps, { use: 'sso', parameter: 'RelayState', raw: relayState }, request)
  return url ?? (provider?.role === 'idp' ? provider.targetUrl : undefined) ?? deps.signOn.successUrl ?? '/'
}
