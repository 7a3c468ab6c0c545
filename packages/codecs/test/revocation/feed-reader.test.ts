import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { suite, test } from 'node:test'
import { SignJWT } from 'jose'
import type { CurfewError } from '../../src/errors.ts'
import { type FeedAnswer, type FeedQuestion, startFeedReader } from '../../src/revocation/feed-reader.ts'
import { createRevocationList, type RevocationList } from '../../src/revocation/revocation-list.ts'
import { revocationFingerprint, revocationPageAudience, revocationPageClaims, revocationPageType } from '../../src/revocation/revocation-page.ts'

const systemClock = {
  nowMs: () => Date.now(),
  after(delayMs: number, act: () => void) {
    const timer = setTimeout(act, delayMs)
    return { cancel: () => clearTimeout(timer) }
  }
}
const issuer = 'https://login.example.com'
/** What is known counts for so long. */
const staleMs = 10_000
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const keySet = { keys: [{ ...pair.publicKey.export({ format: 'jwk' }), kid: 'k', kty: 'EC' }] }
const nowSeconds = () => Math.floor(systemClock.nowMs() / 1000)

interface PageWish {
  readonly key?: KeyObject
  readonly ageSeconds?: number
  readonly list?: string
  /** Default: where the page ends. */
  readonly end?: number
}

/** A page with one session on it for every step from `prev` to `seq`: `s<position>`, behind the name of its list. */
function page(prev: number, seq: number, more: PageWish = {}): Promise<string> {
  const { list = '', end = seq } = more
  const entries = Array.from({ length: seq - prev }, (_, i) => ({
    fingerprint: revocationFingerprint(`${list}s${prev + i + 1}`),
    untilSeconds: nowSeconds() + 600
  }))
  return new SignJWT(revocationPageClaims({ prev, seq, hasMore: false, entries, ...(list === '' ? {} : { list, end }) }))
    .setProtectedHeader({ alg: 'ES256', kid: 'k', typ: revocationPageType })
    .setIssuer(issuer)
    .setAudience(revocationPageAudience)
    .setIssuedAt(nowSeconds() - (more.ageSeconds ?? 0))
    .sign(more.key ?? pair.privateKey)
}

interface Played {
  readonly list: RevocationList
  /** Position that each connection asked for. */
  readonly asked: readonly number[]
  readonly problems: readonly string[]
  /** What the problems said. */
  readonly errors: readonly CurfewError[]
}

/** Plays one list of pages per connection; the last connection stays open until the list is complete up to `until`. */
async function play(connections: readonly (readonly string[])[], until: number): Promise<Played> {
  const asked: number[] = []
  const errors: CurfewError[] = []
  const list = createRevocationList(
    () => undefined,
    () => performance.now()
  )
  const reached = Promise.withResolvers<undefined>()
  const open = async ({ query }: FeedQuestion): Promise<FeedAnswer> => {
    asked.push(Number(query['after']))
    const pages = connections[asked.length - 1] ?? []
    async function* body(): AsyncGenerator<Uint8Array> {
      for (const token of pages) yield Buffer.from(`event: revocations\ndata: ${token}\n\n`)
    }
    return { status: 200, headers: { 'content-type': 'text/event-stream' }, body: body(), close: () => undefined }
  }
  const reader = startFeedReader({
    open,
    clock: systemClock,
    random: { fraction: () => 0 },
    list,
    issuer,
    staleMs,
    keys: async () => {
      if (list.position >= until || asked.length > connections.length) reached.resolve(undefined)
      return keySet
    },
    onProblem: (error) => errors.push(error)
  })
  const timer = setInterval(() => list.position >= until && reached.resolve(undefined), 5)
  await reached.promise
  clearInterval(timer)
  await reader.stop()
  return { list, asked, problems: errors.map(({ code }) => code), errors }
}

const revoked = (list: RevocationList, ...names: readonly string[]) => names.map((name) => list.isRevoked(name, systemClock.nowMs()))

suite('Following the revocation feed', () => {
  test('takes page after page and goes on where it was when the stream breaks', async () => {
    const { list, asked, problems } = await play([[await page(0, 2), await page(2, 2), await page(2, 3)], [await page(3, 4)]], 4)
    assert.deepEqual(revoked(list, 's1', 's2', 's3', 's4', 's5'), [true, true, true, true, false])
    assert.deepEqual([asked.slice(0, 2), problems], [[0, 3], []])
  })

  test('refuses a page that leaves something out, and asks again from what it has', async () => {
    const { list, asked, problems } = await play([[await page(0, 1), await page(2, 3)], [await page(1, 3)]], 3)
    assert.deepEqual([problems, asked.slice(0, 2)], [['CURFEW_FEED_GAP'], [0, 1]])
    assert.deepEqual(revoked(list, 's2', 's3'), [true, true])
  })

  test('refuses pages in another order and pages that come twice', async () => {
    const swapped = await play([[await page(1, 2), await page(0, 1)], [await page(0, 2)]], 2)
    assert.deepEqual([swapped.problems, swapped.asked.slice(0, 2)], [['CURFEW_FEED_GAP'], [0, 0]])
    const twice = await play([[await page(0, 1), await page(0, 1)], [await page(1, 2)]], 2)
    assert.deepEqual([twice.problems, twice.asked.slice(0, 2)], [['CURFEW_FEED_GAP'], [0, 1]])
  })

  test('refuses a page of another signer, a changed one and a recorded one, and takes nothing from them', async () => {
    const foreign = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const good = await page(0, 1)
    const claims = Buffer.from(good.split('.')[1] ?? '', 'base64url')
      .toString()
      .replace('"seq":1', '"seq":9')
    const changed = [good.split('.')[0], Buffer.from(claims).toString('base64url'), good.split('.')[2]].join('.')
    const { list, problems } = await play([[await page(0, 7, { key: foreign })], [changed], [await page(0, 7, { ageSeconds: 120 })], [good]], 1)
    assert.deepEqual(problems, ['CURFEW_OIDC_TOKEN_SIGNATURE', 'CURFEW_OIDC_TOKEN_SIGNATURE', 'CURFEW_FEED_REFUSED'])
    assert.deepEqual(revoked(list, 's1', 's2', 's7'), [true, false, false])
  })

  test('reads another list from its start, and keeps what it knows of the former one', async () => {
    const moved = await play([[await page(0, 3, { list: 'a' })], [await page(3, 3, { list: 'b', end: 4 })], [await page(0, 4, { list: 'b' })]], 4)
    assert.deepEqual([moved.problems[0], moved.asked.slice(0, 3)], ['CURFEW_FEED_OTHER_LIST', [0, 3, 0]])
    assert.deepEqual(revoked(moved.list, 'as3', 'bs1', 'bs4'), [true, true, true])
  })

  test('reads a list that was set back from its start, also where it has grown past the position meanwhile', async () => {
    const back = await play([[await page(0, 3, { list: 'a' })], [await page(3, 3, { list: 'a', end: 1 })], [await page(0, 4, { list: 'a' })]], 4)
    assert.deepEqual([back.problems[0], back.asked.slice(0, 3)], ['CURFEW_FEED_OTHER_LIST', [0, 3, 0]])
    const grown = await play([[await page(0, 3, { list: 'a' })], [await page(3, 5, { list: 'b' })], [await page(0, 5, { list: 'b' })]], 5)
    assert.deepEqual([grown.problems[0], revoked(grown.list, 'bs1', 'bs5')], ['CURFEW_FEED_OTHER_LIST', [true, true]])
  })

  test('says once by how much the clock of the authority is behind when every page is too old to count, and again after one that did', async () => {
    const late = { ageSeconds: 20 }
    const apart = await play([[await page(0, 1, late), await page(1, 2, late), await page(2, 2, late), await page(2, 3), await page(3, 4, late)]], 4)
    assert.deepEqual(apart.problems, ['CURFEW_FEED_STALE', 'CURFEW_FEED_STALE'])
    const behindMs = Number(apart.errors[0]?.context['clockAheadMs'])
    assert.ok(behindMs >= 20_000 && behindMs < 30_000, String(behindMs))
    assert.deepEqual(revoked(apart.list, 's1', 's4'), [true, true], 'what stands on such pages counts all the same')
    const refused = await play([[await page(0, 1, { ageSeconds: 90 })], [await page(0, 1)]], 1)
    assert.equal(refused.problems[0], 'CURFEW_FEED_REFUSED')
    assert.ok(Number(refused.errors[0]?.context['clockAheadMs']) >= 90_000)
    assert.deepEqual((await play([[await page(0, 1, { ageSeconds: 12 })]], 1)).problems, [], 'five seconds and what the list counts for')
  })

  test('a list that gets a name, or is told of without it by an older node, is the same list while it reaches as far', () => {
    const list = createRevocationList(
      () => undefined,
      () => performance.now()
    )
    const take = (prev: number, seq: number, more: { readonly list?: string; readonly end?: number } = {}) =>
      list.take({ prev, seq, hasMore: false, entries: [], issuedAtMs: 0, ...more }, 0)
    const named = (seq: number) => ({ list: 'a', end: seq })
    assert.deepEqual(
      [take(0, 3), take(3, 4, named(4)), take(4, 5), take(5, 6, named(6)), take(6, 6)],
      Array.from({ length: 5 }, () => 'taken')
    )
    assert.deepEqual([take(6, 9, { list: 'b', end: 9 }), list.position], ['other', 0], 'a page without a name does not make it forget the name')
    assert.deepEqual([take(0, 9, { list: 'b', end: 9 }), take(2, 2), list.position], ['taken', 'other', 0], 'one that ends before the position')
    take(0, 3)
    assert.deepEqual([take(3, 3, { list: 'a', end: 2 }), list.position], ['other', 0], 'a name whose list ends before the position')
  })

  test('a stream that somebody holds back is left for single pages, and tried again later', async () => {
    const clock = createHandClock()
    const list = createRevocationList(
      () => undefined,
      () => performance.now()
    )
    const problems: string[] = []
    const asked: string[] = []
    let seq = 0
    const pages = await Promise.all(Array.from({ length: 70 }, (_, i) => page(i, i + 1)))
    const reader = startFeedReader({
      clock,
      list,
      issuer,
      staleMs,
      random: { fraction: () => 0 },
      keys: async () => keySet,
      onProblem: ({ code }) => void problems.push(code),
      async open({ query, headers: { accept = '' } }) {
        const isStream = accept === 'text/event-stream'
        asked.push(isStream ? 'stream' : `page after ${query['after']}, wait ${query['wait']}`)
        const closed = Promise.withResolvers<undefined>()
        async function* body(): AsyncGenerator<Uint8Array> {
          if (isStream) await closed.promise
          else yield Buffer.from(pages[seq++] ?? '')
        }
        return { status: 200, headers: { 'content-type': accept }, body: body(), close: () => closed.resolve(undefined) }
      }
    })
    for (let turn = 0; turn < 2_000 && asked.filter((one) => one === 'stream').length < 3; turn++) await clock.pass(50)
    await reader.stop()
    assert.deepEqual(asked.slice(0, 4), ['stream', 'stream', 'page after 0, wait 1', 'page after 1, wait 1'])
    assert.deepEqual([asked.length, asked[62]], [63, 'stream'], 'sixty pages, then a stream again')
    assert.deepEqual([...new Set(problems)], ['CURFEW_FEED_SILENT'])
    assert.deepEqual([list.position, ...revoked(list, 's1', 's60', 's61')], [60, true, true, false])
    assert.notEqual(list.completeAtMs, undefined)
  })

  test('one page that stays silent, grows too long or is of another type is refused', async () => {
    const silent = await firstProblems([
      async () => answer('text/event-stream'),
      async () => answer('text/event-stream'),
      async () => answer('application/jwt')
    ])
    assert.deepEqual(silent, ['CURFEW_FEED_SILENT', 'CURFEW_FEED_SILENT', 'CURFEW_FEED_SILENT'])
    const long = await firstProblems([
      async () => answer('text/event-stream'),
      async () => answer('text/event-stream'),
      async () => answer('application/jwt', Buffer.alloc(300_001, 97))
    ])
    assert.deepEqual(long, ['CURFEW_FEED_SILENT', 'CURFEW_FEED_SILENT', 'CURFEW_FEED_REFUSED'])
    assert.deepEqual(await firstProblems([async () => answer('text/html', Buffer.from('<p>hello'))]), ['CURFEW_FEED_REFUSED'])
  })
})

/** An answer that says `octets`, if any, and then nothing until it is closed. */
function answer(type: string, octets?: Uint8Array): FeedAnswer {
  const closed = Promise.withResolvers<undefined>()
  async function* body(): AsyncGenerator<Uint8Array> {
    if (octets !== undefined) yield octets
    await closed.promise
  }
  return { status: 200, headers: { 'content-type': type }, body: body(), close: () => closed.resolve(undefined) }
}

/** The problems that these answers, one after the other, lead to. */
async function firstProblems(answers: readonly (() => Promise<FeedAnswer>)[]): Promise<readonly string[]> {
  const clock = createHandClock()
  const problems: string[] = []
  let at = 0
  const reader = startFeedReader({
    clock,
    issuer,
    staleMs,
    list: createRevocationList(
      () => undefined,
      () => performance.now()
    ),
    random: { fraction: () => 0 },
    keys: async () => keySet,
    onProblem: ({ code }) => void problems.push(code),
    open: async () => (await (answers[at++] ?? (async () => answer('text/event-stream')))()) as FeedAnswer
  })
  for (let turn = 0; turn < 1_000 && problems.length < answers.length; turn++) await clock.pass(50)
  await reader.stop()
  return problems.slice(0, answers.length)
}

/** Time that passes by hand; signatures and streams get their turn in between. */
function createHandClock() {
  const timers = new Set<{ readonly atMs: number; readonly act: () => void }>()
  const state = { nowMs: Date.now() }
  return {
    nowMs: () => state.nowMs,
    after(delayMs: number, act: () => void) {
      const timer = { atMs: state.nowMs + delayMs, act }
      timers.add(timer)
      return { cancel: () => void timers.delete(timer) }
    },
    async pass(milliseconds: number): Promise<void> {
      await new Promise((resolve) => setTimeout(resolve, 1))
      state.nowMs += milliseconds
      for (const timer of [...timers]) {
        if (timer.atMs > state.nowMs) continue
        timers.delete(timer)
        timer.act()
      }
    }
  }
}
