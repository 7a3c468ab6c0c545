import assert from 'node:assert/strict'
import { createSecretKey, generateKeyPairSync } from 'node:crypto'
import { suite, test } from 'node:test'
import { SignJWT, UnsecuredJWT } from 'jose'
import { follow, liveSessions } from '../authority/saml-sp/hub.ts'
import { begin, createOidcHub, type OidcHub, postLogoutToken, signInAt } from '../authority/oidc-rp/hub.ts'
import { type Grant, logoutEvent } from '../authority/oidc-rp/open-id-provider.ts'

const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

async function nobodyIn({ kit }: OidcHub): Promise<void> {
  assert.deepEqual(await liveSessions(kit), [])
}

suite('Attacks on the sign-in at an upstream OpenID provider', () => {
  test("another browser's answer signs nobody in, and uses nothing up (login CSRF)", async () => {
    const hub = await createOidcHub()
    await using kit = hub.kit
    const attacker = kit.browser()
    const back = await hub.upstream.grant(await begin(hub, attacker), { sub: 'attacker' })
    const victim = kit.browser()
    assert.match((await victim.get(back)).body, /CURFEW_OIDC_STATE/)
    // A victim that began a sign-in of its own fares no worse.
    await begin(hub, victim)
    assert.match((await victim.get(back)).body, /CURFEW_OIDC_STATE/)
    await nobodyIn(hub)
    await follow(attacker, await attacker.get(back))
    assert.deepEqual(
      (await liveSessions(kit)).map(({ userKey }) => userKey),
      ['social:attacker']
    )
  })

  test('an answer that nobody asked for, and one with a made-up state, are refused', async () => {
    const hub = await createOidcHub()
    await using kit = hub.kit
    const browser = kit.browser()
    await begin(hub, browser)
    for (const query of ['code=x', 'code=x&state=', 'code=x&state=made-up', `code=x&state=${'s'.repeat(5000)}`, '']) {
      assert.match((await browser.get(`/sp/social/cb.openid?${query}`)).body, /CURFEW_OIDC_STATE/, query)
    }
    await nobodyIn(hub)
  })

  test('an unsolicited answer does not get into the session of somebody who is signed in', async () => {
    const hub = await createOidcHub()
    await using kit = hub.kit
    const victim = kit.browser()
    await signInAt(hub, victim, { sub: 'victim' })
    const attacker = kit.browser()
    const back = await hub.upstream.grant(await begin(hub, attacker), { sub: 'attacker' })
    assert.match((await victim.get(back)).body, /CURFEW_OIDC_STATE/)
    assert.deepEqual(
      (await liveSessions(kit)).map(({ userKey }) => userKey),
      ['social:victim']
    )
  })

  test('mix-up: an answer of one provider is worth nothing at the address of another, nor one that names another issuer', async () => {
    const hub = await createOidcHub()
    await using kit = hub.kit
    const browser = kit.browser()
    const back = new URL(await hub.upstream.grant(await begin(hub, browser)))
    assert.match((await browser.get(`/sp/partner/cb.openid${back.search}`)).body, /CURFEW_OIDC_STATE/)
    const named = await hub.upstream.grant(await begin(hub, browser), {}, { answer: { iss: hub.other.issuer } })
    assert.match((await browser.get(named)).body, /CURFEW_OIDC_TOKEN_CLAIM/)
    await nobodyIn(hub)
    assert.ok(!hub.upstream.asked.includes('/token') && !hub.other.asked.includes('/token'), 'no code left for a token endpoint')
  })

  test('a provider that promises iss and leaves it out is refused', async () => {
    const hub = await createOidcHub({}, {}, (upstream) => {
      upstream.metadata = { ...upstream.metadata, authorization_response_iss_parameter_supported: true }
    })
    await using kit = hub.kit
    const page = await signInAt(hub, kit.browser(), {}, { answer: { iss: undefined } })
    assert.match(page.body, /CURFEW_OIDC_PROVIDER/)
    await nobodyIn(hub)
  })

  test('an answer counts once', async () => {
    const hub = await createOidcHub()
    await using kit = hub.kit
    const browser = kit.browser()
    const back = await hub.upstream.grant(await begin(hub, browser))
    const all = await Promise.all(Array.from({ length: 20 }, () => browser.get(back)))
    assert.equal(all.filter(({ statusCode }) => statusCode === 303).length, 1)
    assert.match((await browser.get(back)).body, /CURFEW_OIDC_STATE/)
  })

  test('the way on after the exchange belongs to the browser that asked, and counts once', async () => {
    const hub = await createOidcHub()
    await using kit = hub.kit
    const attacker = kit.browser()
    const waiting = String((await attacker.get(await hub.upstream.grant(await begin(hub, attacker)))).headers.location)
    assert.match(waiting, /resume\/sp\/cb\.openid$/)
    assert.equal((await kit.browser().get(waiting)).statusCode, 403)
    await nobodyIn(hub)
    assert.equal((await attacker.get(waiting)).statusCode, 303, 'another browser used nothing up')
    assert.equal((await attacker.get(waiting)).statusCode, 400)
  })

  const now = Math.floor(Temporal.Now.instant().epochMilliseconds / 1000)
  const bad: Readonly<Record<string, readonly [claims: Record<string, unknown>, more?: Grant]>> = {
    'another nonce': [{ nonce: 'another' }],
    'no nonce': [{ nonce: undefined }],
    'another audience': [{ aud: 'somebody-else' }],
    'several audiences without azp': [{ aud: ['curfew', 'somebody-else'], azp: 'somebody-else' }],
    'another issuer': [{ iss: 'https://evil.test' }],
    'the other provider as issuer': [{ iss: 'https://partner.test' }],
    'an end in the past': [{ exp: now - 600, iat: now - 900 }],
    'no subject': [{ sub: undefined }],
    'a key of a stranger': [{}, { key: stranger }],
    'a key that is not published': [{}, { key: stranger, header: { kid: 'unknown' } }]
  }
  for (const [name, [claims, more]] of Object.entries(bad)) {
    test(`an ID token with ${name} signs nobody in, and the visitor is not told why`, async () => {
      const hub = await createOidcHub()
      await using kit = hub.kit
      const page = await signInAt(hub, kit.browser(), claims, more)
      assert.match(page.body, /CURFEW_OIDC_PROVIDER/)
      assert.doesNotMatch(page.body.slice(page.body.indexOf('<main')), /nonce|audience|signature|issuer|expired/i)
      await nobodyIn(hub)
    })
  }
})

suite('Attacks on the logout of an upstream OpenID provider', () => {
  const sid = 'social-sid-1'
  const now = Math.floor(Temporal.Now.instant().epochMilliseconds / 1000)
  const refused: Readonly<Record<string, (hub: OidcHub) => Promise<string>>> = {
    'a stranger signed': ({ upstream }) => upstream.logoutToken({ sid }, { key: stranger }),
    'the other provider signed': async ({ other }) => other.logoutToken({ sid, iss: 'https://social.test' }),
    'nobody signed': async () => new UnsecuredJWT({ iss: 'https://social.test', aud: 'curfew', sid, jti: 'x', events: logoutEvent }).encode(),
    'a shared secret signed': async () =>
      new SignJWT({ iss: 'https://social.test', aud: 'curfew', sid, jti: 'x', iat: now, exp: now + 60, events: logoutEvent })
        .setProtectedHeader({ alg: 'HS256', typ: 'logout+jwt' })
        .sign(createSecretKey(Buffer.from('a secret of the client, long enough for HS256'))),
    'another issuer': ({ upstream }) => upstream.logoutToken({ sid, iss: 'https://partner.test' }),
    'another audience': ({ upstream }) => upstream.logoutToken({ sid, aud: 'somebody-else' }),
    'no event': ({ upstream }) => upstream.logoutToken({ sid, events: undefined }),
    'another event': ({ upstream }) => upstream.logoutToken({ sid, events: { 'https://example.org/event': {} } }),
    'a nonce': ({ upstream }) => upstream.logoutToken({ sid, nonce: 'n' }),
    'neither sid nor sub': ({ upstream }) => upstream.logoutToken({}),
    'no jti': ({ upstream }) => upstream.logoutToken({ sid, jti: undefined as unknown as string }),
    'no end': ({ upstream }) => upstream.logoutToken({ sid, exp: undefined as unknown as number }),
    'an end in the past': ({ upstream }) => upstream.logoutToken({ sid, iat: now - 900, exp: now - 600 }),
    'a time of the future': ({ upstream }) => upstream.logoutToken({ sid, iat: now + 900, exp: now + 1200 }),
    'the type of an ID token': ({ upstream }) => upstream.logoutToken({ sid }, { header: { typ: 'JWT' } }),
    'another type': ({ upstream }) => upstream.logoutToken({ sid }, { header: { typ: 'at+jwt' } }),
    'no token at all': async () => 'x'
  }
  for (const [name, make] of Object.entries(refused)) {
    test(`a logout token with "${name}" ends nothing and is answered alike`, async () => {
      const hub = await createOidcHub()
      await using kit = hub.kit
      await signInAt(hub, kit.browser())
      const answer = await postLogoutToken(hub, await make(hub))
      assert.deepEqual([answer.statusCode, answer.body], [400, '{"error":"invalid_request"}'])
      assert.match(String(answer.headers['cache-control']), /no-store/)
      assert.equal((await liveSessions(kit)).length, 1)
    })
  }

  test('a provider ends no session that came from another, whatever sid and sub it names', async () => {
    const hub = await createOidcHub()
    await using kit = hub.kit
    await signInAt(hub, kit.browser())
    for (const claims of [{ sid }, { sub: 'u-1' }, { sub: 'u-1', sid }]) {
      assert.equal((await postLogoutToken(hub, await hub.other.logoutToken(claims), 'partner')).statusCode, 200)
      assert.equal((await postLogoutToken(hub, await hub.other.logoutToken(claims), 'social')).statusCode, 400)
      assert.equal((await postLogoutToken(hub, await hub.upstream.logoutToken(claims), 'partner')).statusCode, 400)
    }
    assert.equal((await liveSessions(kit)).length, 1)
  })

  test('two tokens in one form, a form without one, and an unknown provider are refused', async () => {
    const hub = await createOidcHub()
    await using kit = hub.kit
    await signInAt(hub, kit.browser())
    const token = await hub.upstream.logoutToken({ sid })
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const post = (url: string, payload: string) => kit.app.inject({ method: 'POST', url, headers, payload })
    assert.equal((await post('/sp/social/backchannel-logout.openid', `logout_token=${token}&logout_token=${token}`)).statusCode, 400)
    assert.equal((await post('/sp/social/backchannel-logout.openid', '')).statusCode, 400)
    assert.equal((await post('/sp/nobody/backchannel-logout.openid', `logout_token=${token}`)).statusCode, 404)
    assert.equal((await liveSessions(kit)).length, 1)
  })

  test('a return from the logout counts for the browser of that run only', async () => {
    const hub = await createOidcHub()
    await using kit = hub.kit
    const browser = kit.browser()
    await signInAt(hub, browser)
    await browser.get('/sp/startSLO.ping', { 'sec-fetch-site': 'none' })
    const [run] = (await kit.store.listRuns({ limit: 1 })).items
    const away = new URL(String((await browser.get(`/signoff/${run?.id}/go`)).headers.location))
    const back = `/sp/social/logged-out.openid?state=${away.searchParams.get('state')}`
    assert.equal((await kit.browser().get(back)).headers.location, '/signoff/done')
    assert.equal((await browser.get(`/sp/partner/logged-out.openid?state=${away.searchParams.get('state')}`)).headers.location, '/signoff/done')
    assert.equal((await kit.store.getRun(run?.id ?? 'run_'))?.deliveries[0]?.state, 'sent')
    assert.equal((await browser.get(back)).headers.location, `/signoff/${run?.id}`)
  })
})
