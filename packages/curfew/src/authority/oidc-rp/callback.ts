import { CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import * as client from 'openid-client'
import type { AuthorityContext } from '../context.ts'
import { type Parameters, parametersOf, rawQuery } from '../request.ts'
import { browserOf } from '../sign-on/browser-session.ts'
import { type Arrival, isFresh, withStoredKey } from '../upstream/arrival.ts'
import { keepWaiting } from '../upstream/waiting.ts'
import { arrivalOf, missingClaims } from './claims.ts'
import { oidcRpUrl } from './endpoints.ts'
import { type PendingSignIn, readPending, takePending } from './request.ts'
import { type OpenIdUpstream, reasonOf } from './upstreams.ts'

/**
 * `/sp/<provider>/cb.openid`: a provider's answer. It counts for the sign-in that this browser began at this provider
 * and for no other; then the code is exchanged, once, and the browser goes on to open its session.
 * @throws CURFEW_OIDC_STATE, CURFEW_OIDC_TOKEN_CLAIM, CURFEW_OIDC_PROVIDER
 * @see OpenID Connect Core 1.0 section 3.1.2.5, RFC 9207, RFC 9700 section 4.4
 */
export async function receiveCode(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const upstream = upstreamOf(ctx, request)
  const parameters = parametersOf(request)
  const { state } = parameters
  await requireOwnSignIn(ctx, upstream, state, request)
  requireIssuer(upstream, parameters)
  const pending = state === undefined ? undefined : await takePending(ctx, state)
  if (pending === undefined || state === undefined) throw new CurfewError('CURFEW_OIDC_STATE', { connection: upstream.id })
  const { error } = parameters
  if (error !== undefined) return saidNo(ctx, upstream, pending, error, reply)
  const arrival = await exchange(ctx, upstream, pending, state, request)
  return keepWaiting(ctx, 'oidc', { arrival, asker: askerOf(pending) }, reply)
}

/** @throws CURFEW_API_NOT_FOUND */
export function upstreamOf(ctx: AuthorityContext, request: FastifyRequest): OpenIdUpstream {
  const { provider } = request.params as { provider: string }
  const upstream = ctx.upstreams.byId(provider)
  if (upstream === undefined) throw new CurfewError('CURFEW_API_NOT_FOUND', {})
  return upstream
}

/** Nothing is used up before this browser has shown that it asked this provider. */
async function requireOwnSignIn(ctx: AuthorityContext, upstream: OpenIdUpstream, state: string | undefined, request: FastifyRequest): Promise<void> {
  const pending = state === undefined ? undefined : await readPending(ctx, state)
  const isOwn = pending?.providerId === upstream.id && pending.formHash === browserOf(ctx, request).formHash
  if (!isOwn) throw new CurfewError('CURFEW_OIDC_STATE', { connection: upstream.id })
}

/** RFC 9207: an answer that names another issuer belongs to somebody else, whether this one promised to name itself or not. */
function requireIssuer({ id, settings }: OpenIdUpstream, { iss }: Parameters): void {
  if (iss !== undefined && iss !== settings.issuer) throw new CurfewError('CURFEW_OIDC_TOKEN_CLAIM', { connection: id, claim: 'iss' })
}

/** What a provider answers that must not show a page and has nobody signed in. */
const nobodyThere: ReadonlySet<string> = new Set(['login_required', 'interaction_required', 'consent_required', 'account_selection_required'])

function saidNo(ctx: AuthorityContext, upstream: OpenIdUpstream, pending: PendingSignIn, error: string, reply: FastifyReply): Promise<FastifyReply> {
  if (pending.isPassive && nobodyThere.has(error)) return keepWaiting(ctx, 'oidc', { asker: askerOf(pending) }, reply)
  throw new CurfewError('CURFEW_OIDC_PROVIDER', { connection: upstream.id, error: error.slice(0, 60) })
}

function askerOf({ providerId, nonce, formHash }: PendingSignIn) {
  return { providerId, nonce, formHash }
}

async function exchange(ctx: AuthorityContext, upstream: OpenIdUpstream, pending: PendingSignIn, state: string, request: FastifyRequest): Promise<Arrival> {
  const configuration = await ctx.upstreams.configuration(upstream.id)
  // The address as configured: never what a Host header says.
  const answer = new URL(`${oidcRpUrl(ctx, 'callback', upstream.id)}?${rawQuery(request)}`)
  try {
    const tokens = await client.authorizationCodeGrant(configuration, answer, {
      expectedState: state,
      expectedNonce: pending.oidcNonce,
      pkceCodeVerifier: pending.verifier,
      idTokenExpected: true
    })
    const claims = tokens.claims()
    if (claims === undefined || tokens.id_token === undefined) throw new TypeError('there is no ID token')
    requireFresh(ctx, upstream, pending, claims)
    const hasMore = missingClaims(upstream.settings, claims).length > 0 && configuration.serverMetadata().userinfo_endpoint !== undefined
    const more = hasMore ? await client.fetchUserInfo(configuration, tokens.access_token, claims.sub) : {}
    return withStoredKey(ctx, arrivalOf(upstream.settings, claims, more, tokens.id_token, ctx.clock.nowMs()))
  } catch (cause) {
    if (cause instanceof CurfewError) throw cause
    throw new CurfewError('CURFEW_OIDC_PROVIDER', { connection: upstream.id, why: reasonOf(cause) }, { cause })
  }
}

/**
 * A fresh sign-in was asked for, by `max_age`: the ID token has to say when the user signed in, and that has to be after.
 * `auth_time` counts whole seconds.
 * @throws CURFEW_OIDC_TOKEN_CLAIM
 * @see OpenID Connect Core 1.0 sections 2 and 3.1.3.7
 */
function requireFresh(ctx: AuthorityContext, { id }: OpenIdUpstream, pending: PendingSignIn, { auth_time: seconds }: client.IDToken): void {
  const provedAtMs = seconds === undefined ? undefined : (seconds + 1) * 1000
  if (!isFresh(pending, provedAtMs, ctx.saml.clockSkewSeconds)) throw new CurfewError('CURFEW_OIDC_TOKEN_CLAIM', { connection: id, claim: 'auth_time' })
}
