import type { IncomingMessage, ServerResponse } from 'node:http'
import { CurfewError } from '@curfew/codecs'
import { seeOther } from '../answer.ts'
import type { GatewayContext } from '../context.ts'
import { type Place, reservedRoot } from '../route/applications.ts'
import { type OwnAddress, ownAddress } from '../route/own-address.ts'
import { readBody } from '../request-body.ts'
import { senderOf } from '../sender.ts'
import { headersKept, isFormType, type PreservedRequest, preservedBytesMax } from './preserved.ts'
import { type Transaction, transactionCookies } from './transaction.ts'

/** Longest address that is remembered over a sign-in; a longer one leads to the start of the application. */
export const targetCharactersMax = 1_500

export function redirectUri(ctx: Pick<GatewayContext, 'settings'>, { application, origin }: Place): string {
  return `${origin}${reservedRoot(ctx.settings, application)}/oidc/cb`
}

/**
 * Sends the browser to sign in. Where it comes back to is sealed in its own cookie.
 * @param target - absent: the start of the application
 */
export async function startSignIn(
  ctx: GatewayContext,
  place: Place,
  request: IncomingMessage,
  response: ServerResponse,
  target: OwnAddress | undefined,
  preserved?: string
): Promise<void> {
  const text = (bytes: number): string => Buffer.from(ctx.random.bytes(bytes)).toString('base64url')
  const transaction: Transaction = {
    state: text(18),
    nonce: text(18),
    verifier: text(32),
    target: target !== undefined && target.length <= targetCharactersMax ? target : homeOf(place),
    origin: place.origin,
    applicationId: place.application.id,
    startedAtMs: ctx.clock.nowMs(),
    ...(preserved === undefined ? {} : { preserved })
  }
  const location = await ctx.provider.authorizationUrl({ redirectUri: redirectUri(ctx, place), ...transaction })
  seeOther(response, location, transactionCookies(ctx.transactions, transaction, request.headers.cookie, place.isSecure))
}

/** The start of an application. */
function homeOf(place: Place): OwnAddress {
  const home = ownAddress(place, place.application.contextRoot)
  if (home === undefined) throw new TypeError(`no path: ${place.application.contextRoot}`)
  return home
}

/**
 * Keeps a request with a body until its sender has signed in.
 * @returns the name that it is kept by; undefined when it is not kept and the sender starts anew
 * @throws CURFEW_GATEWAY_PRESERVATION for a body of a kind that is not kept, where that is wanted; those of {@link readBody}
 */
export async function preserve(ctx: GatewayContext, { application, origin }: Place, request: IncomingMessage): Promise<string | undefined> {
  const { method = 'GET' } = request
  if (method === 'GET' || method === 'HEAD' || application.preservation === 'none' || !isOwnRequest(request, origin)) return undefined
  const contentType = request.headers['content-type'] ?? ''
  const isKept = application.preservation === 'all' || (method === 'POST' && isFormType(contentType))
  if (!isKept && !application.failOnUnsupportedPreservationContentType) return undefined
  if (!isKept) throw new CurfewError('CURFEW_GATEWAY_PRESERVATION', { method, type: contentType.slice(0, 60) })
  const sender = ctx.cookies.owner(application.webSession, request.headers.cookie, ctx.clock.nowMs())
  // Nobody knows whose it is: it would go out in the name of one of them.
  if (sender === 'several') return undefined
  const waiting: PreservedRequest = {
    ...(sender === undefined ? {} : { sender }),
    origin,
    path: request.url ?? '/',
    method,
    contentType,
    headers: headersKept(request.rawHeaders),
    body: await readBody(request, { clock: ctx.clock, bytesMax: preservedBytesMax })
  }
  return ctx.preserved.keep(waiting, senderOf(ctx, request))
}

/**
 * A page of another site may send a form here, but without the cookie (SameSite): kept over the sign-in it would go
 * out with it.
 */
function isOwnRequest({ headers }: IncomingMessage, own: string): boolean {
  const site = headers['sec-fetch-site']
  if (site !== undefined) return site === 'same-origin'
  return headers.origin === own
}
