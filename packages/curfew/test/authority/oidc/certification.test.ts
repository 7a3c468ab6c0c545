import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { decodeJwt, decodeProtectedHeader, generateKeyPair, importJWK, type JWK, jwtVerify, SignJWT, UnsecuredJWT } from 'jose'
import { createMemoryStore } from '../../../src/stores/memory/memory-store.ts'
import { type Browser, formOf } from '../browser.ts'
import { createFakeClock } from '../fake-clock.ts'
import type { Kit, KitOptions } from '../kit.ts'
import { moving, newest } from '../moving.ts'
import { authorizationUrl, clientOf, createOidcKit, type Tokens, tokensFor } from './relying-party.ts'

/*
 * The cases of the OpenID certification plans for logout, on the side of the provider, written from the specifications.
 * Each name begins with the one that the module has in the plan. Session Management 1.0 is in session-state.test.ts and, with its frame in
 * a browser, in check-session.it.ts.
 */

const endpoint = '/idp/init_logout.openid'
const bye = 'http://wiki.test/bye'
const front = clientOf('wiki', { logout: { modes: ['frontChannel'], frontChannelUris: ['http://wiki.test/front?kept=1'] } })

interface World {
  readonly kit: Kit
  readonly browser: Browser
  readonly tokens: Tokens
  readonly told: string[]
}

async function world(options: KitOptions = {}): Promise<World> {
  const told: string[] = []
  const network: KitOptions['network'] = async ({ body = '' }) => {
    told.push(new URLSearchParams(String(body)).get('logout_token') ?? '')
    return { status: 200 }
  }
  const kit = await createOidcKit({ network, clients: [clientOf('wiki')], ...options })
  const browser = kit.browser()
  return { kit, browser, tokens: await tokensFor(kit, browser, 'wiki'), told }
}

const url = (parameters: Readonly<Record<string, string>>): string => `${endpoint}?${new URLSearchParams(parameters).toString()}`

async function live(kit: Kit): Promise<number> {
  return (await kit.store.listSessions({ state: 'live', limit: 10, nowMs: kit.clock.nowMs() })).items.length
}

/** Where the browser ends, and whether it was asked on the way; it says yes. */
async function leave({ kit, browser }: Pick<World, 'kit' | 'browser'>, start: string): Promise<{ readonly end: string; readonly isAsked: boolean }> {
  let answer = await browser.get(start)
  const isAsked = answer.statusCode === 200 && answer.body.includes('Sign out?')
  if (isAsked) answer = await browser.post(endpoint, { ...formOf(answer.body).fields, choice: 'everywhere' })
  for (let i = 0; i < 2_000; i++) {
    const location = String(answer.headers.location ?? '')
    if (location !== '' && !location.startsWith('/')) return { end: location, isAsked }
    const run = /run_\w+/.exec(location)?.[0]
    if (run === undefined) return { end: location, isAsked }
    await new Promise((resolve) => setTimeout(resolve, 1))
    const isDone = (await kit.store.listRuns({ limit: 1 })).items[0]?.state === 'done'
    if (isDone && !location.endsWith('/finish')) return { end: location, isAsked }
    if (isDone) answer = await browser.get(`/signoff/${run}/finish`)
  }
  return assert.fail('the browser went round and round')
}

async function configuration(kit: Kit): Promise<Readonly<Record<string, unknown>>> {
  return (await kit.app.inject('/.well-known/openid-configuration')).json<Readonly<Record<string, unknown>>>()
}

/** Every plan ends with it: an authorization without a person brings an error. */
async function assertSignedOut({ browser }: Pick<World, 'browser'>): Promise<void> {
  const answer = await browser.get(authorizationUrl('wiki', { prompt: 'none' }))
  assert.match(String(answer.headers.location), /^http:\/\/wiki\.test\/cb\?error=login_required/)
}

suite('Certification: RP-Initiated Logout 1.0, provider', () => {
  test('oidcc-rp-initiated-logout-discovery-endpoint-verification: end_session_endpoint', async () => {
    await using kit = (await world()).kit
    assert.equal((await configuration(kit))['end_session_endpoint'], `http://curfew.test${endpoint}`)
  })

  test('oidcc-rp-initiated-logout: a valid hint, a registered address and a state', async () => {
    const here = await world()
    await using kit = here.kit
    const done = await leave(here, url({ id_token_hint: here.tokens.id_token, post_logout_redirect_uri: bye, state: 'af0ifjsldkj' }))
    assert.deepEqual(done, { end: `${bye}?state=af0ifjsldkj`, isAsked: false })
    assert.equal(await live(kit), 0)
    await assertSignedOut(here)
  })

  test('oidcc-rp-initiated-logout-bad-post-logout-redirect-uri: no redirect to it', async () => {
    const here = await world()
    await using kit = here.kit
    const { end } = await leave(here, url({ id_token_hint: here.tokens.id_token, post_logout_redirect_uri: 'http://wiki.test/other', state: 's' }))
    assert.match(end, /^\/signoff\//)
    assert.equal(await live(kit), 0)
  })

  test('oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri: no redirect to it', async () => {
    const here = await world()
    await using kit = here.kit
    const { end } = await leave(here, url({ id_token_hint: here.tokens.id_token, post_logout_redirect_uri: `${bye}?foo=bar`, state: 's' }))
    assert.match(end, /^\/signoff\//)
    assert.equal(await live(kit), 0)
  })

  test('oidcc-rp-initiated-logout-modified-id-token-hint: alg none, no redirect and a question first', async () => {
    const here = await world()
    await using kit = here.kit
    const hint = new UnsecuredJWT({ ...here.tokens.claims }).encode()
    const { end, isAsked } = await leave(here, url({ id_token_hint: hint, post_logout_redirect_uri: bye, state: 's' }))
    assert.equal(isAsked, true)
    assert.match(end, /^\/signoff\//)
    assert.equal(await live(kit), 0)
  })

  test('oidcc-rp-initiated-logout-bad-id-token-hint: signed with a key of somebody else, no redirect and a question first', async () => {
    const here = await world()
    await using kit = here.kit
    const { kid } = decodeProtectedHeader(here.tokens.id_token)
    const { privateKey } = await generateKeyPair('ES256')
    const hint = await new SignJWT({ ...here.tokens.claims }).setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid: kid ?? '' }).sign(privateKey)
    const { end, isAsked } = await leave(here, url({ id_token_hint: hint, post_logout_redirect_uri: bye, state: 's' }))
    assert.equal(isAsked, true)
    assert.match(end, /^\/signoff\//)
    assert.equal(await live(kit), 0)
  })

  test('a hint that is no token: a question, and no redirect', async () => {
    const here = await world()
    await using _kit = here.kit
    const { end, isAsked } = await leave(here, url({ id_token_hint: 'bad', post_logout_redirect_uri: bye, state: 's' }))
    assert.equal(isAsked, true)
    assert.doesNotMatch(end, /wiki\.test/)
  })

  test('oidcc-rp-initiated-logout-no-id-token-hint: a question, and no redirect', async () => {
    const here = await world()
    await using _kit = here.kit
    const { end, isAsked } = await leave(here, url({ post_logout_redirect_uri: bye, state: 's' }))
    assert.equal(isAsked, true)
    assert.doesNotMatch(end, /wiki\.test/)
  })

  test('oidcc-rp-initiated-logout-no-params: a question, then signed out', async () => {
    const here = await world()
    await using kit = here.kit
    assert.equal((await leave(here, endpoint)).isAsked, true)
    assert.equal(await live(kit), 0)
  })

  test('oidcc-rp-initiated-logout-no-post-logout-redirect-uri: signed out, and a page of the provider', async () => {
    const here = await world()
    await using kit = here.kit
    const { end, isAsked } = await leave(here, url({ id_token_hint: here.tokens.id_token, state: 's' }))
    assert.equal(isAsked, false)
    assert.match(end, /^\/signoff\//)
    assert.equal(await live(kit), 0)
  })

  test('oidcc-rp-initiated-logout-no-state: back without one', async () => {
    const here = await world()
    await using _kit = here.kit
    assert.equal((await leave(here, url({ id_token_hint: here.tokens.id_token, post_logout_redirect_uri: bye }))).end, bye)
  })

  test('oidcc-rp-initiated-logout-only-state: signed out after a question', async () => {
    const here = await world()
    await using kit = here.kit
    const { end, isAsked } = await leave(here, url({ state: 's' }))
    assert.equal(isAsked, true)
    assert.match(end, /^\/signoff\//)
    assert.equal(await live(kit), 0)
  })
})

suite('Certification: Front-Channel Logout 1.0, provider', () => {
  test('oidcc-frontchannel-logout-discovery-endpoint-verification: supported, with session, and where a logout is started', async () => {
    await using kit = (await world()).kit
    const { frontchannel_logout_supported: isSupported, frontchannel_logout_session_supported: hasSession, ...more } = await configuration(kit)
    assert.deepEqual([isSupported, hasSession, more['end_session_endpoint']], [true, true, `http://curfew.test${endpoint}`])
  })

  test('oidcc-frontchannel-rp-initiated-logout: a frame with iss and sid of the ID token, then back with the state, and signed out', async () => {
    const here = await world({ clients: [front] })
    await using kit = here.kit
    const started = await here.browser.get(url({ id_token_hint: here.tokens.id_token, post_logout_redirect_uri: bye, state: 's' }))
    const path = /^\/signoff\/run_\w+/.exec(String(started.headers.location))?.[0] ?? assert.fail()
    const page = here.browser.get(path)
    const id = (await newest(kit)).deliveries[0]?.id ?? assert.fail('nobody to tell')
    const { headers } = await here.browser.get(`${path}/frame/${id}`)
    await moving(kit, async () => (await newest(kit)).state === 'done')
    const { body } = await page
    assert.ok(body.includes(`<iframe src="${path}/frame/${id}"`), body)
    const target = new URL(String(headers.location))
    assert.equal(`${target.origin}${target.pathname}`, 'http://wiki.test/front')
    assert.deepEqual(Object.fromEntries(target.searchParams), { kept: '1', iss: 'http://curfew.test', sid: here.tokens.claims['sid'] })
    // A frame proves nothing: the result is shown first, and the page goes on from there to who asked.
    const shown = (await here.browser.get(path)).body
    assert.match(shown, new RegExp(`<meta http-equiv="refresh" content="\\d+;url=${bye.replaceAll('.', '\\.')}\\?state=s">`))
    await assertSignedOut(here)
  })
})

suite('Certification: Back-Channel Logout 1.0, provider', () => {
  test('oidcc-backchannel-logout-discovery-endpoint-verification: supported, with session, and where a logout is started', async () => {
    await using kit = (await world()).kit
    const { backchannel_logout_supported: isSupported, backchannel_logout_session_supported: hasSession, ...more } = await configuration(kit)
    assert.deepEqual([isSupported, hasSession, more['end_session_endpoint']], [true, true, `http://curfew.test${endpoint}`])
  })

  test('oidcc-backchannel-rp-initiated-logout: a token with sub and sid of the ID token and no nonce, then back with the state, and signed out', async () => {
    const here = await world()
    await using kit = here.kit
    assert.equal((await leave(here, url({ id_token_hint: here.tokens.id_token, post_logout_redirect_uri: bye, state: 's' }))).end, `${bye}?state=s`)
    const token = here.told[0] ?? assert.fail('nobody was told')
    assert.equal(decodeProtectedHeader(token).alg, decodeProtectedHeader(here.tokens.id_token).alg, 'the algorithm of ID tokens')
    const { keys } = (await kit.app.inject('/pf/JWKS')).json<{ keys: readonly JWK[] }>()
    const key = await importJWK(keys[0] ?? assert.fail(), 'ES256')
    const { payload } = await jwtVerify(token, key, { issuer: 'http://curfew.test', audience: 'wiki', typ: 'logout+jwt' })
    assert.deepEqual([payload.sub, payload['sid']], [here.tokens.claims['sub'], here.tokens.claims['sid']])
    assert.deepEqual(payload['events'], { 'http://schemas.openid.net/event/backchannel-logout': {} })
    assert.equal(payload['nonce'], undefined)
    assert.ok(payload.jti !== undefined && payload.iat !== undefined && payload.exp !== undefined)
    await assertSignedOut(here)
  })
})

suite('Beyond the certification plans: a back channel that does not give up', () => {
  test('attempts go on after a restart, with back-off and a fresh jti, iat and exp each', async () => {
    const store = createMemoryStore({ capacity: 100 })
    const clock = createFakeClock(Temporal.Now.instant().epochMilliseconds)
    const told: { readonly token: string; readonly atMs: number }[] = []
    const holder = { isUp: false }
    const options: KitOptions = {
      store,
      clock,
      clients: [clientOf('wiki')],
      network: async ({ body = '' }) => {
        told.push({ token: new URLSearchParams(String(body)).get('logout_token') ?? '', atMs: clock.nowMs() })
        return { status: holder.isUp ? 200 : 503 }
      }
    }
    {
      await using kit = await createOidcKit(options)
      const browser = kit.browser()
      await tokensFor(kit, browser, 'wiki')
      await browser.get('/idp/startSLO.ping', { 'sec-fetch-site': 'none' })
      await moving(kit, async () => told.length === 2 && (await newest(kit)).deliveries[0]?.state === 'retrying')
    }
    const before = told.length
    holder.isUp = true
    await using kit = await createOidcKit(options)
    await moving(kit, async () => (await newest(kit)).state === 'done')
    assert.equal((await newest(kit)).deliveries[0]?.outcome?.kind, 'ended')
    assert.equal(told.length, before + 1)
    const claims = told.map(({ token }) => decodeJwt(token))
    for (const name of ['jti', 'iat', 'exp'] as const) assert.equal(new Set(claims.map((claim) => claim[name])).size, told.length, name)
    for (const { iat = 0, exp = 0 } of claims) assert.equal(exp - iat, 300)
    const gaps = told.slice(1).map(({ atMs }, i) => atMs - (told[i]?.atMs ?? 0))
    assert.ok((gaps[0] ?? 0) >= 5_000 && (gaps[1] ?? 0) >= 10_000, `waited ${gaps.join(' and ')} ms`)
    assert.equal(new Set(claims.map(({ sub }) => sub)).size, 1)
  })

  test('a client that never answers becomes a dead letter that an administrator tries again: the old outcome stays', async () => {
    const holder = { status: 503, count: 0 }
    const here = await world({
      network: async () => {
        holder.count += 1
        return { status: holder.status }
      }
    })
    await using kit = here.kit
    await here.browser.get('/idp/startSLO.ping', { 'sec-fetch-site': 'none' })
    const run = () => newest(kit)
    await moving(kit, async () => (await run()).state === 'done')
    const dead = (await run()).deliveries[0] ?? assert.fail()
    assert.deepEqual([dead.outcome?.kind, dead.attempts.length, holder.count], ['unreachable', 3, 3])
    holder.status = 200
    await kit.ctx.engine.retry((await run()).id, dead.id, { kind: 'admin', id: 'test' })
    await moving(kit, async () => (await run()).deliveries.length === 2 && (await run()).state === 'done')
    assert.deepEqual(
      (await run()).deliveries.map(({ outcome }) => outcome?.kind),
      ['unreachable', 'ended']
    )
  })
})
