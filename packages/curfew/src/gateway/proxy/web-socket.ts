import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import { CurfewError } from '@curfew/codecs'
import type { UpstreamController } from '../../platform/upstreams.ts'
import type { GatewayContext } from '../context.ts'
import { lastAnswer } from '../last-answer.ts'
import type { CloseReason } from '../live-connections.ts'
import type { Place } from '../route/applications.ts'
import type { OpenedSession } from '../session/web-session.ts'
import { statusText, upstreamError, upstreamHeaders } from './forward.ts'
import { closeFrame, sessionEndedCode, trackFrames } from './frames.ts'
import { responseHeaders } from './response-headers.ts'

export interface WebSocketForwarding {
  readonly place: Place
  readonly request: IncomingMessage
  readonly socket: Duplex
  /** What the client sent behind its request. */
  readonly head: Buffer
  readonly opened: OpenedSession | undefined
}

/** How long a frame that is under way may take to end before the connection is cut without a close frame. */
const frameMsMax = 250
/** How long the other side gets to close after it was told. */
const closeMsMax = 500
/** How long a client may take to read what an application sent before it closed, or in the place of a WebSocket. */
export const restMsMax = 30_000
/** Largest body of a refusal that is passed on; of a larger one its head is. */
export const refusalBytesMax = 64 * 1024
/** How long that body may take to come. */
export const refusalMsMax = 10_000

/**
 * Opens a WebSocket at the application and passes octets both ways until either side, or the session, ends: it belongs to
 * the session from before the application is asked. What the application answers in the place of a WebSocket is passed on, as
 * an answer to any request is.
 */
export function forwardWebSocket(ctx: GatewayContext, forwarding: WebSocketForwarding, onError: (error: CurfewError) => void): void {
  const { place, request, socket, opened } = forwarding
  const { application } = place
  // Who left while it was decided would stay among what is open: nothing tells of it any more.
  if (socket.destroyed) return
  const state = { controller: undefined as UpstreamController | undefined, joined: undefined as Joined | undefined, refusal: undefined as Refusal | undefined }
  let isAnswered = false
  const refuse = (error: CurfewError): void => {
    if (isAnswered) return
    isAnswered = true
    onError(error)
  }
  if (opened !== undefined) {
    const forget = ctx.live.add(opened, (reason) => {
      ctx.metrics.ended.inc()
      if (state.joined !== undefined) return endBoth(ctx, state.joined, reason)
      const code = reason === 'session unchecked' ? 'CURFEW_GATEWAY_SESSION_UNCHECKED' : 'CURFEW_GATEWAY_SESSION_ENDED'
      refuse(new CurfewError(code, { application: application.id }))
      state.controller?.abort(new Error(reason))
    })
    socket.once('close', forget)
  }
  const dispatched = {
    origin: application.target,
    path: request.url ?? '/',
    method: 'GET',
    upgrade: 'websocket',
    headers: upstreamHeaders(ctx, { place, request, opened }),
    headersTimeout: application.responseTimeoutMs
  }
  try {
    ctx.upstreams.dispatch(dispatched, {
      onRequestStart(controller) {
        state.controller = controller
        // It may have been answered while the connection to the application was made.
        if (isAnswered || socket.destroyed) return controller.abort(new Error('nobody waits for it'))
        socket.once('close', () => controller.abort(new Error('the client went away')))
      },
      onRequestUpgrade(_controller, _status, headers, upstream) {
        if (isAnswered || socket.destroyed) return upstream.destroy()
        isAnswered = true
        const lines = headerLines(responseHeaders(headers, { setCookies: [], target: application.target, origin: place.origin, isPrivate: false }))
        socket.write(`HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n${lines}\r\n`, 'latin1')
        state.joined = join(ctx, forwarding, upstream)
      },
      onResponseStart(controller, status, headers, words) {
        if (status < 200 || isAnswered) return
        const options = { setCookies: [], target: application.target, origin: place.origin, isPrivate: opened !== undefined }
        state.refusal = collectRefusal(ctx.clock, { status, words: statusText(words), headers: responseHeaders(headers, options) }, (answer) => {
          if (isAnswered) return
          isAnswered = true
          // Nobody reads what the client sends any more; its end is behind that.
          socket.resume()
          lastAnswer(socket, answer, ctx.clock, restMsMax)
          controller.abort(new Error('no upgrade'))
        })
      },
      onResponseData: (_controller, chunk) => state.refusal?.take(chunk),
      onResponseEnd: () => state.refusal?.end(),
      onResponseError(_controller, cause) {
        state.refusal?.cancel()
        refuse(upstreamError(application.id, cause))
      }
    })
  } catch (cause) {
    refuse(upstreamError(application.id, cause))
  }
}

/** What an application says that opens no WebSocket, until it is whole. */
interface Refusal {
  take(chunk: Buffer): void
  end(): void
  cancel(): void
}

interface RefusalHead {
  readonly status: number
  readonly words: string
  readonly headers: OutgoingHttpHeaders
}

/** @param done - once, with the answer: without a body where that is too large or too slow */
function collectRefusal(clock: GatewayContext['clock'], { status, words, headers }: RefusalHead, done: (answer: Buffer) => void): Refusal {
  const chunks: Buffer[] = []
  let bytes = 0
  const { 'content-length': _length, ...others } = headers
  const finish = (body: Buffer | undefined): void => {
    timer.cancel()
    const sent = body === undefined ? Object.fromEntries(Object.entries(others).filter(([name]) => !ofBody.has(name))) : others
    const length = status === 204 || status === 304 ? '' : `content-length: ${body?.length ?? 0}\r\n`
    const head = `HTTP/1.1 ${status} ${words}\r\nconnection: close\r\n${length}${headerLines(sent)}\r\n`
    done(Buffer.concat([Buffer.from(head, 'latin1'), ...(body === undefined ? [] : [body])]))
  }
  const timer = clock.after(refusalMsMax, () => finish(undefined))
  return {
    take(chunk) {
      bytes += chunk.length
      if (bytes > refusalBytesMax) return finish(undefined)
      chunks.push(chunk)
    },
    end: () => finish(Buffer.concat(chunks)),
    cancel: () => timer.cancel()
  }
}

/** They speak of a body that is not there. */
const ofBody: ReadonlySet<string> = new Set(['content-type', 'content-encoding', 'content-range', 'content-digest', 'repr-digest', 'etag', 'last-modified'])

function headerLines(headers: OutgoingHttpHeaders): string {
  return Object.entries(headers)
    .flatMap(([name, value]) => (Array.isArray(value) ? value : [value]).map((one) => `${name}: ${String(one)}\r\n`))
    .join('')
}

/** Joins both connections. A close frame is put in between frames only: inside of one it would be read as payload. */
function join({ clock }: Pick<GatewayContext, 'clock'>, { socket, head }: WebSocketForwarding, upstream: Duplex): Joined {
  const down = pass(upstream, socket)
  const up = pass(socket, upstream)
  if (head.length > 0) up.write(head)
  for (const [one, other] of [
    [socket, upstream],
    [upstream, socket]
  ] as const) {
    one.on('error', () => other.destroy())
    one.once('close', () => letGo(other, clock))
    one.once('end', () => other.end())
  }
  return { down, up, socket, upstream }
}

/** What is on its way to one side still goes when the other has closed, for a while. */
function letGo(socket: Duplex, clock: GatewayContext['clock']): void {
  if (socket.destroyed) return
  const timer = clock.after(restMsMax, () => socket.destroy())
  socket.once('close', () => timer.cancel())
  socket.removeAllListeners('data').resume()
  socket.end(() => clock.after(closeMsMax, () => socket.destroy()))
}

interface Direction {
  write(chunk: Buffer): void
  /** Stops passing on; calls back between two frames. */
  stop(atBoundary: () => void): void
}

function pass(from: Duplex, to: Duplex): Direction {
  const frames = trackFrames()
  let stopped: (() => void) | undefined
  const write = (chunk: Buffer): void => {
    const boundary = frames.take(chunk)
    if (stopped === undefined) {
      if (!to.write(chunk)) from.pause()
      return
    }
    // Only the rest of the frame that was under way still goes.
    to.write(wholeFrames(chunk, boundary))
    if (boundary > 0) stopped()
  }
  from.on('data', write)
  to.on('drain', () => from.resume())
  return {
    write,
    stop(atBoundary) {
      const once = (): void => {
        from.off('data', write)
        from.resume()
        stopped = () => undefined
        atBoundary()
      }
      stopped = once
      if (frames.isAtBoundary) once()
    }
  }
}

function wholeFrames(chunk: Buffer, boundary: number): Buffer {
  return boundary > 0 ? chunk.subarray(0, boundary) : chunk
}

interface Joined {
  readonly down: Direction
  readonly up: Direction
  readonly socket: Duplex
  readonly upstream: Duplex
}

function endBoth(ctx: GatewayContext, { down, up, socket, upstream }: Joined, reason: CloseReason): void {
  const cut = ctx.clock.after(frameMsMax, () => {
    socket.destroy()
    upstream.destroy()
  })
  down.stop(() => {
    cut.cancel()
    socket.end(closeFrame(sessionEndedCode, reason, false))
    ctx.clock.after(closeMsMax, () => socket.destroy())
  })
  up.stop(() => {
    upstream.end(closeFrame(sessionEndedCode, reason, true))
    ctx.clock.after(closeMsMax, () => upstream.destroy())
  })
}
