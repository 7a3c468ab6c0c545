import { CurfewError, isCurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { judgeLanding } from '../redirects.ts'
import { openApplication } from '../opentoken/sign-on.ts'
import { applicationOf } from '../opentoken/start.ts'
import { sendInstruction } from '../reply.ts'
import { type Parameters, parametersOf, seeOther } from '../request.ts'
import type { IdpConnection } from '../saml/connection.ts'
import type { ProviderWish } from '../sign-on/finish-sign-on.ts'
import { createTransaction } from '../sign-on/transaction.ts'
import { requestSignIn } from './request.ts'

/**
 * `/sp/startSSO.ping`: a sign-in at an identity provider that starts here. `PartnerIdpId` may be left out where there
 * is only one; `TargetResource` (or `TARGET`) is where it ends, `InErrorResource` where it ends when it can't begin.
 */
export async function startSignIn(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const parameters = parametersOf(request)
  if (parameters['SpSessionAuthnAdapterId'] !== undefined) return openAdapter(ctx, parameters, request, reply)
  return start(ctx, 'sso', () => providerOf(ctx, parameters), request, reply)
}

/** The session is made for one application by OpenToken; `PartnerIdpId` says whose word counts, absent: anybody's. */
function openAdapter(ctx: AuthorityContext, parameters: Parameters, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const adapter = applicationOf(ctx, parameters['SpSessionAuthnAdapterId'])
  const providerId = parameters['PartnerIdpId'] === undefined ? undefined : providerOf(ctx, parameters)
  return openApplication(ctx, adapter, { parameters, providerId }, request, reply)
}

/**
 * `/sp/cdcstartSSO.ping`: a sign-in where the identity provider is still to be found; the person chooses, or the choice
 * is remembered.
 *
 * Differs: the replaced product reads the common-domain cookie that other servers wrote; browsers no longer carry it.
 */
export function startDiscovery(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  return start(ctx, 'idpDiscovery', () => undefined, request, reply)
}

async function start(
  ctx: AuthorityContext,
  use: 'sso' | 'idpDiscovery',
  choose: (parameters: Parameters) => string | undefined,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const parameters = parametersOf(request)
  const errorUrl = judgeLanding(ctx, { use: 'errorResource', parameter: 'InErrorResource', raw: parameters['InErrorResource'] }, request).url
  try {
    const providerId = choose(parameters)
    const parameter = parameters['TargetResource'] === undefined ? 'TARGET' : 'TargetResource'
    const { url: target } = judgeLanding(ctx, { use, parameter, raw: parameters[parameter] }, request)
    const { path } = await createTransaction(ctx, {
      purpose: { kind: 'landing', ...(target === undefined ? {} : { url: target }) },
      forceAuthn: false,
      isPassive: false,
      ...(providerId === undefined ? {} : { providerId })
    })
    return seeOther(reply, path)
  } catch (error) {
    if (errorUrl === undefined || !isCurfewError(error)) throw error
    ctx.logger.warn({ event: 'sso.refused', code: error.code, ...error.context }, error.message)
    return seeOther(reply, errorUrl)
  }
}

/** By entity ID or issuer; the only one there is needs no name. @throws CURFEW_SAML_PEER_UNKNOWN, CURFEW_SAML_PROFILE_OFF */
function providerOf(ctx: AuthorityContext, { PartnerIdpId: entityId }: Parameters): string {
  const all = [...ctx.connections.identityProviders(), ...ctx.upstreams.all()]
  const named = entityId === undefined ? undefined : (ctx.connections.identityProvider(entityId) ?? ctx.upstreams.byIssuer(entityId))
  const provider = entityId === undefined && all.length === 1 ? all[0] : named
  if (provider === undefined) throw new CurfewError('CURFEW_SAML_PEER_UNKNOWN', { parameter: 'PartnerIdpId' })
  if ('profiles' in provider) requireStartable(provider)
  return provider.id
}

function requireStartable(provider: IdpConnection): IdpConnection {
  if (!provider.profiles.spInitiatedSso) throw new CurfewError('CURFEW_SAML_PROFILE_OFF', { connection: provider.id, profile: 'spInitiatedSso' })
  return provider
}

/** Sends the browser of a sign-on transaction to an identity provider. */
export async function askProvider(ctx: AuthorityContext, wish: ProviderWish, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const provider = ctx.connections.byId(wish.providerId)
  if (provider?.role !== 'idp') throw new CurfewError('CURFEW_SAML_PEER_UNKNOWN', { connection: wish.providerId })
  return sendInstruction(ctx, request, reply, await requestSignIn(ctx, { ...wish, provider: requireStartable(provider) }))
}
