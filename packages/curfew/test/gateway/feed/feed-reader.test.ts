import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { suite, test } from 'node:test'
import { revocationFingerprint, revocationPageAudience, revocationPageClaims, revocationPageType } from '@curfew/codecs'
import { SignJWT } from 'jose'
import { startFeedReader } from '../../../src/gateway/feed/feed-reader.ts'
import { createRevocationList, type RevocationList } from '../../../src/gateway/feed/revocation-list.ts'
import { systemClock } from '../../../src/platform/clock.ts'
import type { OutboundStream } from '../../../src/platform/outbound.ts'

const issuer = 'https://login.example.com'
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const nowSeconds = () => Math.floor(systemClock.nowMs() / 1000)

/** A page with one session on it for every step from `prev` to `seq`: `s<position>`. */
function page(prev: number, seq: number, more: { readonly key?: KeyObject; readonly ageSeconds?: number } = {}): Promise<string> {
  const entries = Array.from({ length: seq - prev }, (_, i) => ({ fingerprint: revocationFingerprint(`s${prev + i + 1}`), untilSeconds: nowSeconds() + 600 }))
  return new SignJWT(revocationPageClaims({ prev, seq, hasMore: false, entries }))
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
}

/** Plays one list of pages per connection; the last connection stays open until the list is complete up to `until`. */
async function play(connections: readonly (readonly string[])[], until: number): Promise<Played> {
  const asked: number[] = []
  const problems: string[] = []
  const list = createRevocationList(() => undefined)
  const reached = Promise.withResolvers<undefined>()
  const open = async ({ url }: { readonly url: string }): Promise<OutboundStream> => {
    asked.push(Number(new URL(url).searchParams.get('after')))
    const pages = connections[asked.length - 1] ?? []
    async function* body(): AsyncGenerator<Uint8Array> {
      for (const token of pages) yield Buffer.from(`event: revocations\ndata: ${token}\n\n`)
    }
    return { status: 200, headers: { 'content-type': 'text/event-stream' }, body: body(), close: () => undefined }
  }
  const reader = startFeedReader({
    outbound: { open, request: () => assert.fail('no single page is asked for') },
    clock: systemClock,
    random: { bytes: () => assert.fail(), fraction: () => 0 },
    list,
    issuer,
    url: async () => `${issuer}/feed`,
    credentials: async () => ({ headers: { authorization: 'Basic x' }, query: {} }),
    keys: async () => {
      if (list.position >= until || asked.length > connections.length) reached.resolve(undefined)
      return { keys: [{ ...pair.publicKey.export({ format: 'jwk' }), kid: 'k', kty: 'EC' }] }
    },
    onProblem: ({ code }) => problems.push(code)
  })
  const timer = setInterval(() => list.position >= until && reached.resolve(undefined), 5)
  await reached.promise
  clearInterval(timer)
  await reader.stop()
  return { list, asked, problems }
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
    assert.deepEqual([problems, asked.slice(0, 2)], [['CURFEW_GATEWAY_FEED_GAP'], [0, 1]])
    assert.deepEqual(revoked(list, 's2', 's3'), [true, true])
  })

  test('refuses pages in another order and pages that come twice', async () => {
    const swapped = await play([[await page(1, 2), await page(0, 1)], [await page(0, 2)]], 2)
    assert.deepEqual([swapped.problems, swapped.asked.slice(0, 2)], [['CURFEW_GATEWAY_FEED_GAP'], [0, 0]])
    const twice = await play([[await page(0, 1), await page(0, 1)], [await page(1, 2)]], 2)
    assert.deepEqual([twice.problems, twice.asked.slice(0, 2)], [['CURFEW_GATEWAY_FEED_GAP'], [0, 1]])
  })

  test('refuses a page of another signer, a changed one and a recorded one, and takes nothing from them', async () => {
    const foreign = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const good = await page(0, 1)
    const claims = Buffer.from(good.split('.')[1] ?? '', 'base64url')
      .toString()
      .replace('"seq":1', '"seq":9')
    const changed = [good.split('.')[0], Buffer.from(claims).toString('base64url'), good.split('.')[2]].join('.')
    const { list, problems } = await play([[await page(0, 7, { key: foreign })], [changed], [await page(0, 7, { ageSeconds: 120 })], [good]], 1)
    assert.deepEqual(problems, ['CURFEW_OIDC_TOKEN_SIGNATURE', 'CURFEW_OIDC_TOKEN_SIGNATURE', 'CURFEW_GATEWAY_FEED_REFUSED'])
    assert.deepEqual(revoked(list, 's1', 's2', 's7'), [true, false, false])
  })

  test('knows when it was complete, and not before the last page of a long list', () => {
    const list = createRevocationList(() => undefined)
    assert.equal(list.completeAtMs, undefined)
    list.take({ prev: 0, seq: 1, hasMore: true, issuedAtMs: 0, entries: [] }, 5)
    assert.equal(list.completeAtMs, undefined)
    list.take({ prev: 1, seq: 2, hasMore: false, issuedAtMs: 0, entries: [] }, 6)
    assert.equal(list.completeAtMs, 6)
  })
})
