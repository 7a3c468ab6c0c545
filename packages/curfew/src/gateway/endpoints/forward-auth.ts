import type { IncomingMessage, ServerResponse } from 'node:http'
import { CurfewError } from '@curfew/codecs'
import { ownHeaders, seeOther } from '../answer.ts'
import type { GatewayContext } from '../context.ts'
import { identityHeaders } from '../proxy/identity.ts'
import { decide } from '../decide.ts'
import { type Place, reservedRoot } from '../route/applications.ts'
import { requestPath } from '../route/request-path.ts'
import { isOldBrowser } from '../session/cookies.ts'

/** The path below the reserved one; what follows it is the path that was asked for (Envoy puts it there). */
export const forwardAuthPath = '/auth'

/** What was asked of another proxy, as it tells the gateway. */
interface Asked {
  readonly host: string | undefined
  readonly uri: string
  readonly method: string
}

/**
 * `/pa/auth`: another proxy asks whether a request may pass. 200 with the identity headers, or what the browser has to
 * do: 303 to the sign-in, with `?status=401` the same as 401 and `Location` for a proxy that takes nothing else.
 * Only a trusted proxy may ask, because what it says decides.
 */
export async function forwardAuth(ctx: GatewayContext, below: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (!ctx.isTrustedProxy(request.socket.remoteAddress)) throw new CurfewError('CURFEW_GATEWAY_FORWARD_AUTH', { address: request.socket.remoteAddress ?? '' })
  const asked = askedOf(below, request)
  const path = requestPath(asked.uri)
  const place = path === undefined ? undefined : ctx.applications.find(asked.host, path)
  if (path === undefined) throw new CurfewError('CURFEW_GATEWAY_PATH')
  if (place === undefined) throw new CurfewError('CURFEW_GATEWAY_HOST_UNKNOWN', { host: (asked.host ?? '').slice(0, 100) })
  const decision = await decide(ctx, place, path, request)
  ctx.metrics.requests.inc({ application: place.application.id, result: decision.kind })
  switch (decision.kind) {
    case 'pass':
      return pass(ctx, place, decision, request, response)
    case 'sign-in':
      return askToSignIn(ctx, place, asked, request, response)
    case 'unchecked':
      throw new CurfewError('CURFEW_GATEWAY_SESSION_UNCHECKED', { application: place.application.id })
  }
}

function pass(
  ctx: GatewayContext,
  { application, isSecure }: Place,
  decision: Extract<Awaited<ReturnType<typeof decide>>, { kind: 'pass' }>,
  request: IncomingMessage,
  response: ServerResponse
): void {
  const { opened } = decision
  const attributes = { isSecure, isOldBrowser: isOldBrowser(request.headers['user-agent']) }
  const cookie = opened === undefined ? undefined : ctx.cookies.renewed(application.webSession, opened, attributes, ctx.clock.nowMs())
  const identity = opened === undefined ? [] : identityHeaders(application, opened.session)
  response
    .writeHead(200, { ...ownHeaders, 'content-length': 0, ...Object.fromEntries(identity), ...(cookie === undefined ? {} : { 'set-cookie': cookie }) })
    .end()
}

function askToSignIn(ctx: GatewayContext, place: Place, asked: Asked, request: IncomingMessage, response: ServerResponse): void {
  const { application, origin } = place
  const target = asked.method === 'GET' || asked.method === 'HEAD' ? asked.uri : application.contextRoot
  const location = `${origin}${reservedRoot(ctx.settings, application)}/oidc/start?${new URLSearchParams({ target }).toString()}`
  const isApi = application.type === 'api'
  const wants401 = new URL(request.url ?? '/', origin).searchParams.get('status') === '401'
  if (!isApi && !wants401) return seeOther(response, location)
  response.writeHead(401, { ...ownHeaders, 'content-length': 0, ...(isApi ? {} : { location }) }).end()
}

/** Traefik and Caddy: `X-Forwarded-*`; nginx: `X-Original-URL`; Envoy: the path itself, and the host as it came. */
function askedOf(below: string, { headers, method = 'GET' }: IncomingMessage): Asked {
  const one = (name: string): string | undefined => {
    const value = headers[name]
    return typeof value === 'string' ? value : undefined
  }
  const original = URL.parse(one('x-original-url') ?? '')
  const originalUri = one('x-original-url')?.replace(/^https?:\/\/[^/]+/, '')
  if (original !== null && originalUri !== undefined) return { host: original.host, uri: originalUri, method: one('x-original-method') ?? method }
  const uri = one('x-forwarded-uri')
  if (uri !== undefined) return { host: one('x-forwarded-host') ?? headers.host, uri, method: one('x-forwarded-method') ?? method }
  return { host: one('x-forwarded-host') ?? headers.host, uri: below === '' ? '/' : below, method }
}
