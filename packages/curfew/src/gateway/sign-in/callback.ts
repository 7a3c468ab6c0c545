import type { IncomingMessage, ServerResponse } from 'node:http'
import { CurfewError } from '@curfew/codecs'
import { seeOther } from '../answer.ts'
import type { GatewayContext } from '../context.ts'
import type { Place } from '../route/applications.ts'
import type { CookieAttributes } from '../session/cookies.ts'
import { isKnownEnded } from '../session/verdict.ts'
import { wantedClaims } from '../session/wanted-claims.ts'
import { openedSession, type WebSession } from '../session/web-session.ts'
import type { WebSessionSettings } from '../settings.ts'
import { preservedCookies } from './preserved-cookie.ts'
import { redirectUri } from './start.ts'
import type { SignedIn } from './provider.ts'
import { clearedTransaction, readTransaction, type Transaction } from './transaction.ts'

/** `/pa/oidc/cb`: the provider sends the browser back with a code; out of it comes a web session. */
export async function finishSignIn(ctx: GatewayContext, place: Place, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const answer = new URL(request.url ?? '/', place.origin)
  const state = answer.searchParams.get('state') ?? ''
  const transaction = readTransaction(ctx.transactions, request.headers.cookie, state, place.origin, ctx.clock.nowMs())
  if (transaction === undefined) throw new CurfewError('CURFEW_OIDC_STATE')
  const application = ctx.applications.ofHost(place.host).find((other) => other.application.id === transaction.applicationId)
  if (application === undefined) throw new CurfewError('CURFEW_OIDC_STATE')
  // What the provider ends while it is asked was signed in to before that.
  const startedAtMs = ctx.clock.nowMs()
  const signedIn = await ctx.provider.signIn(answer, { redirectUri: redirectUri(ctx, application), ...transaction })
  const cookies = [...(await sessionCookies(ctx, application, request, { signedIn, startedAtMs, transaction })), clearedTransaction(state, place.isSecure)]
  seeOther(response, transaction.target, cookies)
}

interface Finished {
  readonly signedIn: SignedIn
  readonly startedAtMs: number
  readonly transaction: Transaction
}

async function sessionCookies(
  ctx: GatewayContext,
  place: Place,
  request: IncomingMessage,
  { signedIn, startedAtMs, transaction }: Finished
): Promise<readonly string[]> {
  const { webSession } = place.application
  const nowMs = ctx.clock.nowMs()
  const { claims } = signedIn
  const sri = textOf(claims['pi.sri'])
  const { feed, status } = ctx.settings.sessionCheck
  if (sri === undefined && (feed || status)) throw new CurfewError('CURFEW_GATEWAY_SESSION_UNNAMED', { issuer: ctx.provider.issuer })
  const sid = textOf(claims['sid'])
  const session: WebSession = {
    id: Buffer.from(ctx.random.bytes(16)).toString('base64url'),
    audience: webSession.audience,
    issuer: ctx.provider.issuer,
    subject: signedIn.subject,
    claims: wantedClaims(ctx.settings, webSession.id, claims),
    startedAtMs,
    expiresAtMs: startedAtMs + webSession.maxMs,
    activeAtMs: nowMs,
    ...(webSession.cookieDomain === undefined ? { host: place.host } : {}),
    ...(sri === undefined ? {} : { sri }),
    ...(sid === undefined ? {} : { sid }),
    ...((await ctx.provider.wantsIdToken()) ? { idToken: signedIn.idToken } : {})
  }
  const refresh = ctx.userRefresh.keep(webSession, signedIn)
  if (isKnownEnded(ctx, openedSession(session))) throw new CurfewError('CURFEW_OIDC_SESSION_OVER')
  const { preserved } = transaction
  const isBound = preserved !== undefined && ctx.preserved.bind(preserved, session)
  const attributes = { isSecure: place.isSecure, userAgent: request.headers['user-agent'] }
  const cookie = written(ctx, webSession, refresh === undefined ? session : { ...session, refresh }, attributes)
  return isBound ? [cookie, preservedCookies(ctx.transactions, preserved, session, place, nowMs)] : [cookie]
}

/** With all that fits into a cookie. */
function written(ctx: GatewayContext, settings: WebSessionSettings, session: WebSession, attributes: CookieAttributes): string {
  const { cookie, leftOut, isHintLeftOut, characters } = ctx.cookies.writeFitting(settings, session, attributes, ctx.clock.nowMs())
  const fields = { audience: settings.audience, characters }
  if (isHintLeftOut === true)
    ctx.logger.warn({ event: 'gateway.hint-off', ...fields }, 'the ID token does not fit into the cookie: the provider is not given it at the sign-out')
  if (leftOut !== undefined) {
    const consequence = leftOut === 'refresh' ? 'the claims of this session stay as they are' : 'they stay as they are once the access token has expired'
    ctx.logger.warn({ event: 'gateway.refresh-off', leftOut, ...fields }, `what refreshes claims does not fit into the cookie: ${consequence}`)
  }
  return cookie
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' && value.length <= 512 ? value : undefined
}
