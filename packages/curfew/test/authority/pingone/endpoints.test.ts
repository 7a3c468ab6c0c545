import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { status, statusUri } from '@curfew/codecs'
import type { IdentityProviderSettings } from '../../../src/authority/saml/settings.ts'
import { formOf } from '../browser.ts'
import { createFakeClock } from '../fake-clock.ts'
import { createUpstream, nameIdOf } from '../identity-provider.ts'
import { authorityPair, createKit, signIn } from '../kit.ts'
import { clientOf, tokensFor } from '../oidc/relying-party.ts'
import { carry, deliver, type Hub, hubWithApps, begin, lastRun, liveSessions } from '../saml-sp/hub.ts'

const typed = { 'sec-fetch-site': 'none' }
const sloUrl = 'http://curfew.test/sso/SLO.saml2'

async function payrollIn(hub: Hub) {
  const [session] = await liveSessions(hub.kit)
  const own = (await hub.kit.store.getParticipants(session?.id ?? 'ses_')).find((p) => p.peerId === 'payroll')
  return own ?? assert.fail('payroll takes part')
}

function at(url: string, address: string): string {
  return `${address}${address.includes('?') ? '&' : '?'}${url.slice(url.indexOf('?') + 1)}`
}

suite('PingOne: /sso/SLO.saml2', () => {
  for (const slash of ['', '/']) {
    test(`AC-202 a SAML application starts at SLO.saml2${slash}: the others are asked, the session ends, the starter gets its answer`, async () => {
      const { hub, browser } = await hubWithApps()
      await using kit = hub.kit
      const own = await payrollIn(hub)
      const payroll = kit.partner('payroll')
      const request = payroll.logoutRequest(own.nameId, [own.sessionIndex], { destination: sloUrl + slash })
      await browser.get(at(await payroll.logoutRedirect(request), sloUrl + slash))
      const run = await lastRun(hub)
      assert.deepEqual(await liveSessions(kit), [])
      assert.deepEqual(await carry(hub, browser, run.id), ['campus', 'intranet'])
      const response = payroll.readLogoutResponse(String((await browser.get(`/signoff/${run.id}/finish`)).headers.location))
      assert.equal(response.inResponseTo, request.id)
      assert.ok(status.isSuccess(response.status) && !status.isPartialLogout(response.status))
    })
  }

  test('AC-216 the identity provider starts at the same address, and is not called back', async () => {
    const { hub, browser } = await hubWithApps()
    await using kit = hub.kit
    const request = hub.upstream.logoutRequest(nameIdOf('ana'), ['index-1'], { destination: sloUrl })
    await browser.get(at(await hub.upstream.logoutRedirect(request), sloUrl))
    const run = await lastRun(hub)
    assert.deepEqual(await liveSessions(kit), [])
    assert.deepEqual(await carry(hub, browser, run.id), ['payroll', 'intranet'])
    const response = hub.upstream.readLogoutResponse(String((await browser.get(`/signoff/${run.id}/finish`)).headers.location))
    assert.ok(status.isSuccess(response.status) && !status.isPartialLogout(response.status))
  })

  test('answers to our own requests are taken here, too', async () => {
    const { hub, browser } = await hubWithApps({}, ['payroll'])
    await using kit = hub.kit
    await browser.get('/sso/initslo/', typed)
    const run = await lastRun(hub)
    const first = String((await browser.get(`/signoff/${run.id}/go`)).headers.location)
    await browser.get(await hub.upstream.logoutAnswer(hub.upstream.readLogoutRequest(first)))
    const asked = kit.partner('payroll').readLogoutRequest(String((await browser.get(`/signoff/${run.id}/go`)).headers.location))
    const { logoutAnswer } = kit.partner('payroll')
    const wrong = at(await logoutAnswer(asked), sloUrl)
    // Addressed to /idp/SLO.saml2: here it is somebody else's.
    assert.equal((await browser.get(wrong)).headers.location, `/signoff/${run.id}`)
    assert.equal((await lastRun(hub)).deliveries.find((d) => d.peerId === 'payroll')?.outcome?.kind, 'unconfirmed')
  })

  suite('one entity that is an application and an identity provider, with other keys and other rules in each role', () => {
    const twice = (settings: Partial<IdentityProviderSettings>) => {
      const asProvider = createUpstream('payroll-idp', createFakeClock(), authorityPair, { entityId: 'http://payroll.test/saml', ...settings })
      return hubWithApps({}, ['payroll', 'intranet'], {}, [asProvider])
    }
    const rules: readonly (readonly [string, Partial<IdentityProviderSettings>])[] = [
      ['other keys', {}],
      ['another binding', { incomingBindings: ['soap'] }],
      ['no right to start', { profiles: { idpInitiatedSlo: false } }]
    ]
    for (const [what, settings] of rules) {
      test(`${what} of the provider's connection do not bind the application's`, async () => {
        const { hub, browser } = await twice(settings)
        await using kit = hub.kit
        const own = await payrollIn(hub)
        const payroll = kit.partner('payroll')
        const request = payroll.logoutRequest(own.nameId, [own.sessionIndex], { destination: sloUrl })
        const answered = await browser.get(at(await payroll.logoutRedirect(request), sloUrl))
        assert.equal(answered.statusCode, 303, answered.body)
        assert.deepEqual(await liveSessions(kit), [])
        // Nothing of the kind is known: still an answer of the application's connection, no refusal.
        const unknown = await browser.get(at(await payroll.logoutRedirect(payroll.logoutRequest(own.nameId, ['none'], { destination: sloUrl })), sloUrl))
        assert.ok(status.isUnknownPrincipal(payroll.readLogoutResponse(String(unknown.headers.location)).status))
      })
    }

    test('a message that neither key proves is refused', async () => {
      const { hub, browser } = await twice({})
      await using kit = hub.kit
      const own = await payrollIn(hub)
      const request = kit.partner('payroll').logoutRequest(own.nameId, [own.sessionIndex], { destination: sloUrl })
      const foreign = await kit.partner('intranet').logoutRedirect(request)
      const answered = await browser.get(at(foreign, sloUrl))
      assert.equal(answered.statusCode, 400)
      assert.match(answered.body, /CURFEW_SAML_SIGNATURE_INVALID/)
      assert.equal((await liveSessions(kit)).length, 1)
    })
  })

  test('AC-201 refuses whatever is not SAML, ends nothing and names the address that would', async () => {
    const { hub, browser } = await hubWithApps()
    await using kit = hub.kit
    for (const slash of ['', '/']) {
      const got = await browser.get(`/sso/SLO.saml2${slash}?page=x`, typed)
      const posted = await browser.post(`/sso/SLO.saml2${slash}`, { anything: 'else' }, typed)
      for (const answer of [got, posted]) {
        assert.equal(answer.statusCode, 400)
        assert.match(answer.body, /CURFEW_PINGONE_NOT_SAML/)
      }
    }
    const broken = await browser.get('/sso/SLO.saml2?SAMLRequest=nothing', typed)
    assert.equal(broken.statusCode, 400)
    const request = kit.partner('payroll').authnRequest({ destination: sloUrl })
    const url = await kit.partner('payroll').ssoRedirect({ ...request })
    assert.match((await browser.get(at(url, '/sso/SLO.saml2'))).body, /CURFEW_SAML_STRUCTURE/)
    assert.equal((await liveSessions(kit)).length, 1)
  })

  test('AC-201 a stranger, a wrong Destination and a second use are refused', async () => {
    const { hub, browser } = await hubWithApps()
    await using kit = hub.kit
    const own = await payrollIn(hub)
    const payroll = kit.partner('payroll')
    const elsewhere = payroll.logoutRequest(own.nameId, [own.sessionIndex], { destination: 'http://curfew.test/idp/SLO.saml2' })
    assert.match((await browser.get(at(await payroll.logoutRedirect(elsewhere), sloUrl))).body, /CURFEW_SAML_DESTINATION/)
    const stranger = payroll.logoutRequest(own.nameId, [own.sessionIndex], { destination: sloUrl, issuer: 'http://nobody.test/saml' })
    assert.match((await browser.get(at(await payroll.logoutRedirect(stranger), sloUrl))).body, /CURFEW_SAML_PEER_UNKNOWN/)
    assert.equal((await liveSessions(kit)).length, 1)
    const good = at(await payroll.logoutRedirect(payroll.logoutRequest(own.nameId, [own.sessionIndex], { destination: sloUrl })), sloUrl)
    await browser.get(good)
    assert.match((await browser.get(good)).body, /CURFEW_SAML_REPLAYED/)
    assert.equal((await kit.store.listRuns({ limit: 5 })).items.length, 1)
  })

  test('AC-213 idpid limits what a LogoutRequest ends to sessions that came from there', async () => {
    const { hub, browser } = await hubWithApps({ pingOne: { idpids: new Map([['campus', '9fcc1c2e']]) } }, ['payroll'])
    await using kit = hub.kit
    // The same subject in a second browser, by another identity provider.
    const second = kit.browser()
    await deliver(hub, second, { requestId: (await begin(hub, second, '', hub.other)).id, sessionIndex: 'index-2' }, hub.other)
    const page = await second.get(await kit.partner('payroll').ssoRedirect())
    assert.equal(page.statusCode, 200)
    assert.equal((await liveSessions(kit)).length, 2)
    const payroll = kit.partner('payroll')
    const sessions = await liveSessions(kit)
    const indexes: string[] = []
    const names = []
    for (const session of sessions) {
      const own = (await kit.store.getParticipants(session.id)).find((p) => p.peerId === 'payroll')
      indexes.push(own?.sessionIndex ?? '')
      names.push(own?.nameId ?? nameIdOf('nobody'))
    }
    const address = `${sloUrl}?idpid=9fcc1c2e`
    // A LogoutRequest has one subject; the session of the other identity provider has another name at this partner.
    for (const name of names) {
      const request = payroll.logoutRequest(name, indexes, { destination: address })
      await browser.get(at(await payroll.logoutRedirect(request), address))
    }
    assert.deepEqual(
      (await liveSessions(kit)).map(({ sourceId }) => sourceId),
      ['guests']
    )
  })

  test('AC-214 idpid that no session carries ends nothing; the partner learns that nobody was found', async () => {
    const { hub, browser } = await hubWithApps()
    await using kit = hub.kit
    const own = await payrollIn(hub)
    const payroll = kit.partner('payroll')
    const address = `${sloUrl}/?idpid=somebody-else`
    const request = payroll.logoutRequest(own.nameId, [own.sessionIndex], { destination: `${sloUrl}/` })
    const answer = await browser.get(at(await payroll.logoutRedirect(request), address))
    assert.deepEqual(payroll.readLogoutResponse(String(answer.headers.location)).status.subcodes, [statusUri.unknownPrincipal])
    assert.equal((await liveSessions(kit)).length, 1)
  })
})

suite('PingOne: /sso/initslo/', () => {
  for (const path of ['/sso/initslo', '/sso/initslo/']) {
    for (const method of ['get', 'post'] as const) {
      test(`AC-203 ${method.toUpperCase()} ${path} asks the identity provider and every application once, then lands`, async () => {
        const { hub, browser } = await hubWithApps({ partners: { payroll: { homeUrl: 'https://pay.example/' }, intranet: {} } })
        await using kit = hub.kit
        const page = 'https://pay.example/bye'
        if (method === 'get') await browser.get(`${path}?page=${encodeURIComponent(page)}`, typed)
        else await browser.post(path, { page }, typed)
        const run = await lastRun(hub)
        assert.deepEqual(await liveSessions(kit), [])
        assert.deepEqual(await carry(hub, browser, run.id), ['campus', 'payroll', 'intranet'])
        assert.equal((await browser.get(`/signoff/${run.id}/finish`)).headers.location, page)
        assert.deepEqual(new Set((await lastRun(hub)).deliveries.map(({ outcome }) => outcome?.kind)), new Set(['ended']))
      })
    }
  }

  test('AC-216 an OpenID client in the session is told in the same run', async () => {
    const told: string[] = []
    await using kit = await createKit({
      partners: {},
      clients: [clientOf('wiki', { homeUrl: 'https://wiki.example/' })],
      startMs: Temporal.Now.instant().epochMilliseconds,
      network: async ({ url }) => {
        told.push(url)
        return { status: 200 }
      }
    })
    const browser = kit.browser()
    await tokensFor(kit, browser, 'wiki')
    const started = await browser.get(`/sso/initslo?page=${encodeURIComponent('https://wiki.example/out')}`, typed)
    const runId = /run_\w+/.exec(String(started.headers.location))?.[0] ?? assert.fail()
    for (let i = 0; i < 5_000 && told.length === 0; i++) await new Promise((resolve) => setTimeout(resolve, 5))
    await kit.ctx.engine.waitFor(runId as `run_${string}`, (run) => run.state === 'done', kit.clock.nowMs() + 5_000)
    assert.deepEqual(told, ['http://wiki.test/backchannel'])
    assert.equal((await browser.get(`/signoff/${runId}/finish`)).headers.location, 'https://wiki.example/out')
  })

  test('a page of a stranger has to ask, and the answer goes on with the page', async () => {
    const { hub, browser } = await hubWithApps({ partners: { payroll: { homeUrl: 'https://pay.example/' } } }, ['payroll'])
    await using kit = hub.kit
    for (const ending of ['initslo', 'terminatesession']) {
      const asked = await browser.get(`/sso/${ending}/?page=https%3A%2F%2Fpay.example%2Fbye`, {
        'sec-fetch-site': 'cross-site',
        referer: 'https://evil.example/'
      })
      const form = formOf(asked.body)
      assert.equal(form.action, `/sso/${ending}`)
      assert.equal((await browser.post(form.action, { ...form.fields, csrfToken: 'forged', consentGiven: 'true' })).statusCode, 403)
      assert.match((await browser.post(form.action, { ...form.fields, consentGiven: 'false' })).body, /Nothing was signed out/)
      assert.equal((await liveSessions(kit)).length, 1)
    }
    const form = formOf((await browser.get('/sso/terminatesession?page=https%3A%2F%2Fpay.example%2Fbye', { 'sec-fetch-site': 'cross-site' })).body)
    assert.equal((await browser.post(form.action, { ...form.fields, choice: 'everywhere' })).headers.location, 'https://pay.example/bye')
    assert.deepEqual(await liveSessions(kit), [])
  })

  test('pages of configured applications and identity providers need no question', async () => {
    for (const referer of ['http://payroll.test/menu', 'http://campus.test/logout']) {
      const { hub, browser } = await hubWithApps({}, ['payroll'])
      await using kit = hub.kit
      await browser.get('/sso/initslo/', { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'document', referer })
      assert.deepEqual(await liveSessions(kit), [], referer)
    }
  })

  test('a form of another site, which comes without cookies, is asked for again by GET', async () => {
    const { hub } = await hubWithApps()
    await using kit = hub.kit
    const answer = await kit.browser().post('/sso/initslo/', { page: 'https://pay.example/', idpid: 'campus', other: 'x' })
    assert.equal(answer.headers.location, '/sso/initslo?page=https%3A%2F%2Fpay.example%2F&idpid=campus')
  })
})

suite('PingOne: /sso/terminatesession', () => {
  for (const path of ['/sso/terminatesession', '/sso/terminatesession/']) {
    test(`AC-204 ${path} ends the own session, asks nobody, shows them as not asked and revokes the session`, async () => {
      const { hub, browser } = await hubWithApps({ network: async () => assert.fail('nobody may be asked') })
      await using kit = hub.kit
      const [session] = await liveSessions(kit)
      const started = await browser.get(path, typed)
      const run = await lastRun(hub)
      assert.equal(started.headers.location, `/signoff/${run.id}`)
      assert.deepEqual(await liveSessions(kit), [])
      assert.deepEqual(
        run.deliveries.map(({ peerId, state, outcome, attempts }) => [peerId, state, outcome?.kind, attempts.length]),
        ['campus', 'payroll', 'intranet'].map((peer) => [peer, 'final', 'not-asked', 0])
      )
      assert.deepEqual([run.state, kit.probed.length], ['done', 0])
      assert.ok(await kit.store.isRevoked(session?.sri ?? '', kit.clock.nowMs()))
      const page = await browser.get(`/signoff/${run.id}`)
      assert.match(page.body, /Not signed out everywhere/)
      assert.match(page.body, /Not asked/)
      assert.equal(browser.cookies.has('PF'), false)
    })
  }

  test('AC-204 an outcome of that kind never counts as signed out, and can not be retried by the visitor', async () => {
    const { hub, browser } = await hubWithApps({}, ['payroll'])
    await using _kit = hub.kit
    await browser.get('/sso/terminatesession', typed)
    const page = await browser.get(`/signoff/${(await lastRun(hub)).id}`)
    assert.doesNotMatch(page.body, /signed out everywhere\.|Try again/)
  })
})

suite('PingOne: idpid', () => {
  for (const ending of ['initslo', 'terminatesession']) {
    test(`AC-213 ${ending} ends the session of this browser when it carries the value`, async () => {
      const { hub, browser } = await hubWithApps({ pingOne: { idpids: new Map([['campus', '9fcc1c2e']]) } }, [])
      await using kit = hub.kit
      await browser.get(`/sso/${ending}/?idpid=9fcc1c2e`, typed)
      assert.deepEqual(await liveSessions(kit), [])
    })

    test(`AC-214 ${ending} ends nothing when it does not, still lands, and never says that somebody was signed out`, async () => {
      const { hub, browser } = await hubWithApps({ pingOne: { idpids: new Map([['campus', '9fcc1c2e']]) } }, [])
      await using kit = hub.kit
      for (const idpid of ['campus', '9FCC1C2E', '9fcc1c2', '', 'other']) {
        const plain = await browser.get(`/sso/${ending}/?idpid=${idpid}`, typed)
        assert.match(plain.body, /Nothing was signed out/)
        const to = await browser.get(`/sso/${ending}/?idpid=${idpid}&page=https%3A%2F%2Fdesktop.pingone.com%2Fx`, typed)
        assert.equal(to.headers.location, 'https://desktop.pingone.com/x')
      }
      assert.equal((await liveSessions(kit)).length, 1)
      assert.equal((await kit.store.listRuns({ limit: 5 })).items.length, 0)
    })
  }

  test('AC-213 sessions of the sign-in form carry the value of the form', async () => {
    await using kit = await createKit({ pingOne: { idpids: new Map([['form', 'local-people']]) } })
    const browser = kit.browser()
    await signIn(browser, '/')
    await browser.get('/sso/initslo?idpid=form', typed)
    assert.equal((await liveSessions(kit)).length, 1)
    await browser.get('/sso/initslo?idpid=local-people', typed)
    assert.deepEqual(await liveSessions(kit), [])
  })

  test('the prefix of the addresses is configurable', async () => {
    const { hub, browser } = await hubWithApps({ pingOne: { prefix: '/one/' } }, [])
    await using kit = hub.kit
    assert.equal((await browser.get('/sso/initslo/', typed)).statusCode, 404)
    await browser.get('/one/initslo/', typed)
    assert.deepEqual(await liveSessions(kit), [])
  })
})
