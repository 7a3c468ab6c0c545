import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { compactVerify, createLocalJWKSet, type JSONWebKeySet } from 'jose'
import { createGatewayKit, type GatewayKit, type GatewayKitOptions, type Mirrored } from './kit.ts'
import { preservedBytesMax } from '../../src/gateway/sign-in/preserved.ts'
import { targetCharactersMax } from '../../src/gateway/sign-in/start.ts'
import { until } from '../support/until.ts'
import { type Answer, Visitor } from './visitor.ts'

const mirrored = ({ body }: Answer) => JSON.parse(body) as Mirrored
const formHeaders = { 'content-type': 'application/x-www-form-urlencoded' }

/** Without a pause between two looks, so that what it took is not rounded up. */
const within = (patienceMs: number, holds: () => Promise<boolean>) => until('asked again and again', holds, { patienceMs, everyMs: 0 })

/** False also when the connection was cut: a request that is under way ends with its session. */
const isLetIn = (visitor: Visitor, url: string) =>
  visitor.ask(url).then(
    ({ status }) => status === 200,
    () => false
  )

suite('A gateway in front of applications', () => {
  test('sends a person to sign in, comes back to the same page and tells the application who it is', async () => {
    await using kit = await createGatewayKit()
    const ana = new Visitor()
    const page = await ana.open(`${kit.wiki}/notes?page=2`)
    assert.equal(page.status, 200, page.body)
    const { url, headers } = mirrored(page)
    assert.deepEqual([url, headers['x-user'], headers['x-mail']], ['/notes?page=2', 'ana', 'ana@example.org'])
    assert.ok(!JSON.stringify(headers).includes('PA.'))
    // The other host asks for no password: the session at the authority serves both.
    assert.equal(mirrored(await ana.follow(`${kit.shop}/`)).headers['x-user'], 'ana')
  })

  test('AC-085 AC-067 a session that the authority ended is refused within a second, and people are sent to sign in', async () => {
    await using kit = await createGatewayKit()
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/`)
    assert.ok(await isLetIn(ana, `${kit.wiki}/`))
    await kit.endAll()
    await within(1_000, async () => !(await isLetIn(ana, `${kit.wiki}/`)))
    const refused = await ana.ask(`${kit.wiki}/`)
    assert.deepEqual([refused.status, new URL(refused.headers.location ?? '').origin], [303, kit.issuer])
  })

  test('AC-068 an API gets 401 and a problem document, without a session and with a revoked one', async () => {
    await using kit = await createGatewayKit({
      applications: [
        { id: 'wiki', urls: ['WIKI'] },
        { id: 'api', urls: ['WIKI'], contextRoot: '/api', type: 'api' }
      ]
    })
    const nobody = await new Visitor().ask(`${kit.wiki}/api/x`)
    assert.deepEqual([nobody.status, nobody.headers['content-type'], nobody.headers.location], [401, 'application/problem+json', undefined])
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/`)
    assert.equal((await ana.ask(`${kit.wiki}/api/x`)).status, 200)
    await kit.endAll()
    await within(1_000, async () => !(await isLetIn(ana, `${kit.wiki}/api/x`)))
    const revoked = await ana.ask(`${kit.wiki}/api/x`, { headers: { accept: 'application/json' } })
    assert.deepEqual([revoked.status, revoked.headers['content-type']], [401, 'application/problem+json'])
    assert.equal((JSON.parse(revoked.body) as { code: string }).code, 'CURFEW_GATEWAY_SESSION_ENDED')
  })

  test('parts of a page get 401 in the place of a redirect that leads nowhere', async () => {
    await using kit = await createGatewayKit()
    const visitor = new Visitor()
    for (const headers of [{ 'sec-fetch-mode': 'cors' }, { 'x-requested-with': 'XMLHttpRequest' }, { accept: 'application/json' }])
      assert.equal((await visitor.ask(`${kit.wiki}/data`, { headers })).status, 401)
    assert.equal((await visitor.ask(`${kit.wiki}/data`, { headers: { 'sec-fetch-mode': 'navigate' } })).status, 303)
  })

  test('paths without sign-in are open, and nothing beside them is', async () => {
    await using kit = await createGatewayKit({ applications: [{ id: 'wiki', urls: ['WIKI'], anonymous: ['/public'] }] })
    const visitor = new Visitor()
    const open = await visitor.ask(`${kit.wiki}/public/logo`, { headers: { 'x-user': 'mallory' } })
    assert.deepEqual([open.status, mirrored(open).headers['x-user']], [200, undefined])
    assert.equal((await visitor.ask(`${kit.wiki}/publicity`)).status, 303)
  })

  test('an unknown host, and an application that does not answer, get a page that says so', async () => {
    await using kit = await createGatewayKit()
    const unknown = await new Visitor().ask(kit.wiki.replace('wiki', 'nobody'))
    assert.deepEqual([unknown.status, unknown.body.includes('CURFEW_GATEWAY_HOST_UNKNOWN')], [404, true])
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/`)
    kit.upstream.closeAllConnections()
    await new Promise((resolve) => kit.upstream.close(resolve))
    const down = await ana.ask(`${kit.wiki}/`)
    assert.deepEqual([down.status, down.body.includes('CURFEW_GATEWAY_APPLICATION_UNREACHABLE')], [502, true])
  })

  test('AC-088 the reserved path can be another one, and can lie below the context root', async () => {
    await using kit = await createGatewayKit({
      gateway: { reservedPath: '/gate' },
      applications: [{ id: 'wiki', urls: ['WIKI'] }]
    })
    const ana = new Visitor()
    assert.equal((await ana.open(`${kit.wiki}/pa/oidc/cb`)).status, 200)
    assert.equal((await ana.ask(`${kit.wiki}/gate/heartbeat.ping`)).body, 'OK')
    await using below = await createGatewayKit({ applications: [{ id: 'shop', urls: ['SHOP'], contextRoot: '/shop', reservedBelowRoot: true }] })
    const first = await ana.ask(`${below.shop}/shop/cart`)
    assert.equal(new URL(first.headers.location ?? '').searchParams.get('redirect_uri'), `${below.shop}/shop/pa/oidc/cb`)
    assert.equal(mirrored(await new Visitor().open(`${below.shop}/shop/cart`)).url, '/shop/cart')
  })

  test('AC-089 AC-090 the endpoints of the gateway itself answer', async () => {
    await using kit = await createGatewayKit({ webSession: { cookieType: 'signed' } })
    const visitor = new Visitor()
    const heartbeat = await visitor.ask(`${kit.wiki}/pa/heartbeat.ping`)
    assert.deepEqual([heartbeat.status, heartbeat.body], [200, 'OK'])
    for (const path of ['/pa/oidc/JWKS', '/pa/authtoken/JWKS']) {
      const { status, headers, body } = await visitor.ask(kit.wiki + path)
      assert.deepEqual([status, headers['content-type']], [200, 'application/json'])
      const { keys } = JSON.parse(body) as { keys: readonly Record<string, unknown>[] }
      assert.ok(keys.length > 0 && keys.every((key) => key['kty'] === 'EC' && key['alg'] === 'ES256' && key['use'] === 'sig' && key['kid'] !== undefined))
      assert.ok(
        keys.every((key) => !('d' in key)),
        'no private part'
      )
    }
    assert.equal((await visitor.ask(`${kit.wiki}/pa/other`)).status, 404)
  })

  test('AC-090 a signed cookie is verified by the keys at /pa/authtoken/JWKS; for encrypted ones there are none', async () => {
    await using signed = await createGatewayKit({ webSession: { cookieType: 'signed' } })
    const ana = new Visitor()
    await ana.open(`${signed.wiki}/`)
    const keysOf = async ({ wiki }: GatewayKit) => JSON.parse((await new Visitor().ask(`${wiki}/pa/authtoken/JWKS`)).body) as JSONWebKeySet
    const cookie = ana.jar(signed.wiki).get('PA.ACE_ws') ?? assert.fail()
    const { protectedHeader } = await compactVerify(cookie, createLocalJWKSet(await keysOf(signed)))
    assert.equal(protectedHeader.alg, 'ES256')
    await using encrypted = await createGatewayKit()
    assert.deepEqual(await keysOf(encrypted), { keys: [] })
  })

  test('AC-090 /pa/oidc/cb leads back with a session to who began the sign-in, once; an error of the provider, and what nobody began, lead to none', async () => {
    await using kit = await createGatewayKit()
    const begin = async (ana: Visitor): Promise<string> => {
      const form = await ana.follow(`${kit.wiki}/notes?page=2`)
      const action = /<form method="post" action="([^"]+)"/.exec(form.body)?.[1] ?? assert.fail(form.body)
      const csrfToken = /name="csrfToken" value="([^"]+)"/.exec(form.body)?.[1] ?? ''
      const body = new URLSearchParams({ csrfToken, username: 'ana', password: 'correct horse' }).toString()
      const first = await ana.ask(new URL(action, form.url).href, { method: 'POST', body, headers: formHeaders })
      return ana.followTo(first, (url) => new URL(url).pathname === '/pa/oidc/cb')
    }
    const ana = new Visitor()
    const callback = await begin(ana)
    const back = await ana.ask(callback)
    assert.deepEqual([back.status, back.headers.location, ana.jar(kit.wiki).has('PA.ACE_ws')], [303, `${kit.wiki}/notes?page=2`, true])
    const [ben, state] = [new Visitor(), (url: string) => new URL(url).searchParams.get('state') ?? '']
    const other = await begin(ben)
    for (const query of [
      new URLSearchParams({ error: 'access_denied', state: state(other), iss: kit.issuer }),
      new URLSearchParams({ code: 'x', state: state(other), iss: kit.issuer }),
      new URLSearchParams({ code: 'x', state: 'y' }),
      new URLSearchParams()
    ]) {
      const answer = await ben.ask(`${kit.wiki}/pa/oidc/cb?${query.toString()}`)
      assert.ok(answer.status >= 400 && answer.status < 500, `${answer.status} for ${query.toString()}`)
      assert.equal(ben.jar(kit.wiki).has('PA.ACE_ws'), false)
    }
    assert.equal((await new Visitor().ask(callback)).status, 400, 'another browser')
    assert.equal((await ana.ask(callback)).status, 400, 'a second time')
  })

  test('a sign-out takes the cookie and says what goes on when the provider is away', async () => {
    await using kit = await createGatewayKit({ gateway: { sessionCheck: { feed: false } }, provider: { useSingleLogout: true } })
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/`)
    const copy = ana.copy()
    await kit.stopAuthority()
    // It has never read what the provider publishes.
    await kit.restartGateway()
    const page = await ana.ask(`${kit.wiki}/pa/oidc/logout`)
    assert.equal(page.status, 200)
    assert.match(page.body, /your session there goes on/)
    assert.equal(ana.jar(kit.wiki).get('PA.ACE_ws'), undefined)
    assert.notEqual((await copy.ask(`${kit.wiki}/`)).status, 200, 'a copy of the cookie is worth nothing')
  })

  test('begins no session that nobody could end: without pi.sri there is none, unless nothing asks for it', async () => {
    const client = { sessionValidation: { includeSessionId: false } }
    for (const sessionCheck of [{ feed: true }, { feed: false, status: true }]) {
      await using kit = await createGatewayKit({ client, gateway: { sessionCheck } })
      const ana = new Visitor()
      const page = await ana.open(`${kit.wiki}/`)
      assert.deepEqual([page.status, page.body.includes('CURFEW_GATEWAY_SESSION_UNNAMED')], [500, true])
      assert.equal(ana.jar(kit.wiki).get('PA.ACE_ws'), undefined)
    }
    await using other = await createGatewayKit({ client, gateway: { sessionCheck: { feed: false } } })
    assert.equal((await new Visitor().open(`${other.wiki}/`)).status, 200)
  })

  test('signs people in as a client that proves itself by a key, too', async () => {
    await using kit = await createGatewayKit({
      provider: { authentication: 'privateKeyJwt' },
      client: { authentication: 'privateKeyJwt', jwks: { keys: [await clientKey()] } }
    })
    assert.equal(mirrored(await new Visitor().open(`${kit.wiki}/`)).headers['x-user'], 'ana')
    assert.equal(kit.gateway.context.revocations.completeAtMs !== undefined, true)
  })

  test('knows the list once it has started, where the authority reads its keys from it', async () => {
    await using kit = await createGatewayKit({
      provider: { authentication: 'privateKeyJwt' },
      client: { authentication: 'privateKeyJwt', jwksUri: 'WIKI/pa/oidc/JWKS' }
    })
    assert.notEqual(kit.gateway.context.revocations.completeAtMs, undefined)
    assert.equal(mirrored(await new Visitor().open(`${kit.wiki}/`)).headers['x-user'], 'ana')
  })

  test('while it starts says that it is not ready, shows its keys, and lets everything else wait', async () => {
    await using kit = await createGatewayKit()
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/`)
    await kit.stopAuthority()
    // Nobody tells it what is revoked: it starts as late as it ever does.
    const state = { hasStarted: false }
    const started = kit.restartGateway().finally(() => (state.hasStarted = true))
    const heartbeat = () => new Visitor().ask(`${kit.wiki}/pa/heartbeat.ping`).catch(() => undefined)
    await until('it listens', async () => (await heartbeat())?.body === 'NOT READY')
    const hasStartedAt = (answer: Promise<Answer>) => answer.then(({ status }) => [status, state.hasStarted])
    const page = hasStartedAt(ana.ask(`${kit.wiki}/`))
    assert.deepEqual(await hasStartedAt(new Visitor().ask(`${kit.wiki}/pa/oidc/JWKS`)), [200, false])
    assert.equal((await heartbeat())?.status, 503)
    await started
    assert.deepEqual(await page, [503, true])
    assert.equal((await heartbeat())?.status, 200)
  })
})

/** What `/pa/oidc/JWKS` of a gateway with the secret of the kit says. */
async function clientKey(): Promise<Record<string, unknown>> {
  await using kit = await createGatewayKit()
  const { keys } = JSON.parse((await new Visitor().ask(`${kit.wiki}/pa/oidc/JWKS`)).body) as { keys: readonly Record<string, unknown>[] }
  return keys[0] ?? assert.fail()
}

suite('Asking about single sessions', () => {
  for (const authentication of ['clientSecretBasic', 'privateKeyJwt'] as const) {
    test(`AC-067 AC-069 AC-084 without the feed a session is refused once the answer about it is too old (${authentication})`, async () => {
      const client = authentication === 'privateKeyJwt' ? { authentication, jwks: { keys: [await clientKey()] } } : {}
      await using kit = await createGatewayKit({
        client,
        provider: { authentication },
        gateway: { sessionCheck: { feed: false, status: true, statusCacheSeconds: 1 } }
      })
      const ana = new Visitor()
      await ana.open(`${kit.wiki}/`)
      await kit.endAll()
      const tookMs = await within(2_500, async () => !(await isLetIn(ana, `${kit.wiki}/`)))
      assert.ok(tookMs < 2_000, `${tookMs} ms`)
      assert.equal(new URL((await ana.ask(`${kit.wiki}/`)).headers.location ?? '').origin, kit.issuer)
    })
  }
})

suite('Server-side session management', () => {
  /** Way A: the authority is asked. Way B: the sign-off page of the authority has the pictures of all hosts loaded. */
  const ways = {
    A: { gateway: { sessionCheck: { feed: false, status: true, statusCacheSeconds: 1 } }, client: { logout: { modes: [], pingAccessLogoutCapable: false } } },
    B: { gateway: { sessionCheck: { feed: false, status: false } }, client: { logout: { modes: [], pingAccessLogoutCapable: true } } },
    both: { gateway: { sessionCheck: { feed: false, status: true, statusCacheSeconds: 1 } }, client: { logout: { modes: [], pingAccessLogoutCapable: true } } }
  } satisfies Record<string, GatewayKitOptions>

  for (const [way, options] of Object.entries(ways) as [keyof typeof ways, GatewayKitOptions][])
    test(`AC-069 ${way === 'both' ? 'both ways together' : `way ${way} alone`}: a central sign-off ends every host, ${way === 'B' ? '' : 'also for copies of the cookies at another gateway, '}${way === 'A' ? 'and leaves the cookies' : 'and takes the cookies'}`, async () => {
      await using kit = await createGatewayKit(options)
      const other = await kit.startAnother()
      const ana = new Visitor()
      for (const host of [kit.wiki, kit.shop]) await ana.open(`${host}/`)
      const thief = ana.copy()
      for (const host of [kit.wiki, kit.shop]) assert.equal((await other.ask(thief, `${host}/`)).status, 200)
      const addresses = await pictures(kit, ana)
      assert.deepEqual(addresses.toSorted(), way === 'A' ? [] : [`${kit.shop}/pa/oidc/logout.png`, `${kit.wiki}/pa/oidc/logout.png`])
      for (const address of addresses) assert.equal((await ana.ask(address, { headers: { 'sec-fetch-dest': 'image' } })).status, 200)
      for (const host of [kit.wiki, kit.shop]) {
        assert.equal(ana.jar(host).has('PA.ACE_ws'), way === 'A', host)
        // By its picture at once; by a question as soon as the last answer is too old.
        if (way === 'A') await within(2_500, async () => !(await isLetIn(ana, `${host}/`)))
        else assert.equal((await ana.ask(`${host}/`)).status, 303, host)
        const isLetInThere = async () => (await other.ask(thief, `${host}/`)).status === 200
        if (way === 'B') assert.ok(await isLetInThere(), 'nobody asks, and the cookie was not there: what way A is for')
        else await within(2_500, async () => !(await isLetInThere()))
      }
    })
})

suite('An authority that can not be reached', () => {
  for (const [whenUnknown, status] of [
    ['refuse', 503],
    ['allow', 200]
  ] as const) {
    test(`AC-086 after the stated bound requests get ${status} with ${whenUnknown}, and health says so`, async () => {
      await using kit = await createGatewayKit({ gateway: { heartbeatMonitoring: true, sessionCheck: { staleSeconds: 2, whenUnknown } } })
      const ana = new Visitor()
      await ana.open(`${kit.wiki}/`)
      const health = async () => JSON.parse((await ana.ask(`${kit.wiki}/pa/heartbeat.ping`)).body) as { status: string; feedAgeSeconds: number }
      const feedAge = async () => {
        await new Promise((resolve) => setImmediate(resolve))
        return Number(/^curfew_gateway_feed_age_seconds (\S+)$/m.exec(await kit.metrics())?.[1])
      }
      await within(4_000, async () => (await feedAge()) < 2)
      assert.equal((await health()).status, 'ok')
      await kit.stopAuthority()
      assert.equal((await ana.ask(`${kit.wiki}/`)).status, 200)
      await within(4_000, async () => (await health()).status === 'unchecked')
      const answer = await ana.ask(`${kit.wiki}/`)
      assert.deepEqual([answer.status, answer.headers['retry-after']], [status, status === 503 ? '5' : undefined])
      assert.ok((await health()).feedAgeSeconds >= 2)
      await within(4_000, async () => (await feedAge()) >= 2)
    })
  }
})

suite('Requests that wait for the sign-in', () => {
  const post = { method: 'POST', body: 'comment=hello&x=1', headers: { ...formHeaders, 'sec-fetch-site': 'same-origin' } }

  async function send(kit: GatewayKit, ask: Parameters<Visitor['ask']>[1]): Promise<Answer> {
    const ana = new Visitor()
    return ana.fillIn(await ana.follow(`${kit.wiki}/comments?a=b`, ask))
  }

  test('AC-091 a form is sent after it, once, as it was', async () => {
    await using kit = await createGatewayKit()
    const ana = new Visitor()
    const done = mirrored(await ana.fillIn(await ana.follow(`${kit.wiki}/comments?a=b`, post)))
    assert.deepEqual([done.method, done.url, done.body, done.headers['content-type']], ['POST', '/comments?a=b', post.body, formHeaders['content-type']])
    assert.equal(mirrored(await ana.ask(`${kit.wiki}/comments?a=b`)).method, 'GET')
    assert.equal(kit.seen.filter(({ method }) => method === 'POST').length, 1)
  })

  test('AC-091 a form says where it came from and what its sender takes as it did then, and of nothing else', async () => {
    await using kit = await createGatewayKit({
      applications: [{ id: 'wiki', urls: ['WIKI'], headers: { 'X-User': 'preferred_username', 'Accept-Language': 'email' } }]
    })
    const origin = kit.wiki
    const said = { origin, referer: `${origin}/comments/new`, accept: 'text/html,*/*;q=0.8', 'sec-fetch-site': 'same-origin', 'sec-fetch-user': '?1' }
    const headers = { ...formHeaders, ...said, 'sec-fetch-mode': 'navigate', 'accept-language': 'de', 'x-user': 'mallory', 'x-other': '1' }
    const ana = new Visitor()
    const back = await signedInFor(ana, await ana.follow(`${kit.wiki}/comments`, { ...post, headers }))
    const come = { accept: 'text/html', referer: `${kit.issuer}/`, 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'document', 'accept-language': 'fr' }
    const { method, headers: seen } = mirrored(await ana.ask(back, { headers: come }))
    assert.deepEqual([method, ...Object.keys(said).map((name) => seen[name])], ['POST', ...Object.values(said)])
    assert.deepEqual(
      ['sec-fetch-mode', 'sec-fetch-dest', 'accept-language', 'x-user', 'x-other'].map((name) => seen[name]),
      ['navigate', undefined, 'ana@example.org', 'ana', undefined]
    )
  })

  for (const place of ['the sign-in ends', 'the browser comes back'])
    test(`AC-091 a form that waits at another gateway than where ${place} is not lost without a word`, async () => {
      await using kit = await createGatewayKit()
      const other = await kit.startAnother()
      const ana = new Visitor()
      const form = await ana.follow(`${kit.wiki}/comments`, post)
      const isAtOther = place === 'the sign-in ends'
      const back = await signedInFor(ana, form, isAtOther ? (url) => other.ask(ana, url) : undefined)
      const ask = () => (isAtOther ? ana.ask(back) : other.ask(ana, back))
      const script = mirrored(await ana.ask(`${kit.wiki}/data`, { headers: { 'sec-fetch-mode': 'cors' } }))
      assert.equal(script.method, 'GET', 'parts of pages get theirs')
      const page = await ask()
      assert.deepEqual([page.status, page.body.includes('CURFEW_GATEWAY_FORM_LOST'), page.body.includes('was not sent')], [409, true, true])
      assert.equal(mirrored(await ask()).method, 'GET', 'said once')
      assert.equal(kit.seen.filter(({ method }) => method === 'POST').length, 0)
    })

  test('a form that waits goes out with no session but that of its own sign-in, whoever brings its name', async () => {
    await using kit = await createGatewayKit()
    const mallory = new Visitor()
    // He signs in for his own form, and does not go where the sign-in leads.
    const form = await mallory.follow(`${kit.wiki}/comments?a=b`, post)
    const action = /<form method="post" action="([^"]+)"/.exec(form.body)?.[1] ?? assert.fail()
    const csrfToken = /name="csrfToken" value="([^"]+)"/.exec(form.body)?.[1] ?? ''
    const body = new URLSearchParams({ csrfToken, username: 'ben', password: 'correct horse' }).toString()
    const first = await mallory.ask(new URL(action, form.url).href, { method: 'POST', body, headers: formHeaders })
    await mallory.followTo(first, () => mallory.jar(kit.wiki).has('PA.preserved'))
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/`)
    ana.jar(kit.wiki).set('PA.preserved', mallory.jar(kit.wiki).get('PA.preserved') ?? '')
    assert.equal(mirrored(await ana.ask(`${kit.wiki}/comments?a=b`)).method, 'GET')
    assert.equal(kit.seen.filter(({ method }) => method === 'POST').length, 0)
  })

  test('a name of a waiting form that was planted, made up or of another session, takes no page from anybody', async () => {
    await using kit = await createGatewayKit()
    const mallory = new Visitor()
    const [ana, other] = [new Visitor(), await kit.startAnother()]
    await signedInFor(mallory, await mallory.follow(`${kit.wiki}/comments`, post))
    const own = mallory.jar(kit.wiki).get('PA.preserved') ?? assert.fail()
    await ana.open(`${kit.wiki}/`)
    for (const value of ['x', own, `${own.slice(0, -4)}AAAA`]) {
      ana.jar(kit.wiki).set('PA.preserved', value)
      for (const answer of [await ana.ask(`${kit.wiki}/`), await other.ask(ana, `${kit.wiki}/`)]) assert.equal(mirrored(answer).method, 'GET', value)
    }
    // Beside the real one it changes nothing either.
    const ben = new Visitor()
    const back = await signedInFor(ben, await ben.follow(`${kit.wiki}/comments`, post))
    const cookie = [...ben.jar(kit.wiki)].map(([name, value]) => `${name}=${value}`)
    assert.equal(mirrored(await new Visitor().ask(back, { headers: { cookie: ['PA.preserved=x', ...cookie].join('; ') } })).method, 'POST')
  })

  test('a form that comes with sessions of two people, both over, waits for neither; with one and junk beside it, for that one', async () => {
    await using kit = await createGatewayKit()
    const { cookies, settings, clock } = kit.gateway.context
    const webSession = settings.applications[0]?.webSession ?? assert.fail()
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/`)
    const live = `PA.ACE_ws=${ana.jar(kit.wiki).get('PA.ACE_ws')}`
    const { session } = cookies.read(webSession, live, new URL(kit.wiki).host, clock.nowMs()) ?? assert.fail()
    const over = (subject: string): string => {
      const ended = { ...session, subject, expiresAtMs: clock.nowMs() - 1_000 }
      return cookies.write(webSession, ended, { isSecure: false }, clock.nowMs()).split(';')[0] ?? ''
    }
    const ask = (values: readonly string[]) => ({ ...post, headers: { ...post.headers, cookie: values.join('; ') } })
    const ofTwo = mirrored(await send(kit, ask([over(session.subject), over('somebody else')])))
    assert.deepEqual([ofTwo.method, ofTwo.url], ['GET', '/'])
    assert.equal(mirrored(await send(kit, ask(['PA.ACE_ws=junk', over(session.subject)]))).method, 'POST')
    assert.equal(mirrored(await send(kit, ask(['PA.ACE_ws=junk', over('somebody else')]))).method, 'GET')
  })

  test('AC-091 with none nothing waits, and with all any method and type does', async () => {
    await using none = await createGatewayKit({ applications: [{ preservation: 'none' }] })
    assert.deepEqual([mirrored(await send(none, post)).method, mirrored(await send(none, post)).url], ['GET', '/'])
    await using all = await createGatewayKit({ applications: [{ preservation: 'all' }] })
    const put = { method: 'PUT', body: '{"a":1}', headers: { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin' } }
    const done = mirrored(await send(all, put))
    assert.deepEqual([done.method, done.body], ['PUT', '{"a":1}'])
  })

  const json = { method: 'POST', body: '{}', headers: { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin' } }

  test('AC-091 a type that does not wait is dropped, and its sender starts anew', async () => {
    await using kit = await createGatewayKit()
    const done = mirrored(await send(kit, json))
    assert.deepEqual([done.method, done.url, done.body], ['GET', '/', ''])
    assert.equal(kit.seen.filter(({ method }) => method === 'POST').length, 0)
  })

  test('AC-091 a type that does not wait is refused with 415 where that is wanted, and one that is too large with 413', async () => {
    await using kit = await createGatewayKit({ applications: [{ failOnUnsupportedPreservationContentType: true }] })
    assert.equal((await new Visitor().ask(`${kit.wiki}/c`, json)).status, 415)
    assert.equal((await new Visitor().ask(`${kit.wiki}/c`, { ...post, body: `a=${'x'.repeat(70_000)}` })).status, 413)
  })

  const large = { ...post, body: `a=${'x'.repeat(preservedBytesMax)}` }
  const longPath = `/comments?a=${'b'.repeat(targetCharactersMax)}`

  for (const [what, path, ask, start] of [
    ['a form that is too large to wait', '/comments?a=b', large, '/comments?a=b'],
    ['a form for an address that is too long', longPath, post, '/'],
    ['an address that is too long to come back to', longPath, {}, '/']
  ] as const)
    test(`${what} is not lost without a word: a page says so once, with a way on`, async () => {
      await using kit = await createGatewayKit()
      const ana = new Visitor()
      const back = await signedInFor(ana, await ana.follow(kit.wiki + path, ask))
      assert.equal(back, kit.wiki + start)
      const page = await ana.ask(back)
      const isForm = ask === large || ask === post
      const code = isForm ? 'CURFEW_GATEWAY_FORM_LOST' : 'CURFEW_GATEWAY_ADDRESS_LOST'
      assert.deepEqual([page.status, page.body.includes(code), page.body.includes(isForm ? 'was not sent' : 'too long')], [409, true, true])
      assert.match(page.body, /<a class="button" href="\/">/)
      assert.equal(mirrored(await ana.ask(back)).method, 'GET', 'said once')
      assert.equal(kit.seen.filter(({ method }) => method === 'POST').length, 0)
    })

  test('a form and an address of the largest size that waits do', async () => {
    await using kit = await createGatewayKit()
    const most = `a=${'x'.repeat(preservedBytesMax - 2)}`
    const done = mirrored(await send(kit, { ...post, body: most }))
    assert.deepEqual([done.method, done.body.length], ['POST', preservedBytesMax])
    const path = `/comments?a=${'b'.repeat(targetCharactersMax - kit.wiki.length - '/comments?a='.length)}`
    assert.equal(mirrored(await new Visitor().open(kit.wiki + path)).url, path)
  })

  test('a form of another site does not: it would go out with the cookie that it must not have', async () => {
    await using kit = await createGatewayKit()
    for (const headers of [{ ...formHeaders, 'sec-fetch-site': 'cross-site' }, { ...formHeaders, origin: 'https://evil.example.com' }, formHeaders]) {
      assert.equal(mirrored(await send(kit, { ...post, headers })).method, 'GET')
    }
    assert.equal(kit.seen.filter(({ method }) => method === 'POST').length, 0)
  })
})

suite('Signing out at the gateway', () => {
  test('AC-060 AC-062 AC-063 clears the cookie of this host, says so, and leaves the other hosts signed in', async () => {
    await using kit = await createGatewayKit()
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/`)
    await ana.open(`${kit.shop}/`)
    const out = await ana.ask(`${kit.wiki}/pa/oidc/logout`)
    assert.equal(out.status, 200)
    assert.ok(out.body.includes('signed out here'), out.body)
    assert.deepEqual(
      (out.headers['set-cookie'] ?? []).map((cookie) => cookie.split(';').slice(0, 1).join('')),
      ['PA.ACE_ws=']
    )
    assert.equal((await ana.ask(`${kit.wiki}/`)).status, 303)
    assert.ok(await isLetIn(ana, `${kit.shop}/`))
    const { items } = await kit.authority.store.listSessions({ state: 'live', limit: 5, nowMs: Temporal.Now.instant().epochMilliseconds })
    assert.equal(items.length, 1)
  })

  test('a cookie that somebody kept is worth nothing after it', async () => {
    await using kit = await createGatewayKit()
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/`)
    const thief = ana.copy()
    assert.ok(await isLetIn(thief, `${kit.wiki}/`))
    await ana.ask(`${kit.wiki}/pa/oidc/logout`)
    assert.equal((await thief.ask(`${kit.wiki}/`)).status, 303)
  })

  test('AC-057 AC-064 the picture clears the cookie of each host that it is loaded from', async () => {
    await using kit = await createGatewayKit()
    const ana = new Visitor()
    for (const host of [kit.wiki, kit.shop]) await ana.open(`${host}/`)
    for (const host of [kit.wiki, kit.shop]) {
      const picture = await ana.ask(`${host}/pa/oidc/logout.png`, { headers: { 'sec-fetch-dest': 'image' } })
      assert.deepEqual([picture.status, picture.headers['content-type']], [200, 'image/png'])
      assert.match(String(picture.headers['set-cookie']), /^PA\.ACE_ws=;/)
      assert.equal((await ana.ask(`${host}/`)).status, 303)
    }
  })

  test('AC-058 AC-059 when it fails it leaves the cookie alone, and the person who still has it is not sent to sign in', async () => {
    await using kit = await createGatewayKit()
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/`)
    // A picture that the browser asks for without the cookie (another site): nothing can be cleared, and it says so.
    const failed = await new Visitor().ask(`${kit.wiki}/pa/oidc/logout.png`)
    assert.deepEqual([failed.status, failed.headers['set-cookie']], [404, undefined])
    assert.equal((await ana.ask(`${kit.wiki}/`)).status, 200)
  })

  test('AC-061 AC-071 AC-072 with Use Single-Logout the provider ends everything and the browser lands where it was told', async () => {
    await using kit = await createGatewayKit({
      provider: { useSingleLogout: true, logoutRedirectUri: 'https://www.example.com/bye' },
      configuration: (config) => ({ ...config, logout: { targets: [{ domain: 'www.example.com' }] } })
    })
    const ana = new Visitor()
    for (const host of [kit.wiki, kit.shop]) await ana.open(`${host}/`)
    const out = await ana.ask(`${kit.wiki}/pa/oidc/logout`, { headers: { 'sec-fetch-dest': 'document', 'sec-fetch-site': 'none' } })
    assert.equal(out.headers.location, `${kit.issuer}/idp/startSLO.ping?TargetResource=${encodeURIComponent('https://www.example.com/bye')}`)
    const signOff = await ana.ask(out.headers.location ?? '', { headers: { 'sec-fetch-site': 'same-site', 'sec-fetch-dest': 'document' } })
    assert.match(String(signOff.headers.location), /\/signoff\/run_/)
    await within(1_000, async () => !(await isLetIn(ana, `${kit.shop}/`)))
    const [run] = (await kit.authority.store.listRuns({ limit: 1 })).items
    assert.deepEqual(run?.starter.kind === 'user' ? run.starter.landingUrl : run, 'https://www.example.com/bye')
  })

  for (const [what, over] of [
    ['over by its idle time', { activeAtMs: -61 * 60_000 }],
    ['over by its maximum time', { activeAtMs: -1_000, expiresAtMs: -1_000 }],
    ['that no key of the gateway opens any more', undefined]
  ] as const) {
    test(`AC-061 with Use Single-Logout a cookie ${what} leads to the provider as well, and ends the session at the other hosts`, async () => {
      await using kit = await createGatewayKit({ provider: { useSingleLogout: true } })
      const ana = new Visitor()
      for (const host of [kit.wiki, kit.shop]) await ana.open(`${host}/`)
      const good = ana.jar(kit.wiki).get('PA.ACE_ws') ?? ''
      ana.jar(kit.wiki).set('PA.ACE_ws', over === undefined ? `${good.slice(0, -8)}AAAAAAAA` : rewritten(kit, good, over))
      assert.equal((await ana.ask(`${kit.wiki}/`)).status, 303)
      const out = await ana.ask(`${kit.wiki}/pa/oidc/logout`, { headers: { 'sec-fetch-dest': 'document', 'sec-fetch-site': 'same-origin' } })
      assert.deepEqual([out.status, out.headers.location], [303, `${kit.issuer}/idp/startSLO.ping`])
      assert.equal(ana.jar(kit.wiki).has('PA.ACE_ws'), false)
      await ana.ask(out.headers.location ?? '', { headers: { 'sec-fetch-site': 'same-site', 'sec-fetch-dest': 'document' } })
      await within(60_000, async () => !(await isLetIn(ana, `${kit.shop}/`)))
      // It came back without a cookie: nothing is begun again.
      assert.equal((await ana.ask(`${kit.wiki}/pa/oidc/logout`)).status, 200)
    })
  }

  test('a copy that somebody kept in use is worth nothing after a sign-out with a cookie that is over by its idle time', async () => {
    await using kit = await createGatewayKit()
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/`)
    const thief = ana.copy()
    ana.jar(kit.wiki).set('PA.ACE_ws', rewritten(kit, ana.jar(kit.wiki).get('PA.ACE_ws') ?? '', { activeAtMs: -61 * 60_000 }))
    await ana.ask(`${kit.wiki}/pa/oidc/logout`)
    assert.equal((await thief.ask(`${kit.wiki}/`)).status, 303)
  })

  const pictureOf = (site: string) => ({ headers: { 'sec-fetch-dest': 'image', 'sec-fetch-site': site } })
  const runsOf = async (kit: GatewayKit) => (await kit.authority.store.listRuns({ limit: 5 })).items

  for (const authentication of ['clientSecretBasic', 'clientSecretPost', 'privateKeyJwt'] as const)
    test(`AC-061 with Use Single-Logout a picture on a page of its host has the provider end everything (${authentication})`, async () => {
      const check = authentication === 'clientSecretPost' ? { gateway: { sessionCheck: { feed: false } } } : {}
      const keys = authentication === 'privateKeyJwt' ? { jwksUri: 'WIKI/pa/oidc/JWKS' } : {}
      await using kit = await createGatewayKit({ provider: { useSingleLogout: true, authentication }, client: { authentication, ...keys }, ...check })
      const ana = new Visitor()
      for (const host of [kit.wiki, kit.shop]) await ana.open(`${host}/`)
      const picture = await ana.ask(`${kit.wiki}/pa/oidc/logout.png`, pictureOf('same-origin'))
      assert.deepEqual([picture.status, picture.headers['content-type'], picture.headers.location], [200, 'image/png', undefined])
      assert.equal(ana.jar(kit.wiki).has('PA.ACE_ws'), false)
      const [run, ...more] = await runsOf(kit)
      assert.deepEqual([run?.starter.kind, more], ['none', []])
      const { items } = await kit.authority.store.listSessions({ state: 'live', limit: 5, nowMs: Temporal.Now.instant().epochMilliseconds })
      assert.deepEqual(items, [])
      if (authentication !== 'clientSecretPost') await within(2_000, async () => !(await isLetIn(ana, `${kit.shop}/`)))
    })

  test('AC-065 with Use Single-Logout a picture that is loaded from anywhere else ends the session of its host and begins nothing', async () => {
    await using kit = await createGatewayKit({ provider: { useSingleLogout: true } })
    for (const ask of [
      pictureOf('same-site'),
      pictureOf('cross-site'),
      { headers: { referer: `${kit.issuer}/signoff` } },
      { headers: { referer: `${kit.shop}/` } }
    ]) {
      const ana = new Visitor()
      await ana.open(`${kit.wiki}/`)
      assert.equal((await ana.ask(`${kit.wiki}/pa/oidc/logout.png`, ask)).status, 200)
      assert.equal((await ana.ask(`${kit.wiki}/`)).status, 303)
    }
    const nobody = await new Visitor().ask(`${kit.wiki}/pa/oidc/logout.png`, pictureOf('same-origin'))
    assert.equal(nobody.status, 404)
    assert.deepEqual(await runsOf(kit), [])
  })

  const liveOf = async (kit: GatewayKit) => {
    const { items } = await kit.authority.store.listSessions({ state: 'live', limit: 5, nowMs: Temporal.Now.instant().epochMilliseconds })
    return items.length
  }
  /** Wiki asked for the picture with all of these cookies. */
  const pictureWith = (kit: GatewayKit, values: readonly string[]) => {
    const cookie = values.map((value) => `PA.ACE_ws=${value}`).join('; ')
    return new Visitor().ask(`${kit.wiki}/pa/oidc/logout.png`, { headers: { ...pictureOf('same-origin').headers, cookie } })
  }
  const cookieAt = (kit: GatewayKit, visitor: Visitor): string => visitor.jar(kit.wiki).get('PA.ACE_ws') ?? assert.fail()

  test('AC-061 with Use Single-Logout a picture that comes with several sessions of one user has the provider end each', async () => {
    await using kit = await createGatewayKit({ provider: { useSingleLogout: true } })
    const visitors = [new Visitor(), new Visitor()]
    for (const one of visitors) await one.open(`${kit.wiki}/`)
    const [first = '', second = ''] = visitors.map((one) => cookieAt(kit, one))
    assert.equal(await liveOf(kit), 2)
    const picture = await pictureWith(kit, [rewritten(kit, first, { activeAtMs: -61 * 60_000 }), second])
    assert.deepEqual([picture.status, await liveOf(kit)], [200, 0])
  })

  test('a picture that comes with sessions of several users fails: the provider is told of none, and they are over here', async () => {
    await using kit = await createGatewayKit({ provider: { useSingleLogout: true } })
    const [ana, ben] = [new Visitor(), new Visitor()]
    await ana.open(`${kit.wiki}/`)
    await ben.fillIn(await ben.follow(`${kit.wiki}/`), 'ben')
    const picture = await pictureWith(kit, [cookieAt(kit, ana), cookieAt(kit, ben)])
    assert.deepEqual([picture.status, picture.body, picture.headers['set-cookie']], [503, 'CURFEW_GATEWAY_COOKIE_AMBIGUOUS', undefined])
    assert.deepEqual([await liveOf(kit), await runsOf(kit)], [2, []])
    for (const one of [ana, ben]) assert.equal((await one.ask(`${kit.wiki}/`)).status, 303)
  })

  test('a picture fails where the provider has no name for one of the sessions; it ends the other', async () => {
    await using kit = await createGatewayKit({ provider: { useSingleLogout: true } })
    const visitors = [new Visitor(), new Visitor()]
    for (const one of visitors) await one.open(`${kit.wiki}/`)
    const [first = '', second = ''] = visitors.map((one) => cookieAt(kit, one))
    const nameless = rewritten(kit, first, { hasSid: false })
    for (const [values, left] of [
      [[nameless], 2],
      [[nameless, second], 1]
    ] as const) {
      const picture = await pictureWith(kit, values)
      assert.deepEqual([picture.status, picture.body, picture.headers['set-cookie']], [503, 'CURFEW_GATEWAY_SESSION_UNNAMED', undefined])
      assert.equal(await liveOf(kit), left)
    }
  })

  test('a picture fails where the provider does not know the session: nothing says that it has ended', async () => {
    await using kit = await createGatewayKit({ provider: { useSingleLogout: true }, gateway: { sessionCheck: { feed: false } } })
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/`)
    await kit.endAll()
    // With what is left of it and of its end, as after the store was lost.
    const later = Temporal.Now.instant().epochMilliseconds + 366 * 24 * 3_600_000
    assert.ok((await kit.authority.store.purge(later, 0, 1_000)) > 0)
    const picture = await ana.ask(`${kit.wiki}/pa/oidc/logout.png`, pictureOf('same-origin'))
    assert.deepEqual([picture.status, picture.headers['set-cookie']], [503, undefined])
  })

  test('a picture fails, and leaves the cookie, where the provider can not be told; the session of this host is over all the same', async () => {
    await using kit = await createGatewayKit({ provider: { useSingleLogout: true } })
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/`)
    await kit.stopAuthority()
    const picture = await ana.ask(`${kit.wiki}/pa/oidc/logout.png`, pictureOf('same-origin'))
    assert.deepEqual([picture.status, picture.body, picture.headers['set-cookie']], [503, 'CURFEW_GATEWAY_PROVIDER', undefined])
    assert.notEqual((await ana.ask(`${kit.wiki}/`)).status, 200)
  })

  test('AC-065 a picture or a page of the provider never begins a sign-out at the provider', async () => {
    await using kit = await createGatewayKit({ provider: { useSingleLogout: true } })
    for (const [path, headers] of [
      ['/pa/oidc/logout.png', { 'sec-fetch-dest': 'image' }],
      ['/pa/oidc/logout', { 'sec-fetch-dest': 'image' }],
      ['/pa/oidc/logout', { 'sec-fetch-dest': 'iframe' }],
      ['/pa/oidc/logout', { referer: `${kit.issuer}/signoff` }]
    ] as const) {
      const ana = new Visitor()
      await ana.open(`${kit.wiki}/`)
      const out = await ana.ask(kit.wiki + path, { headers: headers as Record<string, string> })
      assert.deepEqual([out.status, out.headers.location], [200, undefined])
    }
    assert.deepEqual((await kit.authority.store.listRuns({ limit: 5 })).items, [])
    // Nothing to end here: nothing is begun there, so that a landing page of this gateway is no loop.
    assert.equal((await new Visitor().ask(`${kit.wiki}/pa/oidc/logout`)).status, 200)
  })

  test('AC-074 AC-073 the sign-off page of the authority loads the picture of every host that was used, and of no other', async () => {
    await using kit = await createGatewayKit()
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/`)
    const sri = [...(await kit.authority.store.listSessions({ limit: 1, nowMs: Temporal.Now.instant().epochMilliseconds })).items][0]?.session.sri ?? ''
    const only = await pictures(kit, ana)
    assert.deepEqual(only, [`${kit.wiki}/pa/oidc/logout.png`])
    assert.ok(await kit.authority.store.isRevoked(sri, Temporal.Now.instant().epochMilliseconds))
    const ben = new Visitor()
    for (const host of [kit.wiki, kit.shop]) await ben.open(`${host}/`)
    assert.deepEqual((await pictures(kit, ben)).toSorted(), [`${kit.shop}/pa/oidc/logout.png`, `${kit.wiki}/pa/oidc/logout.png`])
  })

  for (const pingAccessLogoutCapable of [true, false])
    test(`AC-073 AC-075 with tracking off the end of a session is ${pingAccessLogoutCapable ? 'on the list where' : 'not on the list where no'} client with the setting was used in it`, async () => {
      await using kit = await createGatewayKit({
        client: { logout: { modes: [], pingAccessLogoutCapable } },
        configuration: (config) => ({ ...config, sessions: { ...config.sessions, revokeOnLogout: false } })
      })
      const ana = new Visitor()
      await ana.open(`${kit.wiki}/`)
      const nowMs = (): number => Temporal.Now.instant().epochMilliseconds
      const sri = (await kit.authority.store.listSessions({ limit: 1, nowMs: nowMs() })).items[0]?.session.sri ?? assert.fail()
      await kit.endAll()
      assert.equal(await kit.authority.store.isRevoked(sri, nowMs()), pingAccessLogoutCapable)
      if (pingAccessLogoutCapable) await within(60_000, async () => !(await isLetIn(ana, `${kit.wiki}/`)))
    })

  test('AC-075 a client without the setting gets no picture', async () => {
    await using kit = await createGatewayKit({ client: { logout: { modes: [] } } })
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/`)
    assert.deepEqual(await pictures(kit, ana), [])
  })
})

/** Signs ana in for a form that waits; the address that the sign-in leads back to, not asked for yet. */
async function signedInFor(ana: Visitor, form: Answer, callback: (url: string) => Promise<Answer> = (url) => ana.ask(url)): Promise<string> {
  const action = /<form method="post" action="([^"]+)"/.exec(form.body)?.[1] ?? assert.fail(form.body)
  const csrfToken = /name="csrfToken" value="([^"]+)"/.exec(form.body)?.[1] ?? ''
  const body = new URLSearchParams({ csrfToken, username: 'ana', password: 'correct horse' }).toString()
  const first = await ana.ask(new URL(action, form.url).href, { method: 'POST', body, headers: formHeaders })
  const next = await ana.followTo(first, (url) => new URL(url).pathname === '/pa/oidc/cb')
  const { status, headers } = await callback(next)
  assert.equal(status, 303)
  return new URL(headers.location ?? '', next).href
}

/** The cookie of wiki with other moments, counted from now: what it becomes while nobody uses it; or without its `sid`. */
function rewritten(
  kit: GatewayKit,
  value: string,
  { hasSid = true, ...moments }: { readonly activeAtMs?: number; readonly expiresAtMs?: number; readonly hasSid?: boolean }
): string {
  const { cookies, settings, clock } = kit.gateway.context
  const webSession = settings.applications[0]?.webSession ?? assert.fail()
  const nowMs = clock.nowMs()
  const { session } = cookies.read(webSession, `PA.ACE_ws=${value}`, new URL(kit.wiki).host, nowMs) ?? assert.fail()
  const others = Object.fromEntries(Object.entries(moments).map(([name, ms]) => [name, nowMs + ms]))
  const { sid: _sid, ...nameless } = session
  const written = cookies.write(webSession, { ...(hasSid ? session : nameless), ...others }, { isSecure: false }, nowMs)
  return written.split(';')[0]?.slice('PA.ACE_ws='.length) ?? ''
}

/** Addresses of the pictures that the sign-off page of a sign-out everywhere leads to. */
async function pictures(kit: GatewayKit, visitor: Visitor): Promise<readonly string[]> {
  const { location } = (await visitor.ask(`${kit.issuer}/idp/startSLO.ping`, { headers: { 'sec-fetch-site': 'none' } })).headers
  const page = await visitor.ask(new URL(location ?? '', kit.issuer).href, { isStreamed: true })
  const frames = [...page.body.matchAll(/<img[^>]*src="([^"]*\/frame\/[^"]*)"/g)].map(([, src]) => new URL(src ?? '', kit.issuer).href)
  return Promise.all(frames.map(async (frame) => String((await visitor.ask(frame)).headers.location)))
}
