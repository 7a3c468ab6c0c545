import { type CurfewError, isCurfewError, type LogoutToken, verifyLogoutToken } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { formPairs, noStore } from '../request.ts'
import { instant } from '../saml/endpoints.ts'
import { buryLateTokens } from '../saml/tombstone.ts'
import { upstreamOf } from './callback.ts'
import { endUpstreamSessions } from './end-sessions.ts'
import type { OpenIdUpstream } from './upstreams.ts'

/**
 * `/sp/<provider>/backchannel-logout.openid`: a provider says that sessions have ended. Answered with 200 as soon as
 * that is written down, also when there was nothing to end and when the token comes again: its sender may not have
 * heard the first answer. Our applications are told by the run.
 * @see OpenID Connect Back-Channel Logout 1.0 sections 2.5 to 2.8
 */
export async function receiveLogoutToken(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const upstream = upstreamOf(ctx, request)
  reply.headers(noStore)
  const texts = formPairs(request).flatMap(([name, value]) => (name === 'logout_token' ? [value] : []))
  const [text] = texts
  if (text === undefined || texts.length > 1) return reply.status(400).send({ error: 'invalid_request' })
  let token: LogoutToken
  try {
    token = await verified(ctx, upstream, text)
  } catch (error) {
    if (!isCurfewError(error)) throw error
    return refuse(ctx, upstream, error, request, reply)
  }
  ctx.metrics.logoutMessages.inc({ peer: upstream.id, binding: 'back-channel', kind: 'LogoutToken' })
  // Before the look-up: a sign-in that is on its way meets the tombstone, or this token meets its session.
  await buryLateTokens(ctx, upstream.id, token)
  const { subject, sid, issuedAtMs, jti } = token
  await endUpstreamSessions(ctx, upstream, {
    issuedAtMs,
    binding: 'back-channel',
    messageId: jti,
    token: text,
    ...(subject === undefined ? {} : { subject }),
    ...(sid === undefined ? {} : { sid })
  })
  return reply.status(200).send()
}

/** With the keys that are known, and once more with fresh ones when the key is none of them. */
async function verified(ctx: AuthorityContext, upstream: OpenIdUpstream, text: string): Promise<LogoutToken> {
  const { issuer, clientId, algorithm, logout } = upstream.settings
  const verify = async (again: boolean): Promise<LogoutToken> =>
    verifyLogoutToken(text, {
      issuer,
      audience: clientId,
      keys: await ctx.upstreams.keys(upstream.id, again),
      now: instant(ctx.clock.nowMs()),
      skewSeconds: ctx.saml.clockSkewSeconds,
      acceptMissingExp: logout?.acceptMissingExp ?? false,
      acceptMissingType: logout?.acceptMissingType ?? false,
      ...(algorithm === undefined ? {} : { algorithms: [algorithm] })
    })
  try {
    return await verify(false)
  } catch (error) {
    if (!isCurfewError(error) || error.code !== 'CURFEW_OIDC_TOKEN_KEY_UNKNOWN') throw error
    return verify(true)
  }
}

/** One answer for every refusal; what was wrong is in the log. */
function refuse(ctx: AuthorityContext, upstream: OpenIdUpstream, error: CurfewError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  ctx.metrics.requestsRefused.inc({ code: error.code })
  ctx.logger.warn({ event: 'logout.refused', code: error.code, connection: upstream.id, reference: request.id, ...error.context }, error.message)
  return reply.status(400).send({ error: 'invalid_request' })
}
