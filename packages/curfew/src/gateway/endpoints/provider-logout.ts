import type { IncomingMessage, ServerResponse } from 'node:http'
import { CurfewError, type LogoutToken, verifyLogoutToken } from '@curfew/codecs'
import { LRUCache } from 'lru-cache'
import { ownHeaders, problemDocument, send } from '../answer.ts'
import type { GatewayContext } from '../context.ts'
import { readBody } from '../request-body.ts'
import type { Place } from '../route/applications.ts'
import { senderOf } from '../sender.ts'
import { clearOwn } from '../session/every-cookie.ts'
import { sessionName, sidName } from '../session/web-session.ts'

/** Longest body of a back-channel logout. */
const bodyBytesMax = 64 * 1024

/** A request of a front-channel logout. */
export interface Frame {
  readonly url: URL
  readonly place: Place
  readonly request: IncomingMessage
}

/** What a provider told this gateway by OpenID Connect logout. */
export interface ProviderLogout {
  /** `/pa/oidc/backchannel` @see OpenID Back-Channel Logout 1.0 section 2.5 */
  backChannel(ctx: GatewayContext, request: IncomingMessage, response: ServerResponse): Promise<void>
  /** `/pa/oidc/frontchannel` @see OpenID Front-Channel Logout 1.0 section 2 */
  frontChannel(ctx: GatewayContext, frame: Frame, response: ServerResponse): Promise<void>
}

export function createProviderLogout(): ProviderLogout {
  const seen = new LRUCache<string, true>({ max: 10_000 })
  return {
    async backChannel(ctx, request, response) {
      const token = new URLSearchParams((await readBody(request, { clock: ctx.clock, bytesMax: bodyBytesMax })).toString('utf8')).get('logout_token') ?? ''
      const nowMs = ctx.clock.nowMs()
      const { issuer, clientId } = ctx.settings.provider
      const keys = await ctx.provider.keys(false)
      const expected = { issuer, audience: clientId, now: Temporal.Instant.fromEpochMilliseconds(nowMs), acceptMissingType: true, acceptMissingExp: true }
      const verified = await verifyLogoutToken(token, { ...expected, keys }).catch(async (error: unknown) => {
        if (!(error instanceof CurfewError) || error.code !== 'CURFEW_OIDC_TOKEN_KEY_UNKNOWN') throw error
        return verifyLogoutToken(token, { ...expected, keys: await ctx.provider.keys(true) })
      })
      if (!seen.has(verified.jti)) {
        if (verified.sid !== undefined) await endBySid(ctx, verified.sid)
        else await endSubject(ctx, verified)
        seen.set(verified.jti, true)
      }
      response.writeHead(200, { ...ownHeaders, 'content-length': 0 }).end()
    },
    async frontChannel(ctx, { url, place, request }, response) {
      const { issuer } = ctx.settings.provider
      const sid = url.searchParams.get('sid')
      if (url.searchParams.get('iss') !== issuer || sid === null || sid === '' || sid.length > 512) {
        const error = new CurfewError('CURFEW_API_VALIDATION', { parameter: 'sid' })
        return send(response, 'application/problem+json', problemDocument(error, ctx.ids.reference()), { status: 400 })
      }
      // The revocation feed says the same within a second, and is signed: what anybody can send is not needed beside it.
      const setCookies = ctx.settings.sessionCheck.feed ? [] : await endByFrame(ctx, place, request, sid)
      const policy = `default-src 'none'; frame-ancestors ${new URL(issuer).origin}; base-uri 'none'`
      send(response, 'text/html; charset=utf-8', '<!doctype html><title>OK</title>', { headers: { 'content-security-policy': policy }, setCookies })
    }
  }
}

/**
 * Both count here before anything is awaited. What came along is told by its own name; a sender beyond its share refuses
 * the answer only where nothing did.
 * @returns what takes the cookie of the session from the browser
 * @throws CURFEW_GATEWAY_ENDINGS_UNSHARED
 */
async function endByFrame(ctx: GatewayContext, place: Place, request: IncomingMessage, sid: string): Promise<readonly string[]> {
  const isKnown = ctx.endedByProvider.isSidEnded(ctx.provider.issuer, sid)
  const there = endThere(ctx, place, request, sid)
  const [setCookies, isTold] = await Promise.all([there, isKnown || ctx.endings.endSid(sid, senderOf(ctx, request))])
  if (!isTold && setCookies.length === 0) throw new CurfewError('CURFEW_GATEWAY_ENDINGS_UNSHARED', { why: 'the sender has more than its share' })
  return setCookies
}

/**
 * The session whose cookie came along is ended by its own name, as by a sign-out here: what anybody else sends takes nothing
 * from that.
 * @returns what takes its cookie from the browser
 */
async function endThere(ctx: GatewayContext, { host, isSecure }: Place, { headers }: IncomingMessage, sid: string): Promise<readonly string[]> {
  const all = new Map(ctx.applications.ofHost(host).map(({ application }) => [application.webSession.id, application.webSession]))
  const setCookies: string[] = []
  const told: Promise<void>[] = []
  for (const settings of all.values()) {
    const named = ctx.cookies.readAll(settings, headers.cookie, host, ctx.clock.nowMs()).filter(({ session }) => session.sid === sid)
    told.push(...named.map(({ session }) => ctx.endings.endSession(sessionName(session.id), session.expiresAtMs)))
    if (named.length > 0) setCookies.push(...clearOwn(ctx, settings, { isSecure, userAgent: headers['user-agent'] }))
  }
  await Promise.all(told)
  return setCookies
}

/** By a token that the provider signed. */
function endBySid(ctx: GatewayContext, sid: string): Promise<void> {
  return ctx.endings.endSession(sidName(ctx.provider.issuer, sid))
}

/** Clocks of gateway and provider may be apart by so much. */
const skewMs = 5_000

/** What began after the token was issued goes on: it may come late, and to another gateway once more. */
function endSubject(ctx: GatewayContext, { subject = '', issuedAtMs }: LogoutToken): Promise<void> {
  return ctx.endings.endSubject(subject, Math.min(ctx.clock.nowMs(), issuedAtMs + skewMs))
}
