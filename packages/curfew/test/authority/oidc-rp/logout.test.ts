import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { status } from '@curfew/codecs'
import { decodeJwt } from 'jose'
import type { Browser } from '../browser.ts'
import { liveSessions } from '../saml-sp/hub.ts'
import { begin, createOidcHub, type OidcHub, open, postLogoutToken, signInAt } from './hub.ts'
import type { OpenIdProvider } from './open-id-provider.ts'

const typed = { 'sec-fetch-site': 'none' }

async function hubWithApps(names: readonly string[] = ['payroll'], change?: (upstream: OpenIdProvider) => void) {
  const hub = await createOidcHub({ partners: Object.fromEntries(names.map((name) => [name, {}])) }, {}, change)
  const browser = hub.kit.browser()
  await signInAt(hub, browser)
  for (const name of names) await open(hub, browser, name)
  return { hub, browser }
}

async function lastRun({ kit }: OidcHub) {
  return (await kit.store.listRuns({ limit: 1 })).items[0] ?? assert.fail('there is a run')
}

async function outcomes(hub: OidcHub): Promise<Readonly<Record<string, string | undefined>>> {
  return Object.fromEntries((await lastRun(hub)).deliveries.map(({ peerId, outcome }) => [peerId, outcome?.kind]))
}

/** The browser's next visit, as the address it is sent to. */
async function go(hub: OidcHub, browser: Browser): Promise<URL> {
  const sent = await browser.get(`/signoff/${(await lastRun(hub)).id}/go`)
  return new URL(String(sent.headers.location), 'http://curfew.test')
}

async function answerAt(hub: OidcHub, browser: Browser, url: URL): Promise<void> {
  const partner = hub.kit.partner(url.host.replace('.test', ''))
  await browser.get(await partner.logoutAnswer(partner.readLogoutRequest(url.href)))
}

suite('Logout across an upstream OpenID provider and applications', () => {
  test('AC-170 the upstream logout endpoint is called first, with the ID token of the session, then the applications', async () => {
    const { hub, browser } = await hubWithApps()
    await using kit = hub.kit
    await browser.get('/sp/startSLO.ping', typed)
    assert.deepEqual(await liveSessions(kit), [])
    const away = await go(hub, browser)
    assert.equal(away.origin + away.pathname, 'https://social.test/logout')
    const hint = decodeJwt(away.searchParams.get('id_token_hint') ?? '')
    assert.deepEqual([hint.sub, hint['sid']], ['u-1', 'social-sid-1'])
    assert.equal(away.searchParams.get('client_id'), 'curfew')
    assert.equal(away.searchParams.get('post_logout_redirect_uri'), 'http://curfew.test/sp/social/logged-out.openid')
    const back = await browser.get(`/sp/social/logged-out.openid?state=${away.searchParams.get('state')}`)
    assert.equal(back.headers.location, `/signoff/${(await lastRun(hub)).id}`)
    // Coming back proves nothing.
    assert.deepEqual(await outcomes(hub), { social: 'unconfirmed', payroll: undefined })
    await answerAt(hub, browser, await go(hub, browser))
    assert.deepEqual(await outcomes(hub), { social: 'unconfirmed', payroll: 'ended' })
    assert.match((await browser.get(`/signoff/${(await lastRun(hub)).id}`)).body, /Not signed out everywhere/)
  })

  test('AC-170 its signed logout token is the proof, before the browser is back or after', async () => {
    for (const order of ['before', 'after']) {
      const { hub, browser } = await hubWithApps([])
      await using kit = hub.kit
      await browser.get('/sp/startSLO.ping', typed)
      const away = await go(hub, browser)
      const token = async (): Promise<void> => {
        assert.equal((await postLogoutToken(hub, await hub.upstream.logoutToken({ sub: 'u-1', sid: 'social-sid-1' }))).statusCode, 200)
      }
      if (order === 'before') await token()
      await browser.get(`/sp/social/logged-out.openid?state=${away.searchParams.get('state')}`)
      if (order === 'after') await token()
      const run = await lastRun(hub)
      const [delivery] = run.deliveries
      assert.deepEqual([delivery?.outcome?.kind, run.state, delivery?.attempts.length], ['ended', 'done', 1], order)
      assert.ok(delivery?.outcome?.kind === 'ended' && delivery.outcome.proof.kind === 'signed-answer')
      assert.equal((await kit.store.listRuns({ limit: 5 })).items.length, 1)
    }
  })

  test('a provider that sends the browser back by a form is taken as one by a redirect, and proves as little', async () => {
    const { hub, browser } = await hubWithApps([])
    await using kit = hub.kit
    await browser.get('/sp/startSLO.ping', typed)
    const state = (await go(hub, browser)).searchParams.get('state') ?? ''
    // Cookies stay away from a form of another site.
    const form = { state, iss: 'https://social.test', more: 'x'.repeat(20_000) }
    const posted = await kit.browser().post('/sp/social/logged-out.openid', form, { origin: 'https://social.test', 'sec-fetch-site': 'cross-site' })
    assert.deepEqual([posted.statusCode, posted.headers.location], [303, `/sp/social/logged-out.openid?state=${state}`])
    assert.deepEqual(await outcomes(hub), { social: undefined })
    const back = await browser.get(String(posted.headers.location), { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'document' })
    assert.equal(back.headers.location, `/signoff/${(await lastRun(hub)).id}`)
    assert.deepEqual(await outcomes(hub), { social: 'unconfirmed' })
  })

  test('a browser that is lost at the provider counts as no answer', async () => {
    const { hub, browser } = await hubWithApps([])
    await using _kit = hub.kit
    await browser.get('/sp/startSLO.ping', typed)
    const run = await lastRun(hub)
    await go(hub, browser)
    await browser.get(`/signoff/${run.id}/go`)
    assert.deepEqual(await outcomes(hub), { social: 'timed-out' })
  })

  test('AC-170 inbound back-channel: the session ends, applications are told, the provider is not called back', async () => {
    const { hub, browser } = await hubWithApps()
    await using kit = hub.kit
    const [session] = await liveSessions(kit)
    const answer = await postLogoutToken(hub, await hub.upstream.logoutToken({ sub: 'u-1', sid: 'social-sid-1' }))
    assert.deepEqual([answer.statusCode, answer.body, answer.headers['cache-control']], [200, '', 'no-cache, no-store'])
    assert.deepEqual(await liveSessions(kit), [])
    const run = await lastRun(hub)
    assert.deepEqual([run.sessionId, run.reason, run.startedBy.id], [session?.id, 'upstream', 'social'])
    assert.deepEqual(
      run.deliveries.map(({ peerId }) => peerId),
      ['payroll']
    )
    assert.ok(await kit.store.isRevoked(session?.sri ?? '', kit.clock.nowMs()))
    // The browser carries it on at its next visit.
    const home = await browser.get('/')
    assert.equal(home.headers.location, `/signoff/${run.id}`)
    await answerAt(hub, browser, await go(hub, browser))
    assert.deepEqual(await outcomes(hub), { payroll: 'ended' })
    assert.ok(!hub.upstream.asked.includes('/logout'))
  })

  test('a token without sid ends every session of the subject that began before it, and none of another subject', async () => {
    const hub = await createOidcHub()
    await using kit = hub.kit
    await signInAt(hub, kit.browser(), { sid: 'a' })
    await signInAt(hub, kit.browser(), { sid: 'b' })
    await signInAt(hub, kit.browser(), { sub: 'u-2', sid: 'c' })
    const later = Math.floor(kit.clock.nowMs() / 1000) + 20
    await signInAt(hub, kit.browser(), { sid: 'd', iat: later })
    const now = Math.floor(kit.clock.nowMs() / 1000)
    const token = await hub.upstream.logoutToken({ sub: 'u-1', iat: now + 5 })
    assert.equal((await postLogoutToken(hub, token)).statusCode, 200)
    const left = async (): Promise<readonly string[]> => {
      const sessions = await liveSessions(kit)
      return (await Promise.all(sessions.map(({ id }) => kit.store.getParticipants(id))))
        .flat()
        .map(({ sessionIndex }) => sessionIndex)
        .sort()
    }
    assert.deepEqual(await left(), ['c', 'd'])
    // The same token again: its sender may not have heard the answer. It ends nobody who came later.
    assert.equal((await postLogoutToken(hub, token)).statusCode, 200)
    assert.deepEqual(await left(), ['c', 'd'])
  })

  test('a token for nobody known is a success: there is nothing left to end', async () => {
    const { hub } = await hubWithApps([])
    await using kit = hub.kit
    assert.equal((await postLogoutToken(hub, await hub.upstream.logoutToken({ sub: 'nobody' }))).statusCode, 200)
    assert.equal((await postLogoutToken(hub, await hub.upstream.logoutToken({ sub: 'u-2', sid: 'social-sid-1' }))).statusCode, 200)
    assert.equal((await liveSessions(kit)).length, 1)
  })

  test('AC-170 inbound front-channel: a frame without cookies ends the session that its sid names', async () => {
    const { hub } = await hubWithApps()
    await using kit = hub.kit
    const answer = await kit.app.inject({ url: `/sp/social/frontchannel-logout.openid?iss=${encodeURIComponent(hub.upstream.issuer)}&sid=social-sid-1` })
    assert.equal(answer.statusCode, 200)
    assert.match(String(answer.headers['content-security-policy']), /frame-ancestors https:\/\/social\.test$/)
    assert.match(String(answer.headers['cache-control']), /no-store/)
    assert.deepEqual(await liveSessions(kit), [])
    const run = await lastRun(hub)
    assert.deepEqual([run.reason, ...run.deliveries.map(({ peerId }) => peerId)], ['upstream', 'payroll'])
  })

  test('a frame without sid, or of another issuer, ends nothing, cookies or not', async () => {
    const { hub, browser } = await hubWithApps([])
    await using kit = hub.kit
    const iss = encodeURIComponent(hub.upstream.issuer)
    for (const query of ['', `?iss=${iss}`, '?sid=social-sid-1', `?iss=${encodeURIComponent(hub.other.issuer)}&sid=social-sid-1`, `?iss=${iss}&sid=`]) {
      assert.equal((await browser.get(`/sp/social/frontchannel-logout.openid${query}`)).statusCode, 400, query)
    }
    assert.equal((await browser.get(`/sp/partner/frontchannel-logout.openid?iss=${encodeURIComponent(hub.other.issuer)}&sid=social-sid-1`)).statusCode, 200)
    assert.equal((await liveSessions(kit)).length, 1)
  })

  test('sid without iss is taken only where the connection says so', async () => {
    const hub = await createOidcHub({}, { logout: { acceptMissingIss: true } })
    await using kit = hub.kit
    await signInAt(hub, kit.browser())
    assert.equal((await kit.app.inject({ url: '/sp/social/frontchannel-logout.openid?sid=social-sid-1' })).statusCode, 200)
    assert.deepEqual(await liveSessions(kit), [])
  })

  test('a provider without any logout is shown as unsupported, and never as signed out', async () => {
    const { hub, browser } = await hubWithApps([], (upstream) => {
      const { end_session_endpoint: _, ...rest } = upstream.metadata
      upstream.metadata = rest
    })
    await using _kit = hub.kit
    await browser.get('/sp/startSLO.ping', typed)
    const run = await lastRun(hub)
    assert.deepEqual([run.state, await outcomes(hub)], ['done', { social: 'unsupported' }])
    assert.match((await browser.get(`/signoff/${run.id}`)).body, /Not signed out everywhere/)
  })

  test('AC-215 terminatesession leads to the logout page of such a provider by the host of its sign-on address', async () => {
    const accounts = { issuer: 'https://accounts.google.com' }
    const hub = await createOidcHub({}, accounts, (upstream) => {
      const { end_session_endpoint: _, ...rest } = upstream.metadata
      upstream.metadata = { ...rest, authorization_endpoint: 'https://accounts.google.com/o/oauth2/v2/auth' }
    })
    await using kit = hub.kit
    const browser = kit.browser()
    await signInAt(hub, browser)
    const sent = await browser.get('/sso/terminatesession?page=https://accounts.google.com/Logout', typed)
    assert.equal(sent.headers.location, 'https://accounts.google.com/Logout')
    assert.deepEqual(await liveSessions(kit), [])
    assert.deepEqual(await outcomes(hub), { social: 'not-asked' })
  })

  test('an application starts by SAML: the provider is asked, and the answer is Success only with its proof', async () => {
    for (const isProved of [true, false]) {
      const { hub, browser } = await hubWithApps()
      await using kit = hub.kit
      const [session] = await liveSessions(kit)
      const own = (await kit.store.getParticipants(session?.id ?? 'ses_')).find((p) => p.peerId === 'payroll') ?? assert.fail()
      const payroll = kit.partner('payroll')
      await browser.get(await payroll.logoutRedirect(payroll.logoutRequest(own.nameId, [own.sessionIndex])))
      const away = await go(hub, browser)
      assert.equal(away.host, 'social.test')
      if (isProved) await postLogoutToken(hub, await hub.upstream.logoutToken({ sid: 'social-sid-1' }))
      await browser.get(`/sp/social/logged-out.openid?state=${away.searchParams.get('state')}`)
      const run = await lastRun(hub)
      const response = payroll.readLogoutResponse(String((await browser.get(`/signoff/${run.id}/finish`)).headers.location))
      assert.deepEqual([status.isSuccess(response.status), status.isPartialLogout(response.status)], [true, !isProved])
    }
  })

  test('a sign-in that is overtaken by its logout does not live on', async () => {
    for (const claims of [{ sid: 'social-sid-1' }, { sub: 'u-1' }, { sub: 'u-1', sid: 'social-sid-1' }]) {
      const hub = await createOidcHub()
      await using kit = hub.kit
      const browser = kit.browser()
      const back = await hub.upstream.grant(await begin(hub, browser))
      assert.equal((await postLogoutToken(hub, await hub.upstream.logoutToken(claims))).statusCode, 200)
      let page = await browser.get(back)
      for (let i = 0; i < 5 && page.statusCode === 303; i++) page = await browser.get(String(page.headers.location))
      assert.match(page.body, /CURFEW_OIDC_SESSION_OVER/)
      assert.deepEqual(await liveSessions(kit), [])
    }
  })

  test('a sign-in that is overtaken by a frame does not live on either; one of another session does', async () => {
    const hub = await createOidcHub()
    await using kit = hub.kit
    const browser = kit.browser()
    const back = await hub.upstream.grant(await begin(hub, browser))
    // The provider gives its token by the clock of the machine, a moment from now: the frame has to be the later one.
    kit.clock.advance(30_000)
    const frame = await kit.app.inject({ url: `/sp/social/frontchannel-logout.openid?iss=${encodeURIComponent(hub.upstream.issuer)}&sid=social-sid-1` })
    assert.equal(frame.statusCode, 200)
    let page = await browser.get(back)
    for (let i = 0; i < 5 && page.statusCode === 303; i++) page = await browser.get(String(page.headers.location))
    assert.match(page.body, /CURFEW_OIDC_SESSION_OVER/)
    assert.deepEqual(await liveSessions(kit), [])
    await signInAt(hub, kit.browser(), { sid: 'social-sid-2' })
    assert.equal((await liveSessions(kit)).length, 1)
  })

  test('frames of strangers make it remember so much and no more, and end the session that is there all the same', async () => {
    const hub = await createOidcHub()
    await using kit = hub.kit
    await signInAt(hub, kit.browser(), { sid: 'social-sid-9' })
    const frame = (sid: string) => kit.app.inject({ url: `/sp/social/frontchannel-logout.openid?iss=${encodeURIComponent(hub.upstream.issuer)}&sid=${sid}` })
    let kept = 0
    const { putArtifact } = kit.store
    kit.store.putArtifact = async (artifact) => {
      if (artifact.kind === 'UpstreamLogout') kept += 1
      return putArtifact(artifact)
    }
    for (let i = 0; i < 200; i++) assert.equal((await frame(`made-up-${i}`)).statusCode, 200)
    assert.equal(kept, 60)
    assert.equal((await frame('social-sid-9')).statusCode, 200)
    assert.deepEqual(await liveSessions(kit), [])
  })

  test('a sign-in after the logout is not touched by it', async () => {
    const hub = await createOidcHub()
    await using kit = hub.kit
    const past = Math.floor(kit.clock.nowMs() / 1000) - 30
    await postLogoutToken(hub, await hub.upstream.logoutToken({ sub: 'u-1', iat: past }))
    await signInAt(hub, kit.browser())
    assert.equal((await liveSessions(kit)).length, 1)
  })
})
