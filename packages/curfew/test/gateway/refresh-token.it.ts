import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createSessionCookies } from '../../src/gateway/session/session-cookies.ts'
import type { ClaimsRefresh } from '../../src/gateway/session/web-session.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { clientSecret, createGatewayKit, type GatewayKit, gatewaySecret, type Mirrored } from './kit.ts'
import { createPlainProvider, plainClient, type PlainProvider } from './plain-provider.ts'
import { type Answer, Visitor } from './visitor.ts'

const webSession = { refreshUserSeconds: 1 } as const

/** What the cookie of a browser keeps for asking again. */
function refreshIn(kit: GatewayKit, visitor: Visitor): ClaimsRefresh {
  const settings = { id: 'main', audience: 'ACE_ws', cookieType: 'encrypted', httpOnly: true, sameSite: 'lax', partitioned: false } as const
  const whole = { ...settings, idleMs: 3_600_000, maxMs: 14_400_000 }
  const cookies = createSessionCookies({ secret: gatewaySecret, random: systemRandom, webSessions: [whole] })
  const header = [...visitor.jar(kit.wiki)].map(([name, value]) => `${name}=${value}`).join('; ')
  const nowMs = Temporal.Now.instant().epochMilliseconds
  return cookies.read(whole, header, new URL(kit.wiki).host, nowMs)?.session.refresh ?? assert.fail('the cookie keeps nothing')
}

const ask = (kit: GatewayKit, visitor: Visitor): Promise<Answer> => visitor.ask(`${kit.wiki}/notes`)
const mailIn = (answer: Answer): string | undefined => (JSON.parse(answer.body) as Mirrored).headers['x-mail']

/** Asks until an answer is what is wanted: the interval of the claims has to pass. */
async function until(kit: GatewayKit, visitor: Visitor, isWanted: (answer: Answer) => boolean): Promise<Answer> {
  const endMs = performance.now() + 20_000
  for (;;) {
    const answer = await ask(kit, visitor)
    if (isWanted(answer)) return answer
    assert.ok(performance.now() < endMs, `still ${answer.status} ${answer.body.slice(0, 300)}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

suite('A refresh token of the authority', () => {
  const revoke = (kit: GatewayKit, token: string): Promise<Answer> =>
    new Visitor().ask(`${kit.issuer}/as/revoke_token.oauth2`, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        authorization: `Basic ${Buffer.from(`gate:${encodeURIComponent(clientSecret)}`).toString('base64')}`
      },
      body: new URLSearchParams({ token }).toString()
    })

  test('an access token that is worth nothing any more is replaced, and the claims go on', async () => {
    await using kit = await createGatewayKit({ webSession, client: { refreshTokens: true } })
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/notes`)
    const before = refreshIn(kit, ana)
    assert.ok(before.refreshToken !== undefined && before.tokenUntilMs !== undefined)
    assert.equal((await revoke(kit, before.token)).status, 200)
    await kit.changeMail('ana@example.com')
    await until(kit, ana, (answer) => mailIn(answer) === 'ana@example.com')
    const after = refreshIn(kit, ana)
    assert.notEqual(after.token, before.token)
    assert.notEqual(after.refreshToken, before.refreshToken)
  })

  test('a session that ended there is over here, where only the refresh token tells', async () => {
    await using kit = await createGatewayKit({ webSession, client: { refreshTokens: true }, gateway: { sessionCheck: { feed: false } } })
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/notes`)
    const stolen = ana.copy()
    await kit.endAll()
    const answer = await until(kit, ana, ({ status }) => status === 303)
    assert.match(String(answer.headers.location), /\/as\/authorization\.oauth2\?/)
    assert.equal((await ask(kit, stolen)).status, 303, 'a copy of the cookie is refused as well')
  })

  test('a refresh token that was taken back leaves a session alone that the feed knows to be live', async () => {
    await using kit = await createGatewayKit({ webSession, client: { refreshTokens: true } })
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/notes`)
    assert.equal((await revoke(kit, refreshIn(kit, ana).refreshToken ?? '')).status, 200)
    const jar = (): string | undefined => ana.jar(kit.wiki).get('PA.ACE_ws')
    const before = jar()
    // The cookie that comes without any way to ask again says that the provider was asked.
    const answer = await until(kit, ana, () => jar() !== before)
    assert.deepEqual([answer.status, mailIn(answer)], [200, 'ana@example.org'])
    assert.throws(() => refreshIn(kit, ana), /keeps nothing/)
  })
})

suite('A refresh token of another OpenID provider', () => {
  interface World extends AsyncDisposable {
    readonly kit: GatewayKit
    readonly provider: PlainProvider
    readonly ana: Visitor
  }

  async function createWorld(): Promise<World> {
    const provider = await createPlainProvider()
    const kit = await createGatewayKit({
      webSession,
      provider: { ...plainClient, issuer: provider.issuer },
      gateway: { sessionCheck: { feed: false } }
    })
    await provider.start([`${kit.wiki}/pa/oidc/cb`])
    const ana = new Visitor()
    const page = await ana.follow(`${kit.wiki}/notes`)
    assert.deepEqual([page.status, mailIn(page)], [200, 'ana@example.org'], page.body.slice(0, 500))
    return {
      kit,
      provider,
      ana,
      async [Symbol.asyncDispose]() {
        await kit[Symbol.asyncDispose]()
        await provider[Symbol.asyncDispose]()
      }
    }
  }

  test('claims go on after the access token has expired, by refresh tokens that are good for one time', async () => {
    await using world = await createWorld()
    const { kit, provider, ana } = world
    for (const mail of ['one@example.org', 'two@example.org', 'three@example.org']) {
      provider.mail = mail
      const refreshes = provider.refreshes.length
      // A browser asks for many things at once, and with cookies from before; a token that is used twice would end all of them.
      await until(kit, ana.copy(), () => provider.refreshes.length > refreshes)
      await until(kit, ana, (answer) => mailIn(answer) === mail)
      const answers = await Promise.all(Array.from({ length: 10 }, () => ask(kit, ana.copy())))
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
    }
    assert.ok(provider.refreshes.length >= 3)
    assert.ok(!provider.refreshes.includes('refused'))
  })

  test('a session that ended there is over here', async () => {
    await using world = await createWorld()
    const { kit, provider, ana } = world
    await provider.signOut(ana)
    const answer = await until(kit, ana, ({ status }) => status === 303)
    assert.ok(String(answer.headers.location).startsWith(`${provider.issuer}/auth?`))
    assert.deepEqual(provider.refreshes, ['refused'])
  })

  test('a provider that is away ends nothing, and goes on where it was when it is back', async () => {
    await using world = await createWorld()
    const { kit, provider, ana } = world
    await provider.pause()
    provider.mail = 'new@example.org'
    await until(kit, ana, (answer) => {
      assert.deepEqual([answer.status, mailIn(answer)], [200, 'ana@example.org'])
      return provider.attempts >= 3
    })
    await provider.resume()
    await until(kit, ana, (answer) => mailIn(answer) === 'new@example.org')
    assert.ok(!provider.refreshes.includes('refused'))
  })
})
