import assert from 'node:assert/strict'
import { get as httpGet } from 'node:http'
import { suite, test } from 'node:test'
import { createRevocationList, revocationFingerprint, type RevocationPage, verifyRevocationPage } from '@curfew/codecs'
import fastify from 'fastify'
import type { JSONWebKeySet } from 'jose'
import { revocationFeedPlugin } from '../../../src/authority/revocation-feed/plugin.ts'
import { revocationFeedPath } from '../../../src/authority/session-management/paths.ts'
import { freeRange } from '../../support/ports.ts'
import type { Kit } from '../kit.ts'
import { authorizationHeader, clientOf, createOidcKit, secret, tokensFor } from '../oidc/relying-party.ts'

const clients = [
  clientOf('gate', { revocationFeed: true }),
  clientOf('desk', { sessionRevocation: true }),
  clientOf('apart', { sessionRevocation: true, revocationFeed: false }),
  clientOf('wiki', { sessionManagement: true })
]

function ask(kit: Kit, more: { readonly query?: string; readonly client?: string; readonly headers?: Record<string, string> } = {}) {
  const { query = '', client = 'gate', headers = { 'x-xsrf-header': 'any' } } = more
  const authorization = `Basic ${Buffer.from(`${client}:${encodeURIComponent(secret).replaceAll('%20', '+')}`).toString('base64')}`
  return kit.app.inject({ url: revocationFeedPath + query, headers: { authorization, ...headers } })
}

async function read(kit: Kit, token: string): Promise<RevocationPage> {
  const keys = (await kit.app.inject('/pf/JWKS')).json<JSONWebKeySet>()
  return verifyRevocationPage(token, { issuer: 'http://curfew.test', keys, now: Temporal.Instant.fromEpochMilliseconds(kit.clock.nowMs()) })
}

suite('The revocation feed of the authority', () => {
  test('tells of an ended session by its fingerprint, signed, and continues from any position', async () => {
    await using kit = await createOidcKit({ clients, network: async () => ({ status: 200 }) })
    const { claims } = await tokensFor(kit, kit.browser(), 'wiki')
    const before = await read(kit, (await ask(kit)).body)
    const { id: list } = await kit.store.revocationList()
    assert.deepEqual({ ...before, issuedAtMs: 0 }, { prev: 0, seq: 0, list, end: 0, hasMore: false, lifetimeSeconds: 490 * 60, issuedAtMs: 0, entries: [] })
    const [session] = (await kit.store.listSessions({ limit: 1, nowMs: kit.clock.nowMs() })).items
    await kit.ctx.engine.endSessions({
      scope: { kind: 'session', sessionId: session?.session.id ?? assert.fail() },
      reason: 'admin',
      by: { kind: 'admin', id: 'test' },
      starter: { kind: 'none' },
      browser: 'absent'
    })
    const page = await read(kit, (await ask(kit)).body)
    assert.deepEqual(
      page.entries.map(({ fingerprint }) => fingerprint),
      [revocationFingerprint(String(claims['pi.sri']))]
    )
    await kit.store.revoke('another', kit.clock.nowMs() + 60_000, kit.clock.nowMs())
    const next = await read(kit, (await ask(kit, { query: `?after=${page.seq}` })).body)
    assert.deepEqual([next.prev, next.entries.length], [page.seq, 1])
  })

  test('is for clients that may read it, or revoke, with the header, and for nobody else', async () => {
    await using kit = await createOidcKit({ clients })
    assert.equal((await kit.app.inject(revocationFeedPath)).statusCode, 401)
    for (const client of ['wiki', 'apart']) assert.equal((await ask(kit, { client })).statusCode, 403, client)
    assert.equal((await ask(kit, { client: 'desk' })).statusCode, 200, 'whoever may revoke reads it by default')
    assert.equal((await ask(kit, { headers: {} })).statusCode, 403)
    assert.equal((await ask(kit, { query: '?after=-1' })).statusCode, 400)
    assert.equal((await ask(kit)).statusCode, 200)
  })

  test('a reader that is moved to another region, or whose store was set back, misses nothing of the list there', async () => {
    await using first = await createOidcKit({ clients })
    await using second = await createOidcKit({ clients })
    const nowMs = first.clock.nowMs()
    for (let i = 0; i < 12; i++) await first.store.revoke(`first-${i}`, nowMs + 60_000, nowMs)
    for (let i = 0; i < 9; i++) await second.store.revoke(`second-${i}`, nowMs + 60_000, nowMs)
    const list = createRevocationList(
      () => undefined,
      () => nowMs
    )
    const takeFrom = async (kit: Kit) => list.take(await read(kit, (await ask(kit, { query: `?after=${list.position}` })).body), nowMs)
    const isKnown = (...sris: readonly string[]) => sris.map((sri) => list.isRevoked(sri, nowMs))
    // Stores number their lists as they like.
    const endOf = async ({ store }: Kit) => (await store.revocationFeed(0, 100)).at(-1)?.cursor
    assert.deepEqual([await takeFrom(first), list.position], ['taken', await endOf(first)])
    assert.deepEqual([await takeFrom(second), list.position, await takeFrom(second), list.position], ['other', 0, 'taken', await endOf(second)])
    assert.deepEqual(isKnown('first-11', 'second-0', 'second-8'), [true, true, true])
    // The same again after the second list has grown past the position of the first.
    assert.deepEqual([await takeFrom(first), await takeFrom(first)], ['other', 'taken'])
    for (let i = 9; i < 20; i++) await second.store.revoke(`second-${i}`, nowMs + 60_000, nowMs)
    assert.deepEqual([await takeFrom(second), await takeFrom(second), list.position], ['other', 'taken', await endOf(second)])
    assert.deepEqual(isKnown('second-9', 'second-11', 'second-19'), [true, true, true])
  })

  test('says that more is waiting when the list is longer than a page', async () => {
    await using kit = await createOidcKit({ clients })
    const nowMs = kit.clock.nowMs()
    await Promise.all(Array.from({ length: 4_001 }, (_, i) => kit.store.revoke(`sri-${i}`, nowMs + 60_000, nowMs)))
    const first = await read(kit, (await ask(kit)).body)
    assert.deepEqual([first.entries.length, first.hasMore], [4_000, true])
    assert.equal(first.lifetimeSeconds, kit.ctx.sriRevocationMs / 1000, 'and for how long it remembers')
    const second = await read(kit, (await ask(kit, { query: `?after=${first.seq}` })).body)
    assert.deepEqual([second.prev, second.entries.length, second.hasMore], [first.seq, 1, false])
  })

  test('one client can not take the places of the others, by streams or by requests that wait', async () => {
    for (const more of [{ accept: 'text/event-stream' }, { accept: 'application/jwt' }]) {
      await using kit = await createOidcKit({ clients })
      await using feed = await listening(kit, 3)
      const greedy = [await feed.open('gate', more), await feed.open('gate', more), await feed.open('gate', more)]
      const cut = Promise.race(greedy.map(({ closed }) => closed))
      const other = await feed.open('desk', { accept: 'text/event-stream' })
      assert.equal(await other.status, 200)
      await cut
      assert.equal(await (await feed.open('gate', more)).status, 503)
      // Who went leaves its place, once the server has heard of it.
      for (const one of [...greedy, other]) one.close()
      const held = [await feed.hold('desk'), await feed.hold('gate'), await feed.hold('gate')]
      assert.equal(held.length, 3)
    }
  })
})

interface Opened {
  /** Once the answer begins. */
  readonly status: Promise<number>
  /** Once its connection is gone. */
  readonly closed: Promise<void>
  close(): void
}

/** The feed alone, with so many places, over real connections. */
async function listening({ ctx }: Kit, readersMax: number) {
  const app = fastify()
  app.setErrorHandler((error: { code?: string }, _request, reply) => reply.status(error.code === 'CURFEW_REVOCATION_FEED_FULL' ? 503 : 500).send())
  let entered: (() => void)[] = []
  app.addHook('preHandler', async () => {
    // The handler runs to its first wait before anything else does.
    setImmediate(() => {
      for (const tell of entered.splice(0)) tell()
    })
  })
  await app.register(revocationFeedPlugin(ctx, { readersMax }))
  const port = await freeRange(1)
  await app.listen({ host: '127.0.0.1', port })
  const feed = {
    async hold(client: string): Promise<Opened> {
      for (;;) {
        const opened = await feed.open(client, { accept: 'text/event-stream' })
        if ((await opened.status) === 200) return opened
        await opened.closed
      }
    },
    async open(client: string, headers: Readonly<Record<string, string>>): Promise<Opened> {
      const isIn = new Promise<void>((resolve) => entered.push(resolve))
      const request = httpGet({
        host: '127.0.0.1',
        port,
        path: `${revocationFeedPath}?wait=20`,
        agent: false,
        headers: { ...headers, authorization: authorizationHeader(client), 'x-xsrf-header': 'any' }
      })
      request.on('error', () => undefined)
      const closed = new Promise<void>((resolve) => request.once('close', resolve))
      const status = new Promise<number>((resolve) =>
        request.once('response', (answer) => {
          answer.on('error', () => undefined).resume()
          resolve(answer.statusCode ?? 0)
        })
      )
      await isIn
      return { status, closed, close: () => request.destroy() }
    },
    async [Symbol.asyncDispose]() {
      entered = []
      app.server.closeAllConnections()
      await app.close()
    }
  }
  return feed
}
