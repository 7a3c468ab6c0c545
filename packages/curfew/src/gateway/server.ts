import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { CurfewError, isCurfewError } from '@curfew/codecs'
import { entryOf, problemDocument, send } from './answer.ts'
import type { GatewayContext } from './context.ts'
import { type Decision, decide } from './decide.ts'
import { forwardAuth, forwardAuthPath } from './endpoints/forward-auth.ts'
import { heartbeat } from './endpoints/heartbeat.ts'
import { sendClientKeys, sendCookieKeys } from './endpoints/keys.ts'
import { logout, logoutPicture } from './endpoints/logout.ts'
import { createProviderLogout, type ProviderLogout } from './endpoints/provider-logout.ts'
import { lastAnswer } from './last-answer.ts'
import { forward } from './proxy/forward.ts'
import { forwardWebSocket } from './proxy/web-socket.ts'
import { type Place, reservedRoot } from './route/applications.ts'
import { isNavigation } from './route/navigation.ts'
import { ownAddress } from './route/own-address.ts'
import { liesBelow, requestPath, type RequestPath } from './route/request-path.ts'
import { boundRest, hasBody } from './request-body.ts'
import { clearEverywhere } from './session/every-cookie.ts'
import type { WebSessionSettings } from './settings.ts'
import { finishSignIn } from './sign-in/callback.ts'
import { clearedPreserved, preservedName } from './sign-in/preserved-cookie.ts'
import { notKept, type PreservedRequest } from './sign-in/preserved.ts'
import { addressLostOf, addressLostPath, applicationOfLost, preserve, startSignIn } from './sign-in/start.ts'

/** The two ways a request comes in; listening and closing are the caller's. */
export interface GatewayServer {
  request(request: IncomingMessage, response: ServerResponse): void
  /** True for a request that {@link upgrade} takes; any other comes in by {@link request}, whatever it wants to change to. */
  isUpgrade(request: Pick<IncomingMessage, 'method' | 'headers'>): boolean
  /** Cuts a connection whose request is none that {@link isUpgrade} holds for. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
}

export function createGatewayServer(ctx: GatewayContext): GatewayServer {
  const providerLogout = createProviderLogout()
  return {
    request(request, response) {
      request.on('error', () => response.destroy())
      // Node's parser reads nothing behind a request that wanted to change to another protocol.
      if (request.headers.upgrade !== undefined) response.shouldKeepAlive = false
      if (hasBody(request)) response.once('finish', () => boundRest(request, ctx.clock))
      handle(ctx, providerLogout, request, response)
    },
    isUpgrade: isWebSocket,
    upgrade(request, socket, head) {
      socket.on('error', () => socket.destroy())
      // Only from a server that does not ask before: what of these octets is a request was decided elsewhere.
      if (!isWebSocket(request)) return void socket.destroy()
      upgrade(ctx, request, socket, head).catch((error: unknown) => refuseUpgrade(ctx, asCurfewError(error), socket))
    }
  }
}

/**
 * What is answered while the gateway starts, below the reserved path: whether it is ready, and its keys, which the provider
 * may want before it tells it what is revoked.
 */
const openBefore: ReadonlySet<string> = new Set(['/heartbeat.ping', '/oidc/JWKS'])

/**
 * A request, in order: what it is for, by a path that has one meaning; whether it is for the gateway itself; whether
 * its session may pass. What is known at once is decided at once, without a turn of the event loop. While the gateway
 * starts a request waits for that.
 */
function handle(ctx: GatewayContext, providerLogout: ProviderLogout, request: IncomingMessage, response: ServerResponse): void {
  const fail = (error: unknown): void => sendError(ctx, asCurfewError(error), request, response)
  try {
    requireOneMeaning(request)
    const path = requestPath(request.url ?? '')
    if (path === undefined) throw new CurfewError('CURFEW_GATEWAY_PATH')
    const place = ctx.applications.find(request.headers.host, path)
    const own = ownPath(ctx, request, path, place)
    const opening = ctx.opening()
    if (opening !== undefined && !(own !== undefined && openBefore.has(own.below))) {
      const goOn = (): void => (response.destroyed ? undefined : handle(ctx, providerLogout, request, response))
      return void opening.then(goOn)
    }
    if (own !== undefined) return answerOwn(ctx, providerLogout, own, request, response, fail)
    if (place === undefined) throw new CurfewError('CURFEW_GATEWAY_HOST_UNKNOWN', { host: (request.headers.host ?? '').slice(0, 100) })
    const decision = decide(ctx, place, path, request)
    if (decision instanceof Promise) decision.then((later) => carryOut(ctx, place, later, request, response, fail)).catch(fail)
    else carryOut(ctx, place, decision, request, response, fail)
  } catch (error) {
    fail(error)
  }
}

/** Two lengths, or a coding that is not the one of HTTP/1.1: two readers could see two requests (RFC 9112 section 6.1). */
function requireOneMeaning({ headers, rawHeaders, httpVersion }: IncomingMessage): void {
  const coding = headers['transfer-encoding']
  const isStrange = coding !== undefined && (coding.toLowerCase() !== 'chunked' || headers['content-length'] !== undefined || httpVersion !== '1.1')
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += 1
  }
  if (isStrange || hosts !== 1) throw new CurfewError('CURFEW_GATEWAY_REQUEST_AMBIGUOUS')
}

interface OwnPath {
  readonly root: string
  /** Below the reserved path, with a slash in front. */
  readonly below: string
  /** Absent where the host is none of an application. */
  readonly place: Place | undefined
}

/** Set when the request is for the gateway itself. */
function ownPath(ctx: GatewayContext, request: IncomingMessage, { meaning: path, literal }: RequestPath, place: Place | undefined): OwnPath | undefined {
  const { reservedPath } = ctx.settings
  const root = liesBelow(path, reservedPath) || place === undefined ? reservedPath : reservedRoot(ctx.settings, place.application)
  if (literal !== path && liesBelow(literal, root) !== liesBelow(path, root)) throw new CurfewError('CURFEW_GATEWAY_PATH')
  if (!liesBelow(path, root)) return undefined
  return { root, below: path.slice(root.length), place: place ?? ctx.applications.ofHost(request.headers.host)[0] }
}

function answerOwn(
  ctx: GatewayContext,
  providerLogout: ProviderLogout,
  own: OwnPath,
  request: IncomingMessage,
  response: ServerResponse,
  fail: (error: unknown) => void
): void {
  const isDecision = liesBelow(own.below, forwardAuthPath)
  if (isDecision) forwardAuth(ctx, rawBelow(request.url ?? '', own.root + forwardAuthPath), request, response, fail)
  else endpoint(ctx, providerLogout, own, request, response).catch(fail)
}

async function endpoint(
  ctx: GatewayContext,
  providerLogout: ProviderLogout,
  { below, place }: OwnPath,
  request: IncomingMessage,
  response: ServerResponse
): Promise<void> {
  if (below === '/heartbeat.ping') return heartbeat(ctx, response)
  if (below === '/oidc/JWKS') return sendClientKeys(ctx, response)
  if (below === '/authtoken/JWKS') return sendCookieKeys(ctx, response)
  if (below === '/oidc/backchannel' && request.method === 'POST') return providerLogout.backChannel(ctx, request, response)
  if (place === undefined) throw new CurfewError('CURFEW_GATEWAY_HOST_UNKNOWN', { host: (request.headers.host ?? '').slice(0, 100) })
  const isGet = request.method === 'GET'
  if (below === '/oidc/cb' && isGet) return finishSignIn(ctx, place, request, response)
  if (below === '/oidc/logout' && (isGet || request.method === 'POST')) return logout(ctx, place, request, response)
  if (below === '/oidc/logout.png' && isGet) return logoutPicture(ctx, place, request, response)
  const url = new URL(request.url ?? '/', place.origin)
  if (below === '/oidc/frontchannel' && isGet) return providerLogout.frontChannel(ctx, { url, place, request }, response)
  if (below === '/oidc/start' && isGet) return startAt(ctx, place, url, request, response)
  if (below === addressLostPath && isGet) throw new CurfewError('CURFEW_GATEWAY_ADDRESS_LOST', { application: (placeOf(ctx, request) ?? place).application.id })
  throw new CurfewError('CURFEW_API_NOT_FOUND')
}

/** What follows a path in the request target, as it came; nothing when it is spelled otherwise there. */
function rawBelow(target: string, path: string): string {
  return target.startsWith(`${path}/`) ? target.slice(path.length) : ''
}

/**
 * `/pa/oidc/start?target=`: signs in and comes back to a path of the same host; anything else leads to the start. With
 * `lost=address` it comes back to the page that says so, in the place of an address that was too long.
 */
async function startAt(ctx: GatewayContext, place: Place, url: URL, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const wish = url.searchParams.get('target') ?? ''
  const path = requestPath(wish)
  const found = path === undefined ? undefined : ctx.applications.find(place.host, path)
  const isLost = found !== undefined && url.searchParams.get('lost') === 'address'
  const back = isLost ? reservedRoot(ctx.settings, found.application) + addressLostOf(found.application) : wish
  await startSignIn(ctx, found ?? place, request, response, found === undefined ? undefined : ownAddress(found, back))
}

function carryOut(
  ctx: GatewayContext,
  place: Place,
  decision: Decision,
  request: IncomingMessage,
  response: ServerResponse,
  fail: (error: unknown) => void
): void {
  const application = place.application.id
  switch (decision.kind) {
    case 'pass':
      ctx.metrics.countRequest(application, 'proxied')
      return pass(ctx, place, decision, request, response, fail)
    case 'sign-in':
      ctx.metrics.countRequest(application, 'sign-in')
      return void askToSignIn(ctx, place, decision, request, response).catch(fail)
    case 'unchecked':
      ctx.metrics.countRequest(application, 'unchecked')
      return fail(new CurfewError('CURFEW_GATEWAY_SESSION_UNCHECKED', { application }))
  }
}

function pass(
  ctx: GatewayContext,
  place: Place,
  { opened }: Extract<Decision, { kind: 'pass' }>,
  request: IncomingMessage,
  response: ServerResponse,
  fail: (error: unknown) => void
): void {
  const attributes = { isSecure: place.isSecure, userAgent: request.headers['user-agent'] }
  const renewed = opened === undefined ? undefined : ctx.cookies.renewed(place.application.webSession, opened, attributes, ctx.clock.nowMs())
  const preserved = opened === undefined ? undefined : takePreserved(ctx, place, request, opened.session.id)
  if (preserved instanceof CurfewError) return fail(preserved)
  const setCookies = [...(renewed === undefined ? [] : [renewed]), ...(preserved === undefined ? [] : [clearedPreserved(place.isSecure)])]
  const base = { place, request, response, opened, setCookies }
  forward(ctx, preserved === undefined ? base : { ...base, preserved }, {
    onError: fail,
    onEnded(reason) {
      const application = place.application.id
      if (reason === 'session unchecked') return fail(new CurfewError('CURFEW_GATEWAY_SESSION_UNCHECKED', { application }))
      // Nothing is asked of a person for what can not be done again: its body went to the application.
      const isRepeatable = preserved === undefined && (request.method === 'GET' || request.method === 'HEAD')
      if (!isRepeatable) return fail(new CurfewError('CURFEW_GATEWAY_SESSION_ENDED', { application }))
      void askToSignIn(ctx, place, { isRevoked: true }, request, response).catch(fail)
    }
  })
}

/** The request that waited for this sign-in; it goes out once, in the place of the first one after it. A page says so where it can not. */
function takePreserved(ctx: GatewayContext, place: Place, request: IncomingMessage, sessionId: string): PreservedRequest | CurfewError | undefined {
  const { origin, application } = place
  if (request.method !== 'GET') return undefined
  const name = preservedName(ctx.transactions, request.headers.cookie, { sessionId, origin }, ctx.clock.nowMs())
  if (name === undefined) return undefined
  const found = ctx.preserved.take(name, sessionId, { origin, path: request.url ?? '/' })
  if (found !== 'lost') return found
  if (!isNavigation(request)) return undefined
  if (name === notKept.address) return new CurfewError('CURFEW_GATEWAY_ADDRESS_LOST', { application: application.id })
  return new CurfewError('CURFEW_GATEWAY_FORM_LOST', { application: application.id, why: name === notKept.form ? 'too large' : 'not here' })
}

async function askToSignIn(
  ctx: GatewayContext,
  place: Place,
  { isRevoked }: Pick<Extract<Decision, { kind: 'sign-in' }>, 'isRevoked'>,
  request: IncomingMessage,
  response: ServerResponse
): Promise<void> {
  const { application } = place
  const isRevokedCode = isRevoked ? 'CURFEW_GATEWAY_SESSION_ENDED' : 'CURFEW_GATEWAY_SESSION_NEEDED'
  if (application.type === 'api' || !isNavigation(request)) throw new CurfewError(isRevokedCode, { application: application.id })
  const preserved = await preserve(ctx, place, request)
  const isRepeatable = request.method === 'GET' || request.method === 'HEAD' || preserved !== undefined
  await startSignIn(ctx, place, request, response, isRepeatable ? ownAddress(place, request.url ?? '/') : undefined, preserved)
}

/**
 * The one protocol to change to. A wish for another (HTTP/2 without TLS) is ignored, and the request answered as it is;
 * so is one with a body, which no WebSocket begins with: its octets stay those of the request (RFC 9110 section 7.8).
 */
function isWebSocket({ method, headers }: Pick<IncomingMessage, 'method' | 'headers'>): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket' && method === 'GET' && !hasBody({ headers })
}

async function upgrade(ctx: GatewayContext, request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
  requireOneMeaning(request)
  await ctx.opening()
  const path = requestPath(request.url ?? '')
  if (path === undefined) throw new CurfewError('CURFEW_GATEWAY_PATH')
  const place = ctx.applications.find(request.headers.host, path)
  if (place === undefined || ownPath(ctx, request, path, place) !== undefined) throw new CurfewError('CURFEW_API_NOT_FOUND')
  // A page of another site may open a WebSocket with our cookies: browsers leave it to the server to look.
  const { origin } = request.headers
  if (origin !== undefined && origin !== place.origin) throw new CurfewError('CURFEW_GATEWAY_ORIGIN', { origin: origin.slice(0, 100) })
  const decision = await decide(ctx, place, path, request)
  const application = place.application.id
  switch (decision.kind) {
    case 'pass':
      ctx.metrics.countRequest(application, 'proxied')
      return forwardWebSocket(ctx, { place, request, socket, head, opened: decision.opened }, (error) => refuseUpgrade(ctx, error, socket))
    case 'sign-in':
      throw new CurfewError(decision.isRevoked ? 'CURFEW_GATEWAY_SESSION_ENDED' : 'CURFEW_GATEWAY_SESSION_NEEDED', { application })
    case 'unchecked':
      throw new CurfewError('CURFEW_GATEWAY_SESSION_UNCHECKED', { application })
  }
}

function refuseUpgrade(ctx: GatewayContext, error: CurfewError, socket: Duplex): void {
  const { http } = entryOf(error)
  const reference = ctx.ids.reference()
  logError(ctx, error, reference, undefined)
  const body = problemDocument(error, reference)
  const head = `HTTP/1.1 ${http} Refused\r\nconnection: close\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`
  lastAnswer(socket, head + body, ctx.clock)
}

function asCurfewError(error: unknown): CurfewError {
  return isCurfewError(error) ? error : new CurfewError('CURFEW_API_FAILED', {}, { cause: error })
}

function logError(ctx: GatewayContext, error: CurfewError, reference: string, request: IncomingMessage | undefined): void {
  const { kind, http } = entryOf(error)
  const fields = { event: 'gateway.refused', code: error.code, reference, host: (request?.headers.host ?? '').slice(0, 100), ...error.context }
  if (kind === 'programmer' || http >= 500) ctx.logger.error({ ...fields, err: error.cause ?? error }, error.message)
  else if (http !== 401) ctx.logger.warn(fields, error.message)
}

/** One answer for every error: a page for people, a problem document for programs. */
function sendError(ctx: GatewayContext, error: CurfewError, request: IncomingMessage, response: ServerResponse): void {
  const { http } = entryOf(error)
  const reference = ctx.ids.reference()
  logError(ctx, error, reference, request)
  if (response.headersSent || response.destroyed) return void response.destroy()
  // What is left of the request is not read, or nobody knows where it ends: the connection can not be used again.
  const hasRest = !request.complete || error.code === 'CURFEW_GATEWAY_REQUEST_AMBIGUOUS'
  const headers = { ...(hasRest ? { connection: 'close' } : {}), ...(http === 503 ? { 'retry-after': '5' } : {}) }
  const setCookies = clearedBy(ctx, error, request)
  const wantsPage = isNavigation(request) && (request.headers.accept ?? '').includes('html') && !isForApi(ctx, request)
  if (!wantsPage) return send(response, 'application/problem+json', problemDocument(error, reference), { status: http, headers, setCookies })
  const page = ctx.pages.problem(request, { code: error.code, reference, home: placeOf(ctx, request)?.application.contextRoot ?? '/' })
  send(response, 'text/html; charset=utf-8', page.html, { status: http, headers: { ...page.headers, ...headers }, setCookies })
}

/** Cookies that would bring the same error again. */
function clearedBy(ctx: GatewayContext, { code }: CurfewError, request: IncomingMessage): readonly string[] {
  const places = ctx.applications.ofHost(request.headers.host)
  const [place] = places
  if (code === 'CURFEW_GATEWAY_COOKIE_AMBIGUOUS' && place !== undefined) {
    const webSessions = new Map(places.map(({ application: { webSession } }) => [webSession.id, webSession]))
    const isAmbiguous = (settings: WebSessionSettings): boolean =>
      ctx.cookies.readAll(settings, request.headers.cookie, place.host, ctx.clock.nowMs()).length > 1
    return clearEverywhere(ctx, request, place, [...webSessions.values()].filter(isAmbiguous))
  }
  if (code !== 'CURFEW_GATEWAY_FORM_LOST' && code !== 'CURFEW_GATEWAY_ADDRESS_LOST') return []
  return [clearedPreserved(place?.isSecure === true)]
}

function isForApi(ctx: GatewayContext, request: IncomingMessage): boolean {
  return placeOf(ctx, request)?.application.type === 'api'
}

/** The application that a request was for, whatever became of it. The page of a lost address, which many share, names its own. */
function placeOf(ctx: GatewayContext, request: IncomingMessage): Place | undefined {
  const path = requestPath(request.url ?? '')
  if (path === undefined) return undefined
  const { meaning } = path
  const place = ctx.applications.find(request.headers.host, { meaning, literal: meaning })
  if (ownPath(ctx, request, { meaning, literal: meaning }, place)?.below !== addressLostPath) return place
  const named = applicationOfLost(request.url ?? '')
  return ctx.applications.ofHost(request.headers.host).find(({ application }) => application.id === named) ?? place
}
