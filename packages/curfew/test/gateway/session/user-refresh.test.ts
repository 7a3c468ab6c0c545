import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { CurfewError } from '@curfew/codecs'
import { createEncryptedSealer } from '../../../src/gateway/session/sealer.ts'
import { createUserRefresh } from '../../../src/gateway/session/user-refresh.ts'
import { type OpenedSession, openedSession, parseWebSession, serialiseWebSession, type WebSession } from '../../../src/gateway/session/web-session.ts'
import type { UserClaims } from '../../../src/gateway/sign-in/provider.ts'
import type { GatewaySettings, WebSessionSettings } from '../../../src/gateway/settings.ts'
import { systemRandom } from '../../../src/platform/random.ts'
import { createFakeClock } from '../../support/fake-clock.ts'

const webSession = { id: 'main', cookieType: 'encrypted', refreshMs: 60_000 } as WebSessionSettings
const settings = {
  provider: { userInfo: true },
  applications: [{ webSession, headers: { 'X-Mail': 'email', 'X-Role': 'role' } }]
} as unknown as GatewaySettings

type Say = () => Promise<UserClaims>

/** A session of ana whose mail address came from UserInfo and whose role came in the ID token. */
function signedIn(cookieType: WebSessionSettings['cookieType'] = 'encrypted') {
  const clock = createFakeClock()
  const asked: [string, string][] = []
  const results: string[] = []
  const provider = { say: (async () => ({ kind: 'claims', claims: { email: 'new@example.org', phone: '1' } })) as Say }
  const own = { ...webSession, cookieType }
  const refresh = createUserRefresh({
    settings,
    clock,
    sealer: createEncryptedSealer({ secret: Buffer.alloc(32, 1), use: 'access token', maxMs: 86_400_000, random: systemRandom }),
    userInfo: (token, subject) => {
      asked.push([token, subject])
      return provider.say()
    },
    onAnswer: (result) => results.push(result)
  })
  const startedAtMs = clock.nowMs()
  const kept = refresh.keep(own, { accessToken: 'token-1', userInfo: { email: 'old@example.org', phone: '1' } }) ?? assert.fail('nothing was kept')
  const session: WebSession = {
    id: 'w1',
    audience: 'a',
    issuer: 'https://op',
    subject: 'ana',
    claims: { email: 'old@example.org', role: 'editor' },
    startedAtMs,
    expiresAtMs: startedAtMs + 86_400_000,
    activeAtMs: startedAtMs,
    refresh: kept
  }
  const of = (opened: OpenedSession) => refresh.of(own, opened)
  return { clock, asked, results, provider, refresh, of, opened: openedSession(session) }
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
    assert.equal(refresh.keep(webSession, { accessToken: 't', userInfo: { phone: '1' } }), undefined)
    const { refreshMs: _, ...off } = webSession
    assert.equal(refresh.keep(off, { accessToken: 't', userInfo: { email: 'a' } }), undefined)
  })
})
