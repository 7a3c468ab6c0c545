import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createRemoteJWKSet, customFetch, decodeJwt, jwtVerify } from 'jose'
import { formOf } from '../browser.ts'
import type { Kit } from '../kit.ts'
import {
  authorizationUrl,
  clientOf,
  codeFor,
  createOidcKit,
  exchange,
  follow,
  post,
  refresh,
  returned,
  signIn,
  signInOn,
  tokensFor,
  verifier
} from './relying-party.ts'

async function oneSession(kit: Kit) {
  const { items } = await kit.store.listSessions({ state: 'live', limit: 5, nowMs: kit.clock.nowMs() })
  assert.equal(items.length, 1)
  return items[0]?.session ?? assert.fail()
}

suite('OpenID provider: sign-in', () => {
  test('a code flow with PKCE ends in an ID token of the session, signed by a published key', async () => {
    await using kit = await createOidcKit()
    const browser = kit.browser()
    const { id_token: idToken, access_token: accessToken } = await tokensFor(kit, browser, 'wiki')
    const keys = createRemoteJWKSet(new URL('http://curfew.test/pf/JWKS'), {
      [customFetch]: async () => new Response((await kit.app.inject('/pf/JWKS')).body, { headers: { 'content-type': 'application/json' } })
    })
    const { payload } = await jwtVerify(idToken, keys, { issuer: 'http://curfew.test', audience: 'wiki', algorithms: ['ES256'] })
    const session = await oneSession(kit)
    assert.equal(payload['nonce'], 'nonce-1')
    assert.equal(payload['pi.sri'], session.sri)
    assert.equal(payload['sid'], kit.ctx.locator.seal('wiki', session.id))
    assert.equal(payload['auth_time'], Math.floor(session.authenticatedAtMs / 1000))
    assert.equal(payload['acr'], session.authnContext)
    const userinfo = await kit.app.inject({ url: '/idp/userinfo.openid', headers: { authorization: `Bearer ${accessToken}` } })
    const { sub, email } = userinfo.json<{ sub: string; email: string }>()
    assert.deepEqual([sub, email], [payload.sub, 'ana@example.org'])
    assert.equal(browser.cookies.has('PF.OP'), false)
  })

  test('the client is in the registry before the code leaves, and the second client needs no sign-in', async () => {
    await using kit = await createOidcKit()
    const browser = kit.browser()
    const code = await codeFor(kit, browser, 'wiki')
    const session = await oneSession(kit)
    assert.deepEqual(
      (await kit.store.getParticipants(session.id)).map(({ peerId, protocol, role }) => [peerId, protocol, role]),
      [['wiki', 'oidc', 'application']]
    )
    const second = await follow(browser, await browser.get(authorizationUrl('chat')))
    assert.ok(returned(second).get('code'))
    assert.equal((await exchange(kit, 'wiki', code)).statusCode, 200)
    const wiki = await tokensFor(kit, browser, 'wiki')
    const chat = await tokensFor(kit, browser, 'chat')
    assert.equal(wiki.claims['sub'], chat.claims['sub'])
    assert.notEqual(wiki.claims['sid'], chat.claims['sid'])
  })

  test('a client that is not tracked is not remembered', async () => {
    await using kit = await createOidcKit({ clients: [clientOf('wiki', { logout: { modes: ['none'], trackSessions: false } })] })
    await tokensFor(kit, kit.browser(), 'wiki')
    assert.deepEqual(await kit.store.getParticipants((await oneSession(kit)).id), [])
  })

  test('prompt=none answers with a code where somebody is signed in, and with login_required where nobody is', async () => {
    await using kit = await createOidcKit()
    const browser = kit.browser()
    const none = { prompt: 'none' }
    assert.equal(returned(await follow(browser, await browser.get(authorizationUrl('wiki', none)))).get('error'), 'login_required')
    await signIn(browser, '/')
    assert.ok(returned(await follow(browser, await browser.get(authorizationUrl('wiki', none)))).get('code'))
  })

  test('prompt=login and a max_age that has passed ask for the password again, and auth_time says when it was given', async () => {
    await using kit = await createOidcKit()
    const browser = kit.browser()
    const first = await tokensFor(kit, browser, 'wiki')
    let before = Number(first.claims['auth_time'])
    for (const wish of [{ prompt: 'login' }, { max_age: '0' }]) {
      const page = await follow(browser, await browser.get(authorizationUrl('wiki', wish)))
      assert.match(page.body, /type="password"/)
      kit.clock.advance(60_000)
      const code = returned(await follow(browser, await signInOn(browser, page))).get('code') ?? ''
      const { id_token: again } = (await exchange(kit, 'wiki', code)).json<{ id_token: string }>()
      const now = Number(decodeJwt(again)['auth_time'])
      assert.equal(now - before, 60)
      before = now
    }
    await oneSession(kit)
  })

  test('names of the user: one for all clients, one for each, or the user name', async () => {
    const clients = [
      clientOf('wiki'),
      clientOf('chat', { subject: 'pairwise' }),
      clientOf('mail', { subject: 'pairwise' }),
      clientOf('old', { subject: 'username' })
    ]
    await using kit = await createOidcKit({ clients })
    const browser = kit.browser()
    const subjects = new Map<string, unknown>()
    for (const { id } of clients) subjects.set(id, (await tokensFor(kit, browser, id)).claims['sub'])
    assert.equal(subjects.get('old'), 'ana')
    assert.equal(new Set(subjects.values()).size, 4)
    const again = kit.browser()
    assert.equal((await tokensFor(kit, again, 'chat')).claims['sub'], subjects.get('chat'))
  })

  test('consent is asked for once, and a refusal is the answer to the client', async () => {
    await using kit = await createOidcKit({ clients: [clientOf('wiki', { consent: 'ask' })] })
    const browser = kit.browser()
    await signIn(browser, '/')
    const page = await follow(browser, await browser.get(authorizationUrl('wiki')))
    assert.match(page.body, /Let Wiki sign you in\?/)
    assert.match(page.body, /Your e-mail address/)
    const denied = formOf(page.body)
    const forged = await browser.post(denied.action, { csrfToken: 'x', choice: 'allow' })
    assert.equal(forged.statusCode, 403)
    const no = await follow(browser, await browser.post(denied.action, { ...denied.fields, choice: 'deny' }))
    assert.equal(returned(no).get('error'), 'access_denied')
    const form = formOf((await follow(browser, await browser.get(authorizationUrl('wiki')))).body)
    assert.ok(returned(await follow(browser, await browser.post(form.action, { ...form.fields, choice: 'allow' }))).get('code'))
    assert.ok(returned(await follow(browser, await browser.get(authorizationUrl('wiki')))).get('code'))
  })

  test('consent is for what the page shows: asking for more asks again, and nothing else is in the tokens', async () => {
    await using kit = await createOidcKit({ clients: [clientOf('wiki', { consent: 'ask' })] })
    const browser = kit.browser()
    await signIn(browser, '/')
    const shown = async (scope: string, more: Readonly<Record<string, string>> = {}) =>
      (await follow(browser, await browser.get(authorizationUrl('wiki', { scope, ...more })))).body
    const allow = async (scope: string, more: Readonly<Record<string, string>> = {}) => {
      const form = formOf(await shown(scope, more))
      const code = returned(await follow(browser, await browser.post(form.action, { ...form.fields, choice: 'allow' }))).get('code') ?? ''
      return (await exchange(kit, 'wiki', code)).json<{ scope: string; access_token: string }>()
    }
    const first = await shown('openid')
    assert.match(first, /Only that it is you/)
    assert.doesNotMatch(first, /e-mail/)
    assert.equal((await allow('openid')).scope, 'openid')
    const silent = await follow(browser, await browser.get(authorizationUrl('wiki', { scope: 'openid email', prompt: 'none' })))
    assert.equal(returned(silent).get('error'), 'consent_required')
    assert.match(await shown('openid email'), /Your e-mail address/)
    assert.equal((await allow('openid email')).scope, 'openid email')
    assert.ok(returned(await follow(browser, await browser.get(authorizationUrl('wiki', { scope: 'openid email', prompt: 'none' })))).get('code'))
    assert.match(await shown('openid profile'), /Your name/)
    // The engine gives offline access where the client asks for the page.
    assert.match(await shown('openid offline_access', { prompt: 'consent' }), /while you are not here/)
  })

  test('what a client maps beside the standard claims, and claims that are asked for by name, are on the page', async () => {
    await using kit = await createOidcKit({
      clients: [clientOf('wiki', { consent: 'ask', claims: { department: 'mail' } }), clientOf('chat', { scopes: ['openid'] })]
    })
    const browser = kit.browser()
    await signIn(browser, '/')
    const byName = { scope: 'openid', claims: JSON.stringify({ userinfo: { email: null } }) }
    const page = (await follow(browser, await browser.get(authorizationUrl('wiki', byName)))).body
    assert.match(page, /<li><span class="name">department<\/span><\/li><li><span class="name">Your e-mail address<\/span><\/li>/)
    const form = formOf(page)
    const code = returned(await follow(browser, await browser.post(form.action, { ...form.fields, choice: 'allow' }))).get('code') ?? ''
    const { access_token: token } = (await exchange(kit, 'wiki', code)).json<{ access_token: string }>()
    const userinfo = await kit.app.inject({ url: '/idp/userinfo.openid', headers: { authorization: `Bearer ${token}` } })
    assert.equal(userinfo.json<Record<string, unknown>>()['email'], 'ana@example.org')
    // A scope that it may not have gives nothing by the names of its claims either, and nobody is asked for ever.
    const { access_token: other } = await tokensFor(kit, browser, 'chat', byName)
    const nothing = await kit.app.inject({ url: '/idp/userinfo.openid', headers: { authorization: `Bearer ${other}` } })
    assert.equal(nothing.json<Record<string, unknown>>()['email'], undefined)
  })

  test('an authorization by POST, and one that was pushed, end the same', async () => {
    await using kit = await createOidcKit()
    const browser = kit.browser()
    await signIn(browser, '/')
    const query = new URL(authorizationUrl('wiki'), 'http://x').searchParams
    const posted = await browser.post('/as/authorization.oauth2', Object.fromEntries(query))
    assert.ok(returned(await follow(browser, posted)).get('code'))
    const pushed = (await post(kit, '/as/par.oauth2', 'wiki', Object.fromEntries(query))).json<{ request_uri: string }>()
    const short = `/as/authorization.oauth2?client_id=wiki&request_uri=${encodeURIComponent(pushed.request_uri)}`
    assert.ok(returned(await follow(browser, await browser.get(short))).get('code'))
  })

  test('a refresh token is used once: the second use ends what was issued with it', async () => {
    await using kit = await createOidcKit()
    const tokens = await tokensFor(kit, kit.browser(), 'wiki')
    const next = await refresh(kit, 'wiki', tokens.refresh_token ?? '')
    assert.equal(next.statusCode, 200, next.body)
    assert.equal((await refresh(kit, 'wiki', tokens.refresh_token ?? '')).statusCode, 400)
    assert.equal((await refresh(kit, 'wiki', next.json<{ refresh_token: string }>().refresh_token)).statusCode, 400)
  })

  test('the secrets of codes and tokens are not in the store', async () => {
    await using kit = await createOidcKit()
    const tokens = await tokensFor(kit, kit.browser(), 'wiki')
    const session = await oneSession(kit)
    const kept = await Promise.all(
      ['AccessToken', 'RefreshToken', 'AuthorizationCode'].map((kind) => kit.store.artifactsOf(session.id, kind, kit.clock.nowMs(), 10))
    )
    const text = JSON.stringify(kept)
    assert.ok(kept.flat().length >= 2)
    for (const secret of [tokens.access_token, tokens.refresh_token ?? 'none']) assert.equal(text.includes(secret), false)
  })
})

suite('OpenID provider: what is refused', () => {
  test('an address that is not registered gets our page and no redirect', async () => {
    await using kit = await createOidcKit()
    for (const uri of ['http://evil.test/cb', 'http://wiki.test/cb/../x', 'http://wiki.test.evil.test/cb', 'http://wiki.test/cb?x=1', 'http://WIKI.test/cb#']) {
      const answer = await kit.browser().get(authorizationUrl('wiki', { redirect_uri: uri }))
      assert.equal(answer.statusCode, 400, uri)
      assert.equal(answer.headers.location, undefined)
      assert.match(answer.body, /CURFEW_OIDC_REQUEST_REFUSED/)
      assert.match(String(answer.headers['content-security-policy']), /default-src 'none'/)
    }
  })

  test('without PKCE, with another challenge method, or with the implicit flow', async () => {
    await using kit = await createOidcKit()
    const browser = kit.browser()
    const without = await follow(browser, await browser.get(authorizationUrl('wiki', { code_challenge: '' })))
    assert.equal(returned(without).get('error'), 'invalid_request')
    const plain = await follow(browser, await browser.get(authorizationUrl('wiki', { code_challenge_method: 'plain' })))
    assert.equal(returned(plain).get('error'), 'invalid_request')
    const implicit = await follow(browser, await browser.get(authorizationUrl('wiki', { response_type: 'id_token' })))
    assert.doesNotMatch(String(implicit.headers.location ?? ''), /id_token=/)
  })

  test('a code of another client, a second use, a wrong verifier, a wrong secret', async () => {
    await using kit = await createOidcKit()
    const browser = kit.browser()
    const foreign = await codeFor(kit, browser, 'wiki')
    assert.equal((await exchange(kit, 'chat', foreign)).statusCode, 400)
    const code = await codeFor(kit, browser, 'wiki')
    const first = await exchange(kit, 'wiki', code)
    assert.equal(first.statusCode, 200)
    assert.equal((await exchange(kit, 'wiki', code)).statusCode, 400)
    const stolen = first.json<{ access_token: string }>().access_token
    assert.equal((await kit.app.inject({ url: '/idp/userinfo.openid', headers: { authorization: `Bearer ${stolen}` } })).statusCode, 401)
    const third = await codeFor(kit, browser, 'wiki')
    const fields = { grant_type: 'authorization_code', code: third, redirect_uri: 'http://wiki.test/cb', code_verifier: 'w'.repeat(64) }
    assert.equal((await post(kit, '/as/token.oauth2', 'wiki', fields)).statusCode, 400)
    const wrong = await kit.app.inject({
      method: 'POST',
      url: '/as/token.oauth2',
      headers: { 'content-type': 'application/x-www-form-urlencoded', authorization: `Basic ${Buffer.from('wiki:wrong').toString('base64')}` },
      payload: new URLSearchParams({ ...fields, code_verifier: verifier }).toString()
    })
    assert.equal(wrong.statusCode, 401)
  })

  test('one code in ten requests at once is worth one answer', async () => {
    await using kit = await createOidcKit()
    const code = await codeFor(kit, kit.browser(), 'wiki')
    const answers = await Promise.all(Array.from({ length: 10 }, () => exchange(kit, 'wiki', code)))
    assert.ok(answers.filter(({ statusCode }) => statusCode === 200).length <= 1)
  })

  test('a Host header changes no address', async () => {
    await using kit = await createOidcKit()
    const answer = await kit.app.inject({ url: authorizationUrl('wiki'), headers: { host: 'evil.test', 'x-forwarded-host': 'evil.test', accept: 'text/html' } })
    assert.doesNotMatch(JSON.stringify(answer.headers), /evil/)
    const configuration = await kit.app.inject({ url: '/.well-known/openid-configuration', headers: { host: 'evil.test' } })
    assert.doesNotMatch(configuration.body, /evil/)
  })

  test('the authorization of one browser can not be finished in another', async () => {
    await using kit = await createOidcKit()
    const browser = kit.browser()
    const started = await browser.get(authorizationUrl('wiki'))
    const other = kit.browser()
    await signIn(other, '/')
    const stolen = await follow(other, await other.get(String(started.headers.location)))
    assert.equal(stolen.statusCode, 400)
    assert.match(stolen.body, /CURFEW_SESSION_STATE_NOT_FOUND/)
  })
})
