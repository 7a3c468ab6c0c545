import assert from 'node:assert/strict'
import { createServer, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { after, before, suite, test } from 'node:test'
import { createGatewayServer } from '../../src/gateway/server.ts'
import { linesMax } from '../../src/platform/bounded-log.ts'
import { createLogger } from '../../src/platform/logger.ts'
import { createUpstreams } from '../../src/platform/upstreams.ts'
import { createGatewayKit, type GatewayKit, type Mirrored } from '../gateway/kit.ts'
import { Visitor } from '../gateway/visitor.ts'
import { freeRange } from '../support/ports.ts'

/** However slow the machine: who waits for so long waits in vain. */
const answerMsMax = 15_000

/**
 * Sends octets as they are and collects what comes back until the connection ends. Once something came, a last request asks
 * for the end: what is answered before it is everything; its own answer is left out.
 */
function exchange(kit: GatewayKit, parts: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    const { host, port } = new URL(kit.wiki)
    const socket = connect(Number(port), '127.0.0.1')
    const chunks: Buffer[] = []
    const done = (): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(
        Buffer.concat(chunks)
          .toString('latin1')
          .replace(/HTTP\/1\.1 200 (?:(?!HTTP\/1\.1 )[^])*\r\n\r\nOK$/, '')
      )
    }
    const timer = setTimeout(done, answerMsMax)
    socket.on('data', (chunk: Buffer) => {
      if (chunks.push(chunk) === 1) socket.write(`GET /pa/heartbeat.ping HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    })
    socket.on('error', done)
    socket.on('close', done)
    for (const part of parts) socket.write(part, 'latin1')
  })
}

const statuses = (text: string) => [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status))

suite('Requests that two readers could see differently', () => {
  let kit: GatewayKit
  let cookie = ''
  let host = ''

  before(async () => {
    kit = await createGatewayKit({ applications: [{ id: 'wiki', urls: ['WIKI'], anonymous: ['/public'] }] })
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/`)
    cookie = [...ana.jar(kit.wiki)].map(([name, value]) => `${name}=${value}`).join('; ')
    host = new URL(kit.wiki).host
  })

  after(() => kit[Symbol.asyncDispose]())

  /** Paths that reached the application. */
  async function reached(parts: readonly string[]): Promise<{ readonly answers: readonly number[]; readonly paths: readonly (string | undefined)[] }> {
    const from = kit.seen.length
    const answers = statuses(await exchange(kit, parts))
    return { answers, paths: kit.seen.slice(from).map(({ url }) => url) }
  }

  const hidden = 'GET /hidden HTTP/1.1\r\nHost: HOST\r\nCookie: COOKIE\r\n\r\n'
  const start = 'POST /public/form HTTP/1.1\r\nHost: HOST\r\nCookie: COOKIE\r\n'
  const corpus: Readonly<Record<string, string>> = {
    'a length and chunks': `${start}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX`,
    'chunks and a length': `${start}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n1\r\nZ\r\n0\r\n\r\n`,
    'two lengths': `${start}Content-Length: 0\r\nContent-Length: 60\r\n\r\n${hidden}`,
    'two equal lengths in one header': `${start}Content-Length: 0, 60\r\n\r\n${hidden}`,
    'a length with a sign': `${start}Content-Length: +0\r\n\r\n${hidden}`,
    'a length in hexadecimal': `${start}Content-Length: 0x3c\r\n\r\n${hidden}`,
    'a coding that only looks like chunked': `${start}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
    'a coding before chunked': `${start}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    'chunked twice': `${start}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    'chunked and identity': `${start}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n`,
    'a vertical tab before chunked': `${start}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`,
    'a space before the colon': `${start}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
    'a folded header': `${start}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`,
    'a chunk size that overflows': `${start}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nX\r\n0\r\n\r\n`,
    'a chunk size that is none': `${start}Transfer-Encoding: chunked\r\n\r\n0x1\r\nX\r\n0\r\n\r\n`,
    'a bare line feed after the chunk size': `${start}Transfer-Encoding: chunked\r\n\r\n1\nX\r\n0\r\n\r\n`,
    'a bare line feed between headers': `POST /public/form HTTP/1.1\nHost: HOST\nContent-Length: 0\n\n`,
    'a carriage return in a header': `${start}X: a\rTransfer-Encoding: chunked\r\n\r\n`,
    'a NUL in a header': `${start}X: a\0b\r\n\r\n`,
    'two hosts': `GET /public/x HTTP/1.1\r\nHost: HOST\r\nHost: evil.example.com\r\n\r\n`,
    'no host': 'GET /public/x HTTP/1.1\r\n\r\n',
    'an absolute target': 'GET http://evil.example.com/public/x HTTP/1.1\r\nHost: HOST\r\n\r\n',
    'a tunnel': 'CONNECT HOST HTTP/1.1\r\nHost: HOST\r\n\r\n',
    'chunks in HTTP/1.0': 'POST /public/form HTTP/1.0\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'
  }

  for (const [what, text] of Object.entries(corpus)) {
    test(`${what}: refused, and nothing reaches the application`, async () => {
      const { answers, paths } = await reached([text.replaceAll('HOST', host).replaceAll('COOKIE', cookie)])
      assert.deepEqual(paths, [])
      assert.ok(answers.length > 0 && answers.every((status) => status >= 400 && status < 500), answers.join())
    })
  }

  test('a body with a request in it stays a body', async () => {
    const body = hidden.replaceAll('HOST', host).replaceAll('COOKIE', cookie)
    const { paths } = await reached([`${start.replaceAll('HOST', host).replaceAll('COOKIE', cookie)}Content-Length: ${body.length}\r\n\r\n${body}`])
    assert.deepEqual(paths, ['/public/form'])
  })

  for (const upgrade of ['h2c', 'websocket', 'TLS/1.0, websocket']) {
    test(`a body behind a wish for ${upgrade} stays a body, and the request is answered as any`, async () => {
      const secret = `GET /secret HTTP/1.1\r\nHost: ${host}\r\nAccept: application/json\r\n\r\n`
      const wish = `Upgrade: ${upgrade}\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n`
      const rest = `\r\nHost: ${host}\r\n${wish}Content-Length: ${secret.length}\r\n\r\n${secret}`
      for (const start of ['POST /public/form HTTP/1.1', 'GET /public/x HTTP/1.1']) {
        const from = kit.seen.length
        const text = await exchange(kit, [start + rest + secret])
        assert.deepEqual(statuses(text), [200])
        // What comes behind it on this connection is not read, and the client hears so.
        assert.match(text, /\r\nconnection: close\r\n/i)
        const [request, ...more] = kit.seen.slice(from)
        assert.deepEqual([request?.url, more], [start.split(' ')[1], []])
        const { upgrade: theirs, 'http2-settings': settings, 'content-length': length } = request?.headers ?? {}
        assert.deepEqual([theirs, settings, length], [undefined, undefined, String(secret.length)])
      }
    })
  }

  test('a wish for another protocol is cut off behind a server that does not ask the gateway before', async () => {
    const gateway = createGatewayServer(kit.gateway.context)
    const server = createServer().on('upgrade', (request, socket, head) => gateway.upgrade(request, socket, head))
    const port = await freeRange(1)
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
    const from = kit.seen.length
    const upgraded: string[] = []
    const onUpgrade = ({ url = '' }: IncomingMessage, socket: Duplex): void => {
      upgraded.push(url)
      socket.destroy()
    }
    kit.upstream.on('upgrade', onUpgrade)
    try {
      for (const wish of ['POST /public/form HTTP/1.1\r\nUpgrade: websocket\r\nContent-Length: 2', 'GET /public/x HTTP/1.1\r\nUpgrade: h2c']) {
        const socket = connect(port, '127.0.0.1')
        socket.write(`${wish}\r\nHost: ${host}\r\nConnection: Upgrade\r\n\r\nab`)
        assert.equal(await text(socket).catch(() => ''), '', wish)
      }
    } finally {
      kit.upstream.off('upgrade', onUpgrade)
      server.close()
    }
    assert.deepEqual([upgraded, kit.seen.length], [[], from])
  })

  test('who wants HTTP/2 without TLS gets the answer of HTTP/1.1, and is asked to sign in like anybody', async () => {
    const wish = `\r\nHost: ${host}\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\nAccept: application/json\r\n\r\n`
    assert.deepEqual(await reached([`GET /public/x HTTP/1.1${wish}`]), { answers: [200], paths: ['/public/x'] })
    assert.deepEqual(await reached([`GET /secret HTTP/1.1${wish}`]), { answers: [401], paths: [] })
  })

  test('requests that follow each other on one connection are each decided alone', async () => {
    const open = `GET /public/a HTTP/1.1\r\nHost: ${host}\r\n\r\n`
    const secret = `GET /secret HTTP/1.1\r\nHost: ${host}\r\nAccept: application/json\r\n\r\n`
    const { answers, paths } = await reached([open + secret + open])
    assert.deepEqual(
      [answers, paths],
      [
        [200, 401, 200],
        ['/public/a', '/public/a']
      ]
    )
  })

  for (const path of [
    '/public/../secret',
    '/public/%2e%2e/secret',
    '/public/..%2fsecret',
    '/public%2f..%2fsecret',
    '/public/..;/secret',
    '/public\\..\\secret',
    '/public/%5c..%5csecret',
    '/public/%252e%252e/secret',
    '/public/.%00./secret',
    '/public/%c0%ae%c0%ae/secret'
  ]) {
    test(`the open path does not reach further by ${path}`, async () => {
      const { answers, paths } = await reached([`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`])
      assert.deepEqual([answers, paths], [[400], []])
    })
  }

  for (const path of ['/public;x/secret', '/public%3bx/secret', '//public/secret', '/public;x', '/;/public/secret'])
    test(`${path} is open for some servers only, so it is not open`, async () => {
      const { answers, paths } = await reached([`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nAccept: application/json\r\n\r\n`])
      assert.deepEqual([answers, paths], [[401], []])
    })

  test('a path that is of one application for some servers and of another for others is of none', async () => {
    await using split = await createGatewayKit({
      applications: [
        { id: 'wiki', urls: ['WIKI'], anonymous: ['/'] },
        { id: 'admin', urls: ['WIKI'], contextRoot: '/admin' }
      ]
    })
    const status = async (path: string) => (await new Visitor().ask(split.wiki + path)).status
    assert.deepEqual(await Promise.all(['/admin;x/y', '//admin/y', '/admin%3bx', '/;x/admin'].map(status)), [400, 400, 400, 400])
    assert.deepEqual(await Promise.all(['/pa;x/oidc/logout', '//pa/oidc/logout'].map(status)), [400, 400])
    assert.deepEqual([await status('/admin/y;x'), await status('/notes;x//y')], [303, 200])
  })

  const spellings = ['X-User: mallory', 'x_user: mallory', 'X.User: mallory', 'x-mail: mallory', 'X_MAIL: mallory']

  test('an identity header arrives in no spelling, on an open path and with a session', async () => {
    const forged = [...spellings, 'Connection: close, X-User'].join('\r\n')
    for (const [path, more] of [
      ['/public/x', ''],
      ['/x', `Cookie: ${cookie}\r\n`]
    ]) {
      const from = kit.seen.length
      await exchange(kit, [`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${more}${forged}\r\n\r\n`])
      const request = kit.seen[from] ?? assert.fail()
      assert.ok(!request.rawHeaders.includes('mallory'), request.rawHeaders.join())
      assert.equal(request.headers['x-user'], more === '' ? undefined : 'ana')
    }
  })

  test('an identity header arrives in no spelling with a WebSocket either, and no cookie of the gateway', async () => {
    const opened: IncomingMessage[] = []
    const onUpgrade = (request: IncomingMessage, socket: Duplex): void => {
      opened.push(request)
      socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    }
    kit.upstream.on('upgrade', onUpgrade)
    try {
      for (const [path, more] of [
        ['/public/x', 'Cookie: theme=dark\r\n'],
        ['/x', `Cookie: theme=dark; ${cookie}\r\n`]
      ] as const) {
        const socket = connect(Number(new URL(kit.wiki).port), '127.0.0.1')
        const forged = [...spellings, 'Connection: Upgrade, X-User', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'].join('\r\n')
        const key = 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='
        socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nOrigin: ${kit.wiki}\r\n${more}${forged}\r\n${key}\r\n\r\n`)
        assert.match(await text(socket), /^HTTP\/1\.1 101 /, path)
      }
    } finally {
      kit.upstream.off('upgrade', onUpgrade)
    }
    assert.equal(opened.length, 2)
    for (const { rawHeaders } of opened) {
      assert.ok(!rawHeaders.includes('mallory'), rawHeaders.join())
      assert.ok(!rawHeaders.join().includes('PA.'), rawHeaders.join())
    }
    assert.deepEqual(
      opened.map(({ headers }) => [headers['x-user'], headers['x-mail'], headers.cookie]),
      [
        [undefined, undefined, 'theme=dark'],
        ['ana', 'ana@example.org', 'theme=dark']
      ]
    )
  })
})

suite('Clients that want to hold a gateway up', () => {
  test('a head that is too large is refused, whatever makes it so', async () => {
    await using kit = await createGatewayKit()
    const { host } = new URL(kit.wiki)
    // The gateway answers this one itself: no limit of an application has a part in it.
    const head = (more: string, query = ''): string => `GET /pa/heartbeat.ping${query} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`
    for (const text of [
      head(`X: ${'a'.repeat(40_000)}\r\n`),
      head(`X: ${'a'.repeat(100)}\r\n`.repeat(400)),
      head(`Cookie: ${'PA.ACE_ws=x; '.repeat(4_000)}\r\n`),
      head('', `?${'a'.repeat(40_000)}`)
    ])
      assert.deepEqual(statuses(await exchange(kit, [text])), [431], text.slice(0, 60))
    // What people have who have many cookies.
    assert.deepEqual(statuses(await exchange(kit, [head(`Cookie: ${'c=d; '.repeat(5_000)}\r\n`)])), [200])
  })

  test('heads that come drop by drop are cut off, and others are answered meanwhile', async () => {
    await using kit = await createGatewayKit()
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/`)
    const slow = Array.from({ length: 100 }, () => drip(kit))
    await Promise.all(slow.map(({ isOpen }) => isOpen))
    assert.equal((await ana.ask(`${kit.wiki}/`)).status, 200)
    for (const { cutOff } of slow) assert.match(await cutOff, /^(?:408|reset)$/)
    assert.equal((await ana.ask(`${kit.wiki}/`)).status, 200)
  })
})

/** A connection whose head gets one more character from time to time and never ends. */
function drip(kit: GatewayKit): { readonly isOpen: Promise<void>; readonly cutOff: Promise<string> } {
  const socket = connect(Number(new URL(kit.wiki).port), '127.0.0.1')
  const chunks: Buffer[] = []
  const timer = setInterval(() => socket.write('a'), 500)
  return {
    isOpen: new Promise((resolve) => socket.write(`GET / HTTP/1.1\r\nHost: ${new URL(kit.wiki).host}\r\nX: `, () => resolve())),
    cutOff: new Promise((resolve) => {
      let code: string | undefined
      socket.on('data', (chunk: Buffer) => chunks.push(chunk))
      socket.on('error', (error: NodeJS.ErrnoException) => {
        code = error.code
      })
      socket.on('close', () => {
        clearInterval(timer)
        const seen = statuses(Buffer.concat(chunks).toString('latin1'))
        // A character that was written to what is cut off already brings a reset, and that takes the answer along.
        const isReset = seen.length === 0 && (code === 'ECONNRESET' || code === 'EPIPE')
        resolve(isReset ? 'reset' : seen.join())
      })
    })
  }
}

suite('Cookies that are not what they seem', () => {
  test('AC-077 of another audience, host or gateway, tampered, truncated or doubled: nobody gets in', async () => {
    await using kit = await createGatewayKit({
      gateway: {
        webSessions: [
          { name: 'main', audience: 'ACE_ws' },
          { name: 'other', audience: 'OTHER' }
        ]
      },
      applications: [
        { id: 'wiki', urls: ['WIKI'] },
        { id: 'shop', urls: ['SHOP'], webSession: 'other' }
      ]
    })
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/`)
    await ana.open(`${kit.shop}/`)
    const good = ana.jar(kit.wiki).get('PA.ACE_ws') ?? assert.fail()
    const other = ana.jar(kit.shop).get('PA.OTHER') ?? assert.fail()
    const ask = (cookie: string, url = kit.wiki) => new Visitor().ask(`${url}/`, { headers: { cookie } })
    assert.equal((await ask(`PA.ACE_ws=${good}`)).status, 200)
    for (const cookie of [
      `PA.ACE_ws=${other}`,
      `PA.ACE_ws=${good.slice(0, -1)}`,
      `PA.ACE_ws=${good.slice(0, 40)}x${good.slice(41)}`,
      'PA.ACE_ws=',
      `PA.ACE_ws=${good}${'A'.repeat(5_000)}`,
      `PA.ACE_ws.0=${good.slice(0, 50)}; PA.ACE_ws.1=${good.slice(50)}`,
      `PA.other=${good}`
    ])
      assert.equal((await ask(cookie)).status, 303, cookie.slice(0, 60))
    const ben = new Visitor()
    await ben.fillIn(await ben.follow(`${kit.wiki}/`), 'ben')
    const planted = `PA.ACE_ws=${ben.jar(kit.wiki).get('PA.ACE_ws') ?? assert.fail()}`
    for (const cookie of [`PA.ACE_ws=${good}; ${planted}`, `${planted}; PA.ACE_ws=${good}`]) {
      const doubled = await ask(cookie)
      assert.equal(doubled.status, 400)
      assert.match(String(doubled.headers['set-cookie']), /PA\.ACE_ws=; .*Domain=wiki\.localhost/)
    }
    // The same session twice is that session.
    assert.equal((await ask(`PA.ACE_ws=${good}; PA.ACE_ws=${good}`)).status, 200)
    assert.equal((await ask(`PA.OTHER=${other}`, kit.wiki)).status, 303)
  })

  test('a sign-in can only be finished by the browser that began it', async () => {
    await using kit = await createGatewayKit()
    const mallory = new Visitor()
    const page = await mallory.follow(`${kit.wiki}/`)
    const action = /<form method="post" action="([^"]+)"/.exec(page.body)?.[1] ?? ''
    const csrfToken = /name="csrfToken" value="([^"]+)"/.exec(page.body)?.[1] ?? ''
    const first = await mallory.ask(new URL(action, page.url).href, {
      method: 'POST',
      body: new URLSearchParams({ csrfToken, username: 'ben', password: 'correct horse' }).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded' }
    })
    const callback = await mallory.followTo(first, (next) => next.startsWith(kit.wiki))
    const ana = new Visitor()
    assert.equal((await ana.ask(callback)).status, 400)
    assert.equal((await mallory.ask(callback)).status, 303)
    assert.equal((await mallory.ask(callback)).status, 400)
  })

  test('a sign-in that starts at the gateway leads to a path of this host and nowhere else', async () => {
    await using kit = await createGatewayKit()
    for (const target of ['https://evil.example.com/', '/\\evil.example.com', '/../x', 'javascript:alert(1)', '/a\r\nSet-Cookie: x=1']) {
      const ana = new Visitor()
      const page = await ana.open(`${kit.wiki}/pa/oidc/start?${new URLSearchParams({ target }).toString()}`)
      assert.deepEqual([page.status, (JSON.parse(page.body) as Mirrored).url, new URL(page.url).origin], [200, '/', kit.wiki], target)
    }
    // A path of this host, too, because the host stands in front of it.
    const doubled = await new Visitor().open(`${kit.wiki}/pa/oidc/start?target=%2F%2Fevil.example.com%2F`)
    assert.equal(doubled.url, `${kit.wiki}//evil.example.com/`)
    assert.equal((JSON.parse((await new Visitor().open(`${kit.wiki}/pa/oidc/start?target=%2Fnotes%3Fa%3Db`)).body) as Mirrored).url, '/notes?a=b')
  })
})

suite('A flood of revocations', () => {
  test('is taken in whole, every session on it is refused, and others go on meanwhile', async () => {
    const patienceMs = 60_000
    // However slow this machine is, what the feed says stays young enough to go by.
    await using kit = await createGatewayKit({ gateway: { sessionCheck: { staleSeconds: 600 } } })
    const [ana, ben] = [new Visitor(), new Visitor()]
    await ana.open(`${kit.wiki}/`)
    await ben.fillIn(await ben.follow(`${kit.wiki}/`), 'ben')
    const nowMs = Temporal.Now.instant().epochMilliseconds
    const flood = Promise.all(Array.from({ length: 4_200 }, (_, i) => kit.authority.store.revoke(`flood ${i}`, nowMs + 3_600_000, nowMs)))
    const statuses: number[] = []
    const { revocations } = kit.gateway.context
    const takenInMs = performance.now() + patienceMs
    while (revocations.size < 4_200) {
      assert.ok(performance.now() < takenInMs, `${revocations.size} of 4,200 came in`)
      statuses.push((await ben.ask(`${kit.wiki}/`)).status)
    }
    await flood
    assert.ok(statuses.every((status) => status === 200))
    const cookies = [ana.copy(), ben.copy()]
    await kit.endAll()
    const endedInMs = performance.now() + 20_000
    // As soon as the list is whole nothing but the list is asked.
    while (revocations.size < 4_202 || revocations.ageMs(Temporal.Now.instant().epochMilliseconds) === undefined) {
      assert.ok(performance.now() < endedInMs, `${revocations.size} of 4,202 came in`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    for (const visitor of cookies) assert.equal((await visitor.ask(`${kit.wiki}/`)).status, 303)
  })
})

suite('Targets of applications', () => {
  test('a name that comes to mean an address out of reach is out of reach', async () => {
    const upstreams = createUpstreams({ allowPrivate: [], hosts: { 'app.example.com': '169.254.169.254' }, connectionsMax: 1 })
    const failed = await new Promise((resolve) =>
      upstreams.dispatch(
        { origin: 'http://app.example.com', path: '/latest/meta-data', method: 'GET' },
        {
          onRequestStart: () => undefined,
          onResponseStart: resolve,
          onResponseData: resolve,
          onResponseEnd: resolve,
          onResponseError: (_, error) => resolve(error)
        }
      )
    )
    assert.equal((failed as { code?: string }).code, 'CURFEW_OUTBOUND_ADDRESS_FORBIDDEN')
    await upstreams.close()
  })

  for (const target of ['http://169.254.169.254', 'http://[fe80::1]:80', 'http://0.0.0.0:1', 'http://224.0.0.1']) {
    test(`${target} is out of reach`, async () => {
      await using kit = await createGatewayKit({ applications: [{ id: 'wiki', urls: ['WIKI'], target, anonymous: ['/'] }] })
      const answer = await new Visitor().ask(`${kit.wiki}/latest/meta-data`)
      assert.equal(answer.status, 502)
    })
  }
})

suite('A log that requests could fill', () => {
  test('a flood of requests that are refused writes so many lines of a kind and no more, each of bounded length', async () => {
    const lines: string[] = []
    const logger = createLogger({ level: 'info' }, { write: (line) => void lines.push(line) })
    await using kit = await createGatewayKit({ logger, applications: [{ id: 'wiki', urls: ['WIKI'], anonymous: ['/public'] }] })
    const host = `nobody.example.com${'x'.repeat(20_000)}`
    for (let i = 0; i < linesMax + 20; i++) assert.equal((await new Visitor().ask(`${kit.wiki}/`, { headers: { host } })).status, 404)
    assert.equal((await new Visitor().ask(`${kit.wiki}/public/..%2fx`)).status, 400)
    const refused = lines
      .map((line) => JSON.parse(line) as { readonly event: string; readonly code?: string })
      .filter(({ event }) => event === 'gateway.refused')
    assert.equal(refused.filter(({ code }) => code === 'CURFEW_GATEWAY_HOST_UNKNOWN').length, linesMax)
    assert.equal(refused.filter(({ code }) => code === 'CURFEW_GATEWAY_PATH').length, 1, 'what is something else is seen all the same')
    assert.ok(lines.every((line) => line.length < 2_000))
  })
})
