import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { revocationPageEntriesMax } from '@curfew/codecs'
import { createPages } from '../../../src/authority/revocation-feed/page.ts'
import type { SessionId } from '../../../src/core/ids.ts'
import { steadyMs, systemClock } from '../../../src/platform/clock.ts'
import { createKeys } from '../../../src/stores/redis/keys.ts'
import { lookMsMin } from '../../../src/stores/redis/redis-feed.ts'
import { hourMs, t0 } from '../../../src/stores/conformance/samples.ts'
import type { Store } from '../../../src/stores/store.ts'
import { openOn } from './opened.ts'
import { type Server, skipReason, startServer } from './servers.ts'

/** Those by which the list is read; functions use others inside. */
const readCommands = ['fcall_ro', 'hgetall', 'hget', 'get']
const buckets = 64

suite('redis: reading the revocation feed', { skip: skipReason }, () => {
  let server: Server
  before(async () => {
    server = await startServer()
  })
  after(() => server.stop())

  const commands = async (): Promise<number> => {
    const stats = String(await server.command('INFO', 'commandstats'))
    return readCommands.reduce((sum, name) => sum + Number(new RegExp(`^cmdstat_${name}:calls=(\\d+)`, 'm').exec(stats)?.[1] ?? 0), 0)
  }
  const costOf = async (work: () => Promise<unknown>): Promise<number> => {
    const beforeIt = await commands()
    await work()
    return (await commands()) - beforeIt
  }
  const pagesOf = (store: Store) => {
    const keys = [{ key: generateKeyPairSync('ed25519').privateKey, kid: 'one', algorithms: ['EdDSA'] }] as const
    return createPages({ store, clock: systemClock, oidc: { keys }, baseUrl: 'http://curfew.test', sriRevocationMs: hourMs })
  }

  test('twenty readers that follow a list of three pages together cost hardly more than one does', async (t) => {
    await using store = await openOn([server], { prefix: 'pages:', buckets })
    const page = pagesOf(store)
    const count = 2 * revocationPageEntriesMax + 1
    for (let i = 0; i < count; i += 500)
      await Promise.all(Array.from({ length: Math.min(500, count - i) }, (_, k) => store.revoke(`sri-${i + k}`, t0 + hourMs, t0)))
    const readAll = async (): Promise<number> => {
      let position = 0
      for (let isMore = true; isMore; ) {
        const { seq, hasMore } = await page(position)
        ;[position, isMore] = [seq, hasMore]
      }
      return position
    }
    const ends: number[] = []
    const cost = await costOf(async () => ends.push(...(await Promise.all(Array.from({ length: 20 }, readAll)))))
    t.diagnostic(`${cost} commands for 20 readers of 3 pages`)
    assert.equal(new Set(ends).size, 1)
    // A page is 3: the entries, the name of the list and its end. Behind the last one every bucket is asked once.
    assert.ok(cost <= buckets + 8 * 3, `${cost}`)
  })

  test('a full page asks no bucket, and who waits at the end asks every bucket four times a second, not at each look', async (t) => {
    const time = { ms: 0 }
    await using store = await openOn([server], { prefix: 'looks:', buckets, steadyMs: () => time.ms })
    for (let i = 0; i < 3; i++) await store.revoke(`sri-${i}`, t0 + hourMs, t0)
    assert.equal(await costOf(() => store.revocationFeed(0, 3)), 1)
    const end = (await store.revocationFeed(0, 10)).at(-1)?.cursor ?? assert.fail()
    // A second of looks, one each 50 ms.
    const cost = await costOf(async () => {
      for (let i = 0; i < 20; i++) {
        time.ms += 50
        assert.deepEqual(await store.revocationFeed(end, 1), [])
      }
    })
    t.diagnostic(`${cost} commands a second`)
    assert.equal(cost, 20 + 4 * buckets)
  })

  test('what an ending left behind whose process died is on the list soon, also for those who wait there already', async () => {
    const shift = { ms: 0 }
    await using store = await openOn([server], { prefix: 'left:', buckets, steadyMs: () => steadyMs() + shift.ms })
    assert.deepEqual(await store.revocationFeed(0, 10), [])
    const key = `${createKeys('left:', buckets).ofSession('ses_gone' as SessionId).prefix}revoking`
    await server.command('HSET', key, 'ses_gone', `sri-gone ${t0 + hourMs} ${t0}`)
    shift.ms += lookMsMin
    const all = await Promise.all(Array.from({ length: 5 }, () => store.revocationFeed(0, 10)))
    assert.deepEqual(
      all.map((found) => found.map(({ sri }) => sri)),
      Array.from({ length: 5 }, () => ['sri-gone'])
    )
    assert.equal(await server.command('EXISTS', key), 0)
  })
})
