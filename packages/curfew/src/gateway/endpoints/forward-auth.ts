import type { IncomingMessage, ServerResponse } from 'node:http'
import { CurfewError, isCurfewError } from '@curfew/codecs'
import { entryOf, ownHeaders, seeOther } from '../answer.ts'
import type { GatewayContext } from '../context.ts'
import { type Decision, decide } from '../decide.ts'
import { openedIdentity } from '../proxy/identity.ts'
import { type Place, reservedRoot } from '../route/applications.ts'
import { isNavigation } from '../route/navigation.ts'
import { ownAddress } from '../route/own-address.ts'
import { requestPath } from '../route/request-path.ts'
import type { ForwardAuthDialect } from '../settings.ts'
import { targetCharactersMax } from '../sign-in/start.ts'

/** The path below the reserved one; the name of the proxy's way to ask follows it. */
export const forwardAuthPath = '/auth'

/** What was asked of the other proxy. */
interface Asked {
  readonly host: string | undefined
  readonly uri: string
  readonly method: string
}

const dialects: Readonly<Record<ForwardAuthDialect, (request: IncomingMessage, below: string) => Asked>> = {
  /** `X-Original-URL` and `X-Original-Method`, set by the configuration of nginx. */
  nginx({ headers, method }) {
    const original = one(headers['x-original-url'])
    const host = /^https?:\/\/([^/?#]*)/.exec(original)?.[1]
    return { host, uri: original.replace(/^https?:\/\/[^/?#]*/, ''), method: one(headers['x-original-method']) || (method ?? 'GET') }
  },
  /** `X-Forwarded-Host`, `-Uri` and `-Method`, set by Traefik and Caddy themselves. */
  forwarded({ headers }) {
    return { host: one(headers['x-forwarded-host']), uri: one(headers['x-forwarded-uri']), method: one(headers['x-forwarded-method']) || 'GET' }
  },
  /** The request itself: its path behind the prefix, its host and method. */
  envoy: ({ headers, method }, below) => ({ host: headers.host, uri: below, method: method ?? 'GET' })
}

/**
 * `/pa/auth/<dialect>`: another proxy asks whether a request may pass. 200 with the identity headers, or what the
 * browser has to do: 303 to the sign-in; for nginx, which takes nothing else, 401 with `Location`, or 403. Only a
 * trusted proxy may ask, because what it says decides; and only in a way that the configuration names: whoever comes
 * through a proxy that asks nothing has its address, too.
 * @param rest - the request target behind `/auth`, as it came
 */
export function forwardAuth(ctx: GatewayContext, rest: string, request: IncomingMessage, response: ServerResponse, fail: (error: unknown) => void): void {
  // Caddy sends the query of the browser along with the question; it is in the header of the question, too.
  const end = rest.slice(1).search(/[/?]/) + 1
  const name = rest.slice(1, end === 0 ? undefined : end)
  const dialect = ctx.settings.forwardAuth.find((one) => one === name)
  if (dialect === undefined) throw new CurfewError('CURFEW_API_NOT_FOUND')
  const address = request.socket.remoteAddress
  if (!ctx.isTrustedProxy(address)) throw new CurfewError('CURFEW_GATEWAY_FORWARD_AUTH', { address: address ?? '' })
  const refuse = dialect === 'nginx' ? (error: unknown) => refuseNginx(ctx, error, response, fail) : fail
  try {
    answer(ctx, dialect, dialects[dialect](request, end === 0 ? '' : rest.slice(end)), request, response, refuse)
  } catch (error) {
    refuse(error)
  }
}

/** nginx takes 403 for a refusal, and any other status for a failure of its own. */
function refuseNginx(ctx: GatewayContext, error: unknown, response: ServerResponse, fail: (error: unknown) => void): void {
  if (!isCurfewError(error) || entryOf(error).http >= 500) return fail(error)
  ctx.logger.warn({ event: 'gateway.refused', code: error.code, ...error.context }, error.message)
  response.writeHead(403, { ...ownHeaders, 'content-length': 0 }).end()
}

/** Decided at once where what is known is enough. */
function answer(
  ctx: GatewayContext,
  dialect: ForwardAuthDialect,
  asked: Asked,
  request: IncomingMessage,
  response: ServerResponse,
  refuse: (error: unknown) => void
): void {
  const path = requestPath(asked.uri)
  if (path === undefined) throw new CurfewError('CURFEW_GATEWAY_PATH')
  const place = ctx.applications.find(asked.host, path)
  if (place === undefined) throw new CurfewError('CURFEW_GATEWAY_HOST_UNKNOWN', { host: (asked.host ?? '').slice(0, 100) })
  const decision = decide(ctx, place, path, request)
  const carryOut = (made: Decision): void => tell(ctx, { dialect, place, asked }, made, request, response)
  if (decision instanceof Promise) decision.then(carryOut).catch(refuse)
  else carryOut(decision)
}

function tell(ctx: GatewayContext, question: Omit<Refused, 'decision'>, decision: Decision, request: IncomingMessage, response: ServerResponse): void {
  const { place } = question
  const application = place.application.id
  ctx.metrics.countRequest(application, decision.kind === 'pass' ? 'allowed' : decision.kind)
  switch (decision.kind) {
    case 'pass':
      return pass(ctx, place, decision, request, response)
    case 'sign-in':
      return askToSignIn(ctx, { ...question, decision }, request, response)
    case 'unchecked':
      throw new CurfewError('CURFEW_GATEWAY_SESSION_UNCHECKED', { application })
  }
}

/** Every identity header is in the answer, empty where nothing is known: a proxy that copies it overwrites the client's. */
function pass(
  ctx: GatewayContext,
  { application, isSecure }: Place,
  { opened }: Extract<Decision, { kind: 'pass' }>,
  request: IncomingMessage,
  response: ServerResponse
): void {
  const attributes = { isSecure, userAgent: request.headers['user-agent'] }
  const cookie = opened === undefined ? undefined : ctx.cookies.renewed(application.webSession, opened, attributes, ctx.clock.nowMs())
  // For a proxy: what protects pages has no place here.
  const headers: Record<string, string | number> = { 'cache-control': 'no-store', 'content-length': 0 }
  for (const name in application.headers) headers[name] = ''
  if (opened !== undefined) for (const [name, value] of openedIdentity(application, opened)) headers[name] = value
  if (cookie !== undefined) headers['set-cookie'] = cookie
  response.writeHead(200, headers).end()
}

interface Refused {
  readonly dialect: ForwardAuthDialect
  readonly place: Place
  readonly asked: Asked
  readonly decision: Extract<Decision, { kind: 'sign-in' }>
}

function askToSignIn(ctx: GatewayContext, { dialect, place, asked, decision }: Refused, request: IncomingMessage, response: ServerResponse): void {
  const { application } = place
  const isRepeatable = asked.method === 'GET' || asked.method === 'HEAD'
  const isTooLong = isRepeatable && asked.uri.length > targetCharactersMax
  const target = isRepeatable && !isTooLong ? asked.uri : application.contextRoot
  const query = new URLSearchParams({ target, ...(isTooLong ? { lost: 'address' } : {}) }).toString()
  const location = ownAddress(place, `${reservedRoot(ctx.settings, application)}/oidc/start?${query}`)
  const leadsSomewhere = location !== undefined && application.type === 'web' && isNavigation(request)
  if (dialect === 'nginx') {
    response.writeHead(401, { ...ownHeaders, 'content-length': 0, ...(leadsSomewhere ? { location } : {}) }).end()
    return
  }
  if (leadsSomewhere) return seeOther(response, location)
  throw new CurfewError(decision.isRevoked ? 'CURFEW_GATEWAY_SESSION_ENDED' : 'CURFEW_GATEWAY_SESSION_NEEDED', { application: application.id })
}

function one(value: string | string[] | undefined): string {
  return typeof value === 'string' ? value : ''
}
