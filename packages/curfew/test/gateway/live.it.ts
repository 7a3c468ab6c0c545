import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, request as httpRequest, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { suite, test } from 'node:test'
import { WebSocket } from 'undici'
import { until } from '../support/until.ts'
import { createGatewayKit, type GatewayKit } from './kit.ts'
import { Visitor } from './visitor.ts'
import { anywhere } from './web-socket-client.ts'
import { acceptWebSocket, textFrame } from './web-socket-server.ts'

const nowMs = () => Number(process.hrtime.bigint() / 1_000_000n)

async function signedIn(kit: GatewayKit): Promise<{ readonly visitor: Visitor; readonly cookie: string }> {
  const visitor = new Visitor()
  assert.equal((await visitor.open(`${kit.wiki}/`)).status, 200)
  return { visitor, cookie: [...visitor.jar(kit.wiki)].map(([name, value]) => `${name}=${value}`).join('; ') }
}

/** Ends everything and tells how long it took until the promise was kept. */
async function timeToEnd(kit: GatewayKit, ended: Promise<unknown>): Promise<number> {
  const start = nowMs()
  await kit.endAll()
  await ended
  return nowMs() - start
}

/** A WebSocket that is spoken by hand. */
function rawWebSocket(kit: GatewayKit, cookie: string, more = ''): Promise<Socket> {
  const { port, host } = new URL(kit.wiki)
  const socket = connect(Number(port), '127.0.0.1')
  const key = randomBytes(16).toString('base64')
  socket.write(
    `GET /live HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\nCookie: ${cookie}\r\n${more}\r\n`
  )
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.once('data', (chunk: Buffer) => {
      if (chunk.toString('latin1').startsWith('HTTP/1.1 101')) resolve(socket)
      else reject(new Error(chunk.toString('latin1')))
    })
  })
}

/** An application that keeps every WebSocket open. */
function holdWebSockets(kit: GatewayKit): Duplex[] {
  const held: Duplex[] = []
  kit.upstream.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
    acceptWebSocket(request, socket)
    socket.on('error', () => undefined)
    held.push(socket)
  })
  return held
}

suite('Connections that are open when their session ends', () => {
  test('a WebSocket passes messages both ways and is closed with 4001 and the reason, at both ends', async () => {
    await using kit = await createGatewayKit()
    const held = holdWebSockets(kit)
    const { cookie } = await signedIn(kit)
    const socket = new WebSocket(`${kit.wiki.replace('http', 'ws')}/live`, { headers: { cookie }, dispatcher: anywhere })
    await once(socket, 'open')
    const upstream = held[0] ?? assert.fail()
    const heard = once(socket, 'message')
    upstream.write(textFrame('hello'))
    assert.equal((await heard)[0].data, 'hello')
    const got: Buffer[] = []
    upstream.on('data', (chunk: Buffer) => got.push(chunk))
    socket.send('hi')
    const closed = once(socket, 'close')
    const ended = once(upstream, 'end')
    assert.ok((await timeToEnd(kit, closed)) < 1_000)
    const [event] = await closed
    assert.deepEqual([event.code, event.reason], [4001, 'session ended'])
    await ended
    const octets = Buffer.concat(got)
    assert.ok(octets.includes(Buffer.from([0x0f, 0xa1])), 'the application is told by a close frame, too')
  })

  test('one that the application has not accepted yet when the session ends is refused, whatever the application says then', async () => {
    await using kit = await createGatewayKit()
    const asked = Promise.withResolvers<() => void>()
    const ended = Promise.withResolvers<undefined>()
    kit.upstream.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
      for (const event of ['end', 'close', 'error']) socket.on(event, () => ended.resolve(undefined))
      socket.resume()
      asked.resolve(() => acceptWebSocket(request, socket))
    })
    const { cookie } = await signedIn(kit)
    const answer = rawWebSocket(kit, cookie).then(
      () => '101',
      (error: Error) => error.message
    )
    const accept = await asked.promise
    await kit.endAll()
    await until('the revocation came in', () => kit.gateway.context.revocations.size > 0)
    accept()
    assert.match(await answer, /^HTTP\/1\.1 401 /)
    await ended.promise
    assert.equal(kit.gateway.context.live.count, 0)
  })

  test('a request whose connection to the application is still being made is answered without it', async () => {
    const reached = Promise.withResolvers<Socket>()
    const octets: Buffer[] = []
    // Takes the connection and never answers the handshake of TLS.
    const silent = createServer((socket) => {
      socket.on('error', () => undefined).on('data', (chunk: Buffer) => octets.push(chunk))
      reached.resolve(socket)
    })
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const target = `https://127.0.0.1:${(silent.address() as AddressInfo).port}`
    await using kit = await createGatewayKit({
      applications: [
        { id: 'wiki', urls: ['WIKI'] },
        { id: 'silent', urls: ['WIKI'], contextRoot: '/silent', target }
      ]
    })
    const { visitor } = await signedIn(kit)
    const answer = visitor.ask(`${kit.wiki}/silent/x`, { headers: { accept: 'application/json' } })
    const socket = await reached.promise
    await kit.endAll()
    assert.equal((await answer).status, 401)
    assert.ok(!Buffer.concat(octets).includes('GET '), 'nothing of the request left')
    socket.destroy()
    silent.close()
  })

  test('one that is in the middle of a frame is cut, and nothing is put into the frame', async () => {
    await using kit = await createGatewayKit()
    const held = holdWebSockets(kit)
    const { cookie } = await signedIn(kit)
    const socket = await rawWebSocket(kit, cookie)
    const got: Buffer[] = []
    socket.on('data', (chunk: Buffer) => got.push(chunk))
    socket.on('error', () => undefined)
    held[0]?.write(Buffer.concat([Buffer.from([0x82, 126, 0x10, 0x00]), Buffer.alloc(100, 1)]))
    await once(socket, 'data')
    assert.ok((await timeToEnd(kit, once(socket, 'close'))) < 1_000)
    assert.equal(Buffer.concat(got).length, 104)
  })

  test('a stream of events, a long poll and an upload end', async () => {
    const uploaded = { bytes: 0, isAborted: false }
    await using kit = await createGatewayKit({
      upstream(request, response) {
        if (request.url === '/') response.end('ok')
        else if (request.url === '/events') response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
        else if (request.url === '/upload') {
          request.on('data', (chunk: Buffer) => {
            uploaded.bytes += chunk.length
          })
          request.on('error', () => undefined)
          request.on('close', () => {
            uploaded.isAborted = !request.complete
          })
        }
      }
    })
    const { cookie } = await signedIn(kit)
    const { port, host } = new URL(kit.wiki)
    const open = (path: string, method = 'GET') =>
      httpRequest({ host: '127.0.0.1', port, path, method, headers: { host, cookie, accept: '*/*' }, agent: false })
    const ended = (one: ReturnType<typeof open>): Promise<unknown> => new Promise((resolve) => one.on('error', resolve).on('close', resolve))
    const events = open('/events')
    events.end()
    const [stream] = (await once(events, 'response')) as [IncomingMessage]
    stream.on('error', () => undefined)
    assert.equal(String((await once(stream, 'data'))[0]), 'data: 1\n\n')
    const poll = open('/poll')
    poll.end()
    const upload = open('/upload', 'POST')
    upload.write(Buffer.alloc(200_000, 1))
    await until('the upload came', () => uploaded.bytes >= 200_000)
    assert.equal(kit.gateway.context.live.count, 3)
    assert.ok((await timeToEnd(kit, Promise.all([ended(events), ended(poll), ended(upload)]))) < 1_000)
    await until('the upload broke off at the application', () => uploaded.isAborted)
    await until('nothing is open', () => kit.gateway.context.live.count === 0)
  })

  test('a request that nothing was answered to yet gets the answer of one without a session', async () => {
    await using kit = await createGatewayKit({
      upstream(request, response) {
        if (request.url === '/') response.end('ok')
      }
    })
    const { cookie } = await signedIn(kit)
    const { port, host } = new URL(kit.wiki)
    const ask = (method: string, headers: Record<string, string>) => {
      const request = httpRequest({ host: '127.0.0.1', port, path: '/slow', method, headers: { host, cookie, ...headers }, agent: false })
      request.end()
      return once(request, 'response') as Promise<[IncomingMessage]>
    }
    const answers = [ask('GET', { accept: 'text/html', 'sec-fetch-mode': 'navigate' }), ask('GET', { accept: '*/*', 'sec-fetch-mode': 'cors' })]
    answers.push(ask('POST', { accept: 'text/html', 'sec-fetch-mode': 'navigate', 'content-length': '0' }))
    await until('all are open', () => kit.gateway.context.live.count >= answers.length)
    await kit.endAll()
    const [navigation, script, form] = (await Promise.all(answers)).map(([answer]) => answer)
    assert.deepEqual([navigation?.statusCode, script?.statusCode, form?.statusCode], [303, 401, 401])
    assert.match(navigation?.headers.location ?? '', /\/as\/authorization\.oauth2\?/)
    assert.match(await text(script ?? assert.fail()), /CURFEW_GATEWAY_SESSION_ENDED/)
    assert.equal(kit.gateway.context.live.count, 0)
  })

  test('connections of other sessions stay open', async () => {
    await using kit = await createGatewayKit()
    holdWebSockets(kit)
    const ana = await signedIn(kit)
    const other = await signedIn(kit)
    const [first, second] = [await rawWebSocket(kit, ana.cookie), await rawWebSocket(kit, other.cookie)]
    let isOpen = true
    second.on('close', () => {
      isOpen = false
    })
    await ana.visitor.ask(`${kit.wiki}/pa/oidc/logout`)
    await once(first, 'close')
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.ok(isOpen)
    second.destroy()
  })

  test('a thousand WebSockets are all closed within a second', async () => {
    await using kit = await createGatewayKit()
    holdWebSockets(kit)
    const { cookie } = await signedIn(kit)
    const sockets: Socket[] = []
    for (let i = 0; i < 20; i++) sockets.push(...(await Promise.all(Array.from({ length: 50 }, () => rawWebSocket(kit, cookie)))))
    const start = nowMs()
    const times = Promise.all(
      sockets.map(async (socket) => {
        const [chunk] = (await once(socket, 'data')) as [Buffer]
        assert.deepEqual([...chunk.subarray(0, 1), ...chunk.subarray(2, 4)], [0x88, 0x0f, 0xa1])
        return nowMs() - start
      })
    )
    await kit.endAll()
    const sorted = (await times).toSorted((a, b) => a - b)
    assert.equal(sorted.length, 1_000)
    assert.ok((sorted.at(989) ?? 9_999) < 1_000, `p99 ${sorted.at(989)} ms`)
  })
})

function refuse(kit: GatewayKit, status: number, response: ServerResponse): void {
  const { port } = kit.upstream.address() as AddressInfo
  response.writeHead(status, {
    'www-authenticate': 'Bearer realm="wiki"',
    location: `http://127.0.0.1:${port}/elsewhere`,
    'set-cookie': ['theirs=1', 'PA.ACE_ws=planted'],
    connection: 'x-hop, close',
    'x-hop': '1'
  })
  response.end('not you')
}

/** The whole answer to a request for a WebSocket that was refused; it comes in one piece. */
async function refusal(opening: Promise<Socket>): Promise<{ readonly status: number; readonly headers: Headers; readonly body: string }> {
  const whole = await opening.then(
    () => assert.fail('it was opened'),
    (error: Error) => error.message
  )
  const [head = '', body = ''] = whole.split('\r\n\r\n')
  const [first = '', ...lines] = head.split('\r\n')
  const headers = new Headers(lines.map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]))
  return { status: Number(first.split(' ')[1]), headers, body }
}

suite('Who may open a WebSocket', () => {
  test('nobody without a session, and no page of another site', async () => {
    await using kit = await createGatewayKit()
    holdWebSockets(kit)
    const { cookie } = await signedIn(kit)
    await assert.rejects(rawWebSocket(kit, 'a=b'), /HTTP\/1.1 401/)
    await assert.rejects(rawWebSocket(kit, cookie, 'Origin: https://evil.example.com\r\n'), /HTTP\/1.1 403/)
    await assert.rejects(rawWebSocket(kit, cookie, 'Origin: null\r\n'), /HTTP\/1.1 403/)
    ;(await rawWebSocket(kit, cookie, `Origin: ${kit.wiki}\r\n`)).destroy()
  })

  test('nobody any more after the session ended', async () => {
    await using kit = await createGatewayKit()
    holdWebSockets(kit)
    const { cookie } = await signedIn(kit)
    await kit.endAll()
    await until('the revocation came in', () => kit.gateway.context.revocations.size > 0)
    await assert.rejects(rawWebSocket(kit, cookie), /HTTP\/1.1 401[\s\S]*CURFEW_GATEWAY_SESSION_ENDED/)
  })

  test('its head arrives octet by octet as the application sent it', async () => {
    await using kit = await createGatewayKit()
    kit.upstream.on('upgrade', (_request: IncomingMessage, socket: Duplex) => {
      socket.on('error', () => undefined)
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Name: Sch\xf6n\r\n\r\n', 'latin1')
    })
    const { cookie } = await signedIn(kit)
    const { port, host } = new URL(kit.wiki)
    const socket = connect(Number(port), '127.0.0.1')
    socket.write(`GET /live HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nCookie: ${cookie}\r\n\r\n`)
    const [head] = (await once(socket, 'data')) as [Buffer]
    assert.match(head.toString('latin1'), /^HTTP\/1\.1 101 [\s\S]*\r\nx-name: Sch\xf6n\r\n/)
    socket.destroy()
  })

  for (const status of [302, 400, 401, 403, 426]) {
    test(`what the application answers in the place of a WebSocket arrives as it was (${status})`, async () => {
      await using kit = await createGatewayKit({
        upstream: (request, response) => void (request.url === '/' ? response.end('ok') : refuse(kit, status, response))
      })
      const { cookie } = await signedIn(kit)
      const answer = await refusal(rawWebSocket(kit, cookie))
      assert.deepEqual([answer.status, answer.body], [status, 'not you'])
      const { headers } = answer
      assert.deepEqual(headers.getSetCookie(), ['theirs=1'])
      assert.deepEqual(
        ['www-authenticate', 'location', 'x-hop', 'connection', 'cache-control'].map((name) => headers.get(name)),
        ['Bearer realm="wiki"', `${kit.wiki}/elsewhere`, null, 'close', 'no-store']
      )
      await until('nothing is open', () => kit.gateway.context.live.count === 0)
    })
  }

  test('of a refusal with a body that is too large the head arrives, and says that there is none', async () => {
    await using kit = await createGatewayKit({
      upstream: (request, response) =>
        void (request.url === '/' ? response.end('ok') : response.writeHead(403, { 'content-type': 'text/plain', 'x-why': 'no' }).end('x'.repeat(70_000)))
    })
    const { cookie } = await signedIn(kit)
    const { status, headers, body } = await refusal(rawWebSocket(kit, cookie))
    assert.deepEqual([status, headers.get('x-why'), headers.get('content-type'), headers.get('content-length'), body], [403, 'no', null, '0', ''])
  })

  test('a refusal that breaks off is none', async () => {
    await using kit = await createGatewayKit({
      upstream(request, response) {
        if (request.url === '/') response.end('ok')
        else response.writeHead(403, { 'content-length': '10' }).write('half', () => response.destroy())
      }
    })
    const { cookie } = await signedIn(kit)
    assert.equal((await refusal(rawWebSocket(kit, cookie))).status, 502)
  })
})

suite('What an application says of its status', () => {
  test('is left out where it can not be sent, and the answer arrives', async () => {
    await using kit = await createGatewayKit({
      upstream: (_request, response) =>
        void response.socket?.end(Buffer.from('HTTP/1.1 200 Sch\xf6n \xe2\x82\xac\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok', 'latin1'))
    })
    const { visitor } = await signedIn(kit)
    assert.equal((await visitor.ask(`${kit.wiki}/x`)).body, 'ok')
  })
})
