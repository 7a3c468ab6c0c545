import type { IncomingMessage, ServerResponse } from 'node:http'
import { CurfewError } from '@curfew/codecs'
import type { Timer } from '../../platform/clock.ts'
import type { UpstreamController, UpstreamHandler, UpstreamRequest } from '../../platform/upstreams.ts'
import type { GatewayContext } from '../context.ts'
import type { CloseReason } from '../live-connections.ts'
import { hasBody, openUploadBytesMin, uploadIdleMsMax, watchUpload } from '../request-body.ts'
import type { Place } from '../route/applications.ts'
import { keptHeaders, type PreservedRequest, withNames } from '../sign-in/preserved.ts'
import type { OpenedSession } from '../session/web-session.ts'
import { openedIdentity } from './identity.ts'
import { requestHeaders } from './request-headers.ts'
import { responseHeaders } from './response-headers.ts'

/** One request on its way to an application. */
export interface Forwarding {
  readonly place: Place
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Absent on paths that need none. */
  readonly opened: OpenedSession | undefined
  readonly setCookies: readonly string[]
  /** Sent in the place of the request: it waited for the sign-in. */
  readonly preserved?: PreservedRequest
}

/** What answers in the place of the application, while nothing of its answer was sent. */
export interface Otherwise {
  /** The application failed. */
  readonly onError: (error: CurfewError) => void
  /** The session ended while the request was on its way. */
  readonly onEnded: (reason: CloseReason) => void
}

/**
 * Passes a request on and its answer back, while both come. It ends when either side goes, or the session does: then the
 * client hears so where nothing was sent yet, and else the connection breaks.
 */
export function forward(ctx: GatewayContext, forwarding: Forwarding, { onError, onEnded }: Otherwise): void {
  const { place, request, response, opened } = forwarding
  const { application } = place
  // Who left while it was decided would stay among what is open: nothing tells of it any more.
  if (response.destroyed || request.socket.destroyed) return void response.destroy()
  const state = { controller: undefined as UpstreamController | undefined, isEnded: false }
  const abort = (why: string): void => state.controller?.abort(new Error(why))
  const forget =
    opened === undefined
      ? undefined
      : ctx.live.add(opened, (reason, later) => {
          state.isEnded = true
          ctx.metrics.ended.inc()
          later(() => abort(reason))
          // A request that is not read to its end leaves the connection of no use.
          if (response.headersSent || response.destroyed || !request.complete) response.destroy()
          else onEnded(reason)
        })
  const upload = watch(ctx, forwarding, () => {
    if (state.isEnded) return
    state.isEnded = true
    abort('the client sends nothing')
    onError(new CurfewError('CURFEW_GATEWAY_REQUEST_TIMEOUT', { application: application.id, seconds: uploadIdleMsMax / 1000 }))
  })
  response.once('close', () => {
    forget?.()
    upload?.cancel()
    if (!response.writableFinished && !state.isEnded) abort('the client went away')
  })
  const handler: UpstreamHandler = {
    onRequestStart(controller) {
      state.controller = controller
      // It may have ended while the connection to the application was made.
      if (state.isEnded || response.destroyed) abort('the client went away')
    },
    onResponseStart(controller, status, headers, statusMessage) {
      if (status < 200 || response.destroyed || state.isEnded) return
      const { setCookies } = forwarding
      const options = { setCookies, target: application.target, origin: place.origin, isPrivate: opened !== undefined }
      response.writeHead(status, statusText(statusMessage), responseHeaders(headers, options))
      // Headers of a stream leave before its first event.
      if (headers['content-length'] === undefined) response.flushHeaders()
    },
    onResponseData(controller, chunk) {
      // The application may not have heard yet that it is over.
      if (response.destroyed || state.isEnded || response.write(chunk)) return
      controller.pause()
      response.once('drain', () => controller.resume())
    },
    onResponseEnd() {
      if (!state.isEnded) response.end()
    },
    onResponseError(_controller, cause) {
      if (response.destroyed || state.isEnded) return
      // What was sent can not be taken back: the connection breaks, so that nobody takes half an answer for a whole one.
      if (response.headersSent) response.destroy()
      else onError(upstreamError(application.id, cause))
    }
  }
  try {
    ctx.upstreams.dispatch(upstreamRequest(ctx, forwarding), handler)
  } catch (cause) {
    onError(upstreamError(application.id, cause))
  }
}

/** A body that does not come holds a connection here and at the application: only for so long, until the answer begins. */
function watch(ctx: GatewayContext, { request, response, opened }: Forwarding, onIdle: () => void): Timer | undefined {
  if (!hasBody(request) || request.complete) return undefined
  return watchUpload(request, { clock: ctx.clock, bytesMin: opened === undefined ? openUploadBytesMin : 1, isOver: () => response.headersSent, onIdle })
}

function upstreamRequest(ctx: GatewayContext, forwarding: Forwarding): UpstreamRequest {
  const { place, request, preserved } = forwarding
  const { application } = place
  const headers = upstreamHeaders(ctx, forwarding)
  const base = { origin: application.target, headersTimeout: application.responseTimeoutMs }
  if (preserved === undefined)
    return {
      ...base,
      path: request.url ?? '/',
      method: request.method ?? 'GET',
      headers,
      body: hasBody(request) && request.headers['content-length'] !== '0' ? request : null
    }
  // Identity headers are ours, also where one is called like what is kept.
  const isOwn = (name: string): boolean => ctx.headerNames.of(name).fate !== 'pass'
  const others = withNames(headers, (name) => isOwn(name) || !(bodyHeaders.has(name) || keptHeaders.has(name)))
  const theirs = withNames(preserved.headers, (name) => !isOwn(name))
  const sent = [...others, ...theirs, 'content-type', preserved.contentType]
  return { ...base, path: preserved.path, method: preserved.method, headers: sent, body: preserved.body }
}

/** The headers of the request to the application, also for one that becomes a WebSocket. */
export function upstreamHeaders(ctx: GatewayContext, { place, request, opened }: Pick<Forwarding, 'place' | 'request' | 'opened'>): string[] {
  const { application } = place
  const address = request.socket.remoteAddress ?? ''
  return requestHeaders(request, {
    names: ctx.headerNames,
    identity: opened === undefined ? [] : openedIdentity(application, opened),
    host: place.host,
    isSecure: place.isSecure,
    targetHost: application.preserveHost ? place.host : new URL(application.target).host,
    address,
    isTrusted: ctx.isTrustedProxy(address)
  })
}

/** The words behind a status, where they can be sent; the status says it all without them (RFC 9112 section 4). */
export function statusText(words: string | undefined): string {
  return words !== undefined && /^[\t\x20-\x7e]*$/.test(words) ? words : ''
}

const bodyHeaders: ReadonlySet<string> = new Set(['content-type', 'content-length'])

/** What went wrong with an application, by one of two codes: it took too long, or it is not there. */
export function upstreamError(application: string, cause: unknown): CurfewError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const isSlow = code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT'
  return new CurfewError(isSlow ? 'CURFEW_GATEWAY_APPLICATION_TIMEOUT' : 'CURFEW_GATEWAY_APPLICATION_UNREACHABLE', { application, why: code }, { cause })
}
