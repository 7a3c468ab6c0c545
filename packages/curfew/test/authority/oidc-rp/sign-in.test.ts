import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { status, statusUri } from '@curfew/codecs'
import type { JWTPayload } from 'jose'
import { follow, liveSessions } from '../saml-sp/hub.ts'
import { begin, createOidcHub, postLogoutToken, signInAt } from './hub.ts'

suite('Sign-in at an upstream OpenID provider', () => {
  test('the code flow with PKCE, state and nonce opens a session of its own, with the provider in it', async () => {
    const hub = await createOidcHub({}, { username: 'preferred_username', attributes: { email: 'mail', groups: 'group' } })
    await using kit = hub.kit
    const browser = kit.browser()
    const asked = new URL(await begin(hub, browser))
    assert.equal(asked.searchParams.get('redirect_uri'), 'http://curfew.test/sp/social/cb.openid')
    for (const name of ['state', 'nonce', 'code_challenge']) assert.match(asked.searchParams.get(name) ?? '', /^[\w-]{22,}$/)
    const claims = { preferred_username: 'ana', email: 'ana@example.org', groups: ['staff', 'admins'], auth_time: 1_700_000_000 }
    const done = await follow(browser, await browser.get(await hub.upstream.grant(asked.href, claims)))
    assert.match(done.body, /ana/)
    const [session] = await liveSessions(kit)
    assert.deepEqual([session?.userKey, session?.username, session?.sourceId, session?.authenticatedAtMs], ['social:u-1', 'ana', 'social', 1_700_000_000_000])
    assert.deepEqual(session?.attributes, { mail: ['ana@example.org'], group: ['staff', 'admins'] })
    const [participant] = await kit.store.getParticipants(session?.id ?? 'ses_')
    assert.deepEqual(
      [participant?.role, participant?.protocol, participant?.nameId.value, participant?.sessionIndex],
      ['upstream', 'oidc', 'u-1', 'social-sid-1']
    )
  })

  test('claims that the ID token does not hold are asked for at the UserInfo endpoint, others never', async () => {
    const hub = await createOidcHub({}, { attributes: { email: 'mail' } })
    await using kit = hub.kit
    await signInAt(hub, kit.browser(), { email: 'here@example.org' })
    assert.ok(!hub.upstream.asked.includes('/userinfo'))
    await signInAt(hub, kit.browser(), { sub: 'u-2' }, { userinfo: { email: 'there@example.org' } })
    assert.deepEqual(new Set((await liveSessions(kit)).flatMap(({ attributes }) => attributes['mail'])), new Set(['here@example.org', 'there@example.org']))
  })

  test('an answer of the UserInfo endpoint for another subject signs nobody in', async () => {
    const hub = await createOidcHub({}, { attributes: { email: 'mail' } })
    await using kit = hub.kit
    const page = await signInAt(hub, kit.browser(), {}, { userinfo: { sub: 'u-2', email: 'other@example.org' } })
    assert.match(page.body, /CURFEW_OIDC_PROVIDER/)
    assert.deepEqual(await liveSessions(kit), [])
  })

  test('without the claim that the connection wants as user name nobody is signed in', async () => {
    const hub = await createOidcHub({}, { username: 'preferred_username' })
    await using kit = hub.kit
    const page = await signInAt(hub, kit.browser(), {})
    assert.equal(page.statusCode, 400)
    assert.match(page.body, /CURFEW_SESSION_USERNAME_MISSING/)
    assert.deepEqual(await liveSessions(kit), [])
  })

  test('session_expiry of the provider is the end of the session', async () => {
    const hub = await createOidcHub()
    await using kit = hub.kit
    const expiry = Math.floor(kit.clock.nowMs() / 1000) + 600
    await signInAt(hub, kit.browser(), { session_expiry: expiry })
    assert.equal((await liveSessions(kit))[0]?.expiresAtMs, expiry * 1000)
  })

  test('a target on the allow-list is where the sign-in ends', async () => {
    const targets = [{ domain: 'www.test', requireHttps: false, allowQueryAndFragment: true }]
    const hub = await createOidcHub({ signOn: { targets } })
    await using kit = hub.kit
    const done = await signInAt(hub, kit.browser(), {}, {}, '&TargetResource=http%3A%2F%2Fwww.test%2Fapp')
    assert.equal(done.headers.location, 'http://www.test/app')
  })

  test('somebody else starts a sign-in by issuer; an unknown issuer and a foreign target are not followed', async () => {
    const hub = await createOidcHub()
    await using kit = hub.kit
    const browser = kit.browser()
    const started = await browser.get(`/sp/init_login.ping?iss=${encodeURIComponent(hub.other.issuer)}&target_link_url=https%3A%2F%2Fevil.test%2F`)
    const away = await follow(browser, started)
    assert.equal(new URL(String(away.headers.location)).origin, hub.other.issuer)
    const done = await follow(browser, await browser.get(await hub.other.grant(String(away.headers.location))))
    assert.doesNotMatch(String(done.headers.location), /evil/)
    assert.equal((await liveSessions(kit)).length, 1)
    assert.match((await browser.get('/sp/init_login.ping?iss=https%3A%2F%2Fevil.test')).body, /CURFEW_OIDC_PROVIDER/)
  })

  test('IsPassive becomes prompt=none, and login_required becomes NoPassive for the application', async () => {
    const hub = await createOidcHub({ partners: { payroll: {} }, upstreams: [] })
    await hub.kit[Symbol.asyncDispose]()
    const only = await createOidcHub({ partners: { payroll: {} } })
    await using kit = only.kit
    const browser = kit.browser()
    const first = String((await browser.get(await kit.partner('payroll').ssoRedirect({ isPassive: true }))).headers.location)
    const away = await browser.get(`${first}?identityProvider=social`)
    const asked = new URL(String(away.headers.location))
    assert.equal(asked.searchParams.get('prompt'), 'none')
    const back = `/sp/social/cb.openid?error=login_required&state=${asked.searchParams.get('state')}&iss=${encodeURIComponent(only.upstream.issuer)}`
    const { response } = kit.partner('payroll').readResponse((await follow(browser, await browser.get(back))).body)
    assert.deepEqual([response.status.code, ...response.status.subcodes], [statusUri.responder, statusUri.noPassive])
    assert.ok(!status.isSuccess(response.status))
    assert.deepEqual(await liveSessions(kit), [])
  })

  test('ForceAuthn asks the provider for a fresh sign-in', async () => {
    const hub = await createOidcHub({ partners: { payroll: {} } })
    await using kit = hub.kit
    const browser = kit.browser()
    await signInAt(hub, browser)
    const first = String((await browser.get(await kit.partner('payroll').ssoRedirect({ forceAuthn: true }))).headers.location)
    const asked = new URL(String((await browser.get(`${first}?identityProvider=social`)).headers.location))
    assert.deepEqual([asked.searchParams.get('prompt'), asked.searchParams.get('max_age')], ['login', '0'])
  })

  test('ForceAuthn is met by a sign-in after it: not by an older one, nor by an ID token that does not say when', async () => {
    const hub = await createOidcHub({ partners: { payroll: {} } })
    await using kit = hub.kit
    const ask = async (claims: JWTPayload) => {
      const browser = kit.browser()
      const first = String((await browser.get(await kit.partner('payroll').ssoRedirect({ forceAuthn: true }))).headers.location)
      const asked = String((await browser.get(`${first}?identityProvider=social`)).headers.location)
      return follow(browser, await browser.get(await hub.upstream.grant(asked, claims)))
    }
    const nowSeconds = Math.floor(kit.clock.nowMs() / 1000)
    for (const claims of [{ auth_time: nowSeconds - 3_600 }, { auth_time: undefined }]) {
      const page = await ask(claims)
      assert.equal(page.statusCode, 400)
      assert.match(page.body, /CURFEW_OIDC_TOKEN_CLAIM/)
      assert.deepEqual(await liveSessions(kit), [])
    }
    kit.partner('payroll').readResponse((await ask({ auth_time: nowSeconds })).body)
    assert.equal((await liveSessions(kit)).length, 1)
  })

  test('another user in the same browser: the former session is logged out first, then the new one opens', async () => {
    const hub = await createOidcHub({}, {}, (upstream) => {
      const { end_session_endpoint: _, ...rest } = upstream.metadata
      upstream.metadata = rest
    })
    await using kit = hub.kit
    const browser = kit.browser()
    await signInAt(hub, browser)
    const path = `/sp/startSSO.ping?PartnerIdpId=${encodeURIComponent(hub.other.issuer)}`
    const away = await follow(browser, await browser.get(path))
    const done = await follow(browser, await browser.get(await hub.other.grant(String(away.headers.location), { sub: 'u-9' })))
    const landing = /url=(http:\/\/curfew\.test\/sp\/[^"]+)"/.exec(done.body)?.[1] ?? assert.fail(done.body.slice(0, 800))
    await follow(browser, await browser.get(landing))
    const sessions = await liveSessions(kit)
    assert.deepEqual(
      sessions.map(({ userKey }) => userKey),
      ['partner:u-9']
    )
    assert.equal((await kit.store.listRuns({ limit: 1 })).items[0]?.reason, 'replaced')
  })

  test('a provider that is down says so to the visitor, is asked again, and works once it is back', async () => {
    const hub = await createOidcHub({}, {}, (upstream) => (upstream.isDown = true))
    await using kit = hub.kit
    const browser = kit.browser()
    const path = `/sp/startSSO.ping?PartnerIdpId=${encodeURIComponent(hub.upstream.issuer)}`
    assert.match((await follow(browser, await browser.get(path))).body, /CURFEW_OIDC_PROVIDER/)
    hub.upstream.isDown = false
    await signInAt(hub, browser)
    assert.equal((await liveSessions(kit)).length, 1)
  })

  test('the configuration is read again by the hour: a new end-session address counts, and an unreadable one changes nothing', async () => {
    const hub = await createOidcHub()
    await using kit = hub.kit
    const channel = (): unknown => kit.ctx.peer('social')?.channels[0]?.url
    assert.equal(channel(), 'https://social.test/logout')
    hub.upstream.metadata = { ...hub.upstream.metadata, end_session_endpoint: 'https://social.test/out' }
    kit.clock.advance(60 * 60_000)
    for (let i = 0; i < 5_000 && channel() !== 'https://social.test/out'; i++) await new Promise((resolve) => setTimeout(resolve, 5))
    assert.equal(channel(), 'https://social.test/out')
    hub.upstream.metadata = { ...hub.upstream.metadata, issuer: 'https://evil.test', end_session_endpoint: 'https://evil.test/out' }
    kit.clock.advance(60 * 60_000)
    for (let i = 0; i < 5_000 && !kit.logged.some(({ fields }) => fields['event'] === 'upstream.failed'); i++)
      await new Promise((resolve) => setTimeout(resolve, 5))
    assert.ok(kit.logged.some(({ fields }) => fields['event'] === 'upstream.failed'))
    assert.equal(channel(), 'https://social.test/out')
  })

  test('a key that is new at the provider is read when it first signs', async () => {
    const hub = await createOidcHub()
    await using kit = hub.kit
    await signInAt(hub, kit.browser())
    assert.equal((await postLogoutToken(hub, await hub.upstream.logoutToken({ sid: 'unknown' }))).statusCode, 200)
    hub.upstream.rotate()
    assert.equal((await postLogoutToken(hub, await hub.upstream.logoutToken({ sid: 'social-sid-1' }))).statusCode, 400, 'at most once a minute')
    kit.clock.advance(61_000)
    assert.equal((await postLogoutToken(hub, await hub.upstream.logoutToken({ sid: 'social-sid-1' }))).statusCode, 200)
    assert.deepEqual(await liveSessions(kit), [])
  })
})
