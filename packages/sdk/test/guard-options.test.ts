import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import {
  createMemorySessionRegistry,
  createRelyingParty,
  createServiceProvider,
  createSessionGuard,
  type FeedClient,
  type MutualTls,
  type StreamFetch
} from '../src/index.ts'

const issuer = 'https://login.example'
const clock = { nowMs: Date.now, randomBytes }
const unused = async (): Promise<never> => Promise.reject(new Error('nobody should ask'))

/** Starts a guard whose authority says these things of itself, one after the other; the addresses that the feed is asked at. */
async function askedAt(documents: readonly object[], client: (open: StreamFetch) => FeedClient, count: number): Promise<readonly string[]> {
  const asked: string[] = []
  const left = [...documents]
  const enough = Promise.withResolvers<void>()
  const open: StreamFetch = async (url) => {
    asked.push(url)
    if (asked.length === count) enough.resolve()
    return { status: 503, headers: [], body: null }
  }
  const document = { issuer, authorization_endpoint: `${issuer}/a`, token_endpoint: `${issuer}/t`, jwks_uri: `${issuer}/k` }
  const guard = createSessionGuard({
    sessions: createMemorySessionRegistry(),
    feed: {
      issuer,
      clientId: 'app',
      fetch: async () => ({ status: 200, json: async () => ({ ...document, ...(left.length > 1 ? left.shift() : left[0]) }) }),
      steadyMs: () => performance.now(),
      ...client(open)
    },
    ...clock
  })
  await enough.promise
  await guard.stop()
  return asked
}

const feed = (at: string): object => ({ curfew_revocation_feed_endpoint: `${issuer}/${at}` })
const bySecret = (open: StreamFetch): FeedClient => ({ clientSecret: 'a secret', open })
const byCertificate = (open: StreamFetch): FeedClient => ({ mutualTls: { fetch: unused, open } satisfies MutualTls })

suite('Session guard: where it looks for the feed', { timeout: 30_000 }, () => {
  test('where the authority says, which is asked again after a problem: it may have moved, or have none yet', async () => {
    assert.deepEqual(await askedAt([{}, feed('one'), feed('two')], bySecret, 2), [`${issuer}/one?after=0`, `${issuer}/two?after=0`])
  })

  test('with a certificate where the authority asks for one, and says who is asking', async () => {
    const alias = { ...feed('usual'), mtls_endpoint_aliases: { curfew_revocation_feed_endpoint: 'https://mtls.example/feed' } }
    assert.deepEqual(await askedAt([alias], byCertificate, 1), ['https://mtls.example/feed?after=0&client_id=app'])
    assert.deepEqual(await askedAt([feed('usual')], byCertificate, 1), [`${issuer}/usual?after=0&client_id=app`])
    assert.deepEqual(await askedAt([alias], bySecret, 1), [`${issuer}/usual?after=0`])
  })
})

suite('What an application is told at its start', () => {
  test('an address that is none, as of a variable that is not set, and a client with nothing that proves it', () => {
    const sessions = createMemorySessionRegistry()
    const party = { issuer, clientId: 'app', baseUrl: 'https://wiki.example', sessions, fetch: unused, ...clock }
    assert.doesNotThrow(() => createRelyingParty(party))
    const none = undefined as unknown as string
    for (const wrong of [{ issuer: none }, { baseUrl: none }, { baseUrl: 'wiki.example' }])
      assert.throws(() => createRelyingParty({ ...party, ...wrong }), { name: 'TypeError', message: new RegExp(Object.keys(wrong)[0] ?? '') })
    assert.throws(() => createServiceProvider({ baseUrl: none } as never), { name: 'TypeError', message: /baseUrl/ })
    const guard = (more: object) => () => createSessionGuard({ sessions, feed: { issuer, clientId: 'app', fetch: unused, ...more } as never, ...clock })
    assert.throws(guard({ issuer: none, clientSecret: 'a' }), { name: 'TypeError', message: /feed\.issuer/ })
    assert.throws(guard({ open: unused }), { name: 'TypeError', message: /clientSecret, or mutualTls/ })
  })
})
