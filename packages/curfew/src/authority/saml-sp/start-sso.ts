import { CurfewError, isCurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { decideRedirect, type RedirectDecision } from '../../core/redirect.ts'
import type { AuthorityContext } from '../context.ts'
import { sendInstruction } from '../reply.ts'
import { type Parameters, parametersOf, seeOther } from '../request.ts'
import type { IdpConnection } from '../saml/connection.ts'
import type { ProviderWish } from '../sign-on/plugin.ts'
import { createTransaction } from '../sign-on/transaction.ts'
import { requestSignIn } from './request.ts'

/**
 * `/sp/startSSO.ping`: a sign-in at an identity provider that starts here. `PartnerIdpId` may be left out where there
 * is only one; `TargetResource` (or `TARGET`) is where it ends, `InErrorResource` where it ends when it can't begin.
 */
export async function startSignIn(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const parameters = parametersOf(request)
  const errorUrl = urlOf(decide(ctx, parameters, 'InErrorResource', request))
  try {
    const provider = providerOf(ctx, parameters)
    const target = urlOf(decide(ctx, parameters, parameters['TargetResource'] === undefined ? 'TARGET' : 'TargetResource', request))
    const { path } = await createTransaction(ctx.store, ctx.ids, ctx.clock.nowMs(), {
      purpose: { kind: 'landing', ...(target === undefined ? {} : { url: target }) },
      forceAuthn: false,
      isPassive: false,
      providerId: provider.id
    })
    return seeOther(reply, path)
  } catch (error) {
    if (errorUrl === undefined || !isCurfewError(error)) throw error
    ctx.logger.warn({ event: 'sso.refused', code: error.code, ...error.context }, error.message)
    return seeOther(reply, errorUrl)
  }
}

/** @throws CURFEW_SAML_PEER_UNKNOWN, CURFEW_SAML_PROFILE_OFF */
function providerOf(ctx: AuthorityContext, parameters: Parameters): IdpConnection {
  const entityId = parameters['PartnerIdpId']
  const all = ctx.connections.identityProviders()
  const provider = entityId === undefined ? (all.length === 1 ? all[0] : undefined) : ctx.connections.identityProvider(entityId)
  if (provider === undefined) throw new CurfewError('CURFEW_SAML_PEER_UNKNOWN', { parameter: 'PartnerIdpId' })
  return requireStartable(provider)
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

function decide(ctx: AuthorityContext, parameters: Parameters, name: string, request: FastifyRequest): RedirectDecision {
  const { successUrl, targets } = ctx.signOn
  const decision = decideRedirect(parameters[name], { list: targets, exact: successUrl === undefined ? [] : [successUrl] })
  if (decision.kind === 'ignored')
    ctx.logger.warn({ event: 'redirect.ignored', parameter: name, why: decision.why, reference: request.id }, 'A landing address is not on the allow-list')
  return decision
}

function urlOf(decision: RedirectDecision): string | undefined {
  return decision.kind === 'allowed' ? decision.url : undefined
}
