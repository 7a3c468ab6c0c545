import type { IncomingMessage, ServerResponse } from 'node:http'
import { CurfewError, isCurfewError } from '@curfew/codecs'
import { ownHeaders, seeOther, send } from '../answer.ts'
import type { GatewayContext } from '../context.ts'
import type { Place } from '../route/applications.ts'
import type { ProviderAddress } from '../sign-in/provider.ts'
import { clearEverywhere, clearOwn } from '../session/every-cookie.ts'
import { type OpenedSession, sessionName, type WebSession } from '../session/web-session.ts'

/** What a sign-out found and took away. */
interface Cleared {
  readonly setCookies: readonly string[]
  /** Also those that are over here: the person was signed in, and elsewhere may be still. */
  readonly sessions: readonly OpenedSession[]
  /** A cookie came along, whatever it says. */
  readonly hasCookie: boolean
  /** Other gateways could not be told: they may take a copy of the cookie. */
  readonly unshared: Unshared | undefined
}

interface Unshared {
  readonly error: CurfewError
  /** By which it is found in the log. */
  readonly reference: string
}

/**
 * Takes the web sessions of this host whose cookies came with the request, and no others. Each is refused from now on
 * by this gateway, and by those that it shares endings with, should somebody have kept its cookie.
 */
async function clearSessions(ctx: GatewayContext, place: Place, request: IncomingMessage): Promise<Cleared> {
  const nowMs = ctx.clock.nowMs()
  const { cookie, 'user-agent': userAgent } = request.headers
  const attributes = { isSecure: place.isSecure, userAgent }
  const all = new Map(ctx.applications.ofHost(place.host).map(({ application }) => [application.webSession.id, application.webSession]))
  const there = [...all.values()].filter((settings) => ctx.cookies.isThere(settings, cookie))
  const found = there.map((settings) => ({ settings, opened: ctx.cookies.readAll(settings, cookie, place.host, nowMs) }))
  const sessions = found.flatMap(({ opened }) => opened)
  // One that is over by its idle time is not over where somebody kept a copy in use; one past its end is nowhere.
  const ended = sessions.filter(({ session }) => nowMs < session.expiresAtMs)
  const told = await Promise.allSettled(ended.map(({ session }) => ctx.endings.endSession(sessionName(session.id), session.expiresAtMs)))
  if (sessions.length > 0) ctx.logger.info({ event: 'gateway.signed-out', host: place.host, sessions: sessions.length }, 'A browser was signed out here')
  const [error] = told.flatMap((one) => (one.status === 'rejected' ? [asUnshared(one.reason)] : []))
  const unshared = error === undefined ? undefined : logged(ctx, place, error)
  // Of more than one, one was planted: for a domain above this host, say, where it would stay.
  const hasMore = (opened: readonly OpenedSession[]): boolean => new Set(opened.map(({ session }) => session.id)).size > 1
  const several = found.filter(({ opened }) => hasMore(opened)).map(({ settings }) => settings)
  const single = there.filter((settings) => !several.includes(settings)).flatMap((settings) => clearOwn(ctx, settings, attributes))
  const setCookies = [...single, ...clearEverywhere(ctx, request, place, several)]
  return { sessions, unshared, hasCookie: there.length > 0, setCookies }
}

function asUnshared(reason: unknown): CurfewError {
  return isCurfewError(reason) ? reason : new CurfewError('CURFEW_GATEWAY_ENDINGS_UNSHARED', {}, { cause: reason })
}

/** Whatever the browser is answered then. */
function logged(ctx: GatewayContext, { host }: Place, error: CurfewError): Unshared {
  const reference = ctx.ids.reference()
  ctx.logger.error({ event: 'gateway.endings-unshared', code: error.code, reference, host, err: error.cause ?? error }, error.message)
  return { error, reference }
}

/** Says that it ended here, and maybe not everywhere. */
function sendUnshared(
  ctx: GatewayContext,
  { error, reference }: Unshared,
  request: IncomingMessage,
  response: ServerResponse,
  setCookies: readonly string[]
): void {
  const page = ctx.pages.problem(request, { code: error.code, reference, home: '/' })
  send(response, 'text/html; charset=utf-8', page.html, { status: 503, headers: { ...ownHeaders, ...page.headers }, setCookies })
}

/**
 * `/pa/oidc/logout`: the session of this host ends. With Use Single-Logout the browser goes on to the provider, which
 * ends the rest: also for a cookie that is over here, since its person may be signed in elsewhere. Not without any cookie,
 * nor when the provider's own page asked: a landing page of this gateway is no loop.
 */
export async function logout(ctx: GatewayContext, place: Place, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { sessions, setCookies, unshared, hasCookie } = await clearSessions(ctx, place, request)
  const { useSingleLogout, logoutRedirectUri } = ctx.settings.provider
  const goesOn = useSingleLogout && hasCookie && !isFromProvider(ctx, request)
  const idToken = soleOwner(sessions)?.idToken
  const parts = { ...(logoutRedirectUri === undefined ? {} : { landing: logoutRedirectUri }), ...(idToken === undefined ? {} : { idToken }) }
  // What ended here has ended, whatever the provider does: its cookies go in any case. The provider ends more than this gateway could,
  // so the way goes on there also where the other gateways could not be told.
  const onward = goesOn ? await beginningAt(ctx, parts) : 'none'
  if (onward !== 'none' && onward !== 'away') return seeOther(response, onward, setCookies)
  if (unshared !== undefined) return sendUnshared(ctx, unshared, request, response, setCookies)
  const page = ctx.pages.loggedOut(request, { isProviderAway: onward === 'away' })
  const headers = { ...ownHeaders, ...page.headers, 'clear-site-data': '"cache"' }
  send(response, 'text/html; charset=utf-8', page.html, { headers, setCookies })
}

/** None where the cookies are of more than one user: one was planted, and would sign out whom nobody asked to. */
function soleOwner([first, ...others]: readonly OpenedSession[]): WebSession | undefined {
  if (first === undefined) return undefined
  const { issuer, subject } = first.session
  return others.every(({ session }) => session.issuer === issuer && session.subject === subject) ? first.session : undefined
}

/** Where the sign-out of the provider begins; `none`: it has none. `away`: that can not be found out now. */
async function beginningAt(ctx: GatewayContext, parts: Parameters<GatewayContext['provider']['signOutUrl']>[0]): Promise<ProviderAddress | 'none' | 'away'> {
  try {
    return (await ctx.provider.signOutUrl(parts)) ?? 'none'
  } catch (error) {
    saidHereOnly(ctx, error)
    return 'away'
  }
}

/** @returns the code of what happened */
function saidHereOnly({ logger }: GatewayContext, error: unknown): string {
  const code = isCurfewError(error) ? error.code : 'CURFEW_GATEWAY_PROVIDER'
  logger.warn({ event: 'gateway.sign-out-here-only', code, err: error }, 'the provider can not be told: a sign-out ended what it found at this gateway only')
  return code
}

/** Loop guard: a picture or frame of a sign-out page is the sign-out, and must not begin another. */
function isFromProvider(ctx: GatewayContext, { headers }: IncomingMessage, expected = 'document'): boolean {
  const destination = headers['sec-fetch-dest']
  const from = [headers.origin, headers.referer].some((value) => URL.parse(value ?? '')?.origin === new URL(ctx.provider.issuer).origin)
  return from || (destination !== undefined && destination !== 'document' && destination !== expected)
}

/** One transparent pixel. */
const pixel = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABh6FO1AAAAABJRU5ErkJggg==', 'base64')

/**
 * `/pa/oidc/logout.png`: the same for a picture. One that does not load tells its page of the failure; so there is one
 * only when a session was taken, and the cookie stays in any other answer. A picture walks no browser through a sign-out:
 * with Use Single-Logout one that a page of this host loads has the provider end the rest from server to server. The
 * picture of the provider's sign-out page begins nothing: that sign-out is under way.
 */
export async function logoutPicture(ctx: GatewayContext, place: Place, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { sessions, setCookies, unshared } = await clearSessions(ctx, place, request)
  const headers = { 'cross-origin-resource-policy': 'cross-origin' }
  const goesOn = ctx.settings.provider.useSingleLogout && isFromHere(place, request) && !isFromProvider(ctx, request, 'image')
  const failure = (goesOn ? await endAtProvider(ctx, sessions) : undefined) ?? unshared?.error.code
  if (failure !== undefined) return send(response, 'text/plain', failure, { status: 503, headers })
  if (sessions.length > 0) return send(response, 'image/png', pixel, { headers, setCookies })
  const { code } = new CurfewError('CURFEW_GATEWAY_NO_SESSION')
  send(response, 'text/plain', code, { status: 404, headers })
}

/** A page of this host asks, or a person who opened the address: what browsers say of others is the same for the provider's page. */
function isFromHere({ origin }: Place, { headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site']
  if (site !== undefined) return site === 'same-origin' || site === 'none'
  return [headers.origin, headers.referer].some((value) => URL.parse(value ?? '')?.origin === origin)
}

/** @returns why the provider could not be told of each of them; nothing for one that can not be told at all */
async function endAtProvider(ctx: GatewayContext, sessions: readonly OpenedSession[]): Promise<string | undefined> {
  if (sessions.length === 0) return undefined
  const { sids, untold } = namesOf(ctx, sessions)
  try {
    const isTold = await ctx.provider.endSessions(sids)
    return isTold && untold !== undefined ? saidHereOnly(ctx, untold) : undefined
  } catch (error) {
    return saidHereOnly(ctx, error)
  }
}

/** What the provider calls sessions of one user, and why that is not all of them. */
function namesOf(
  { provider: { issuer } }: GatewayContext,
  sessions: readonly OpenedSession[]
): { readonly sids: readonly string[]; readonly untold?: CurfewError } {
  const sole = soleOwner(sessions)
  if (sole === undefined) {
    const audience = sessions[0]?.session.audience ?? ''
    return { sids: [], untold: new CurfewError('CURFEW_GATEWAY_COOKIE_AMBIGUOUS', { audience, times: sessions.length }) }
  }
  const sids = sole.issuer === issuer ? sessions.flatMap(({ session: { sid } }) => sid ?? []) : []
  const isWhole = sids.length === sessions.length
  return { sids: [...new Set(sids)], ...(isWhole ? {} : { untold: new CurfewError('CURFEW_GATEWAY_SESSION_UNNAMED', { issuer }) }) }
}
