import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { suite, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { createMemorySessionRegistry, createSessionGuard, type Fetch, type StreamFetch } from '../src/index.ts'
import { follow, staleMs, until } from './followed-authority.ts'

suite('Session guard and its authority', { timeout: 120_000 }, () => {
  test('an authority that is away for longer than the list counts: 503, nobody is signed out, and what ends then ends when it is back', async () => {
    await using world = await follow()
    const [ana, ben] = [await world.signedIn('ana'), await world.signedIn('ben')]
    await world.stopAuthority()
    assert.equal(await world.who(ana), 'ana', 'what is known counts for a while')
    await until('it is refused', async () => (await world.who(ana)) === '503')
    assert.deepEqual([world.guard.status().feed, world.problems()], ['unknown', ['CURFEW_FEED_UNREACHABLE']])
    await setTimeout(staleMs)
    await world.startAuthority()
    await until('it is answered again', async () => (await world.who(ana)) === 'ana')
    assert.equal(await world.who(ben), 'ben')
    assert.deepEqual(
      world.events.filter(({ kind }) => kind !== 'feed-problem'),
      []
    )
    await world.authority().endAll()
    await until('the end is heard of', async () => (await world.who(ana)) === '303' && (await world.who(ben)) === '303')
    assert.deepEqual(world.problems(), ['CURFEW_FEED_UNREACHABLE'])
  })

  test('an authority with an older copy of its store: what was known stays known, and the list goes on from there', async () => {
    await using world = await follow()
    const ana = await world.signedIn('ana')
    const sri = (await world.guard.sessions.get(/app_session=([^;]+)/.exec(ana.cookieFor(world.app))?.[1] ?? '', Date.now()))?.sri ?? assert.fail()
    await world.stopAuthority()
    world.saveStore()
    await world.startAuthority()
    await until('the feed is back', () => world.guard.status().feed === 'known')
    await world.authority().endAll()
    await until('ana is signed out', async () => (await world.who(ana)) === '303')
    await world.stopAuthority()
    world.restoreStore()
    await world.startAuthority()
    await until('the other list is noticed', () => world.problems().includes('CURFEW_FEED_OTHER_LIST'))
    await until('and read', () => world.guard.status().feed === 'known')
    const late = { identityProvider: world.issuer, nameId: { value: 'ana' }, sri, issuedAtMs: Date.now() }
    assert.equal(await world.guard.sessions.isEnded(late, Date.now()), true, 'the authority forgot it, the application did not')
    const ben = await world.signedIn('ben')
    await world.authority().endAll()
    await until('what ends by the list of today is heard of', async () => (await world.who(ben)) === '303')
  })

  test('a secret and signing keys that are rolled: 401 until the application has the new secret, without a restart', async () => {
    await using world = await follow()
    const ana = await world.signedIn()
    const keysBefore = await (await fetch(`${world.issuer}/pf/JWKS`)).text()
    await world.stopAuthority()
    await world.startAuthority({ clientSecret: 'a secret that is another one' })
    assert.notEqual(await (await fetch(`${world.issuer}/pf/JWKS`)).text(), keysBefore)
    await until('it is refused', async () => (await world.who(ana)) === '503')
    const statuses = () => world.events.flatMap((event) => (event.kind === 'feed-problem' && 'context' in event.error ? [event.error.context] : []))
    await until('the status is told', () => statuses().some((context) => (context as { status?: number }).status === 401))
    world.secret = 'a secret that is another one'
    await until('it is answered again', async () => (await world.who(ana)) === 'ana')
    await world.authority().endAll()
    await until('the end is heard of', async () => (await world.who(ana)) === '303')
    assert.deepEqual(world.problems(), ['CURFEW_FEED_UNREACHABLE'])
  })

  test('a page that is lost on its way: the gap is noticed with the next page, and what was lost is asked for again', async () => {
    const way = { isLossy: false, lost: 0 }
    const open: StreamFetch = async (url, init) => {
      const { status, headers, body } = await fetch(url, init)
      return { status, headers, body: body === null ? null : withoutOne(body, way) }
    }
    await using world = await follow({ open })
    const ana = await world.signedIn()
    way.isLossy = true
    await world.authority().endAll()
    await until('the end is heard of all the same', async () => (await world.who(ana)) === '303')
    assert.deepEqual([way.lost, world.problems()], [1, ['CURFEW_FEED_GAP']])
  })

  test('a configuration that can not be read any more keeps no feed away that works: the former one goes on', async () => {
    const way = { isHanging: false, asked: 0, cut: new AbortController() }
    const ask: Fetch = async (url, init) => {
      if (!way.isHanging || !url.endsWith('/.well-known/openid-configuration')) return (fetch as Fetch)(url, init)
      way.asked += 1
      return new Promise(() => undefined)
    }
    const open: StreamFetch = async (url, init) => fetch(url, { ...init, signal: AbortSignal.any([init.signal, way.cut.signal]) })
    await using world = await follow({ fetch: ask, open, feed: { staleMs: 10_000 } })
    const ana = await world.signedIn()
    for (let round = 1; round <= 2; round++) {
      way.isHanging = true
      way.cut.abort()
      way.cut = new AbortController()
      const cutAtMs = Date.now()
      await until('the list is known anew', () => (world.guard.status().completeAtMs ?? 0) > cutAtMs + 100)
      assert.equal(await world.who(ana), 'ana')
    }
    assert.deepEqual([way.asked > 0, world.problems()], [true, ['CURFEW_FEED_UNREACHABLE']])
    await world.authority().endAll()
    await until('the end is heard of', async () => (await world.who(ana)) === '303')
  })

  test('an authority that takes connections and says nothing keeps no process from stopping', async () => {
    const silent = createServer(() => undefined)
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const { port } = silent.address() as { readonly port: number }
    const guard = createSessionGuard({
      sessions: createMemorySessionRegistry(),
      feed: {
        issuer: `http://127.0.0.1:${port}`,
        clientId: 'app',
        clientSecret: 'a secret',
        fetch: fetch as Fetch,
        open: fetch,
        steadyMs: () => performance.now()
      },
      nowMs: Date.now,
      randomBytes
    })
    await once(silent, 'connection')
    const startedMs = performance.now()
    await guard.stop()
    assert.ok(performance.now() - startedMs < 1_000)
    silent.close()
  })
})

/** The stream without the first page that has something on it: it is longer than those that say that nothing ended. */
async function* withoutOne(body: AsyncIterable<Uint8Array>, way: { isLossy: boolean; lost: number }): AsyncGenerator<Uint8Array> {
  let rest = ''
  for await (const chunk of body) {
    rest += Buffer.from(chunk).toString('latin1')
    const events = rest.split(/(?<=\n\n)/)
    rest = events.at(-1)?.endsWith('\n\n') === true ? '' : (events.pop() ?? '')
    for (const event of events) {
      const payload = /^data: ?[^.]+\.([^.]+)\./m.exec(event)?.[1] ?? ''
      const { prev, seq } = payload === '' ? {} : (JSON.parse(Buffer.from(payload, 'base64url').toString()) as { prev?: number; seq?: number })
      if (way.isLossy && prev !== seq) {
        Object.assign(way, { isLossy: false, lost: way.lost + 1 })
        continue
      }
      yield Buffer.from(event, 'latin1')
    }
  }
}
