import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { type IncomingMessage, request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { suite, test } from 'node:test'
import { expressExample } from '../../../demo/examples/express.ts'
import { fastifyExample } from '../../../demo/examples/fastify.ts'
import { nodeExample } from '../../../demo/examples/node-http.ts'
import type { Example, ExampleOptions } from '../../../demo/examples/options.ts'
import { Visitor } from '../../curfew/test/gateway/visitor.ts'
import { freeRange } from '../../curfew/test/support/ports.ts'
import { startRealAuthority } from '../../curfew/test/support/real-authority.ts'

interface World extends AsyncDisposable {
  readonly example: Example
  readonly app: string
  readonly visitor: Visitor
  cookie(): string
  /** Ends every session at the authority, as an administrator does; nobody posts anything to the application. */
  endAll(): Promise<void>
}

type Create = (options: ExampleOptions) => Example | Promise<Example>

/** An authority and one example application, over real HTTP, with ana signed in. The client has no logout endpoint. */
async function createWorld(create: Create): Promise<World> {
  const port = await freeRange(2)
  const [issuer, app] = [`http://127.0.0.1:${port}`, `http://localhost:${port + 1}`]
  const clientSecret = 'a secret that is long enough'
  const authority = await startRealAuthority({
    issuer,
    port,
    usernames: ['ana'],
    connections: [{ id: 'app', protocol: 'oidc', clientSecret, redirectUris: [`${app}/oidc/cb`], revocationFeed: true, logout: { modes: [] } }]
  })
  const example = await create({ issuer, clientId: 'app', clientSecret, baseUrl: app })
  example.server.listen(port + 1, '127.0.0.1')
  await once(example.server, 'listening')
  await example.sessions.ready()
  const visitor = new Visitor()
  const page = await visitor.open(`${app}/`)
  assert.match(page.body, /^Hello /)
  return {
    example,
    app,
    visitor,
    cookie: () => [...visitor.jar(app)].map(([name, value]) => `${name}=${value}`).join('; '),
    endAll: () => authority.endAll(),
    async [Symbol.asyncDispose]() {
      await example.sessions.stop()
      example.server.close()
      example.server.closeAllConnections()
      await authority[Symbol.asyncDispose]()
    }
  }
}

/** What a live connection says until it ends. */
interface Live {
  readonly said: Promise<string>
}

const live: Readonly<Record<string, (world: World) => Promise<Live>>> = {
  async 'node:http'({ app, cookie }) {
    const { port, host } = new URL(app)
    const socket = connect(Number(port), '127.0.0.1')
    socket.write(
      `GET /live HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nCookie: ${cookie()}\r\n\r\n`
    )
    const [head] = (await once(socket, 'data')) as [Buffer]
    assert.match(head.toString('latin1'), /^HTTP\/1\.1 101 /)
    return { said: once(socket, 'data').then(([frame]: Buffer[]) => `${frame?.readUInt16BE(2)} ${frame?.subarray(4).toString()}`) }
  },
  Express: streamOf,
  Fastify: streamOf
}

async function streamOf({ app, cookie }: World): Promise<Live> {
  const { port, host } = new URL(app)
  const request = httpRequest({ host: '127.0.0.1', port, path: '/live', headers: { host, cookie: cookie() }, agent: false })
  request.end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  assert.equal(String((await once(response, 'data'))[0]), 'data: hello\n\n')
  return { said: Array.fromAsync(response).then((chunks) => Buffer.concat(chunks as Buffer[]).toString()) }
}

const examples: Readonly<Record<string, Create>> = { 'node:http': nodeExample, Express: expressExample, Fastify: fastifyExample }

for (const [name, create] of Object.entries(examples)) {
  suite(`Session guard for ${name}`, () => {
    test('a session that ends at the authority ends here within a second, with what is open under it, and the browser is told once', async () => {
      await using world = await createWorld(create)
      const { said } = await (live[name] ?? assert.fail())(world)
      assert.equal(world.example.sessions.status().connections, 1)
      const startedMs = Date.now()
      await world.endAll()
      assert.match(await said, name === 'node:http' ? /^4001 session ended$/ : /^event: over\ndata: session ended/)
      assert.ok(Date.now() - startedMs < 1_000)
      const after = await world.visitor.ask(`${world.app}/`)
      assert.deepEqual([after.status, after.headers.location, after.headers['clear-site-data']], [303, '/oidc/login?to=%2F', '"cache", "storage"'])
      const again = await world.visitor.ask(`${world.app}/`)
      assert.deepEqual([again.status, again.headers['clear-site-data']], [303, undefined])
      assert.deepEqual([world.example.sessions.status().connections, world.example.sessions.status().feed], [0, 'known'])
    })

    test('a sign-out that begins here ends what is open, and its answer clears the site', async () => {
      await using world = await createWorld(create)
      const { said } = await (live[name] ?? assert.fail())(world)
      const answer = await world.visitor.ask(`${world.app}/oidc/logout`, { method: 'POST', headers: { origin: world.app } })
      assert.deepEqual([answer.status, answer.headers['clear-site-data']], [303, '"cache", "storage"'])
      assert.match(await said, /session ended/)
    })
  })
}

suite('Session guard for node:http: who wants a WebSocket and goes away', () => {
  for (const who of ['nobody', 'ana'] as const) {
    test(`a connection of ${who} that is reset before it is answered ends itself and nothing else`, async () => {
      await using world = await createWorld(nodeExample)
      const { port, host } = new URL(world.app)
      const client = connect(Number(port), '127.0.0.1').on('error', () => undefined)
      const closed = Promise.withResolvers<void>()
      world.example.server.prependOnceListener('upgrade', (_request: IncomingMessage, socket: Duplex) => {
        socket.on('close', () => closed.resolve())
        client.resetAndDestroy()
      })
      const cookie = who === 'ana' ? world.cookie() : 'app_session=none'
      client.write(`GET /live HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAA\r\nCookie: ${cookie}\r\n\r\n`)
      await closed.promise
      assert.equal(world.example.sessions.status().connections, 0)
      assert.equal((await world.visitor.ask(`${world.app}/`)).status, 200)
    })
  }
})
