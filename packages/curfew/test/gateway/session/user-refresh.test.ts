import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { CurfewError } from '@curfew/codecs'
import { createEncryptedSealer } from '../../../src/gateway/session/sealer.ts'
import { createUserRefresh } from '../../../src/gateway/session/user-refresh.ts'
import { type OpenedSession, openedSession, parseWebSession, serialiseWebSession, type WebSession } from '../../../src/gateway/session/web-session.ts'
import type { RefreshedTokens, Tokens, UserClaims } from '../../../src/gateway/sign-in/provider.ts'
import type { GatewaySettings, WebSessionSettings } from '../../../src/gateway/settings.ts'
import { systemRandom } from '../../../src/platform/random.ts'
import { createFakeClock } from '../../support/fake-clock.ts'

const webSession = { id: 'main', cookieType: 'encrypted', refreshMs: 60_000 } as WebSessionSettings
const settings = {
  provider: { userInfo: true, refreshTokens: true },
  sessionCheck: { feed: true, status: false },
  applications: [{ webSession, headers: { 'X-Mail': 'email', 'X-Role': 'role' } }]
} as unknown as GatewaySettings

type Say = (token: string) => Promise<UserClaims>

/** A session of ana whose mail address came from UserInfo and whose role came in the ID token. */
function signedIn(cookieType: WebSessionSettings['cookieType'] = 'encrypted', tokens: Partial<Tokens> = {}, more: Partial<WebSession> = {}) {
  const clock = createFakeClock()
  const asked: [string, string][] = []
  const results: string[] = []
  const provider = {
    say: (async () => ({ kind: 'claims', claims: { email: 'new@example.org', phone: '1' } })) as Say,
    refresh: (async () => assert.fail('no refresh token')) as (token: string) => Promise<RefreshedTokens>
  }
  const refreshed: [string, string][] = []
  const ended: string[] = []
  const own = { ...webSession, cookieType }
  const refresh = createUserRefresh({
    settings,
    clock,
    sealer: createEncryptedSealer({ secret: Buffer.alloc(32, 1), use: 'access token', maxMs: 86_400_000, random: systemRandom }),
    provider: {
      userInfo: (token, subject) => {
        asked.push([token, subject])
        return provider.say(token)
      },
      refresh: (token, subject) => {
        refreshed.push([token, subject])
        return provider.refresh(token)
      }
    },
    fits: (_settings, { claims }) => JSON.stringify(claims).length < 1_000,
    onTooLarge: () => results.push('too large'),
    onAnswer: (result) => results.push(result),
    onEnded: ({ id }) => ended.push(id)
  })
  const startedAtMs = clock.nowMs()
  const kept =
    refresh.keep(own, { tokens: { accessToken: 'token-1', ...tokens }, userInfo: { email: 'old@example.org', phone: '1' } }) ?? assert.fail('nothing was kept')
  const session: WebSession = {
    id: 'w1',
    audience: 'a',
    issuer: 'https://op',
    subject: 'ana',
    claims: { email: 'old@example.org', role: 'editor' },
    startedAtMs,
    expiresAtMs: startedAtMs + 86_400_000,
    activeAtMs: startedAtMs,
    refresh: kept,
    ...more
  }
  const of = (opened: OpenedSession) => refresh.of(own, opened)
  return { clock, asked, refreshed, ended, results, provider, refresh, of, opened: openedSession(session) }
}

suite('Asking for the claims of a user again', () => {
  test('what a cookie carries for it comes back as it was', () => {
    const { opened } = signedIn()
    assert.deepEqual(parseWebSession(serialiseWebSession(opened.session)), opened.session)
  })

  test('nothing is asked before the interval; then once for requests that come together, and what came from UserInfo is replaced', async () => {
    const { clock, asked, of, opened } = signedIn()
    await clock.advance(59_999)
    assert.equal(of(opened), opened)
    await clock.advance(1)
    const [one, other] = await Promise.all([of(opened), of(opened)])
    assert.deepEqual(asked, [['token-1', 'ana']])
    assert.deepEqual([one.session.claims, one.isChanged], [{ email: 'new@example.org', role: 'editor' }, true])
    assert.equal(other, one)
    // A request that still has the former cookie is answered from memory, at once.
    assert.equal(of(opened), one)
    assert.deepEqual(one.keys, opened.keys)
  })

  test('claims that have no room in the cookie stay as they were; that is said once, and those that fit later are taken', async () => {
    const { clock, provider, results, asked, of, opened } = signedIn()
    provider.say = async () => ({ kind: 'claims', claims: { email: 'x'.repeat(2_000), role: 'admin' } })
    let now = opened
    for (let i = 0; i < 2; i++) {
      await clock.advance(60_000)
      now = await of(now)
      assert.deepEqual([now.session.claims, now.session.refresh?.names, now.session.refresh?.atMs], [opened.session.claims, ['email'], clock.nowMs()])
      assert.equal(await of(opened), now)
    }
    assert.deepEqual([results, asked.length], [['fresh', 'too large', 'fresh'], 2])
    provider.say = async () => ({ kind: 'claims', claims: { email: 'new@example.org' } })
    await clock.advance(60_000)
    assert.deepEqual((await of(now)).session.claims, { email: 'new@example.org', role: 'editor' })
  })

  test('a claim that UserInfo has no more goes, and comes again when it has', async () => {
    const { clock, provider, of, opened } = signedIn()
    provider.say = async () => ({ kind: 'claims', claims: {} })
    await clock.advance(60_000)
    const without = await of(opened)
    assert.deepEqual(without.session.claims, { role: 'editor' })
    provider.say = async () => ({ kind: 'claims', claims: { email: 'third@example.org' } })
    await clock.advance(60_000)
    assert.equal((await of(without)).session.claims['email'], 'third@example.org')
  })

  test('a provider that fails changes nothing and is asked again after the interval only', async () => {
    const { clock, asked, results, provider, of, opened } = signedIn()
    provider.say = async () => {
      throw new CurfewError('CURFEW_GATEWAY_PROVIDER')
    }
    await clock.advance(60_000)
    assert.equal(await of(opened), opened)
    assert.equal(of(opened), opened)
    await clock.advance(60_000)
    assert.equal(await of(opened), opened)
    assert.deepEqual([asked.length, results], [2, ['failed', 'failed']])
  })

  test('a failure takes nothing back that was known already, whichever cookie comes', async () => {
    const { clock, provider, of, opened } = signedIn()
    await clock.advance(60_000)
    const fresh = await of(opened)
    provider.say = async () => {
      throw new CurfewError('CURFEW_GATEWAY_PROVIDER')
    }
    await clock.advance(60_000)
    assert.equal(await of(opened), fresh)
    assert.equal(of(opened), fresh)
  })

  test('a token that is refused is not shown again, and the session goes on as it was', async () => {
    const { clock, asked, provider, of, opened } = signedIn()
    provider.say = async () => ({ kind: 'refused' })
    await clock.advance(60_000)
    const later = await of(opened)
    assert.deepEqual([later.session.claims, later.session.refresh, later.isChanged], [opened.session.claims, undefined, true])
    await clock.advance(600_000)
    assert.equal(of(later), later)
    assert.equal(of(opened), later)
    assert.equal(asked.length, 1)
  })

  test('a provider that is slow holds a request for two seconds, and its answer counts for the next one', async () => {
    const { clock, provider, of, opened } = signedIn()
    const answer = Promise.withResolvers<UserClaims>()
    provider.say = () => answer.promise
    await clock.advance(60_000)
    const waiting = of(opened)
    await clock.advance(2_000)
    assert.equal(await waiting, opened)
    answer.resolve({ kind: 'claims', claims: { email: 'new@example.org' } })
    await clock.settle()
    assert.equal((await of(opened)).session.claims['email'], 'new@example.org')
    assert.equal(clock.pendingTimers(), 0)
  })

  test('a cookie that can be read shows no access token', async () => {
    const { clock, asked, of, opened } = signedIn('signed')
    assert.ok(!serialiseWebSession(opened.session).includes('token-1'))
    await clock.advance(60_000)
    await of(opened)
    assert.deepEqual(asked, [['token-1', 'ana']])
  })

  test('nothing is kept where no application is told a claim of UserInfo, or the setting is off', () => {
    const { refresh } = signedIn()
    assert.equal(refresh.keep(webSession, { tokens: { accessToken: 't' }, userInfo: { phone: '1' } }), undefined)
    const { refreshMs: _, ...off } = webSession
    assert.equal(refresh.keep(off, { tokens: { accessToken: 't' }, userInfo: { email: 'a' } }), undefined)
  })
})

suite('Asking on with a refresh token', () => {
  /** The access token is good for 90 seconds, claims for 60. */
  const tokens: Tokens = { accessToken: 'token-1', accessTokenMs: 90_000, refreshToken: 'refresh-1' }
  const withRefreshToken = (cookieType?: WebSessionSettings['cookieType'], more?: Partial<WebSession>) => {
    const made = signedIn(cookieType, tokens, more)
    let count = 1
    made.provider.refresh = async () => {
      count += 1
      return { kind: 'tokens', tokens: { accessToken: `token-${count}`, accessTokenMs: 90_000, refreshToken: `refresh-${count}` } }
    }
    return made
  }
  /** As the next request brings it. */
  const again = (opened: OpenedSession): OpenedSession => openedSession(parseWebSession(serialiseWebSession(opened.session)) ?? assert.fail())

  test('an access token that has expired is not shown: a new one is asked for, once for requests that come together, and so is the refresh token', async () => {
    const { clock, asked, refreshed, of, opened, results } = withRefreshToken()
    await clock.advance(60_000)
    const first = await of(opened)
    assert.deepEqual([asked, refreshed], [[['token-1', 'ana']], []], 'it has not expired yet')
    await clock.advance(60_000)
    const [second, other] = await Promise.all([of(again(first)), of(again(first))])
    assert.equal(second, other)
    assert.deepEqual([asked.at(-1), refreshed], [['token-2', 'ana'], [['refresh-1', 'ana']]])
    assert.deepEqual([second.session.refresh?.token, second.session.refresh?.refreshToken, second.isChanged], ['token-2', 'refresh-2', true])
    // Whoever still has a cookie from before goes on with what is known, now and at the next time.
    assert.equal(of(opened), second)
    await clock.advance(120_000)
    await of(opened)
    assert.deepEqual(refreshed.at(-1), ['refresh-2', 'ana'])
    assert.deepEqual(results, ['fresh', 'fresh', 'fresh'])
  })

  test('an access token that is refused before its time is replaced, too', async () => {
    const { clock, asked, provider, of, opened } = withRefreshToken()
    provider.say = async (token) => (token === 'token-1' ? { kind: 'refused' } : { kind: 'claims', claims: { email: 'new@example.org' } })
    await clock.advance(60_000)
    const fresh = await of(opened)
    assert.deepEqual([asked.map(([token]) => token), fresh.session.claims['email']], [['token-1', 'token-2'], 'new@example.org'])
  })

  test('a provider that gives no new refresh token keeps the old one going', async () => {
    const { clock, provider, refreshed, of, opened } = withRefreshToken()
    provider.refresh = async (refreshToken) => ({ kind: 'tokens', tokens: { accessToken: 'token-n', refreshToken } })
    await clock.advance(90_000)
    const fresh = await of(opened)
    assert.deepEqual([fresh.session.refresh?.refreshToken, fresh.session.refresh?.tokenUntilMs], ['refresh-1', undefined])
    provider.say = async () => ({ kind: 'refused' })
    await clock.advance(60_000)
    await of(fresh)
    assert.deepEqual(refreshed.length, 2)
  })

  test('new tokens are kept before anything is asked with them: what fails then loses none', async () => {
    const { clock, provider, refreshed, results, of, opened } = withRefreshToken()
    provider.say = async () => {
      throw new CurfewError('CURFEW_GATEWAY_PROVIDER')
    }
    await clock.advance(90_000)
    const later = await of(opened)
    assert.deepEqual([later.session.refresh?.refreshToken, later.session.claims, later.isChanged], ['refresh-2', opened.session.claims, true])
    assert.equal(of(opened), later)
    await clock.advance(90_000)
    await of(opened)
    assert.deepEqual(
      [refreshed.map(([token]) => token), results],
      [
        ['refresh-1', 'refresh-2'],
        ['failed', 'failed']
      ]
    )
  })

  test('a request that gave up waiting does not use the token a second time', async () => {
    const { clock, provider, refreshed, of, opened } = withRefreshToken()
    const answer = Promise.withResolvers<RefreshedTokens>()
    provider.refresh = () => answer.promise
    await clock.advance(90_000)
    const waiting = of(opened)
    await clock.advance(2_000)
    assert.equal(await waiting, opened)
    const other = of(opened)
    answer.resolve({ kind: 'tokens', tokens: { accessToken: 'token-2', refreshToken: 'refresh-2' } })
    assert.equal((await other).session.refresh?.refreshToken, 'refresh-2')
    assert.deepEqual(refreshed, [['refresh-1', 'ana']])
  })

  test('a provider that can not be reached ends nothing, and is asked again after the interval with the same token', async () => {
    const { clock, provider, refreshed, ended, of, opened } = withRefreshToken()
    provider.refresh = async () => {
      throw new CurfewError('CURFEW_GATEWAY_PROVIDER')
    }
    await clock.advance(90_000)
    assert.equal(await of(opened), opened)
    assert.equal(of(opened), opened)
    await clock.advance(60_000)
    assert.equal(await of(opened), opened)
    assert.deepEqual([refreshed.map(([token]) => token), ended], [['refresh-1', 'refresh-1'], []])
  })

  test('a refresh token that is refused ends a session that nothing else is told of', async () => {
    const { clock, provider, ended, asked, of, opened } = withRefreshToken()
    provider.refresh = async () => ({ kind: 'refused' })
    await clock.advance(90_000)
    const later = await of(opened)
    assert.deepEqual([ended, asked, later.session.refresh], [['w1'], [], undefined])
  })

  test('where the feed tells of the session, it ends nothing: the claims stay as they are', async () => {
    const { clock, provider, ended, refreshed, of, opened } = withRefreshToken('encrypted', { sri: 'sri-1' })
    provider.refresh = async () => ({ kind: 'refused' })
    await clock.advance(90_000)
    const later = await of(opened)
    assert.deepEqual([ended, later.session.claims, later.session.refresh], [[], opened.session.claims, undefined])
    await clock.advance(600_000)
    assert.equal(of(opened), later)
    assert.equal(refreshed.length, 1)
  })

  test('a new access token that is refused all the same ends nothing either', async () => {
    const { clock, provider, ended, of, opened } = withRefreshToken()
    provider.say = async () => ({ kind: 'refused' })
    await clock.advance(60_000)
    assert.equal((await of(opened)).session.refresh, undefined)
    assert.deepEqual(ended, [])
  })

  test('a cookie that can be read shows neither token, and what was sealed is used', async () => {
    const { clock, refreshed, of, opened } = withRefreshToken('signed')
    await clock.advance(90_000)
    const later = await of(again(opened))
    for (const one of [opened, later]) assert.doesNotMatch(serialiseWebSession(one.session), /token-\d|refresh-\d/)
    await clock.advance(90_000)
    await of(again(later))
    assert.deepEqual(
      refreshed.map(([token]) => token),
      ['refresh-1', 'refresh-2']
    )
  })

  test('a newer cookie, from another gateway, counts for more than what this one remembers', async () => {
    const one = withRefreshToken()
    await one.clock.advance(90_000)
    const here = await one.of(one.opened)
    const { refresh = assert.fail() } = here.session
    const elsewhere = openedSession({
      ...here.session,
      refresh: { ...refresh, refreshToken: 'refresh-elsewhere', tokenUntilMs: (refresh.tokenUntilMs ?? 0) + 90_000 }
    })
    await one.clock.advance(180_000)
    await one.of(elsewhere)
    assert.deepEqual(one.refreshed.at(-1), ['refresh-elsewhere', 'ana'])
  })

  test('switched off, no refresh token is kept', () => {
    const off = { ...settings, provider: { ...settings.provider, refreshTokens: false } }
    const { clock } = signedIn()
    const refresh = createUserRefresh({
      settings: off,
      clock,
      sealer: createEncryptedSealer({ secret: Buffer.alloc(32, 1), use: 'access token', maxMs: 86_400_000, random: systemRandom }),
      provider: { userInfo: async () => assert.fail(), refresh: async () => assert.fail() },
      fits: () => assert.fail(),
      onTooLarge: () => assert.fail(),
      onAnswer: () => assert.fail(),
      onEnded: () => assert.fail()
    })
    assert.equal(refresh.keep(webSession, { tokens, userInfo: { email: 'a' } })?.refreshToken, undefined)
  })
})
