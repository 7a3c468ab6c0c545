import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { baseUrl, browserOf, issuer, setting, signIn } from './openid-provider.ts'

const back = '/oidc/backchannel-logout'
const form = (token: string): string => new URLSearchParams({ logout_token: token }).toString()

suite('OpenID relying party: sign-in', () => {
  test('asks with PKCE, state and nonce, and ends at the page that was wanted', async () => {
    const world = setting()
    const browser = browserOf(world)
    const started = await browser.get('/oidc/login?to=/pages')
    const query = new URL(String(started.headers['location'])).searchParams
    assert.deepEqual([query.get('client_id'), query.get('response_type'), query.get('code_challenge_method')], ['wiki', 'code', 'S256'])
    const done = await browser.get(world.authorize(String(started.headers['location'])))
    assert.equal(done.headers['location'], '/pages')
    const session = await browser.session()
    assert.deepEqual([session?.nameId.value, session?.sessionIndex, session?.attributes['email']], ['ana', 's1', ['ana@example.org']])
    assert.match(String(done.headers['set-cookie']), /HttpOnly; SameSite=Lax; Secure/)
  })

  test('in the browser that began only, once, and with the answer of this provider', async () => {
    const world = setting()
    const browser = browserOf(world)
    const started = await browser.get('/oidc/login?to=/')
    const address = world.authorize(String(started.headers['location']))
    assert.equal((await browserOf(world).get(address)).status, 400)
    assert.equal((await browser.get(address.replace(encodeURIComponent(issuer), encodeURIComponent('https://evil.example')))).status, 400)
    const again = await browser.get('/oidc/login?to=/')
    const second = world.authorize(String(again.headers['location']))
    assert.equal((await browser.get(second)).status, 303)
    assert.equal((await browser.get(second)).status, 400)
    assert.deepEqual(
      world.events.map((event) => (event.kind === 'refused' ? event.code : event.kind)),
      ['CURFEW_OIDC_STATE', 'CURFEW_OIDC_TOKEN_CLAIM', 'signed-in', 'CURFEW_OIDC_STATE']
    )
  })

  test('in several tabs at once, each to where it wanted; of more than eight the oldest give way', async () => {
    const world = setting()
    const browser = browserOf(world)
    const tabs = Array.from({ length: 9 }, (_, i) => `/tab${i}`)
    const callbacks: string[] = []
    for (const to of tabs) callbacks.push(world.authorize(String((await browser.get(`/oidc/login?to=${to}`)).headers['location'])))
    assert.equal([...browser.cookies.keys()].filter((name) => name.startsWith('app_session_login_')).length, 8)
    const ends: unknown[] = []
    for (const callback of callbacks) ends.push((await browser.get(callback)).headers['location'])
    assert.deepEqual(ends, [undefined, ...tabs.slice(1)])
    assert.deepEqual([...browser.cookies.keys()], ['app_session'])
    assert.ok(await browser.session())
  })

  test('never leads to another site', async () => {
    const world = setting()
    for (const to of ['https://evil.example', '//evil.example', '/\\evil.example']) {
      const browser = browserOf(world)
      const started = await browser.get(`/oidc/login?to=${encodeURIComponent(to)}`)
      assert.equal((await browser.get(world.authorize(String(started.headers['location'])))).headers['location'], '/')
    }
  })

  test('reads the keys again when the provider has a new one, and not for every stranger', async () => {
    const world = setting()
    await signIn(world, browserOf(world))
    world.newKey('k2')
    const browser = browserOf(world)
    assert.equal((await signIn(world, browser)).status, 303)
    const before = world.asked.filter((url) => url.endsWith('/keys')).length
    for (let i = 0; i < 5; i++) await browser.post(back, form(await world.logoutToken({}, { kid: `stranger${i}` })))
    assert.equal(world.asked.filter((url) => url.endsWith('/keys')).length, before)
  })

  test('keys that are known serve while the address of new ones hangs, and after it failed', { timeout: 5_000 }, async () => {
    const hanging = Promise.withResolvers<never>()
    const way = { isHanging: false, asked: 0 }
    const world: ReturnType<typeof setting> = setting({
      async fetch(url, init) {
        if (!way.isHanging || !url.endsWith('/keys')) return world.fetch(url, init)
        way.asked += 1
        return hanging.promise
      }
    })
    const [ana, ben] = [browserOf(world), browserOf(world)]
    await signIn(world, ana)
    await signIn(world, ben, { sub: 'ben', sid: 's2' })
    way.isHanging = true
    const strangers = ['x', 'y'].map(async (kid) => browserOf(world).post(back, form(await world.logoutToken({}, { kid }))))
    while (way.asked === 0) await new Promise((resolve) => setImmediate(resolve))
    await browserOf(world).post(back, form(await world.logoutToken()))
    assert.equal(await ana.session(), undefined)
    assert.equal((await signIn(world, browserOf(world), { sub: 'cy', sid: 's3' })).status, 303)
    hanging.reject(new Error('reset'))
    assert.deepEqual(
      (await Promise.all(strangers)).map(({ status }) => status),
      [400, 400]
    )
    await browserOf(world).post(back, form(await world.logoutToken({ sub: 'ben', sid: 's2' })))
    assert.equal(await ben.session(), undefined)
    assert.equal(way.asked, 1)
  })

  test('a provider that speaks of another issuer, or fails, is no provider', async () => {
    const world = setting({ fetch: async () => ({ status: 200, json: async () => ({ issuer: 'https://evil.example' }) }) })
    assert.equal((await browserOf(world).get('/oidc/login')).status, 400)
    const down = setting({ fetch: async () => Promise.reject(new Error('down')) })
    assert.equal((await browserOf(down).get('/oidc/login')).status, 400)
  })
})

suite('OpenID relying party: being signed out', () => {
  test('by the back channel: the session of the sid ends, no other, and the answer is not kept', async () => {
    const world = setting()
    const [ana, other] = [browserOf(world), browserOf(world)]
    await signIn(world, ana)
    await signIn(world, other, { sid: 's2' })
    const answer = await browserOf(world).post(back, form(await world.logoutToken()), { cookie: undefined, origin: undefined, fetchSite: undefined })
    assert.equal(answer.status, 200)
    assert.equal(answer.headers['cache-control'], 'no-store')
    assert.equal(await ana.session(), undefined)
    assert.ok(await other.session())
  })

  test('without sid every session of the subject ends; by sid alone it does not matter who', async () => {
    const world = setting()
    const [one, two, ben] = [browserOf(world), browserOf(world), browserOf(world)]
    await signIn(world, one, { sid: 's1' })
    await signIn(world, two, { sid: 's2' })
    await signIn(world, ben, { sub: 'ben', sid: 's3' })
    await ben.post(back, form(await world.logoutToken({ sid: 's3', sub: undefined })))
    assert.equal(await ben.session(), undefined)
    await one.post(back, form(await world.logoutToken({ sid: undefined })))
    assert.deepEqual([await one.session(), await two.session()], [undefined, undefined])
  })

  test('a token that comes again, and one for a session that is not there, are answered with 200', async () => {
    const world = setting()
    const browser = browserOf(world)
    await signIn(world, browser)
    const token = form(await world.logoutToken())
    assert.deepEqual([(await browser.post(back, token)).status, (await browser.post(back, token)).status], [200, 200])
    assert.equal((await browser.post(back, form(await world.logoutToken({ sid: 'unknown' })))).status, 200)
    assert.equal(world.events.filter(({ kind }) => kind === 'signed-out').length, 1)
  })

  test('a token without sid that is late ends no session that began after it; one with a sid ends that one whenever it began', async () => {
    const world = setting()
    const [before, after] = [browserOf(world), browserOf(world)]
    await signIn(world, before, { sid: 's1' })
    world.clock.nowMs += 10_000
    const late = form(await world.logoutToken({ sid: undefined }))
    world.clock.nowMs += 6_000
    await signIn(world, after, { sid: 's2' })
    assert.equal((await browserOf(world).post(back, late)).status, 200)
    assert.equal(await before.session(), undefined)
    assert.ok(await after.session(), 'a session of later')
    await browserOf(world).post(back, form(await world.logoutToken({ sid: 's2', iat: world.clock.nowMs / 1000 - 30 })))
    assert.equal(await after.session(), undefined)
  })

  test('a token without sid ends what began a moment after it by the clock of another machine of its issuer', async () => {
    const world = setting()
    const browser = browserOf(world)
    await signIn(world, browser)
    await browser.post(back, form(await world.logoutToken({ sid: undefined, iat: world.clock.nowMs / 1000 - 5 })))
    assert.equal(await browser.session(), undefined)
  })

  test('a sign-in that a logout token has overtaken opens nothing', async () => {
    const world = setting()
    const browser = browserOf(world)
    const started = await browser.get('/oidc/login?to=/')
    const address = world.authorize(String(started.headers['location']))
    await browser.post(back, form(await world.logoutToken()))
    assert.equal((await browser.get(address)).status, 400)
    assert.equal(await browser.session(), undefined)
    await browser.post(back, form(await world.logoutToken({ sid: undefined })))
    world.clock.nowMs += 1_000
    assert.equal((await signIn(world, browser, { sid: 's9' })).status, 303)
  })

  test('a sign-in in the second of a logout starts again by itself a second later, once', async () => {
    const world = setting()
    const browser = browserOf(world)
    await signIn(world, browser)
    await browser.post(back, form(await world.logoutToken()))
    const begin = async (path: string) => browser.get(world.authorize(String((await browser.get(path)).headers['location'])))
    const refused = await begin('/oidc/login?to=%2Fpages%3Fa%3D1%26b')
    assert.equal(refused.status, 400)
    const [, again = ''] = /^1; url=(\/oidc\/login\?.*)$/.exec(String(refused.headers['refresh'])) ?? []
    assert.equal(await browser.session(), undefined)
    const twice = await begin(again)
    assert.deepEqual([twice.status, twice.headers['refresh']], [400, undefined])
    world.clock.nowMs += 1_000
    assert.equal((await begin(again)).headers['location'], '/pages?a=1&b')
    assert.ok(await browser.session())
    assert.deepEqual(
      world.events.map((event) => (event.kind === 'refused' ? event.code : event.kind)),
      ['signed-in', 'signed-out', 'CURFEW_OIDC_SESSION_OVER', 'CURFEW_OIDC_SESSION_OVER', 'signed-in']
    )
  })

  test('refused tokens end nothing and say nothing', async () => {
    const world = setting()
    const browser = browserOf(world)
    await signIn(world, browser)
    const bad = [
      await world.logoutToken({ aud: 'chat' }),
      await world.logoutToken({ iss: 'https://evil.example' }),
      await world.logoutToken({ events: {} }),
      await world.logoutToken({ nonce: 'n' }),
      await world.logoutToken({}, { typ: 'JWT' }),
      await world.sign({ exp: 9_999_999_999, sub: 'ana', sid: 's1', nonce: 'n' }, { typ: 'JWT' }),
      'garbage'
    ]
    for (const token of bad) {
      const answer = await browser.post(back, form(token))
      assert.deepEqual([answer.status, answer.body, answer.headers['cache-control']], [400, '{"error":"invalid_request"}', 'no-store'])
    }
    assert.equal((await browser.post(back, 'x=1')).status, 400)
    assert.equal((await browser.post(back, `${form(await world.logoutToken())}&logout_token=twice`)).status, 400)
    assert.ok(await browser.session())
  })

  test('by a frame without cookies, from this provider only, and the answer may be framed by it', async () => {
    const world = setting()
    const browser = browserOf(world)
    await signIn(world, browser)
    const frame = (query: string) => browserOf(world).get(`/oidc/frontchannel-logout?${query}`, { fetchSite: 'cross-site' })
    for (const query of ['', 'sid=s1', `iss=${encodeURIComponent('https://evil.example')}&sid=s1`, `iss=${encodeURIComponent(issuer)}`])
      assert.equal((await frame(query)).status, 400)
    assert.ok(await browser.session())
    const answer = await frame(`iss=${encodeURIComponent(issuer)}&sid=s1`)
    assert.equal(answer.status, 200)
    assert.match(String(answer.headers['content-security-policy']), /frame-ancestors https:\/\/op\.example/)
    assert.equal(await browser.session(), undefined)
  })

  test('by the person: the session here ends, and the provider is told with the hint', async () => {
    const world = setting()
    const browser = browserOf(world)
    await signIn(world, browser)
    const foreign = await browser.post('/oidc/logout', '', { origin: 'https://evil.example' })
    assert.equal(foreign.status, 400)
    assert.ok(await browser.session())
    const left = new URL(String((await browser.post('/oidc/logout')).headers['location']))
    assert.equal(await browser.session(), undefined)
    assert.equal(left.origin + left.pathname, `${issuer}/end`)
    assert.equal(left.searchParams.get('post_logout_redirect_uri'), `${baseUrl}/oidc/signed-out`)
    assert.ok((left.searchParams.get('id_token_hint') ?? '').length > 100)
    const state = left.searchParams.get('state') ?? ''
    assert.equal((await browser.get(`/oidc/signed-out?state=${state}`)).headers['location'], '/?signout=returned')
  })
})
