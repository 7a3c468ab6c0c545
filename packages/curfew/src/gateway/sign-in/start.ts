import type { IncomingMessage, ServerResponse } from 'node:http'
import { CurfewError, isCurfewError } from '@curfew/codecs'
import { seeOther } from '../answer.ts'
import type { GatewayContext } from '../context.ts'
import { type Place, reservedRoot } from '../route/applications.ts'
import { type OwnAddress, ownAddress } from '../route/own-address.ts'
import { readBody, skipBody } from '../request-body.ts'
import { senderOf } from '../sender.ts'
import { headersKept, isFormType, notKept, type PreservedRequest, preservedBytesMax } from './preserved.ts'
import { type Transaction, transactionCookies } from './transaction.ts'

/** Longest address that is remembered over a sign-in; a longer one leads to the start of the application. */
export const targetCharactersMax = 1_500

/** Below the reserved root: says that an address was too long, where no request that comes here could be told so. */
export const addressLostPath = '/oidc/address-lost'

/** {@link addressLostPath} of one application: it lies below the reserved root, which says of none whose it is. */
export function addressLostOf({ id }: Pick<Place['application'], 'id'>): string {
  return `${addressLostPath}?${new URLSearchParams({ app: id }).toString()}`
}

/** What {@link addressLostOf} names. Anybody may have written it: only applications of the host that was asked are looked up by it. */
export function applicationOfLost(target: string): string | undefined {
  return new URLSearchParams(target.split('?')[1]).get('app') ?? undefined
}

/** State and nonce of 18 octets, a verifier of 32: drawn at once, for many may be asked to sign in at the same time. */
const secretBytes = 18 + 18 + 32

export function redirectUri(ctx: Pick<GatewayContext, 'settings'>, { application, origin }: Place): string {
  return `${origin}${reservedRoot(ctx.settings, application)}/oidc/cb`
}

/**
 * Sends the browser to sign in. Where it comes back to is sealed in its own cookie.
 * @param target - absent: the start of the application, which one that is too long to remember leads to as well
 * @param preserved - what {@link preserve} says
 */
export async function startSignIn(
  ctx: GatewayContext,
  place: Place,
  request: IncomingMessage,
  response: ServerResponse,
  target: OwnAddress | undefined,
  preserved?: string
): Promise<void> {
  const octets = Buffer.from(ctx.random.bytes(secretBytes))
  const text = (from: number, to: number): string => octets.toString('base64url', from, to)
  const isTooLong = target !== undefined && target.length > targetCharactersMax
  const waiting = preserved ?? (isTooLong ? notKept.address : undefined)
  const transaction: Transaction = {
    state: text(0, 18),
    nonce: text(18, 36),
    verifier: text(36, secretBytes),
    target: target === undefined || isTooLong ? homeOf(place) : target,
    origin: place.origin,
    applicationId: place.application.id,
    startedAtMs: ctx.clock.nowMs(),
    ...(waiting === undefined ? {} : { preserved: waiting })
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
 * @returns the name that it is kept by, or why it is not: one of {@link notKept}; undefined when nothing is lost, or the
 *   configuration says that the sender starts anew
 * @throws CURFEW_GATEWAY_PRESERVATION, CURFEW_API_TOO_LARGE for what is not kept, where that is wanted; CURFEW_GATEWAY_REQUEST_TIMEOUT
 */
export async function preserve(ctx: GatewayContext, { application, origin }: Place, request: IncomingMessage): Promise<string | undefined> {
  const { method = 'GET', url = '/' } = request
  if (method === 'GET' || method === 'HEAD' || application.preservation === 'none' || !isOwnRequest(request, origin)) return undefined
  const contentType = request.headers['content-type'] ?? ''
  const isKept = application.preservation === 'all' || (method === 'POST' && isFormType(contentType))
  if (!isKept && !application.failOnUnsupportedPreservationContentType) return undefined
  if (!isKept) throw new CurfewError('CURFEW_GATEWAY_PRESERVATION', { method, type: contentType.slice(0, 60) })
  const sender = ctx.cookies.owner(application.webSession, request.headers.cookie, ctx.clock.nowMs())
  // Nobody knows whose it is: it would go out in the name of one of them.
  if (sender === 'several') return undefined
  const body = origin.length + url.length > targetCharactersMax ? undefined : await bodyThatWaits(ctx, request)
  if (body === undefined) {
    await skipBody(request, ctx.clock)
    if (application.failOnUnsupportedPreservationContentType) throw new CurfewError('CURFEW_API_TOO_LARGE', { maximum: preservedBytesMax })
    return notKept.form
  }
  const waiting: PreservedRequest = {
    ...(sender === undefined ? {} : { sender }),
    origin,
    path: url,
    method,
    contentType,
    headers: headersKept(request.rawHeaders),
    body
  }
  return ctx.preserved.keep(waiting, senderOf(ctx, request))
}

/** Undefined for one that is too large. */
async function bodyThatWaits({ clock }: Pick<GatewayContext, 'clock'>, request: IncomingMessage): Promise<Buffer | undefined> {
  try {
    return await readBody(request, { clock, bytesMax: preservedBytesMax })
  } catch (error) {
    if (isCurfewError(error) && error.code === 'CURFEW_API_TOO_LARGE') return undefined
    throw error
  }
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
