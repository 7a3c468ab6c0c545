import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { status, statusUri } from '@curfew/codecs'
import { consumerUrl } from '../identity-provider.ts'
import { createPartner } from '../partner.ts'
import { formOf } from '../browser.ts'
import { authorityPair, signIn as signInAtForm } from '../kit.ts'
import { begin, createHub, deliver, follow, liveSessions, signInAt } from './hub.ts'

const target = { domain: 'apps.test', requireHttps: false, allowQueryAndFragment: true }

suite('Sign-in at an identity provider', () => {
  test('AC-002 a server with an upstream and without applications or users starts, signs people in and out, and its IdP registry stays empty', async () => {
    const hub = await createHub()
    await using kit = hub.kit
    const browser = kit.browser()
    const home = await signInAt(hub, browser)
    assert.match(home.body, /Signed in as ana/)
    const [session] = await liveSessions(kit)
    assert.ok(session !== undefined)
    const participants = await kit.store.getParticipants(session.id)
    assert.deepEqual(
      participants.map(({ role, peerId, sessionIndex }) => [role, peerId, sessionIndex]),
      [['upstream', 'campus', 'index-1']]
    )
    const left = await follow(browser, await browser.get('/idp/startSLO.ping', { 'sec-fetch-site': 'none' }))
    const away = await follow(browser, await browser.get(/\/signoff\/run_\w+/.exec(left.body)?.[0] + '/go'))
    const request = hub.upstream.readLogoutRequest(String(away.headers.location))
    assert.deepEqual([request.subject.value, request.sessionIndexes], ['ana', ['index-1']])
    const done = await follow(browser, await browser.get(await hub.upstream.logoutAnswer(request)))
    assert.match(done.body, /signed out everywhere/)
    assert.deepEqual(await liveSessions(kit), [])
  })

  test('asks by a signed AuthnRequest that names where the answer goes', async () => {
    const hub = await createHub()
    await using kit = hub.kit
    const request = await begin(hub, kit.browser())
    assert.equal(request.assertionConsumerServiceURL, consumerUrl)
    assert.equal(request.destination, 'http://campus.test/sso')
    assert.equal(request.nameIdPolicy?.allowCreate, true)
  })

  test('ends at the TargetResource that is allowed, and at the start page for any other', async () => {
    const hub = await createHub({ signOn: { targets: [target] } })
    await using kit = hub.kit
    const landed = await signInAt(hub, kit.browser(), {}, `&TargetResource=${encodeURIComponent('http://apps.test/inbox?a=1')}`)
    assert.equal(landed.headers.location, 'http://apps.test/inbox?a=1')
    const ignored = await signInAt(hub, kit.browser(), {}, `&TargetResource=${encodeURIComponent('http://evil.test/')}`)
    assert.match(ignored.body, /Signed in as ana/)
  })

  test('a single sign-on of an application goes to the identity provider that the person chose, and back to the application', async () => {
    const hub = await createHub({ partners: { payroll: {} } })
    await using kit = hub.kit
    const browser = kit.browser()
    const payroll = kit.partner('payroll')
    const away = await follow(browser, await browser.get(await payroll.ssoRedirect()))
    const chosen = /href="([^"]*identityProvider=campus)"/.exec(away.body)?.[1]
    assert.ok(chosen !== undefined, away.body)
    assert.match(away.body, /Sign in with Guests/)
    assert.doesNotMatch(away.body, /type="password"/)
    const sent = await browser.get(chosen)
    const asked = hub.upstream.readAuthnRequest(String(sent.headers.location))
    const page = await deliver(hub, browser, { requestId: asked.id, attributes: [{ name: 'mail', values: ['ana@campus.test'] }] })
    const { response } = payroll.readResponse(page.body)
    assert.deepEqual(
      response.assertion?.attributes.map(({ values }) => values),
      [['ana@campus.test']]
    )
  })

  test('the form and the identity providers stand on one page, and either way in works', async () => {
    const hub = await createHub({ signOn: { hasForm: true } })
    await using kit = hub.kit
    const browser = kit.browser()
    const page = await follow(browser, await browser.get('/'))
    assert.match(page.body, /type="password"/)
    assert.match(page.body, /Or sign in elsewhere/)
    assert.equal((await signInAtForm(kit.browser(), '/')).headers.location, '/')
  })

  test('ForceAuthn of an application is passed on', async () => {
    const hub = await createHub({ partners: { payroll: {} } }, {})
    await using kit = hub.kit
    const payroll = kit.partner('payroll')
    const browser = kit.browser()
    const forced = await follow(browser, await browser.get(await payroll.ssoRedirect({ forceAuthn: true })))
    const chosen = /href="([^"]*identityProvider=campus)"/.exec(forced.body)?.[1] ?? ''
    assert.equal(hub.upstream.readAuthnRequest(String((await browser.get(chosen)).headers.location)).forceAuthn, true)
  })

  test('ForceAuthn of an application is met by a sign-in after it, and by no older one', async () => {
    const hub = await createHub({ partners: { payroll: {} } }, {})
    await using kit = hub.kit
    const payroll = kit.partner('payroll')
    const ask = async (agoSeconds: number) => {
      const browser = kit.browser()
      const forced = await follow(browser, await browser.get(await payroll.ssoRedirect({ forceAuthn: true })))
      const chosen = /href="([^"]*identityProvider=campus)"/.exec(forced.body)?.[1] ?? ''
      const asked = hub.upstream.readAuthnRequest(String((await browser.get(chosen)).headers.location))
      const authnInstant = Temporal.Instant.fromEpochMilliseconds(kit.clock.nowMs() - agoSeconds * 1000)
      const authnStatement = { authnInstant, classRef: 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport' }
      return deliver(hub, browser, { requestId: asked.id, assertion: { authnStatement } })
    }
    const old = await ask(3_600)
    assert.equal(old.statusCode, 400)
    assert.match(old.body, /CURFEW_SAML_CONDITIONS/)
    assert.deepEqual(await liveSessions(kit), [])
    payroll.readResponse((await ask(0)).body)
    assert.equal((await liveSessions(kit)).length, 1)
  })

  test('a passive request goes on to the only identity provider; its NoPassive reaches the application', async () => {
    const hub = await createHub({ partners: { payroll: {} }, identityProviders: [] })
    await hub.kit[Symbol.asyncDispose]()
    const one = await createHub({
      partners: { payroll: {} },
      identityProviders: [{ settings: hub.upstream.settings, certificatePem: hub.upstream.pair.certificatePem }]
    })
    await using kit = one.kit
    const mine = { ...one, upstream: hub.upstream }
    const browser = kit.browser()
    const payroll = kit.partner('payroll')
    const away = await follow(browser, await browser.get(await payroll.ssoRedirect({ isPassive: true })))
    const asked = mine.upstream.readAuthnRequest(String(away.headers.location))
    assert.equal(asked.isPassive, true)
    const page = await deliver(mine, browser, { requestId: asked.id, status: status.responder(statusUri.noPassive) })
    const { response } = payroll.readResponse(page.body)
    assert.ok(response.status.subcodes.includes(statusUri.noPassive))
    assert.deepEqual(await liveSessions(kit), [])
  })

  test('the user name comes from an attribute where the connection says so', async () => {
    const hub = await createHub({}, { username: 'uid' })
    await using kit = hub.kit
    await signInAt(hub, kit.browser(), { username: 'opaque-77', attributes: [{ name: 'uid', values: ['ana'] }] })
    assert.deepEqual(
      (await liveSessions(kit)).map(({ username, userKey }) => [username, userKey]),
      [['ana', 'campus:ana']]
    )
    const without = await signInAt(hub, kit.browser(), { username: 'opaque-77' })
    assert.equal(without.statusCode, 400)
    assert.match(without.body, /CURFEW_SESSION_USERNAME_MISSING/)
  })

  test('the session lasts no longer than the identity provider says', async () => {
    const hub = await createHub()
    await using kit = hub.kit
    const end = Temporal.Instant.fromEpochMilliseconds(kit.clock.nowMs() + 600_000)
    await signInAt(hub, kit.browser(), {
      assertion: {
        authnStatement: {
          authnInstant: Temporal.Instant.fromEpochMilliseconds(kit.clock.nowMs()),
          classRef: 'urn:x',
          sessionIndex: 'i',
          sessionNotOnOrAfter: end
        }
      }
    })
    const [session] = await liveSessions(kit)
    assert.equal(session?.expiresAtMs, end.epochMilliseconds)
    assert.equal(session?.idleExpiresAtMs, end.epochMilliseconds)
    assert.equal(session?.authnContext, 'urn:x')
  })

  test('somebody else in the same browser: the former session ends with its applications first', async () => {
    const hub = await createHub({ partners: { payroll: {} } })
    await using kit = hub.kit
    const browser = kit.browser()
    await signInAt(hub, browser, { username: 'ana' })
    const request = await begin(hub, browser, '', hub.other)
    const page = await deliver(hub, browser, { requestId: request.id, username: 'ben', sessionIndex: 'b' }, hub.other)
    assert.match(page.body, /signoff|Signing out/)
    const ended = (await kit.store.listRuns({ limit: 5 })).items[0]
    assert.equal(ended?.reason, 'replaced')
    const away = await follow(browser, await browser.get(`/signoff/${ended?.id}/go`))
    const logout = hub.upstream.readLogoutRequest(String(away.headers.location))
    await browser.get(await hub.upstream.logoutAnswer(logout))
    const home = await follow(browser, await browser.get(`/signoff/${ended?.id}/finish`))
    assert.match(home.body, /Signed in as ben/)
  })

  test('an application with the role of an identity provider besides is two partners with one entity ID', async () => {
    const hub = await createHub()
    await hub.kit[Symbol.asyncDispose]()
    const partner = await createPartner('twin', hub.kit.clock, authorityPair, { entityId: hub.upstream.entityId })
    const both = await createHub({ connections: [{ settings: partner.settings, certificatePem: partner.pair.certificatePem }] })
    await using kit = both.kit
    assert.equal(kit.ctx.connections.application(hub.upstream.entityId)?.id, 'twin')
    assert.equal(kit.ctx.connections.identityProvider(hub.upstream.entityId)?.id, 'campus')
  })

  test('people of an identity provider end their other sessions without a password that they do not have', async () => {
    const hub = await createHub({ signOn: { hasForm: true } })
    await using kit = hub.kit
    const browser = kit.browser()
    await signInAt(hub, kit.browser(), { sessionIndex: 'other' })
    await signInAt(hub, browser)
    const page = await browser.get('/signoff/sessions')
    assert.doesNotMatch(page.body, /type="password"/)
    const { action, fields } = formOf(page.body)
    assert.match((await browser.post(action, { ...fields, end: 'others' })).body, /1/)
    assert.equal((await liveSessions(kit)).length, 1)
  })
})
