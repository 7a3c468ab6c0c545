import {
  type AuthnRequest,
  bindingFromUri,
  CurfewError,
  isCurfewError,
  type Received,
  type Status,
  status,
  statusUri,
  validateAuthnRequest,
  verifyAuthnRequest
} from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import { sendInstruction } from '../reply.ts'
import { judgeLanding } from '../redirects.ts'
import { parametersOf, seeOther } from '../request.ts'
import { currentSession, recordActivity } from '../sign-on/browser-session.ts'
import type { SignedIn } from '../sign-on/finish-sign-on.ts'
import { mayReuse } from '../sign-on/session-limits.ts'
import { hasProvider } from '../sign-on/ways-in.ts'
import { passwordContext } from '../sign-on/sign-in.ts'
import { createTransaction, type SignOnTransaction } from '../sign-on/transaction.ts'
import type { SamlConnection } from '../saml/connection.ts'
import { instant, singleSignOnUrl } from '../saml/endpoints.ts'
import { fitsContext, wishedOfProvider } from './authn-context.ts'
import { errorResponse, issueResponse } from './issue.ts'
import { chooseFormat } from './name-id.ts'
import { applicationOf, artifactIssuers, requireBinding } from '../saml/partner.ts'
import { receiveMessage } from '../saml/resolve-artifact.ts'
import type { SsoWish } from './sso-transaction.ts'

/** `/idp/SSO.saml2`: who asks, may it, what exactly, and then the sign-in. */
export async function receiveAuthnRequest(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const received = await receiveMessage(ctx, request, (sourceId) => artifactIssuers(ctx, 'idp', sourceId))
  const connection = applicationOf(ctx, received)
  const message = acceptAuthnRequest(ctx, connection, received)
  const wish = wishOf(connection, message, received.relayState)
  const refusal = refusalOf(connection, message)
  if (refusal !== undefined) return sendInstruction(ctx, request, reply, await errorResponse(ctx, connection, wish, refusal))
  return signOn(ctx, { connection, wish, forceAuthn: message.forceAuthn, isPassive: message.isPassive }, request, reply)
}

function acceptAuthnRequest(ctx: AuthorityContext, connection: SamlConnection, received: Received): AuthnRequest {
  requireBinding(connection, received)
  if (!connection.profiles.spInitiatedSso) throw new CurfewError('CURFEW_SAML_PROFILE_OFF', { connection: connection.id, profile: 'spInitiatedSso' })
  const message = verifyAuthnRequest(received, connection.verification, { signature: connection.requireSignedAuthnRequests ? 'required' : 'optional' })
  validateAuthnRequest(message, {
    now: instant(ctx.clock.nowMs()),
    destinations: [singleSignOnUrl(ctx)],
    skewSeconds: ctx.saml.clockSkewSeconds
  })
  return message
}

function wishOf(connection: SamlConnection, message: AuthnRequest, relayState: string | undefined): SsoWish {
  const format = message.nameIdPolicy?.format ?? message.subject?.format
  return {
    peerId: connection.id,
    requestId: message.id,
    ...consumerOf(connection, { url: message.assertionConsumerServiceURL, index: message.assertionConsumerServiceIndex, bindingUri: message.protocolBinding }),
    ...(relayState === undefined ? {} : { relayState }),
    ...(message.subject === undefined ? {} : { subject: message.subject }),
    ...(message.requestedAuthnContext === undefined ? {} : { context: message.requestedAuthnContext }),
    ...(format === undefined ? {} : { nameIdFormat: format })
  }
}

interface ConsumerWish {
  readonly url: string | undefined
  readonly index: number | undefined
  readonly bindingUri: string | undefined
}

/**
 * Where the assertion goes, and how: an address of the connection and no other, however it was asked for. One address
 * may stand there by several bindings; without a wish for one the default counts, then HTTP POST.
 * @throws CURFEW_SAML_ACS_UNKNOWN
 */
function consumerOf(connection: SamlConnection, wish: ConsumerWish): Pick<SsoWish, 'consumerUrl' | 'consumerBinding'> {
  const { url, index, bindingUri } = wish
  const binding = bindingUri === undefined ? undefined : bindingFromUri(bindingUri)
  if (bindingUri !== undefined && binding !== 'post' && binding !== 'artifact')
    throw new CurfewError('CURFEW_SAML_ACS_UNKNOWN', { connection: connection.id, binding: bindingUri.slice(0, 100) })
  const named = connection.consumers.filter((c) => (url !== undefined ? c.url === url : index === undefined || c.index === index))
  const fitting = named.filter((c) => binding === undefined || c.binding === binding)
  const found = fitting.find((c) => c.isDefault) ?? fitting.find((c) => c.binding === 'post') ?? fitting[0]
  if (found === undefined) {
    const asked = url ?? (index === undefined ? (bindingUri ?? '') : String(index))
    throw new CurfewError('CURFEW_SAML_ACS_UNKNOWN', { connection: connection.id, asked: asked.slice(0, 200) })
  }
  return { consumerUrl: found.url, ...(found.binding === 'artifact' ? { consumerBinding: 'artifact' } : {}) }
}

/** What this identity provider can't do for the request, in SAML's words. */
function refusalOf(connection: SamlConnection, message: AuthnRequest): Status | undefined {
  if (chooseFormat(connection, message.nameIdPolicy?.format ?? message.subject?.format) === undefined) return status.requester(statusUri.invalidNameIdPolicy)
  const qualifier = message.nameIdPolicy?.spNameQualifier
  if (qualifier !== undefined && qualifier !== connection.entityId) return status.requester(statusUri.invalidNameIdPolicy)
  return undefined
}

/** `/idp/startSSO.ping`: a sign-in that starts here. Same end as the other: one wish, resolved against the connection. */
export async function startSingleSignOn(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const parameters = parametersOf(request)
  const entityId = parameters['PartnerSpId'] ?? parameters['PARTNER']
  const { url: errorUrl } = judgeLanding(ctx, { use: 'errorResource', parameter: 'InErrorResource', raw: parameters['InErrorResource'] }, request)
  try {
    const connection = entityId === undefined ? undefined : ctx.connections.application(entityId)
    if (connection === undefined) throw new CurfewError('CURFEW_SAML_PEER_UNKNOWN', { parameter: 'PartnerSpId' })
    if (!connection.profiles.idpInitiatedSso) throw new CurfewError('CURFEW_SAML_PROFILE_OFF', { connection: connection.id, profile: 'idpInitiatedSso' })
    const wish = startedWish(connection, parameters, errorUrl)
    return await signOn(ctx, { connection, wish, forceAuthn: false, isPassive: false }, request, reply)
  } catch (error) {
    if (errorUrl === undefined || !isCurfewError(error)) throw error
    ctx.logger.warn({ event: 'sso.refused', code: error.code, ...error.context }, error.message)
    return seeOther(reply, errorUrl)
  }
}

function startedWish(connection: SamlConnection, parameters: Readonly<Record<string, string | undefined>>, errorUrl: string | undefined): SsoWish {
  const index = parameters['ACSIdx']
  const relayState = parameters['TargetResource'] ?? parameters['TARGET']
  const format = parameters['RequestedFormat']
  return {
    peerId: connection.id,
    ...consumerOf(connection, { url: undefined, index: index === undefined ? undefined : Number(index), bindingUri: parameters['Binding'] }),
    ...(relayState === undefined ? {} : { relayState }),
    ...(format === undefined ? {} : { nameIdFormat: format }),
    ...(errorUrl === undefined ? {} : { errorUrl })
  }
}

interface SignOnWish {
  readonly connection: SamlConnection
  readonly wish: SsoWish
  readonly forceAuthn: boolean
  readonly isPassive: boolean
}

/**
 * Answers at once where this browser has a usable session; otherwise the wish is stored and the browser goes to its
 * resume path. A message by POST from another site comes without cookies: there the session shows at the resume path.
 */
async function signOn(ctx: AuthorityContext, want: SignOnWish, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { connection, wish, forceAuthn, isPassive } = want
  const session = await currentSession(ctx, request)
  const isEnough = session !== undefined && fitsContext(wish.context, session.authnContext)
  if (isEnough && !forceAuthn && mayReuse(session, ctx.signOn.sourceId, ctx.sessions, ctx.signOn.sessionState)) {
    await recordActivity(ctx, session)
    return resumeSso(
      ctx,
      { transaction: { purpose: { kind: 'saml', data: wish }, forceAuthn, isPassive }, session, authenticatedAtMs: session.authenticatedAtMs },
      request,
      reply
    )
  }
  if (!isEnough && !canBeMet(ctx, wish)) return refuseContext(ctx, connection, wish, request, reply)
  const transaction = {
    purpose: { kind: 'saml' as const, data: wish },
    forceAuthn,
    isPassive,
    appName: connection.name,
    ...wishedOfProvider(wish.context)
  }
  const { path } = await createTransaction(ctx, transaction)
  return seeOther(reply, path)
}

/** Whether the sign-in of a session is what the partner that waits asked for; who comes with a session that is not signs in again. */
export function suffices({ purpose }: Pick<SignOnTransaction, 'purpose'>, { authnContext }: Pick<Session, 'authnContext'>): boolean {
  return purpose.kind !== 'saml' || fitsContext((purpose.data as SsoWish).context, authnContext)
}

/** False where no way to sign in here leads to what is asked for. What an identity provider will say is not known before. */
function canBeMet(ctx: AuthorityContext, { context }: SsoWish): boolean {
  return hasProvider(ctx) || (ctx.signOn.hasForm && fitsContext(context, passwordContext))
}

async function refuseContext(
  ctx: AuthorityContext,
  connection: SamlConnection,
  wish: SsoWish,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  return sendInstruction(ctx, request, reply, await errorResponse(ctx, connection, wish, status.responder(statusUri.noAuthnContext)))
}

/** The end of the sign-in: an assertion, or the reason why there is none. */
export async function resumeSso(ctx: AuthorityContext, done: SignedIn, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { purpose } = done.transaction
  const wish = purpose.kind === 'saml' ? (purpose.data as SsoWish) : undefined
  const connection = wish === undefined ? undefined : ctx.connections.byId(wish.peerId)
  if (wish === undefined || connection?.role !== 'sp') throw new CurfewError('CURFEW_SAML_PEER_UNKNOWN', { connection: wish?.peerId ?? '' })
  if (done.session === undefined) return sendInstruction(ctx, request, reply, await errorResponse(ctx, connection, wish, status.responder(statusUri.noPassive)))
  if (!fitsContext(wish.context, done.session.authnContext)) return refuseContext(ctx, connection, wish, request, reply)
  try {
    const issue = { connection, wish, session: done.session, authenticatedAtMs: done.authenticatedAtMs }
    return sendInstruction(ctx, request, reply, await issueResponse(ctx, issue))
  } catch (error) {
    if (!isCurfewError(error) || error.code !== 'CURFEW_SAML_NAMEID_ATTRIBUTE') throw error
    ctx.logger.error({ event: 'sso.failed', code: error.code, ...error.context }, error.message)
    return wish.errorUrl === undefined
      ? sendInstruction(ctx, request, reply, await errorResponse(ctx, connection, wish, status.responder()))
      : seeOther(reply, wish.errorUrl)
  }
}
