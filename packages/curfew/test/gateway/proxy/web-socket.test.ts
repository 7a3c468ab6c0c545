import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { Duplex } from 'node:stream'
import { suite, test } from 'node:test'
import type { GatewayContext } from '../../../src/gateway/context.ts'
import { forwardWebSocket } from '../../../src/gateway/proxy/web-socket.ts'
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

suite('A WebSocket that the application closes', () => {
  test('brings all that it had sent, also to a client that has not taken it yet', async () => {
    const clock = createFakeClock()
    const { socket, taken, takeNext } = slowClient()
    const upstream = new Duplex({ allowHalfOpen: false, read: () => undefined, write: (_chunk, _encoding, done) => done() })
    const controller = { abort: () => undefined }
    const ctx = {
      clock,
      headerNames: createHeaderNames([]),
      isTrustedProxy: () => false,
      upstreams: {
        dispatch(_request: unknown, handler: UpstreamHandler) {
          handler.onRequestUpgrade?.(controller as never, 101, {}, upstream as never)
        }
      }
    } as unknown as GatewayContext
    const request = { url: '/', headers: {}, rawHeaders: [], socket } as unknown as IncomingMessage
    const place = { application: { id: 'wiki', target: 'http://10.0.0.5', headers: {} }, origin: 'http://wiki', host: 'wiki' } as unknown as Place
    forwardWebSocket(ctx, { place, request, socket, head: Buffer.alloc(0), opened: undefined }, () => assert.fail())
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
