import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request as httpRequest, type ServerResponse } from 'node:http'
import type { Writable } from 'node:stream'
import { suite, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { createGatewayKit, type GatewayKit } from './kit.ts'
import { Visitor } from './visitor.ts'

const wanted = 100 * 1024 * 1024
const chunk = Buffer.alloc(256 * 1024, 'x')
/** Octets that may lie between both ends, with all the buffers on the way. Without back-pressure it is nearly all of them. */
const betweenMax = 32 * 1024 * 1024

interface Passed {
  sent: number
  received: number
  /** Most octets that were sent and not received yet. */
  between: number
}

/** Writes as fast as it is let. */
async function send(to: Writable, passed: Passed): Promise<void> {
  for (; passed.sent < wanted; passed.sent += chunk.length) {
    passed.between = Math.max(passed.between, passed.sent - passed.received)
    if (!to.write(chunk)) await once(to, 'drain')
  }
  to.end()
}

/** Reads slower than anybody writes. */
async function receive(from: IncomingMessage, passed: Passed): Promise<void> {
  for await (const part of from as AsyncIterable<Buffer>) {
    passed.received += part.length
    for (let i = 0; i < 5; i++) await turn()
  }
}

async function cookieOf(kit: GatewayKit): Promise<string> {
  const ana = new Visitor()
  await ana.open(`${kit.wiki}/start`)
  return [...ana.jar(kit.wiki)].map(([name, value]) => `${name}=${value}`).join('; ')
}

function open(kit: GatewayKit, cookie: string, method: 'GET' | 'POST') {
  const { host, port } = new URL(kit.wiki)
  return httpRequest({ host: '127.0.0.1', port, path: '/large', method, headers: { host, cookie }, agent: false })
}

suite('Bodies of a hundred megabytes', () => {
  test('an upload goes no faster than the application reads it', async () => {
    const passed: Passed = { sent: 0, received: 0, between: 0 }
    await using kit = await createGatewayKit({
      upstream(request: IncomingMessage, response: ServerResponse) {
        if (request.url !== '/large') return void response.end('ok')
        void receive(request, passed).then(() => response.end('done'))
      }
    })
    const request = open(kit, await cookieOf(kit), 'POST')
    const answered = once(request, 'response')
    await send(request, passed)
    const [answer] = (await answered) as [IncomingMessage]
    assert.equal(answer.resume().statusCode, 200)
    assert.equal(passed.received, wanted)
    assert.ok(passed.between < betweenMax, `${passed.between} octets waited on the way`)
  })

  test('a download goes no faster than the browser reads it', async () => {
    const passed: Passed = { sent: 0, received: 0, between: 0 }
    await using kit = await createGatewayKit({
      upstream(request: IncomingMessage, response: ServerResponse) {
        if (request.url !== '/large') return void response.end('ok')
        response.writeHead(200, { 'content-type': 'application/octet-stream' })
        void send(response, passed)
      }
    })
    const request = open(kit, await cookieOf(kit), 'GET')
    request.end()
    const [answer] = (await once(request, 'response')) as [IncomingMessage]
    assert.equal(answer.statusCode, 200)
    await receive(answer, passed)
    assert.equal(passed.received, wanted)
    assert.ok(passed.between < betweenMax, `${passed.between} octets waited on the way`)
  })
})
