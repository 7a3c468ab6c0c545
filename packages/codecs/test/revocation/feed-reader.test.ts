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

suite('Following the revocation feed', { timeout: 60_000 }, () => {
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

  for (const held of ['body', 'head'] as const) {
    test(`a stream whose ${held} somebody holds back is left for single pages, which go on while it is tried again`, async () => {
      await using world = followStandIn(held)
      await world.until('the list is known', () => world.list.completeAtMs !== undefined)
      assert.deepEqual(world.asked.slice(0, 2), ['stream', 'page after 0, wait 0'], 'what there is, at once')
      assert.ok(world.passedMs() <= 4_500, `${world.passedMs()} ms`)
      await world.until('it is tried again', () => world.streams() === 2)
      assert.ok(world.passedMs() > 60_000)
      assert.deepEqual([...new Set(world.asked.slice(2))].toSorted(), ['page after 0, wait 1', 'stream'])
      const pagesBefore = world.asked.length
      const tookMs = await world.revoke()
      assert.ok(tookMs <= 500, `known after ${tookMs} ms, while the stream is held back`)
      await world.until('it is given up', () => world.problems.length === 2)
      assert.ok(world.asked.length >= pagesBefore + 3)
      world.holds = undefined
      await world.until('it comes again', () => world.streams() === 4)
      await world.until('and is followed', () => world.asked.at(-1) === 'stream')
      await world.revoke()
      assert.deepEqual([world.asked.at(-1), world.streams()], ['stream', 4], 'one to try it, one to follow')
      assert.deepEqual([world.problems, world.list.position], [['CURFEW_FEED_SILENT', 'CURFEW_FEED_SILENT'], 2])
    })
  }

  test('readers that left their streams in the same moment try one at different times', async () => {
    const waitedMs = await Promise.all(
      [0, 0.25, 0.75].map(async (fraction) => {
        await using world = followStandIn('body', fraction)
        await world.until('the list is known', () => world.list.completeAtMs !== undefined)
        const fromMs = world.passedMs()
        await world.until('it is tried', () => world.streams() === 2)
        return Math.round((world.passedMs() - fromMs) / 5_000) * 5_000
      })
    )
    assert.deepEqual(waitedMs, [30_000, 45_000, 75_000])
  })

  test('a stream that a proxy waited for too long for is left for single pages', async () => {
    await using world = followStandIn('all, and says 504')
    await world.until('the list is known', () => world.list.completeAtMs !== undefined)
    assert.deepEqual([world.asked.slice(0, 2), world.problems], [['stream', 'page after 0, wait 0'], ['CURFEW_FEED_UNREACHABLE']])
  })

  test('a stream that comes in lumps is left for single pages, and not followed while it does', async () => {
    await using world = followStandIn('what is less than three pages')
    await world.until('it is noticed', () => world.problems.length === 1)
    assert.deepEqual([world.problems, world.streams(), world.passedMs() < 10_000], [['CURFEW_FEED_SILENT'], 1, true])
    await world.until('it is tried', () => world.streams() === 2)
    await world.until('and given up', () => world.problems.length === 2)
    assert.ok((await world.revoke()) <= 500)
    assert.match(world.asked.at(-1) ?? '', /^page/)
  })

  test('a stream that comes as it is written is followed and nothing else, however fast the news', async () => {
    await using world = followStandIn(undefined)
    await world.until('it was read for long', () => world.passedMs() > 30_000)
    for (let i = 0; i < 5; i++) assert.ok((await world.revoke()) <= 500)
    assert.deepEqual([world.asked, world.problems], [['stream'], []])
  })

  test('while pages are read one by one, an authority that is away ends nothing of it', async () => {
    await using world = followStandIn('head')
    await world.until('the list is known', () => world.list.completeAtMs !== undefined)
    world.isAway = true
    await world.until('it is noticed', () => world.problems.length === 3)
    world.isAway = false
    await world.revoke()
    assert.deepEqual([world.streams(), new Set(world.problems)], [1, new Set(['CURFEW_FEED_SILENT', 'CURFEW_FEED_UNREACHABLE'])])
  })

  test('one page that stays silent, grows too long or is of another type is refused', async () => {
    const silent = await firstProblems([async () => answer('text/event-stream'), async () => answer('application/jwt')])
    assert.deepEqual(silent, ['CURFEW_FEED_SILENT', 'CURFEW_FEED_SILENT'])
    const long = await firstProblems([async () => answer('text/event-stream'), async () => answer('application/jwt', Buffer.alloc(300_001, 97))])
    assert.deepEqual(long, ['CURFEW_FEED_SILENT', 'CURFEW_FEED_REFUSED'])
    assert.deepEqual(await firstProblems([async () => answer('text/html', Buffer.from('<p>hello'))]), ['CURFEW_FEED_REFUSED'])
  })
})

interface StandIn extends AsyncDisposable {
  /** What somebody between reader and authority keeps of a stream. */
  holds: 'body' | 'head' | 'all, and says 504' | 'what is less than three pages' | undefined
  isAway: boolean
  readonly list: RevocationList
  readonly asked: string[]
  readonly problems: string[]
  streams(): number
  passedMs(): number
  until(what: string, isSo: () => boolean): Promise<void>
  /** Puts one more session on the list; returns the milliseconds until it is known. */
  revoke(): Promise<number>
}

/** A reader, and what answers it as the authority does: a stream has a page every second, one page waits for news. */
function followStandIn(holds: StandIn['holds'], fraction = 0.5): StandIn {
  const clock = createHandClock()
  const startMs = clock.nowMs()
  const list = createRevocationList(
    () => undefined,
    () => performance.now()
  )
  const news = { count: 0, tell: new Set<() => void>() }
  const newsAfter = (position: number, waitMs: number, closed: Promise<undefined>): Promise<unknown> =>
    position < news.count || waitMs <= 0
      ? Promise.resolve()
      : Promise.race([closed, new Promise<void>((resolve) => void (news.tell.add(resolve), clock.after(waitMs, resolve)))])
  const busy = { signing: 0, isVerifying: false }
  const pageNow = async (prev: number, seq: number): Promise<string> => {
    busy.signing += 1
    try {
      return await page(prev, seq, { ageSeconds: nowSeconds() - Math.floor(clock.nowMs() / 1000) })
    } finally {
      busy.signing -= 1
    }
  }
  const world: StandIn = {
    holds,
    isAway: false,
    list,
    asked: [],
    problems: [],
    streams: () => world.asked.filter((one) => one === 'stream').length,
    passedMs: () => clock.nowMs() - startMs,
    async until(what, isSo) {
      for (let turn = 0; !isSo(); turn++) {
        // No time passes for keys and signatures.
        while (busy.signing > 0 || busy.isVerifying) await new Promise((resolve) => setImmediate(resolve))
        assert.ok(turn < 4_000, `${what}: ${world.asked.join('; ').slice(-300)}; ${world.problems.slice(-5).join(' ')}`)
        await clock.pass(100)
      }
    },
    async revoke() {
      news.count += 1
      const fromMs = clock.nowMs()
      for (const tell of news.tell) tell()
      news.tell.clear()
      // As slow as time, so that what has to be signed takes no part of it.
      while (list.position < news.count && clock.nowMs() - fromMs < 5_000) await clock.pass(1)
      assert.equal(list.position, news.count)
      return clock.nowMs() - fromMs
    },
    [Symbol.asyncDispose]: () => reader.stop()
  }
  const reader = startFeedReader({
    clock,
    list,
    issuer,
    staleMs,
    random: { fraction: () => fraction },
    async keys() {
      busy.isVerifying = true
      return keySet
    },
    onPage() {
      busy.isVerifying = false
    },
    onProblem({ code }) {
      busy.isVerifying = false
      world.problems.push(code)
    },
    async open({ query, headers: { accept = '' } }) {
      const isStream = accept === 'text/event-stream'
      world.asked.push(isStream ? 'stream' : `page after ${query['after']}, wait ${query['wait']}`)
      if (world.isAway) throw new Error('connection refused')
      const closed = Promise.withResolvers<undefined>()
      // As a client that knows no signals.
      if (isStream && world.holds === 'head') return closed.promise as unknown as Promise<FeedAnswer>
      let position = Number(query['after'])
      async function* body(): AsyncGenerator<Uint8Array> {
        if (isStream && world.holds === 'body') {
          await closed.promise
          return
        }
        if (!isStream) {
          await newsAfter(position, Number(query['wait']) * 1000, closed.promise)
          yield Buffer.from(await pageNow(position, news.count))
          return
        }
        let kept: string[] = []
        for (let isOpen = true; isOpen; ) {
          const { count } = news
          kept.push(`event: revocations\ndata: ${await pageNow(position, count)}\n\n`)
          position = count
          if (kept.length >= (world.holds === 'what is less than three pages' ? 3 : 1)) {
            yield Buffer.from(kept.join(''))
            kept = []
          }
          isOpen = (await Promise.race([closed.promise.then(() => 'closed'), newsAfter(position, 1_000, closed.promise)])) !== 'closed'
        }
      }
      const status = isStream && world.holds === 'all, and says 504' ? 504 : 200
      return { status, headers: { 'content-type': accept }, body: body(), close: () => closed.resolve(undefined) }
    }
  })
  return world
}

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
