import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { decodeJwt, importJWK, type JWK, jwtVerify, UnsecuredJWT } from 'jose'
import { createMemoryStore } from '../../../src/stores/memory/memory-store.ts'
import { type Browser, formOf } from '../browser.ts'
import { createFakeClock } from '../fake-clock.ts'
import type { Kit, KitOptions } from '../kit.ts'
import { clientOf, createOidcKit, type Tokens, tokensFor } from './relying-party.ts'

/*
 * The cases of the OpenID certification plans for logout, on the side of the provider, written from the specifications.
 * Each name begins with what the plan is about. Session Management 1.0 is in session-state.test.ts and, with its frame in
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

suite('Certification: RP-Initiated Logout 1.0, provider', () => {
  test('discovery: end_session_endpoint', async () => {
    await using kit = (await world()).kit
    assert.equal((await configuration(kit))['end_session_endpoint'], `http://curfew.test${endpoint}`)
  })

  test('base: a valid hint, a registered address and a state', async () => {
    const here = await world()
    await using kit = here.kit
    const done = await leave(here, url({ id_token_hint: here.tokens.id_token, post_logout_redirect_uri: bye, state: 'af0ifjsldkj' }))
    assert.deepEqual(done, { end: `${bye}?state=af0ifjsldkj`, isAsked: false })
    assert.equal(await live(kit), 0)
  })

  test('bad redirect URI: no redirect to it', async () => {
    const here = await world()
    await using kit = here.kit
    const { end } = await leave(here, url({ id_token_hint: here.tokens.id_token, post_logout_redirect_uri: 'http://wiki.test/other', state: 's' }))
    assert.match(end, /^\/signoff\//)
    assert.equal(await live(kit), 0)
  })

  test('query added to the redirect URI: no redirect to it', async () => {
    const here = await world()
    await using kit = here.kit
    const { end } = await leave(here, url({ id_token_hint: here.tokens.id_token, post_logout_redirect_uri: `${bye}?foo=bar`, state: 's' }))
    assert.match(end, /^\/signoff\//)
    assert.equal(await live(kit), 0)
  })

  test('modified hint (alg none): no redirect without a confirmation', async () => {
    const here = await world()
    await using kit = here.kit
    const hint = new UnsecuredJWT({ ...here.tokens.claims }).encode()
    const { isAsked } = await leave(here, url({ id_token_hint: hint, post_logout_redirect_uri: bye, state: 's' }))
    assert.equal(isAsked, true)
    assert.equal(await live(kit), 0)
  })

  test('bad hint: no redirect without a client, and a question first', async () => {
    const here = await world()
    await using _kit = here.kit
    const { end, isAsked } = await leave(here, url({ id_token_hint: 'bad', post_logout_redirect_uri: bye, state: 's' }))
    assert.equal(isAsked, true)
    assert.doesNotMatch(end, /wiki\.test/)
  })

  test('no hint: a question, and no redirect', async () => {
    const here = await world()
    await using _kit = here.kit
    const { end, isAsked } = await leave(here, url({ post_logout_redirect_uri: bye, state: 's' }))
    assert.equal(isAsked, true)
    assert.doesNotMatch(end, /wiki\.test/)
  })

  test('no parameters: a question, then signed out', async () => {
    const here = await world()
    await using kit = here.kit
    assert.equal((await leave(here, endpoint)).isAsked, true)
    assert.equal(await live(kit), 0)
  })

  test('no redirect URI: signed out, and a page of the provider', async () => {
    const here = await world()
    await using kit = here.kit
    const { end, isAsked } = await leave(here, url({ id_token_hint: here.tokens.id_token, state: 's' }))
    assert.equal(isAsked, false)
    assert.match(end, /^\/signoff\//)
    assert.equal(await live(kit), 0)
  })

  test('no state: back without one', async () => {
    const here = await world()
    await using _kit = here.kit
    assert.equal((await leave(here, url({ id_token_hint: here.tokens.id_token, post_logout_redirect_uri: bye }))).end, bye)
  })

  test('only state: signed out after a question', async () => {
    const here = await world()
    await using kit = here.kit
    const { end, isAsked } = await leave(here, url({ state: 's' }))
    assert.equal(isAsked, true)
    assert.match(end, /^\/signoff\//)
    assert.equal(await live(kit), 0)
  })

  test('after it the user is not signed in: prompt=none says login_required', async () => {
    const here = await world()
    await using _kit = here.kit
    await leave(here, url({ id_token_hint: here.tokens.id_token, post_logout_redirect_uri: bye }))
    const query = {
      client_id: 'wiki',
      response_type: 'code',
      redirect_uri: 'http://wiki.test/cb',
      scope: 'openid',
      prompt: 'none',
      code_challenge: 'a'.repeat(43)
    }
    const answer = await here.browser.get(`/as/authorization.oauth2?${new URLSearchParams({ ...query, code_challenge_method: 'S256' }).toString()}`)
    assert.match(String(answer.headers.location), /error=login_required/)
  })
})

suite('Certification: Front-Channel Logout 1.0, provider', () => {
  test('discovery: supported, with session', async () => {
    await using kit = (await world()).kit
    const { frontchannel_logout_supported: isSupported, frontchannel_logout_session_supported: hasSession } = await configuration(kit)
    assert.deepEqual([isSupported, hasSession], [true, true])
  })

  test('RP-initiated: a frame of the client with iss and sid of its ID token, its query kept; then back with the state', async () => {
    const here = await world({ clients: [front] })
    await using kit = here.kit
    const started = await here.browser.get(url({ id_token_hint: here.tokens.id_token, post_logout_redirect_uri: bye, state: 's' }))
    const run = /run_\w+/.exec(String(started.headers.location))?.[0] ?? assert.fail()
    const page = here.browser.get(`/signoff/${run}`)
    const moving = setInterval(() => kit.clock.advance(500), 5)
    const { body } = await page
    clearInterval(moving)
    const src = /<iframe src="([^"]+)"/.exec(body)?.[1] ?? assert.fail('no frame')
    assert.match(src, new RegExp(`^/signoff/${run}/frame/`))
    const [item] = (await kit.store.listRuns({ limit: 1 })).items
    assert.equal(item?.starter.kind === 'user' && item.starter.landingUrl, `${bye}?state=s`)
  })

  test('the frame leads to the registered address with iss and sid together', async () => {
    const here = await world({ clients: [front] })
    await using kit = here.kit
    await here.browser.get(url({ id_token_hint: here.tokens.id_token }))
    const [run] = (await kit.store.listRuns({ limit: 1 })).items
    const frame = await here.browser.get(`/signoff/${run?.id ?? ''}/frame/${run?.deliveries[0]?.id ?? ''}`)
    const target = new URL(String(frame.headers.location))
    assert.equal(`${target.origin}${target.pathname}`, 'http://wiki.test/front')
    assert.deepEqual(Object.fromEntries(target.searchParams), { kept: '1', iss: 'http://curfew.test', sid: here.tokens.claims['sid'] })
  })
})

suite('Certification: Back-Channel Logout 1.0, provider', () => {
  test('discovery: supported, with session', async () => {
    await using kit = (await world()).kit
    const { backchannel_logout_supported: isSupported, backchannel_logout_session_supported: hasSession } = await configuration(kit)
    assert.deepEqual([isSupported, hasSession], [true, true])
  })

  test('RP-initiated: a valid token with sub and sid of the ID token, by its key, and no nonce; then back with the state', async () => {
    const here = await world()
    await using kit = here.kit
    assert.equal((await leave(here, url({ id_token_hint: here.tokens.id_token, post_logout_redirect_uri: bye, state: 's' }))).end, `${bye}?state=s`)
    const { keys } = (await kit.app.inject('/pf/JWKS')).json<{ keys: readonly JWK[] }>()
    const key = await importJWK(keys[0] ?? assert.fail(), 'ES256')
    const { payload } = await jwtVerify(here.told[0] ?? '', key, { issuer: 'http://curfew.test', audience: 'wiki', typ: 'logout+jwt' })
    assert.deepEqual([payload.sub, payload['sid']], [here.tokens.claims['sub'], here.tokens.claims['sid']])
    assert.deepEqual(payload['events'], { 'http://schemas.openid.net/event/backchannel-logout': {} })
    assert.equal(payload['nonce'], undefined)
    assert.ok(payload.jti !== undefined && payload.iat !== undefined && payload.exp !== undefined)
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
      await moving(clock, () => told.length === 2)
    }
    const before = told.length
    holder.isUp = true
    await using kit = await createOidcKit(options)
    await moving(clock, async () => (await kit.store.listRuns({ limit: 1 })).items[0]?.state === 'done')
    assert.equal((await kit.store.listRuns({ limit: 1 })).items[0]?.deliveries[0]?.outcome?.kind, 'ended')
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
    const run = async () => (await kit.store.listRuns({ limit: 1 })).items[0] ?? assert.fail('no run')
    await moving(kit.clock, async () => (await run()).state === 'done')
    const dead = (await run()).deliveries[0] ?? assert.fail()
    assert.deepEqual([dead.outcome?.kind, dead.attempts.length, holder.count], ['unreachable', 3, 3])
    holder.status = 200
    await kit.ctx.engine.retry((await run()).id, dead.id, { kind: 'admin', id: 'test' })
    await moving(kit.clock, async () => (await run()).deliveries.length === 2 && (await run()).state === 'done')
    assert.deepEqual(
      (await run()).deliveries.map(({ outcome }) => outcome?.kind),
      ['unreachable', 'ended']
    )
  })
})

/** Time passes until something holds. */
async function moving(clock: { advance(ms: number): void }, until: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 1_000; i++) {
    if (await until()) return
    clock.advance(2_000)
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setTimeout(resolve, 1))
  }
  assert.fail('it took too long')
}
