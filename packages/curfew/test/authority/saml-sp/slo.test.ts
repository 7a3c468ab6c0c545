import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { bindingUri, decodePost, logoutReason, status, statusUri } from '@curfew/codecs'
import { type Browser, formOf } from '../browser.ts'
import { nameIdOf, spSloSoapUrl } from '../identity-provider.ts'
import { moving } from '../moving.ts'
import { begin, carry, createHub, deliver, hubWithApps, lastRun, liveSessions, signInAt } from './hub.ts'

suite('Logout across an identity provider and applications', () => {
  test('the identity provider starts it: every application is told, the provider is not called back and gets its answer once', async () => {
    const { hub, browser } = await hubWithApps()
    await using kit = hub.kit
    const request = hub.upstream.logoutRequest(nameIdOf('ana'), ['index-1'])
    const page = await browser.get(await hub.upstream.logoutRedirect(request))
    const run = await lastRun(hub)
    assert.equal(page.headers.location, `/signoff/${run.id}`)
    assert.equal(run.reason, 'upstream')
    assert.deepEqual(await liveSessions(kit), [])
    assert.deepEqual(await carry(hub, browser, run.id), ['payroll', 'intranet'])
    const back = await browser.get(`/signoff/${run.id}/finish`)
    const response = hub.upstream.readLogoutResponse(String(back.headers.location))
    assert.equal(response.inResponseTo, request.id)
    assert.ok(status.isSuccess(response.status) && !status.isPartialLogout(response.status))
    assert.doesNotMatch(String((await browser.get(`/signoff/${run.id}/finish`)).headers.location), /campus/)
  })

  test('an application that refuses makes the answer to the identity provider PartialLogout', async () => {
    const { hub, browser } = await hubWithApps()
    await using _kit = hub.kit
    await browser.get(await hub.upstream.logoutRedirect(hub.upstream.logoutRequest(nameIdOf('ana'), [])))
    const run = await lastRun(hub)
    await carry(hub, browser, run.id, status.responder())
    const back = await browser.get(`/signoff/${run.id}/finish`)
    const response = hub.upstream.readLogoutResponse(String(back.headers.location))
    assert.ok(status.isSuccess(response.status) && status.isPartialLogout(response.status))
  })

  test('an application starts it: the identity provider is asked first, then the other applications, then the starter is answered', async () => {
    const { hub, browser } = await hubWithApps()
    await using kit = hub.kit
    const payroll = kit.partner('payroll')
    const [session] = await liveSessions(kit)
    const own = (await kit.store.getParticipants(session?.id ?? 'ses_')).find((p) => p.peerId === 'payroll')
    assert.ok(own !== undefined)
    await browser.get(await payroll.logoutRedirect(payroll.logoutRequest(own.nameId, [own.sessionIndex])))
    const run = await lastRun(hub)
    assert.deepEqual(await carry(hub, browser, run.id), ['campus', 'intranet'])
    const back = await browser.get(`/signoff/${run.id}/finish`)
    assert.ok(status.isSuccess(payroll.readLogoutResponse(String(back.headers.location)).status))
  })

  test('AC-136 /sp/startSLO.ping sends one LogoutRequest to the identity provider and honours its landing addresses and adapter', async () => {
    const targets = [{ domain: 'apps.test', requireHttps: false, allowQueryAndFragment: false }]
    const { hub, browser } = await hubWithApps({ logout: { targets } }, [])
    await using kit = hub.kit
    const other = await browser.get('/sp/startSLO.ping?SpSessionAuthnAdapterId=guests', { 'sec-fetch-site': 'none' })
    assert.equal(other.headers.location, '/signoff/done')
    assert.equal((await liveSessions(kit)).length, 1)
    const landing = '&TargetResource=http%3A%2F%2Fapps.test%2Fbye&InErrorResource=http%3A%2F%2Fapps.test%2Foops'
    await browser.get(`/sp/startSLO.ping?SpSessionAuthnAdapterId=campus${landing}`, { 'sec-fetch-site': 'none' })
    const run = await lastRun(hub)
    assert.deepEqual(await carry(hub, browser, run.id), ['campus'])
    assert.equal((await browser.get(`/signoff/${run.id}/finish`)).headers.location, 'http://apps.test/bye')
    assert.deepEqual(run.starter, { kind: 'user', landingUrl: 'http://apps.test/bye', errorUrl: 'http://apps.test/oops' })
  })

  suite('an identity provider that gives no SessionIndex, and does not answer at first, while the person is signed in once more', () => {
    const outcomeWith = async ({ isSilent = false, ...index }: { readonly isSilent?: boolean; readonly sessionIndex?: string }) => {
      let asked = 0
      const network = async () => {
        asked += 1
        return { status: 500, headers: { 'content-type': 'text/html' } }
      }
      const hub = await createHub({ partners: {}, network }, { slo: [{ binding: 'soap', url: 'http://campus.test/soap' }] })
      await using kit = hub.kit
      const instant = () => Temporal.Instant.fromEpochMilliseconds(kit.clock.nowMs())
      const signIn = async (browser: Browser, authnInstant: Temporal.Instant) => {
        const authnStatement = { authnInstant, classRef: 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport', ...index }
        return deliver(hub, browser, { requestId: (await begin(hub, browser)).id, assertion: { authnStatement } })
      }
      const signedInAt = instant()
      const browser = kit.browser()
      await signIn(browser, signedInAt)
      kit.clock.advance(1_000)
      await browser.get('/sp/startSLO.ping', { 'sec-fetch-site': 'none' })
      const delivery = async () => (await lastRun(hub)).deliveries[0]
      await moving(kit, async () => (await delivery())?.state === 'retrying')
      kit.clock.advance(1)
      await signIn(isSilent ? browser : kit.browser(), isSilent ? signedInAt : instant())
      await moving(kit, async () => asked > 1 || (await delivery())?.state === 'final')
      return { isAskedAgain: asked > 1, outcome: (await delivery())?.outcome }
    }
    test('is not asked again where they signed in there anew', async () => {
      const outcome = { kind: 'unconfirmed', code: 'CURFEW_RUN_OPENED_AGAIN' }
      assert.deepEqual(await outcomeWith({}), { isAskedAgain: false, outcome })
    })
    test('is asked again where it let them in by the session that was to end: nothing else would end that', async () => {
      assert.equal((await outcomeWith({ isSilent: true })).isAskedAgain, true)
    })
    test('is asked again where it says which session is meant', async () => {
      assert.equal((await outcomeWith({ sessionIndex: 'index-1' })).isAskedAgain, true)
    })
  })

  test('an identity provider that gives no SessionIndex is visited with the browser that signs out, whoever signed in there elsewhere meanwhile', async () => {
    const hub = await createHub({ partners: {} })
    await using kit = hub.kit
    const signIn = async (browser: Browser) => deliver(hub, browser, { requestId: (await begin(hub, browser)).id })
    const browser = kit.browser()
    await signIn(browser)
    kit.clock.advance(1_000)
    await browser.get('/sp/startSLO.ping', { 'sec-fetch-site': 'none' })
    const { id } = await lastRun(hub)
    kit.clock.advance(1_000)
    await signIn(kit.browser())
    assert.deepEqual(await carry(hub, browser, id), ['campus'])
    assert.deepEqual([(await lastRun(hub)).deliveries[0]?.outcome?.kind, (await liveSessions(kit)).length], ['ended', 1])
  })

  suite('AC-136 Binding at /sp/startSLO.ping says what the LogoutRequest leaves by', () => {
    const slo = [
      { binding: 'redirect' as const, url: 'http://campus.test/slo' },
      { binding: 'post' as const, url: 'http://campus.test/post' },
      { binding: 'artifact' as const, url: 'http://campus.test/artifact' },
      { binding: 'soap' as const, url: 'http://campus.test/soap' }
    ]
    const leftBy = async (binding: string | undefined): Promise<string> => {
      const asked = Promise.withResolvers<{ readonly url: string; readonly body: string }>()
      const { hub, browser } = await hubWithApps(
        {
          network: async ({ url, body }) => {
            asked.resolve({ url, body: Buffer.from(body ?? '').toString() })
            return { status: 500, headers: { 'content-type': 'text/html' } }
          }
        },
        [],
        { slo }
      )
      await using _kit = hub.kit
      const query = binding === undefined ? '' : `?Binding=${encodeURIComponent(binding)}`
      await browser.get(`/sp/startSLO.ping${query}`, { 'sec-fetch-site': 'none' })
      const run = await lastRun(hub)
      if (run.deliveries[0]?.channels[0]?.kind === 'server') {
        const { url, body } = await asked.promise
        assert.match(body, /<samlp:LogoutRequest/)
        return `SOAP to ${url}`
      }
      const sent = await browser.get(`/signoff/${run.id}/go`)
      if (sent.statusCode !== 303) {
        const { action, fields } = formOf(sent.body)
        assert.equal(decodePost(Object.entries(fields)).kind, 'LogoutRequest')
        return `POST to ${action}`
      }
      const { origin, pathname, searchParams } = new URL(String(sent.headers.location))
      assert.ok(searchParams.has(pathname === '/artifact' ? 'SAMLart' : 'SAMLRequest'))
      return `Redirect to ${origin}${pathname}`
    }
    for (const [name, uri, expected] of [
      ['HTTP-Redirect', bindingUri('redirect'), 'Redirect to http://campus.test/slo'],
      ['HTTP-POST', bindingUri('post'), 'POST to http://campus.test/post'],
      ['HTTP-Artifact', bindingUri('artifact'), 'Redirect to http://campus.test/artifact'],
      ['SOAP', bindingUri('soap'), 'SOAP to http://campus.test/soap'],
      ['nothing said: server to server first', undefined, 'SOAP to http://campus.test/soap'],
      ['a binding that nobody speaks: the same', 'urn:oasis:names:tc:SAML:2.0:bindings:PAOS', 'SOAP to http://campus.test/soap']
    ] as const)
      test(name, async () => assert.equal(await leftBy(uri), expected))
  })

  test('by SOAP the answer comes in the same exchange and says what could not be confirmed', async () => {
    const { hub } = await hubWithApps()
    await using kit = hub.kit
    const request = hub.upstream.logoutRequest(nameIdOf('ana'), ['index-1'], { destination: spSloSoapUrl })
    const answer = kit.app.inject({
      method: 'POST',
      url: '/sp/SLO.ssaml2',
      headers: { 'content-type': 'text/xml' },
      payload: await hub.upstream.logoutSoap(request)
    })
    // The server waits as long as its patience for applications that only a browser reaches.
    const waited = setInterval(() => kit.clock.advance(1_000), 5)
    const response = hub.upstream.readSoapResponse((await answer).body)
    clearInterval(waited)
    assert.ok(status.isPartialLogout(response.status))
    assert.deepEqual(await liveSessions(kit), [])
  })

  test('by SOAP without applications the session is ended and the answer is Success', async () => {
    const { hub } = await hubWithApps({}, [])
    await using kit = hub.kit
    const request = hub.upstream.logoutRequest(nameIdOf('ana'), [], { destination: spSloSoapUrl, reason: logoutReason.admin })
    const answer = await kit.app.inject({
      method: 'POST',
      url: '/sp/SLO.ssaml2',
      headers: { 'content-type': 'text/xml' },
      payload: await hub.upstream.logoutSoap(request)
    })
    const response = hub.upstream.readSoapResponse(answer.body)
    assert.ok(status.isSuccess(response.status) && !status.isPartialLogout(response.status))
    assert.equal((await lastRun(hub)).reason, 'upstream')
  })

  test('an identity provider ends no session that came from another', async () => {
    const { hub, browser } = await hubWithApps({}, [])
    await using kit = hub.kit
    const page = await browser.get(await hub.other.logoutRedirect(hub.other.logoutRequest(nameIdOf('ana'), ['index-1'])))
    const response = hub.other.readLogoutResponse(String(page.headers.location))
    assert.deepEqual(response.status.subcodes, [statusUri.unknownPrincipal])
    assert.equal((await liveSessions(kit)).length, 1)
  })

  test('a partner of one role is nobody at the endpoints of the other', async () => {
    const { hub, browser } = await hubWithApps()
    await using kit = hub.kit
    const request = hub.upstream.logoutRequest(nameIdOf('ana'), ['index-1'], { destination: 'http://curfew.test/idp/SLO.saml2' })
    const url = (await hub.upstream.logoutRedirect(request)).replace('/sp/', '/idp/')
    assert.match((await browser.get(url)).body, /CURFEW_SAML_PEER_UNKNOWN/)
    const payroll = kit.partner('payroll')
    const own = payroll.logoutRequest(nameIdOf('ana'), [], { destination: 'http://curfew.test/sp/SLO.saml2' })
    assert.match((await browser.get((await payroll.logoutRedirect(own)).replace('/idp/', '/sp/'))).body, /CURFEW_SAML_PEER_UNKNOWN/)
    assert.equal((await liveSessions(kit)).length, 1)
  })

  test('a provider whose profile excludes logout is not asked, and the page says so', async () => {
    const hub = await createHub({}, { profiles: { spInitiatedSlo: false, idpInitiatedSlo: false } })
    await using kit = hub.kit
    const browser = kit.browser()
    await signInAt(hub, browser)
    const refused = await browser.get(await hub.upstream.logoutRedirect(hub.upstream.logoutRequest(nameIdOf('ana'), [])))
    assert.deepEqual(hub.upstream.readLogoutResponse(String(refused.headers.location)).status.subcodes, [statusUri.requestDenied])
    await browser.get('/sp/startSLO.ping', { 'sec-fetch-site': 'none' })
    const run = await lastRun(hub)
    assert.deepEqual(
      run.deliveries.map(({ outcome }) => outcome?.kind),
      ['not-asked']
    )
  })
})
