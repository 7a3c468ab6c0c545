import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { after, suite, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { createClient } from '@redis/client'
import { freeRange } from '../../curfew/test/support/ports.ts'
import { type Server, skipReason, startServer } from '../../curfew/test/stores/redis/servers.ts'
import { createRedisSessionRegistry, registryConformance } from '../src/index.ts'
import { cookiesOf, type Go } from './frameworks.ts'
import { laterSignIns } from './later-sign-ins.ts'
import { issuer, type Setting, setting } from './openid-provider.ts'

const servers: Server[] = []
after(async () => Promise.all(servers.map((server) => server.stop())))

async function startRedis(): Promise<Server> {
  const server = await startServer()
  servers.push(server)
  return server
}

async function connect(port: number) {
  const client = createClient({ url: `redis://127.0.0.1:${port}` })
  client.on('error', () => undefined)
  await client.connect()
  after(() => client.destroy())
  return (parts: string[]): Promise<unknown> => client.sendCommand(parts)
}

suite('Redis registry', { skip: skipReason }, async () => {
  const redis = skipReason === false ? await startRedis() : undefined
  let prefixes = 0
  const prefix = (): string => `app${prefixes}`
  const create = async () => {
    prefixes += 1
    return createRedisSessionRegistry({ send: await connect(redis?.port ?? 0), prefix: prefix() })
  }
  const createSmall = async (room: number) => {
    prefixes += 1
    return createRedisSessionRegistry({ send: await connect(redis?.port ?? 0), prefix: prefix(), limits: { spareValuesMax: room, endedMarksMax: room } })
  }
  const other = async () => createRedisSessionRegistry({ send: await connect(redis?.port ?? 0), prefix: prefix() })

  suite('what every registry does, seen by two processes', () => {
    for (const check of registryConformance({ create, createSmall, other, nowMs: Date.now() })) test(check.name, check.run)
  })

  suite('SAML Core 3.7.3.1: service provider guard', () => {
    for (const { name, run } of laterSignIns) test(name, async () => run(await create()))
  })

  test('what strangers cause is bounded and takes nothing else; every key goes away by itself', async () => {
    const send = await connect(redis?.port ?? 0)
    const registry = createRedisSessionRegistry({ send, prefix: 'bounded', limits: { spareValuesMax: 10, endedMarksMax: 10, unsignedTombstonesMax: 10 } })
    const nowMs = Date.now()
    const untilMs = nowMs + 60_000
    const subject = { identityProvider: issuer, nameId: { value: 'ana' }, attributes: {} }
    await registry.open({ ...subject, id: 'a', sessionIndex: 'i', createdAtMs: nowMs, expiresAtMs: untilMs, sri: 's' })
    await registry.endBySubject({ identityProvider: issuer, sessionIndexes: ['verified'] }, untilMs)
    await registry.remember('kept', '1', untilMs, nowMs)
    for (let i = 0; i < 50; i++) {
      await registry.remember(`login ${i}`, '/', untilMs - i, nowMs, 'if-room')
      await registry.remember(`ended ${i}`, '1', untilMs - i, nowMs, 'mark-if-room')
      await registry.endBySubject({ identityProvider: issuer, sessionIndexes: [`frame ${i}`], isUnsigned: true }, untilMs - i)
    }
    const known = await Promise.all(Array.from({ length: 50 }, (_, i) => registry.isRemembered(`login ${i}`, nowMs)))
    const marked = await Promise.all(Array.from({ length: 50 }, (_, i) => registry.isRemembered(`ended ${i}`, nowMs)))
    const standing = await Promise.all(Array.from({ length: 50 }, (_, i) => registry.isEnded({ ...subject, sessionIndex: `frame ${i}` }, nowMs)))
    const last = Array.from({ length: 50 }, (_, i) => i >= 40)
    assert.deepEqual([known, marked, standing], [last, last, last])
    assert.deepEqual([await registry.isRemembered('kept', nowMs), await registry.isEnded({ ...subject, sessionIndex: 'verified' }, nowMs)], [true, true])
    assert.equal((await registry.get('a', nowMs))?.sri, 's')
    const keys = (await send(['KEYS', '{bounded}:*'])) as string[]
    const lives = await Promise.all(keys.map(async (key) => [key, await send(['PTTL', key])] as const))
    assert.deepEqual(
      lives.flatMap(([key, life]) => (Number(life) > 0 ? [] : [key])).sort(),
      ['{bounded}:frame-order', '{bounded}:mark-order', '{bounded}:spare-order'],
      'the three lists hold ten names each'
    )
    await registry.end('a')
    assert.equal(await send(['EXISTS', '{bounded}:session:a']), 0)
    assert.deepEqual(await send(['KEYS', '{bounded}:by:*']), [], 'an ended session is found by nothing')
  })

  test('what the sessions of one user are found by does not grow: sessions that ran out leave, those that last stay', async () => {
    const send = await connect(redis?.port ?? 0)
    const registry = createRedisSessionRegistry({ send, prefix: 'lasting' })
    const nowMs = Date.now()
    const session = { identityProvider: issuer, nameId: { value: 'ana' }, sessionIndex: 'i', sri: 's', attributes: {}, createdAtMs: nowMs }
    const found = async (): Promise<readonly string[][]> =>
      Promise.all(((await send(['KEYS', '{lasting}:by:*'])) as string[]).map(async (key) => (await send(['ZRANGE', key, '0', '-1'])) as string[]))
    await registry.open({ ...session, id: 'lasts', expiresAtMs: nowMs + 86_400_000 })
    // The server forgets a session a minute after its time: these have five seconds, in which all have to be opened.
    for (let i = 0; i < 50; i++) await registry.open({ ...session, id: `short ${i}`, expiresAtMs: nowMs - 55_000 })
    assert.deepEqual(
      (await found()).map(({ length }) => length),
      [51, 51, 51, 51, 51]
    )
    await setTimeout(nowMs + 5_100 - Date.now())
    assert.deepEqual(await send(['EXISTS', '{lasting}:session:short 0', '{lasting}:session:short 49']), 0)
    await registry.open({ ...session, id: 'next', expiresAtMs: nowMs + 1_000 })
    assert.deepEqual(
      (await found()).map((ids) => ids.sort()),
      Array.from({ length: 5 }, () => ['lasts', 'next'])
    )
    const lives = await Promise.all(((await send(['KEYS', '{lasting}:by:*'])) as string[]).map(async (key) => Number(await send(['PTTL', key]))))
    assert.ok(
      lives.every((life) => life > 86_000_000),
      'each stays as long as the session that lasts longest'
    )
    const ended = await registry.endBySubject({ identityProvider: issuer, nameId: { value: 'ana' }, sessionIndexes: [] }, nowMs + 1_000)
    assert.deepEqual(ended.map(({ id }) => id).sort(), ['lasts', 'next'])
  })
})

interface Node {
  readonly go: Go
  readonly kinds: () => readonly string[]
}

suite('Two processes of one application on one Redis', { skip: skipReason }, () => {
  /** The provider by real HTTP, and two processes of the application. */
  async function world(): Promise<{ readonly op: Setting; readonly nodes: readonly [Node, Node] }> {
    const redis = await startRedis()
    const op = setting()
    op.clock.nowMs = Date.now()
    const provider = createServer((request, response) => {
      const answer = async (): Promise<void> => {
        const body = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>)).toString()
        const { status, json } = await op.fetch(`${issuer}${request.url ?? ''}`, { body })
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(await json()))
      }
      answer().catch(() => response.writeHead(500).end())
    })
    provider.listen(0, '127.0.0.1')
    await once(provider, 'listening')
    after(() => provider.close().closeAllConnections())
    const { port: providerPort = 0 } = provider.address() as { readonly port?: number }
    const first = await freeRange(2)
    const node = async (port: number): Promise<Node> => {
      const script = fileURLToPath(new URL('redis-node.ts', import.meta.url))
      const child = spawn(process.execPath, [script, String(redis.port), String(providerPort), String(port)], { stdio: ['ignore', 'pipe', 'inherit'] })
      after(() => child.kill('SIGKILL'))
      const lines: string[] = []
      const ready = Promise.withResolvers<void>()
      child.once('exit', () => ready.reject(new Error('the process ended')))
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        lines.push(...text.split('\n').filter((line) => line !== ''))
        if (lines.includes('ready')) ready.resolve()
      })
      await ready.promise
      return {
        go: (path, init = {}) => fetch(`http://127.0.0.1:${port}${path}`, { redirect: 'manual', ...init }),
        kinds: () => lines.filter((line) => line.startsWith('{')).map((line) => (JSON.parse(line) as { readonly kind: string }).kind)
      }
    }
    return { op, nodes: [await node(first), await node(first + 1)] }
  }

  const who = async ({ go }: Node, cookie: string): Promise<string> => (await go('/', { headers: { cookie } })).text()

  /** A sign-in that begins at one process and ends at the other. */
  async function signIn(op: Setting, [one, two]: readonly [Node, Node], sid: string): Promise<string> {
    const start = await one.go('/oidc/login?to=/')
    const callback = op.authorize(start.headers.get('location') ?? '', { sid })
    return cookiesOf(await two.go(callback, { headers: { cookie: cookiesOf(start) } }))
  }

  const post = ({ go }: Node, token: string): Promise<Response> =>
    go('/oidc/backchannel-logout', { method: 'POST', body: new URLSearchParams({ logout_token: token }) })

  test('a session is known to both, and a captured logout token is acted on at one and not again at the other', async () => {
    const { op, nodes } = await world()
    const [one, two] = nodes
    const first = await signIn(op, nodes, 's1')
    assert.deepEqual([await who(one, first), await who(two, first)], ['ana', 'ana'])
    const captured = await op.logoutToken({ sid: undefined })
    assert.equal((await post(one, captured)).status, 200)
    assert.deepEqual([await who(one, first), await who(two, first)], ['nobody', 'nobody'])
    // Within what clocks may differ: only that the token was seen keeps it from ending this session.
    op.clock.nowMs += 2_000
    const second = await signIn(op, nodes, 's2')
    assert.equal((await post(two, captured)).status, 200)
    assert.deepEqual([await who(one, second), await who(two, second)], ['ana', 'ana'])
    assert.deepEqual([one.kinds(), two.kinds()], [['signed-out'], ['signed-in', 'signed-in']])
  })

  test('a sign-in that is on its way at one process opens nothing after a logout at the other', async () => {
    const { op, nodes } = await world()
    const [one, two] = nodes
    const start = await one.go('/oidc/login?to=/')
    const callback = op.authorize(start.headers.get('location') ?? '', { sid: 's1' })
    assert.equal((await post(two, await op.logoutToken())).status, 200)
    assert.equal((await one.go(callback, { headers: { cookie: cookiesOf(start) } })).status, 400)
    assert.deepEqual(one.kinds(), ['refused'])
  })
})
