import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { encodePost, type RequestedAuthnContext, serialiseAuthnRequest, signMessage, statusUri } from '@curfew/codecs'
import { fitsContext } from '../../../src/authority/saml-idp/authn-context.ts'
import type { Browser } from '../browser.ts'
import { createKit, signIn, signInTo } from '../kit.ts'
import { createHub, deliver, follow, type Hub, liveSessions } from '../saml-sp/hub.ts'

const classes = 'urn:oasis:names:tc:SAML:2.0:ac:classes:'
const [password, weak, unspecified, card] = [`${classes}PasswordProtectedTransport`, `${classes}Password`, `${classes}unspecified`, `${classes}Smartcard`]
const noContext = [statusUri.responder, statusUri.noAuthnContext]

suite('RequestedAuthnContext (Core 3.3.2.2.1)', () => {
  for (const [comparison, classRefs, actual, expected] of [
    ['exact', [password], password, true],
    ['exact', [card, password], password, true],
    ['exact', [card], password, false],
    ['exact', [password], card, false],
    ['exact', [card], card, true],
    ['exact', [unspecified], card, true],
    ['minimum', [weak], password, true],
    ['minimum', [weak], card, false],
    ['minimum', [card], password, false],
    ['maximum', [password], weak, true],
    ['maximum', [weak], password, false],
    ['better', [weak], password, true],
    ['better', [password], password, false],
    ['better', [weak, card], password, false]
  ] as const)
    test(`${comparison} ${classRefs.map((ref) => ref.slice(classes.length)).join(' or ')} is ${expected ? '' : 'not '}met by ${actual.slice(classes.length)}`, () =>
      assert.equal(fitsContext({ comparison, classRefs }, actual), expected))

  test('where only passwords are taken, another class is refused at once, with a session and without', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    const payroll = kit.partner('payroll')
    const ask = async (wish: RequestedAuthnContext) =>
      payroll.readResponse((await browser.get(await payroll.ssoRedirect({ requestedAuthnContext: wish }))).body).response
    const wish = { comparison: 'exact', classRefs: [card] } as const
    const { status } = await ask(wish)
    assert.deepEqual([status.code, ...status.subcodes], noContext)
    await signInTo(kit, browser, 'payroll')
    assert.deepEqual((await ask(wish)).status.subcodes, [statusUri.noAuthnContext])
    assert.equal((await ask({ comparison: 'exact', classRefs: [password] })).assertion?.authnStatement?.classRef, password)
  })

  const choose = async (hub: Hub, browser: Browser, wish: RequestedAuthnContext): Promise<string> => {
    const page = await follow(browser, await browser.get(await hub.kit.partner('payroll').ssoRedirect({ requestedAuthnContext: wish })))
    return /href="([^"]*identityProvider=campus)"/.exec(page.body)?.[1] ?? assert.fail(page.body.slice(0, 500))
  }
  const statementOf = (kit: Hub['kit'], classRef: string) => ({ authnInstant: Temporal.Instant.fromEpochMilliseconds(kit.clock.nowMs()), classRef })

  test('an identity provider upstream is asked for it, and its word is what counts', async () => {
    const hub = await createHub({ partners: { payroll: {} } })
    await using kit = hub.kit
    const payroll = kit.partner('payroll')
    const wish = { comparison: 'exact', classRefs: [card] } as const
    for (const [classRef, isEnough] of [
      [password, false],
      [card, true]
    ] as const) {
      const browser = kit.browser()
      const asked = hub.upstream.readAuthnRequest(String((await browser.get(await choose(hub, browser, wish))).headers.location))
      assert.deepEqual(asked.requestedAuthnContext, wish)
      const page = await deliver(hub, browser, { requestId: asked.id, assertion: { authnStatement: statementOf(kit, classRef) } })
      const { status, assertion } = payroll.readResponse(page.body).response
      assert.deepEqual([status.code, ...status.subcodes], isEnough ? [statusUri.success] : noContext)
      assert.equal(assertion?.authnStatement?.classRef, isEnough ? card : undefined)
    }
  })

  test('what is no demand for one of the classes named is none upstream: whatever the provider gives is judged here', async () => {
    const hub = await createHub({ partners: { payroll: {} } })
    await using kit = hub.kit
    for (const wish of [
      { comparison: 'minimum', classRefs: [weak] },
      { comparison: 'exact', classRefs: [card, unspecified] }
    ] as const) {
      const browser = kit.browser()
      const asked = hub.upstream.readAuthnRequest(String((await browser.get(await choose(hub, browser, wish))).headers.location))
      assert.equal(asked.requestedAuthnContext, undefined)
      const page = await deliver(hub, browser, { requestId: asked.id, assertion: { authnStatement: statementOf(kit, password) } })
      assert.equal(kit.partner('payroll').readResponse(page.body).response.assertion?.authnStatement?.classRef, password)
    }
  })

  test('a session of another class answers nothing by itself: the person signs in again, in the same session', async () => {
    const hub = await createHub({ partners: { payroll: {}, intranet: {} }, signOn: { hasForm: true } })
    await using kit = hub.kit
    const browser = kit.browser()
    const first = await follow(browser, await browser.get(await kit.partner('intranet').ssoRedirect()))
    const toCampus = /href="([^"]*identityProvider=campus)"/.exec(first.body)?.[1] ?? assert.fail()
    const requestId = hub.upstream.readAuthnRequest(String((await browser.get(toCampus)).headers.location)).id
    await deliver(hub, browser, { requestId, assertion: { authnStatement: statementOf(kit, card) } })
    const again = await choose(hub, browser, { comparison: 'exact', classRefs: [password] })
    const asked = hub.upstream.readAuthnRequest(String((await browser.get(again)).headers.location))
    assert.deepEqual(asked.requestedAuthnContext, { comparison: 'exact', classRefs: [password] })
    const page = await deliver(hub, browser, { requestId: asked.id, assertion: { authnStatement: statementOf(kit, password) } })
    assert.equal(kit.partner('payroll').readResponse(page.body).response.assertion?.authnStatement?.classRef, password)
    assert.equal((await liveSessions(kit)).length, 1)
  })

  test('a request by POST, which comes without cookies, asks for another sign-in, too, where the session is not enough', async () => {
    const hub = await createHub({ partners: { payroll: {} } })
    await using kit = hub.kit
    const browser = kit.browser()
    const payroll = kit.partner('payroll')
    const toCampus = await choose(hub, browser, { comparison: 'exact', classRefs: [card] })
    const requestId = hub.upstream.readAuthnRequest(String((await browser.get(toCampus)).headers.location)).id
    await deliver(hub, browser, { requestId, assertion: { authnStatement: statementOf(kit, card) } })
    const request = payroll.authnRequest({ requestedAuthnContext: { comparison: 'exact', classRefs: [password] } })
    const { fields } = encodePost(await signMessage(serialiseAuthnRequest(request), payroll.signing), { parameter: 'SAMLRequest' })
    const sent = await kit.browser().post('/idp/SSO.saml2', fields)
    assert.match((await browser.get(String(sent.headers.location))).body, /identityProvider=campus/)
  })

  test('a form beside it does for a password, and for nothing else', async () => {
    const hub = await createHub({ partners: { payroll: {} }, signOn: { hasForm: true } })
    await using kit = hub.kit
    const browser = kit.browser()
    const started = String(
      (await browser.get(await kit.partner('payroll').ssoRedirect({ requestedAuthnContext: { comparison: 'exact', classRefs: [card] } }))).headers.location
    )
    const { status } = kit.partner('payroll').readResponse((await signIn(browser, started)).body).response
    assert.deepEqual([status.code, ...status.subcodes], noContext)
  })
})
