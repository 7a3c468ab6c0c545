import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openUploadBytesMin, uploadLookMs } from '../../src/gateway/request-body.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { until } from '../support/until.ts'
import { createGatewayKit, type GatewayKit, type GatewayKitOptions } from './kit.ts'
import { Visitor } from './visitor.ts'

/** An upload is looked at so often here. */
const lookMs = 100
const clock = {
  nowMs: () => systemClock.nowMs(),
  after: (delayMs: number, act: () => void) => systemClock.after(delayMs === uploadLookMs ? lookMs : delayMs, act)
}

function kitOf(options: GatewayKitOptions = {}): Promise<GatewayKit> {
  return createGatewayKit({ clock, applications: [{ id: 'wiki', urls: ['WIKI'], anonymous: ['/public'] }], ...options })
}

async function cookieOf(kit: GatewayKit): Promise<string> {
  const ana = new Visitor()
  await ana.open(`${kit.wiki}/start`)
  return [...ana.jar(kit.wiki)].map(([name, value]) => `${name}=${value}`).join('; ')
}

interface Upload {
  readonly socket: Socket
  /** What came back by now. */
  readonly answer: () => string
  readonly closed: Promise<unknown>
}

/** The head of an upload, over a socket of its own, and two octets of its body. */
function begin(kit: GatewayKit, length: number, cookie?: string): Upload {
  const { host, port } = new URL(kit.wiki)
  const socket = connect(Number(port), '127.0.0.1')
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1'))).on('error', () => undefined)
  const path = cookie === undefined ? '/public/x' : '/notes'
  const more = cookie === undefined ? '' : `Cookie: ${cookie}\r\n`
  socket.write(`POST ${path} HTTP/1.1\r\nHost: ${host}\r\n${more}Content-Length: ${length}\r\n\r\nab`)
  return { socket, answer: () => text, closed: new Promise((resolve) => socket.once('close', resolve)) }
}

suite('An upload to an application', () => {
  for (const who of ['on a path that needs no session', 'under a session'] as const)
    test(`${who} that stands still is refused with 408, and its connections go`, async () => {
      let isGone = false
      await using kit = await kitOf({
        upstream(request: IncomingMessage, response: ServerResponse) {
          if (request.method !== 'POST') return void response.end('ok')
          request.on('error', () => (isGone = true)).resume()
        }
      })
      const { answer, closed } = begin(kit, 10, who === 'under a session' ? await cookieOf(kit) : undefined)
      await closed
      assert.match(answer(), /^HTTP\/1\.1 408 [^]*CURFEW_GATEWAY_REQUEST_TIMEOUT/)
      await until('the application is told', () => isGone)
      assert.equal(kit.gateway.context.live.count, 0)
    })

  test('that comes octet by octet is refused without a session, and goes on with one', async () => {
    await using kit = await kitOf()
    const cookie = await cookieOf(kit)
    const [open, own] = [begin(kit, openUploadBytesMin), begin(kit, 40, cookie)]
    const state = { isOver: false }
    void open.closed.then(() => (state.isOver = true))
    for (let sent = 2; sent < 40; sent++) {
      await sleep(lookMs / 2)
      own.socket.write('c')
      if (!state.isOver) open.socket.write('c')
    }
    assert.equal(state.isOver, true)
    assert.match(open.answer(), /^HTTP\/1\.1 408 /)
    await until('it is answered', () => own.answer() !== '')
    assert.match(own.answer(), /^HTTP\/1\.1 200 [^]*"body":"abc{38}"/)
    own.socket.destroy()
  })

  test('is not held against its sender while the application does not read it, nor after that has begun its answer', async () => {
    await using kit = await kitOf({
      upstream(request: IncomingMessage, response: ServerResponse) {
        response.on('error', () => undefined)
        if (request.headers['content-length'] === '10') return void response.writeHead(200).write('begun')
        void sleep(12 * lookMs).then(() => request.resume().on('end', () => response.end('read')))
      }
    })
    const length = 16 * 1024 * 1024
    const [held, begun] = [begin(kit, length), begin(kit, 10)]
    held.socket.write(Buffer.alloc(length - 2, 'x'))
    await until('it is answered', () => held.answer() !== '')
    assert.match(held.answer(), /^HTTP\/1\.1 200 /)
    assert.match(begun.answer(), /^HTTP\/1\.1 200 /)
    assert.equal(begun.socket.closed, false)
    for (const { socket } of [held, begun]) socket.destroy()
  })
})
