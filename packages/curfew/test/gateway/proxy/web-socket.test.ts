import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { Duplex } from 'node:stream'
import { suite, test } from 'node:test'
import type { GatewayContext } from '../../../src/gateway/context.ts'
import { forwardWebSocket, refusalBytesMax, restMsMax } from '../../../src/gateway/proxy/web-socket.ts'
import { createHeaderNames } from '../../../src/gateway/proxy/request-headers.ts'
import type { Place } from '../../../src/gateway/route/applications.ts'
import type { UpstreamHandler } from '../../../src/platform/upstreams.ts'
import { createFakeClock } from '../../authority/fake-clock.ts'

/** A client that takes the next octets only when it is told to. */
function slowClient() {
  const taken: string[] = []
  const waiting: (() => void)[] = []
  const socket = new Duplex({
    allowHalfOpen: true,
    read: () => undefined,
    write(chunk: Buffer, _encoding, done) {
      waiting.push(() => {
        taken.push(chunk.toString('latin1'))
        done()
      })
    }
  })
  return { socket, taken, takeNext: () => waiting.shift()?.() }
}

/** A wish for a WebSocket whose application answers what is played to the handler. */
function forwarded(socket: Duplex, answers: (handler: UpstreamHandler, controller: never) => void): ReturnType<typeof createFakeClock> {
  const clock = createFakeClock()
  const controller = { abort: () => undefined }
  const ctx = {
    clock,
    headerNames: createHeaderNames([]),
    isTrustedProxy: () => false,
    upstreams: { dispatch: (_request: unknown, handler: UpstreamHandler) => answers(handler, controller as never) }
  } as unknown as GatewayContext
  const request = { url: '/', headers: {}, rawHeaders: [], socket } as unknown as IncomingMessage
  const place = { application: { id: 'wiki', target: 'http://10.0.0.5', headers: {} }, origin: 'http://wiki', host: 'wiki' } as unknown as Place
  forwardWebSocket(ctx, { place, request, socket, head: Buffer.alloc(0), opened: undefined }, () => assert.fail())
  return clock
}

suite('A WebSocket that the application closes', () => {
  test('brings all that it had sent, also to a client that has not taken it yet', async () => {
    const { socket, taken, takeNext } = slowClient()
    const upstream = new Duplex({ allowHalfOpen: false, read: () => undefined, write: (_chunk, _encoding, done) => done() })
    const clock = forwarded(socket, (handler, controller) => handler.onRequestUpgrade?.(controller, 101, {}, upstream as never))
    upstream.push('first ')
    upstream.push('last')
    upstream.push(null)
    await once(upstream, 'close')
    for (let i = 0; i < 10; i++) {
      takeNext()
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.match(taken.join(''), /first last$/)
    clock.advance(500)
    assert.ok(socket.destroyed, 'and is closed then')
  })
})

suite('What an application answers in the place of a WebSocket', () => {
  const body = 'x'.repeat(refusalBytesMax)
  const refused = (socket: Duplex) =>
    forwarded(socket, (handler, controller) => {
      handler.onResponseStart?.(controller, 403, {}, 'Forbidden')
      handler.onResponseData?.(controller, Buffer.from(body))
      handler.onResponseEnd?.(controller, {})
    })

  test('arrives whole over a slow link', () => {
    const { socket, taken, takeNext } = slowClient()
    const clock = refused(socket)
    clock.advance(restMsMax - 1)
    assert.ok(!socket.destroyed)
    takeNext()
    assert.ok(taken.join('').endsWith(`\r\n\r\n${body}`))
  })

  test('lets go of a client that took it and closed, whatever that had sent meanwhile', async () => {
    const { socket, takeNext } = slowClient()
    refused(socket)
    socket.push('a frame')
    socket.push(null)
    takeNext()
    // Nothing else ends it: the clock stands still.
    await once(socket, 'close', { signal: AbortSignal.timeout(60_000) })
  })

  test('waits for no client that takes nothing', () => {
    const { socket } = slowClient()
    refused(socket).advance(restMsMax)
    assert.ok(socket.destroyed)
  })
})
