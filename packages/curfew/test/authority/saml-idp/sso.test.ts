import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { encodePost, type NameID, nameIdFormat, serialiseAuthnRequest, signMessage, statusUri, validateResponse } from '@curfew/codecs'
import { formOf } from '../browser.ts'
import { createKit, signIn, signInTo } from '../kit.ts'

suite('SAML Web Browser SSO at the identity provider', () => {
  test('shows the form, signs in and posts a valid Response to the partner', async () => {
    await using kit = await createKit()
    const payroll = kit.partner('payroll')
    const browser = kit.browser()
    const request = payroll.authnRequest()
    const started = await browser.get(await payroll.ssoRedirect(request, 'deep/link'))
    assert.equal(started.statusCode, 303)
    assert.match(String(started.headers.location), /^\/idp\/[\w-]{22}\/resume\/idp\/SSO\.ping$/)
    const answered = await signIn(browser, String(started.headers.location))
    const { response, action, relayState } = payroll.readResponse(answered.body)
    assert.equal(action, payroll.acsUrl)
    assert.equal(relayState, 'deep/link')
    validateResponse(response, {
      now: Temporal.Instant.fromEpochMilliseconds(kit.clock.nowMs()),
      consumerUrl: payroll.acsUrl,
      audience: payroll.entityId,
      inResponseTo: request.id
    })
    assert.deepEqual(
      response.assertion?.attributes.map((a) => [a.name, a.values]),
      [['mail', ['ana@example.org']]]
    )
  })

  test('an application that asks for the SRI gets that of the session, the one of every feed, and no other application does', async () => {
    await using kit = await createKit({ partners: { payroll: { attributes: { session: 'pi.sri', mail: 'mail' } }, intranet: {} } })
    const browser = kit.browser()
    const response = await signInTo(kit, browser, 'payroll')
    const [session] = await kit.store.findByUser('local:ana')
    const values = (attributes: readonly { readonly name: string; readonly values: readonly string[] }[] = []) => attributes.map((a) => [a.name, ...a.values])
    assert.deepEqual(values(response.assertion?.attributes), [
      ['session', session?.sri],
      ['mail', 'ana@example.org']
    ])
    const other = await browser.get(await kit.partner('intranet').ssoRedirect())
    assert.deepEqual(values(kit.partner('intranet').readResponse(other.body).response.assertion?.attributes), [['mail', 'ana@example.org']])
  })

  test('signs in at the second partner without asking again', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    await signInTo(kit, browser, 'payroll')
    const second = await browser.get(await kit.partner('intranet').ssoRedirect())
    assert.equal(second.statusCode, 200)
    assert.equal(kit.partner('intranet').readResponse(second.body).response.status.code, statusUri.success)
  })

  test('AC-001 records browser session, partner, NameID, SessionIndex and time before the assertion leaves', async () => {
    await using kit = await createKit()
    const response = await signInTo(kit, kit.browser(), 'payroll')
    const [session] = await kit.store.findByUser('local:ana')
    assert.ok(session)
    const [participant] = await kit.store.getParticipants(session.id)
    assert.deepEqual(participant?.nameId, response.assertion?.subject.nameId)
    assert.equal(participant?.sessionIndex, response.assertion?.authnStatement?.sessionIndex)
    assert.equal(participant?.peerId, 'payroll')
    assert.equal(participant?.addedAtMs, kit.clock.nowMs())
    assert.equal(participant?.assertionNotOnOrAfterMs, response.assertion?.conditions.notOnOrAfter?.epochMilliseconds)
  })

  test('AC-001 sends no assertion when the store can not record the participant', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    await signInTo(kit, browser, 'payroll')
    const broken = { ...kit.ctx.store, addParticipant: () => Promise.reject(new Error('disk')) }
    Object.assign(kit.ctx.store, { addParticipant: broken.addParticipant })
    const page = await browser.get(await kit.partner('intranet').ssoRedirect())
    assert.equal(page.statusCode, 500)
    assert.doesNotMatch(page.body, /SAMLResponse|disk/)
  })

  test('AC-003 records a participant whose peer has no logout service', async () => {
    await using kit = await createKit({ partners: { silent: { slo: [] } } })
    await signInTo(kit, kit.browser(), 'silent')
    const [session] = await kit.store.findByUser('local:ana')
    assert.equal((await kit.store.getParticipants(session?.id ?? 'ses_')).length, 1)
  })

  test('gives every partner another persistent identifier and another SessionIndex', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    const a = await signInTo(kit, browser, 'payroll')
    const b = await signInTo(kit, browser, 'intranet')
    assert.notEqual(a.assertion?.subject.nameId.value, b.assertion?.subject.nameId.value)
    assert.notEqual(a.assertion?.authnStatement?.sessionIndex, b.assertion?.authnStatement?.sessionIndex)
    const again = await signInTo(kit, kit.browser(), 'payroll')
    assert.equal(again.assertion?.subject.nameId.value, a.assertion?.subject.nameId.value)
  })

  test('serves each NameID format a request may ask for', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    await signInTo(kit, browser, 'payroll')
    const expected = { transient: /^_[0-9a-f]{40}$/, emailAddress: /^ana@example\.org$/, persistent: /^[\w-]{43}$/ } as const
    for (const [kind, shape] of Object.entries(expected)) {
      const format = nameIdFormat[kind as keyof typeof expected]
      const page = await browser.get(await kit.partner('payroll').ssoRedirect({ nameIdPolicy: { format, allowCreate: true } }))
      const { nameId } = kit.partner('payroll').readResponse(page.body).response.assertion?.subject ?? {}
      assert.equal(nameId?.format, format)
      assert.match(nameId?.value ?? '', shape)
    }
  })

  test('a connection with the format unspecified gets the user name, or the attribute that it names; a wish for unspecified leaves the format to the connection', async () => {
    await using kit = await createKit({
      partners: { payroll: { nameId: { format: 'unspecified' } }, intranet: { nameId: { format: 'unspecified', attribute: 'mail' } }, legacy: {} }
    })
    const browser = kit.browser()
    for (const [id, value] of [
      ['payroll', 'ana'],
      ['intranet', 'ana@example.org']
    ] as const) {
      const { nameId } = (await signInTo(kit, browser, id)).assertion?.subject ?? {}
      assert.deepEqual([nameId?.format, nameId?.value], [nameIdFormat.unspecified, value])
    }
    const wish = { nameIdPolicy: { format: nameIdFormat.unspecified, allowCreate: true } }
    const legacy = await browser.get(await kit.partner('legacy').ssoRedirect(wish))
    assert.equal(kit.partner('legacy').readResponse(legacy.body).response.assertion?.subject.nameId.format, nameIdFormat.persistent)
  })

  test('answers InvalidNameIDPolicy and NoAuthnContext in SAML', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    const payroll = kit.partner('payroll')
    const kerberos = await browser.get(
      await payroll.ssoRedirect({ nameIdPolicy: { format: 'urn:oasis:names:tc:SAML:2.0:nameid-format:kerberos', allowCreate: true } })
    )
    assert.deepEqual(payroll.readResponse(kerberos.body).response.status.subcodes, [statusUri.invalidNameIdPolicy])
    const smartcard = await browser.get(
      await payroll.ssoRedirect({ requestedAuthnContext: { comparison: 'exact', classRefs: ['urn:oasis:names:tc:SAML:2.0:ac:classes:Smartcard'] } })
    )
    assert.deepEqual(payroll.readResponse(smartcard.body).response.status.subcodes, [statusUri.noAuthnContext])
  })

  test('signs in whom the Subject of the request names, and answers UnknownPrincipal where somebody else is here', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    const payroll = kit.partner('payroll')
    const own = (await signInTo(kit, browser, 'payroll')).assertion?.subject.nameId ?? assert.fail()
    const ask = async (subject: NameID) => payroll.readResponse((await browser.get(await payroll.ssoRedirect({ subject }))).body).response
    for (const meant of [own, { value: own.value }, { value: own.value, format: nameIdFormat.unspecified }])
      assert.deepEqual((await ask(meant)).assertion?.subject.nameId, own)
    for (const other of [
      { ...own, value: `${own.value}x` },
      { value: 'ben' },
      { ...own, spNameQualifier: 'https://elsewhere.test' },
      { ...own, format: nameIdFormat.transient }
    ]) {
      const { status: said, assertion } = await ask(other)
      assert.deepEqual([said.code, ...said.subcodes, assertion], [statusUri.responder, statusUri.unknownPrincipal, undefined])
    }
  })

  test('answers NoPassive to a passive request without a session, and an assertion with one', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    const payroll = kit.partner('payroll')
    const first = await browser.get(await payroll.ssoRedirect({ isPassive: true }))
    const resumed = await browser.get(String(first.headers.location))
    assert.deepEqual(payroll.readResponse(resumed.body).response.status, { code: statusUri.responder, subcodes: [statusUri.noPassive] })
    await signInTo(kit, browser, 'intranet')
    const second = await browser.get(await payroll.ssoRedirect({ isPassive: true }))
    assert.equal(payroll.readResponse(second.body).response.status.code, statusUri.success)
  })

  test('asks again on ForceAuthn and keeps the session with its applications', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    await signInTo(kit, browser, 'payroll')
    kit.clock.advance(60_000)
    const forced = await browser.get(await kit.partner('intranet').ssoRedirect({ forceAuthn: true }))
    assert.equal(forced.statusCode, 303)
    const answered = await signIn(browser, String(forced.headers.location))
    const { assertion } = kit.partner('intranet').readResponse(answered.body).response
    assert.equal(assertion?.authnStatement?.authnInstant.epochMilliseconds, kit.clock.nowMs())
    const sessions = await kit.store.findByUser('local:ana')
    assert.equal(sessions.length, 1)
    assert.equal((await kit.store.getParticipants(sessions[0]?.id ?? 'ses_')).length, 2)
  })

  test('sends an assertion to no address that the connection does not list', async () => {
    await using kit = await createKit()
    const page = await kit.browser().get(await kit.partner('payroll').ssoRedirect({ assertionConsumerServiceURL: 'http://evil.test/acs' }))
    assert.equal(page.statusCode, 400)
    assert.match(page.body, /CURFEW_SAML_ACS_UNKNOWN/)
    assert.doesNotMatch(page.body, /evil/)
  })

  test('refuses an unsigned request where the connection asks for signed ones', async () => {
    await using kit = await createKit({ partners: { payroll: { requireSignedAuthnRequests: true } } })
    const signed = new URL(await kit.partner('payroll').ssoRedirect())
    const unsigned = `/idp/SSO.saml2?SAMLRequest=${encodeURIComponent(signed.searchParams.get('SAMLRequest') ?? '')}`
    const page = await kit.browser().get(unsigned)
    assert.equal(page.statusCode, 400)
    assert.match(page.body, /CURFEW_SAML_SIGNATURE_MISSING/)
  })

  test('takes a request by POST from another site: without cookies there, with the session at the resume path', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    await signInTo(kit, browser, 'intranet')
    const payroll = kit.partner('payroll')
    const signed = await signMessage(serialiseAuthnRequest(payroll.authnRequest()), payroll.signing)
    const posted = await kit.browser().post('/idp/SSO.saml2', encodePost(signed, { parameter: 'SAMLRequest', relayState: 'r' }).fields)
    assert.equal(posted.statusCode, 303)
    const resumed = await browser.get(String(posted.headers.location))
    assert.equal(payroll.readResponse(resumed.body).relayState, 'r')
    assert.equal((await browser.get(String(posted.headers.location))).statusCode, 400)
  })

  test('signs the Response as well where the connection asks for it, and the page works without a script', async () => {
    await using kit = await createKit({ partners: { payroll: { signResponse: true } } })
    const browser = kit.browser()
    await signInTo(kit, browser, 'payroll')
    const page = await browser.get(await kit.partner('payroll').ssoRedirect())
    const xml = Buffer.from(formOf(page.body).fields['SAMLResponse'] ?? '', 'base64').toString()
    assert.equal(xml.match(/<ds:Signature /g)?.length, 2)
    assert.match(page.body, /<button/)
    const nonce = /nonce-([^']+)'/.exec(String(page.headers['content-security-policy']))?.[1]
    assert.ok(nonce !== undefined && page.body.includes(`<script nonce="${nonce}">`))
    assert.doesNotMatch(String(page.headers['content-security-policy']), /unsafe-inline/)
  })

  test('says that a session ended when the logout came between sign-in and assertion', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    await signInTo(kit, browser, 'payroll')
    const [session] = await kit.store.findByUser('local:ana')
    Object.assign(kit.ctx.store, { findSessionByToken: async () => session })
    await kit.ctx.engine.endSessions({
      scope: { kind: 'user', userKey: 'local:ana' },
      reason: 'admin',
      by: { kind: 'admin', id: 'root' },
      starter: { kind: 'none' },
      browser: 'absent'
    })
    const page = await browser.get(await kit.partner('intranet').ssoRedirect())
    assert.equal(page.statusCode, 400)
    assert.doesNotMatch(page.body, /SAMLResponse/)
  })

  test('tells the partner Responder when the user lacks the attribute of its identifier', async () => {
    await using kit = await createKit({ partners: { payroll: { nameId: { format: 'unspecified', attribute: 'employee' } } } })
    const response = await signInTo(kit, kit.browser(), 'payroll')
    assert.equal(response.status.code, statusUri.responder)
    assert.equal(response.assertion, undefined)
  })

  test('starts single sign-on at /idp/startSSO.ping with RelayState from TargetResource', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    await signInTo(kit, browser, 'intranet')
    const payroll = kit.partner('payroll')
    const query = new URLSearchParams({ PartnerSpId: payroll.entityId, TargetResource: 'http://payroll.test/pay?x=1', ACSIdx: '0' })
    const page = await browser.get(`/idp/startSSO.ping?${query}`)
    const { response, relayState } = payroll.readResponse(page.body)
    assert.equal(response.inResponseTo, undefined)
    assert.equal(relayState, 'http://payroll.test/pay?x=1')
    const lower = await browser.get(`/idp/startSSO.ping?partnerspid=${encodeURIComponent(payroll.entityId)}`)
    assert.equal(lower.statusCode, 400)
  })

  test('goes to InErrorResource only when it is on the allow-list', async () => {
    await using kit = await createKit({ logout: { targets: [{ domain: 'www.test', requireHttps: false, allowQueryAndFragment: false }] } })
    const allowed = await kit.browser().get('/idp/startSSO.ping?PartnerSpId=nobody&InErrorResource=http://www.test/oops')
    assert.equal(allowed.headers.location, 'http://www.test/oops')
    const other = await kit.browser().get('/idp/startSSO.ping?PartnerSpId=nobody&InErrorResource=http://evil.test/')
    assert.equal(other.statusCode, 400)
  })
})
