import { CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { judgeLanding } from '../redirects.ts'
import { parametersOf, seeOther } from '../request.ts'
import { createTransaction } from '../sign-on/transaction.ts'

/**
 * `/sp/init_login.ping`: somebody else, such as the provider's own menu, starts a sign-in here. `iss` says at which
 * provider, `target_link_url` where it ends, as far as the allow-list has it.
 * @throws CURFEW_OIDC_PROVIDER for an issuer that is not configured
 * @see OpenID Connect Core 1.0 section 4
 */
export async function initiateLogin(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { iss = '', target_link_url: raw } = parametersOf(request)
  const upstream = ctx.upstreams.byIssuer(iss)
  if (upstream === undefined) throw new CurfewError('CURFEW_OIDC_PROVIDER', { issuer: iss.slice(0, 120), why: 'it is not configured' })
  const { url } = judgeLanding(ctx, { use: 'sso', parameter: 'target_link_url', raw }, request)
  const target = url ?? upstream.settings.targetUrl
  const { path } = await createTransaction(ctx, {
    purpose: { kind: 'landing', ...(target === undefined ? {} : { url: target }) },
    forceAuthn: false,
    isPassive: false,
    providerId: upstream.id
  })
  return seeOther(reply, path)
}
