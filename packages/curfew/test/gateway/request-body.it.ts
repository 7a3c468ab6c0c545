import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { suite, test } from 'node:test'
import { bodyMsMax, boundRest, readBody, restMsMax } from '../../src/gateway/request-body.ts'

/** Time that passes by hand. */
function handClock() {
  const timers = new Set<{ readonly atMs: number; readonly act: () => void }>()
  const state = { nowMs: 0 }
  return {
    nowMs: () => state.nowMs,
    after(delayMs: number, act: () => void) {
      const timer = { atMs: state.nowMs + delayMs, act }
      timers.add(timer)
      return { cancel: () => void timers.delete(timer) }
    },
    pass(ms: number) {
      state.nowMs += ms
      for (const timer of [...timers]) {
        if (timer.atMs > state.nowMs) continue
        timers.delete(timer)
        timer.act()
      }
    },
    get waiting() {
      return timers.size
    }
  }
}

/** A server, and a client that has sent the head of a request with ten octets of body to come, and two of them. */
async function slowRequest(use: (asked: { readonly request: IncomingMessage; readonly response: ServerResponse; readonly client: Socket }) => Promise<void>) {
  // Nothing but what is tested closes a connection.
  const server = createServer({ keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  client.on('error', () => undefined).resume()
  try {
    client.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nab')
    const [request, response] = (await once(server, 'request')) as [IncomingMessage, ServerResponse]
    await use({ request, response, client })
  } finally {
    client.destroy()
    server.close()
  }
}

suite('A body that the gateway reads itself', () => {
  test('is read to its end, and no timer is left', async () => {
    const clock = handClock()
    await slowRequest(async ({ request, client }) => {
      const body = readBody(request, { clock, bytesMax: 10 })
      client.write('cdefghij')
      assert.equal((await body).toString(), 'abcdefghij')
      assert.equal(clock.waiting, 0)
    })
  })

  test('is refused when it is too large, comes too slowly, or stops', async () => {
    const clock = handClock()
    await slowRequest(async ({ request }) => {
      await assert.rejects(readBody(request, { clock, bytesMax: 1 }), { code: 'CURFEW_API_TOO_LARGE' })
    })
    await slowRequest(async ({ request }) => {
      const body = assert.rejects(readBody(request, { clock, bytesMax: 10 }), { code: 'CURFEW_GATEWAY_REQUEST_TIMEOUT' })
      clock.pass(bodyMsMax)
      await body
    })
    await slowRequest(async ({ request, client }) => {
      const body = assert.rejects(readBody(request, { clock, bytesMax: 10 }), { code: 'CURFEW_GATEWAY_REQUEST_TIMEOUT' })
      client.destroy()
      await body
    })
    assert.equal(clock.waiting, 0)
  })

  test('that was answered before its end keeps its connection for a while only', async () => {
    const clock = handClock()
    await slowRequest(async ({ request, response, client }) => {
      response.once('finish', () => boundRest(request, clock)).end('answered')
      await once(response, 'finish')
      const closed = once(client, 'close')
      clock.pass(restMsMax)
      await closed
    })
  })
})
