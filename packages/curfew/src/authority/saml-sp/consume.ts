import { CurfewError, type Received, type Response, type Verified, validateResponse, verifyResponse } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import type { IdpConnection } from '../saml/connection.ts'
import { assertionConsumerUrl, instant } from '../saml/endpoints.ts'
import { artifactIssuers, identityProviderOf, requireBinding } from '../saml/partner.ts'
import { artifactOf, receiveMessage } from '../saml/resolve-artifact.ts'
import { type Arrival, type Asker, isFresh, withStoredKey } from '../upstream/arrival.ts'
import { keepWaiting } from '../upstream/waiting.ts'
import { arrivalOf, isNoPassive } from './arrival.ts'
import { readPending, takePending } from './request.ts'

/**
 * `/sp/ACS.saml2`: an identity provider's answer, by POST or Artifact. Judged here; whether this browser may have it is decided
 * one redirect later, because a form of another site comes without cookies.
 * @see saml-profiles-2.0-os section 4.1.4.3
 */
export async function receiveResponse(deps: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  // By Redirect no answer is taken (Profiles 4.1.2): a GET without an artifact meets no endpoint.
  if (request.method === 'GET' && artifactOf(request) === undefined) throw new CurfewError('CURFEW_API_NOT_FOUND', {})
  const received = await receiveMessage(deps, request, (sourceId) => artifactIssuers(deps, 'sp', sourceId))
  if (received.kind !== 'Response') throw new CurfewError('CURFEW_SAML_STRUCTURE', { what: received.kind })
  const provider = identityProviderOf(deps, received)
  requireBinding(provider, received)
  const response = verifyResponse(received, provider.verification)
  const { inResponseTo } = response
  const pending = await pendingOf(deps, provider, inResponseTo)
  const arrival = judge(deps, provider, response)
  if (arrival !== undefined && pending !== undefined) requireFresh(deps, pending, arrival)
  if (arrival !== undefined) await requireFirst(deps, provider, response)
  if (inResponseTo !== undefined && (await takePending(deps, inResponseTo)) === undefined)
    throw new CurfewError('CURFEW_SAML_IN_RESPONSE_TO', { connection: provider.id })
  return keepWaiting(
    deps,
    'saml',
    { ...(arrival === undefined ? {} : { arrival }), ...(pending === undefined ? {} : { asker: pending }), ...relayOf(received) },
    reply
  )
}

function relayOf({ relayState }: Received): { readonly relayState?: string } {
  return relayState === undefined ? {} : { relayState }
}

/** @throws CURFEW_SAML_IN_RESPONSE_TO, CURFEW_SAML_PROFILE_OFF for an answer that nobody asked for */
async function pendingOf(deps: AuthorityContext, provider: IdpConnection, inResponseTo: string | undefined): Promise<Asker | undefined> {
  if (inResponseTo === undefined) {
    if (!provider.profiles.idpInitiatedSso) throw new CurfewError('CURFEW_SAML_PROFILE_OFF', { connection: provider.id, profile: 'idpInitiatedSso' })
    return undefined
  }
  const pending = await readPending(deps, inResponseTo)
  if (pending?.providerId !== provider.id) throw new CurfewError('CURFEW_SAML_IN_RESPONSE_TO', { connection: provider.id })
  return pending
}

/** The user, or undefined where the identity provider could not sign anybody in without a page. */
function judge(deps: AuthorityContext, provider: IdpConnection, response: Verified<Response>): Arrival | undefined {
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
  const arrival = withStoredKey(deps, arrivalOf(provider, response))
  const { notOnOrAfterMs } = arrival.identity
  if (notOnOrAfterMs !== undefined && notOnOrAfterMs <= nowMs) throw new CurfewError('CURFEW_SAML_CONDITIONS', { what: 'SessionNotOnOrAfter has passed' })
  return arrival
}

/**
 * ForceAuthn (Core 3.4.1): the provider must authenticate the user anew, rather than rely on a session that was there.
 * @throws CURFEW_SAML_CONDITIONS
 */
function requireFresh(deps: AuthorityContext, pending: Asker, { identity }: Arrival): void {
  if (isFresh(pending, identity.authenticatedAtMs, deps.saml.clockSkewSeconds)) return
  throw new CurfewError('CURFEW_SAML_CONDITIONS', { what: 'AuthnInstant is before the request, which said ForceAuthn' })
}

/** @throws CURFEW_SAML_REPLAYED for an assertion that was presented before, at any node */
async function requireFirst(deps: AuthorityContext, provider: IdpConnection, { assertion }: Response): Promise<void> {
  if (assertion === undefined) return
  const ends = assertion.subject.confirmations.map((c) => c.notOnOrAfter?.epochMilliseconds ?? 0)
  const untilMs = Math.max(...ends, assertion.conditions.notOnOrAfter?.epochMilliseconds ?? 0) + deps.saml.clockSkewSeconds * 1000
  const { value } = await deps.store.replaySeen(provider.entityId, assertion.id, untilMs, deps.clock.nowMs())
  if (value === 'seen') throw new CurfewError('CURFEW_SAML_REPLAYED', { connection: provider.id })
}
