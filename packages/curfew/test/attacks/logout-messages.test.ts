import assert from 'node:assert/strict'
import { deflateRawSync } from 'node:zlib'
import { suite, test } from 'node:test'
import { encodePost, encodeRedirect, encodeSoap, type LogoutRequest, type NameID, serialiseLogoutRequest, signMessage, status, statusUri } from '@curfew/codecs'
import type { ConnectionSettings } from '../../src/authority/saml/settings.ts'
import { createKit, type Kit, type KitOptions, signIn, signInTo } from '../authority/kit.ts'
import { createPartner, type Partner, sloUrl } from '../authority/partner.ts'
import { makeKeyPair } from '../authority/key-pairs.ts'

/** A session with one application, and what that application knows. */
async function prepared(options: KitOptions = {}) {
  const kit = await createKit(options)
  const browser = kit.browser()
  const payroll = kit.partner('payroll')
  const page = await signIn(browser, `/idp/startSSO.ping?PartnerSpId=${encodeURIComponent(payroll.entityId)}`)
  const { assertion } = payroll.readResponse(page.body).response
  assert.ok(assertion)
  const index = assertion.authnStatement?.sessionIndex ?? ''
  const request = (change: Partial<LogoutRequest> = {}): LogoutRequest => payroll.logoutRequest(assertion.subject.nameId, [index], change)
  return { kit, browser, payroll, request, subject: assertion.subject.nameId, index }
}

/** The refusal changed nothing and told the outside a code and nothing else. */
async function assertRefused(kit: Kit, answer: { statusCode: number; body: string }, code: string, httpStatus = 400) {
  assert.equal(answer.statusCode, httpStatus)
  assert.match(answer.body, new RegExp(code))
  assert.match(answer.body, /msg_[0-9A-Z]{10}/)
  assert.doesNotMatch(answer.body, /payroll|expected|digest|at file:|node:|Error:/i)
  assert.equal((await kit.store.findByUser('local:ana')).length, 1)
  assert.ok(kit.logged.some(({ fields }) => fields['code'] === code))
}

function xmlOf(request: LogoutRequest): string {
  const { head, tail } = serialiseLogoutRequest(request)
  return head + tail
}

function unsignedRedirect(xml: string): string {
  return `${sloUrl}?SAMLRequest=${encodeURIComponent(deflateRawSync(xml).toString('base64'))}`
}

function postOf(xml: string) {
  return encodePost(xml, { parameter: 'SAMLRequest' }).fields
}

suite('messages that are refused at /idp/SLO.saml2', () => {
  test('AC-145 an unsigned LogoutRequest by Redirect and by POST', async () => {
    const { kit, browser, request } = await prepared()
    await using _ = kit
    await assertRefused(kit, await browser.get(unsignedRedirect(xmlOf(request()))), 'CURFEW_SAML_SIGNATURE_MISSING')
    await assertRefused(kit, await browser.post('/idp/SLO.saml2', postOf(xmlOf(request()))), 'CURFEW_SAML_SIGNATURE_MISSING')
  })

  test('AC-145 a LogoutRequest signed with a key that is not the partner’s', async () => {
    const { kit, browser, payroll, request } = await prepared()
    await using _ = kit
    const foreign = { ...payroll.signing, key: makeKeyPair('foreign').key }
    const redirect = await encodeRedirect(sloUrl, { parameter: 'SAMLRequest', xml: xmlOf(request()) }, foreign)
    await assertRefused(kit, await browser.get(redirect), 'CURFEW_SAML_SIGNATURE_INVALID')
    const posted = postOf(await signMessage(serialiseLogoutRequest(request()), foreign))
    await assertRefused(kit, await browser.post('/idp/SLO.saml2', posted), 'CURFEW_SAML_SIGNATURE_INVALID')
  })

  test('AC-145 a LogoutRequest whose signed octets were changed', async () => {
    const { kit, browser, payroll, request } = await prepared()
    await using _ = kit
    const url = new URL(await payroll.logoutRedirect(request(), 'one'))
    const changed = url.href.replace('RelayState=one', 'RelayState=two')
    assert.equal((await browser.get(changed)).statusCode, 400)
    const signed = await signMessage(serialiseLogoutRequest(request()), payroll.signing)
    assert.equal(
      (await browser.post('/idp/SLO.saml2', postOf(signed.replace('logout:user', 'logout:admin').replace('<samlp:SessionIndex>', '<samlp:SessionIndex>x'))))
        .statusCode,
      400
    )
    assert.equal((await kit.store.findByUser('local:ana')).length, 1)
  })

  test('a LogoutRequest wrapped around a signed one', async () => {
    const { kit, browser, payroll, request } = await prepared()
    await using _ = kit
    const signed = await signMessage(serialiseLogoutRequest(request()), payroll.signing)
    const outer = xmlOf(request({ id: `_${'e'.repeat(40)}` })).replace('</samlp:LogoutRequest>', `${signed}</samlp:LogoutRequest>`)
    assert.equal((await browser.post('/idp/SLO.saml2', postOf(outer))).statusCode, 400)
    assert.equal((await kit.store.findByUser('local:ana')).length, 1)
  })

  test('an expired one, one from the future and one for another address', async () => {
    const { kit, browser, payroll, request } = await prepared()
    await using _ = kit
    const now = Temporal.Instant.fromEpochMilliseconds(kit.clock.nowMs())
    const cases: readonly [Partial<LogoutRequest>, string][] = [
      [{ notOnOrAfter: now.subtract({ minutes: 2 }) }, 'CURFEW_SAML_EXPIRED'],
      [{ issueInstant: now.add({ minutes: 5 }) }, 'CURFEW_SAML_ISSUE_INSTANT'],
      [{ destination: 'http://other.test/idp/SLO.saml2' }, 'CURFEW_SAML_DESTINATION_WRONG'],
      [{ destination: 'http://curfew.test/idp/SLO.ssaml2' }, 'CURFEW_SAML_DESTINATION_WRONG']
    ]
    for (const [change, code] of cases) await assertRefused(kit, await browser.get(await payroll.logoutRedirect(request(change))), code)
  })

  test('one that was received before', async () => {
    const { kit, browser, payroll, request } = await prepared()
    await using _ = kit
    const url = await payroll.logoutRedirect(request())
    await browser.get(url)
    await signInTo(kit, kit.browser(), 'payroll')
    await assertRefused(kit, await browser.get(url), 'CURFEW_SAML_REPLAYED')
  })

  test('one that was received before and names nobody’s session, where the person signs in anew', async () => {
    const { kit, browser, payroll, subject } = await prepared()
    await using _ = kit
    const url = await payroll.logoutRedirect(payroll.logoutRequest(subject, []))
    await browser.get(url)
    await signInTo(kit, kit.browser(), 'payroll')
    await assertRefused(kit, await browser.get(url), 'CURFEW_SAML_REPLAYED')
  })

  test('one of a partner that is not configured', async () => {
    const { kit, browser, request } = await prepared()
    await using _ = kit
    const stranger: Partner = await createPartner('stranger', kit.clock, makeKeyPair('x'))
    await assertRefused(kit, await browser.get(await stranger.logoutRedirect({ ...request(), issuer: stranger.entityId })), 'CURFEW_SAML_PEER_UNKNOWN')
  })

  test('a partner can not end a session through another partner’s name or index', async () => {
    const { kit, browser, subject, index } = await prepared({ partners: { payroll: {}, intranet: {} } })
    await using _ = kit
    const intranet = kit.partner('intranet')
    const steal = async (who: NameID, indexes: readonly string[]) => {
      const page = await browser.get(await intranet.logoutRedirect(intranet.logoutRequest(who, indexes)))
      assert.match(String(page.headers.location), /^http:\/\/intranet\.test\/slo\?SAMLResponse=/, 'it is answered at once: no run began')
      assert.equal(status.isUnknownPrincipal(intranet.readLogoutResponse(String(page.headers.location)).status), true)
    }
    await steal(subject, [index])
    await steal(subject, [])
    const spoofed = await browser.get(await intranet.logoutRedirect({ ...intranet.logoutRequest(subject, [index]), issuer: kit.partner('payroll').entityId }))
    assert.equal(spoofed.statusCode, 400)
    assert.equal((await kit.store.findByUser('local:ana')).length, 1)
  })

  test('AC-143 a message by a binding that the connection does not list: Redirect, POST and SOAP', async () => {
    const { kit, browser, payroll, request } = await prepared({ partners: { payroll: { incomingBindings: ['post'] } } })
    await using _ = kit
    await assertRefused(kit, await browser.get(await payroll.logoutRedirect(request())), 'CURFEW_SAML_BINDING_REFUSED')
    const posted = await browser.post('/idp/SLO.saml2', await payroll.logoutPost(request()))
    assert.equal(posted.statusCode, 303)

    const { kit: other, browser: second, payroll: same, request: ask } = await prepared({ partners: { payroll: { incomingBindings: ['redirect'] } } })
    await using __ = other
    await assertRefused(other, await second.post('/idp/SLO.saml2', await same.logoutPost(ask())), 'CURFEW_SAML_BINDING_REFUSED')
    const bySoap = ask({ destination: 'http://curfew.test/idp/SLO.ssaml2' })
    const payload = encodeSoap(await signMessage(serialiseLogoutRequest(bySoap), same.signing))
    const answer = await other.app.inject({ method: 'POST', url: '/idp/SLO.ssaml2', headers: { 'content-type': 'text/xml' }, payload })
    const { status: said } = same.readSoapResponse(answer.body)
    assert.deepEqual([said.code, said.subcodes], [statusUri.requester, [statusUri.requestDenied]])
    assert.equal(other.logged.filter(({ fields }) => fields['code'] === 'CURFEW_SAML_BINDING_REFUSED').length, 2)
    assert.equal((await other.store.findByUser('local:ana')).length, 1)
  })

  test('document types, entities and deflate bombs, quickly', async () => {
    const { kit, browser, request } = await prepared()
    await using _ = kit
    const dtd = `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>${xmlOf(request())}`
    await assertRefused(kit, await browser.post('/idp/SLO.saml2', postOf(dtd)), 'CURFEW_XML_FORBIDDEN')
    const bomb = deflateRawSync(Buffer.alloc(20_000_000, 32)).toString('base64')
    await assertRefused(kit, await browser.get(`/idp/SLO.saml2?SAMLRequest=${encodeURIComponent(bomb)}`), 'CURFEW_SAML_DEFLATE_LIMIT', 413)
  })

  test('AC-165 a body over 200000 bytes, as a page and as a problem', async () => {
    const { kit, browser } = await prepared()
    await using _ = kit
    const large = await browser.post('/idp/SLO.saml2', { SAMLRequest: 'A'.repeat(200_000) })
    await assertRefused(kit, large, 'CURFEW_API_TOO_LARGE', 413)
    assert.match(large.body, /too large/)
    const problem = await kit.app.inject({ method: 'POST', url: '/idp/SLO.ssaml2', headers: { 'content-type': 'text/xml' }, payload: 'x'.repeat(200_001) })
    assert.equal(problem.statusCode, 413)
    assert.match(String(problem.headers['content-type']), /^application\/problem\+json/)
    const fits = await browser.post('/idp/SLO.saml2', { SAMLRequest: 'A'.repeat(199_000) })
    assert.notEqual(fits.statusCode, 413)
  })

  test('a request and a response at once, and a query with a repeated parameter', async () => {
    const { kit, browser, payroll, request } = await prepared()
    await using _ = kit
    const url = await payroll.logoutRedirect(request())
    await assertRefused(kit, await browser.get(`${url}&SAMLResponse=x`), 'CURFEW_SAML_QUERY')
    await assertRefused(kit, await browser.get(`${url}&RelayState=a&RelayState=b`), 'CURFEW_SAML_QUERY')
  })
})

suite('answers that are not believed', () => {
  async function underway(intranet: Partial<ConnectionSettings> = {}) {
    const { kit, browser, payroll, request } = await prepared({ partners: { payroll: {}, intranet } })
    const entered = await browser.get(`/idp/startSSO.ping?PartnerSpId=${encodeURIComponent(kit.partner('intranet').entityId)}`)
    assert.ok(kit.partner('intranet').readResponse(entered.body).response.assertion)
    const started = await browser.get(await payroll.logoutRedirect(request()))
    const run = String(started.headers.location)
    const hop = await browser.get(`${run}/go`)
    const told = kit.partner('intranet').readLogoutRequest(String(hop.headers.location))
    return { kit, browser, run, told, payroll }
  }

  async function assertAnswerRefused(kit: Kit, answer: { statusCode: number; body: string }, code: string) {
    assert.equal(answer.statusCode, 400)
    assert.match(answer.body, new RegExp(code))
    assert.ok(kit.logged.some(({ fields }) => fields['code'] === code))
  }

  async function outcome(kit: Kit) {
    const { items } = await kit.store.listRuns({ limit: 1 })
    return items[0]?.deliveries[0]?.outcome?.kind
  }

  test('AC-145 an unsigned LogoutResponse counts for nothing, and the browser still gets on', async () => {
    const { kit, browser, run, told } = await underway()
    await using _ = kit
    const signed = new URL(await kit.partner('intranet').logoutAnswer(told))
    const unsigned = `${sloUrl}?SAMLResponse=${encodeURIComponent(signed.searchParams.get('SAMLResponse') ?? '')}`
    const back = await browser.get(unsigned)
    assert.equal(back.headers.location, run)
    assert.equal(await outcome(kit), 'unconfirmed')
  })

  test('AC-143 a LogoutResponse by a binding that the connection does not list counts for nothing, and the browser still gets on', async () => {
    const { kit, browser, run, told } = await underway({ incomingBindings: ['post'] })
    await using _ = kit
    const back = await browser.get(await kit.partner('intranet').logoutAnswer(told))
    assert.equal(back.headers.location, run)
    const [delivery] = (await kit.store.listRuns({ limit: 1 })).items[0]?.deliveries ?? []
    assert.deepEqual(delivery?.outcome, { kind: 'unconfirmed', code: 'CURFEW_SAML_BINDING_REFUSED' })
  })

  for (const [name, code, answer] of [
    [
      'an answer of another partner to a request it was never sent',
      'CURFEW_SAML_IN_RESPONSE_TO',
      async (kit: Kit, told: LogoutRequest) => kit.partner('payroll').logoutAnswer(told)
    ],
    [
      'an answer to no request at all',
      'CURFEW_SAML_IN_RESPONSE_TO',
      async (kit: Kit, told: LogoutRequest) => kit.partner('intranet').logoutAnswer({ ...told, id: '_nothing' })
    ],
    ['an answer that is no message', 'CURFEW_SAML_BASE64', async () => `${sloUrl}?SAMLResponse=%25`]
  ] as const) {
    test(`${name} counts for nothing; the browser that is out goes on, any other sees an error`, async () => {
      const { kit, browser, run, told } = await underway()
      await using _ = kit
      const url = await answer(kit, told)
      await assertAnswerRefused(kit, await kit.browser().get(url), code)
      assert.equal((await browser.get(url)).headers.location, run)
      // Nobody waits for a better answer: the browser that was to bring it is here.
      const [delivery] = (await kit.store.listRuns({ limit: 1 })).items[0]?.deliveries ?? []
      assert.deepEqual(delivery?.outcome, { kind: 'unconfirmed', code })
    })
  }

  test('Success with PartialLogout inside is not a sign-out', async () => {
    const { kit, browser, told } = await underway()
    await using _ = kit
    await browser.get(await kit.partner('intranet').logoutAnswer(told, status.partialLogout()))
    assert.equal(await outcome(kit), 'refused')
  })
})

suite('every answer', () => {
  test('carries strict headers and is never stored', async () => {
    const { kit, browser } = await prepared()
    await using _ = kit
    for (const path of ['/', '/nothing-here', '/idp/SLO.saml2', '/pf/heartbeat.ping']) {
      const { headers } = await browser.get(path)
      assert.match(String(headers['cache-control']), /no-store/)
      assert.match(String(headers['content-security-policy']), /default-src 'none'/)
      assert.match(String(headers['content-security-policy']), /frame-ancestors 'none'/)
      assert.equal(headers['x-content-type-options'], 'nosniff')
    }
  })

  test('hides what failed inside: a fault of the store is a reference and no more', async () => {
    const { kit, browser } = await prepared()
    await using _ = kit
    Object.assign(kit.ctx.store, { findSessionByToken: () => Promise.reject(new Error('secret path /var/db')) })
    const page = await browser.get('/')
    assert.equal(page.statusCode, 500)
    assert.match(page.body, /CURFEW_API_FAILED/)
    assert.doesNotMatch(page.body, /secret|var\/db/)
  })
})
