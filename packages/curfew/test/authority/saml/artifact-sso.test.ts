import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { bindingUri, type PeerKeys, serialiseAuthnRequest, verificationKeyFromCertificate, verifyResponse } from '@curfew/codecs'
import { carriedTo } from '../artifact-peer.ts'
import { authorityPair, signIn } from '../kit.ts'
import { authorityUrl, ssoUrl } from '../partner.ts'
import { createArtifactKit } from './artifact-kit.ts'

const authority: PeerKeys = { entityId: authorityUrl, keys: [verificationKeyFromCertificate(authorityPair.certificate)] }
const ars = '/idp/ARS.ssaml2'

suite('SAML Profiles 4.1.2: a Response by HTTP Artifact', () => {
  test('goes to the consumer of that binding as an artifact with RelayState, and is had once', async () => {
    const { kit, peer } = await createArtifactKit({ payroll: {} })
    await using _kit = kit
    const browser = kit.browser()
    const payroll = kit.partner('payroll')
    const request = payroll.authnRequest({ protocolBinding: bindingUri('artifact') })
    const first = await browser.get(await payroll.ssoRedirect(request, 'deep link'))
    const sent = carriedTo(await signIn(browser, String(first.headers.location)))
    assert.equal(sent.address, 'http://payroll.test/acs/artifact')
    assert.equal(sent.relayState, 'deep link')
    const received = await peer('payroll').resolve(kit.app, ars, sent.artifact)
    const response = verifyResponse(received, authority)
    assert.equal(response.inResponseTo, request.id)
    assert.equal(response.destination, 'http://payroll.test/acs/artifact')
    assert.equal(response.assertion?.subject.confirmations[0]?.recipient, 'http://payroll.test/acs/artifact')
    const [session] = await kit.store.findByUser('local:ana')
    assert.equal((await kit.store.getParticipants(session?.id ?? 'ses_'))[0]?.consumerUrl, 'http://payroll.test/acs/artifact')
    await assert.rejects(peer('payroll').resolve(kit.app, ars, sent.artifact), { code: 'CURFEW_SAML_ARTIFACT_UNRESOLVED' })
  })

  const wishes: Readonly<Record<string, readonly [string, string | undefined]>> = {
    'by index': ['ACSIdx=1', 'http://payroll.test/acs/artifact'],
    'by binding': [`Binding=${encodeURIComponent(bindingUri('artifact'))}`, 'http://payroll.test/acs/artifact'],
    'by default': ['', undefined]
  }
  for (const [name, [query, address]] of Object.entries(wishes)) {
    test(`AC-135 a sign-in that starts here finds the consumer ${name}`, async () => {
      const { kit } = await createArtifactKit({ payroll: {} })
      await using _kit = kit
      const browser = kit.browser()
      await signIn(browser, '/')
      const answer = await browser.get(`/idp/startSSO.ping?PartnerSpId=${encodeURIComponent(kit.partner('payroll').entityId)}&${query}`)
      if (address === undefined) assert.equal(kit.partner('payroll').readResponse(answer.body).action, 'http://payroll.test/acs')
      else assert.equal(carriedTo(answer).address, address)
    })
  }

  test('AC-135 a Response goes by no other binding', async () => {
    const { kit } = await createArtifactKit({ payroll: {} })
    await using _kit = kit
    const browser = kit.browser()
    await signIn(browser, '/')
    for (const binding of ['redirect', 'soap'] as const) {
      const query = `PartnerSpId=${encodeURIComponent(kit.partner('payroll').entityId)}&Binding=${encodeURIComponent(bindingUri(binding))}`
      const answer = await browser.get(`/idp/startSSO.ping?${query}`)
      assert.equal(answer.statusCode, 400)
      assert.match(answer.body, /CURFEW_SAML_ACS_UNKNOWN/)
    }
  })

  test('a partner whose default is an artifact gets one without asking; one address may stand for both bindings', async () => {
    const acs = [
      { binding: 'post' as const, url: 'http://payroll.test/acs', index: 0 },
      { binding: 'artifact' as const, url: 'http://payroll.test/acs', index: 2, default: true }
    ]
    const { kit } = await createArtifactKit({ payroll: { acs } })
    await using _kit = kit
    const browser = kit.browser()
    await signIn(browser, '/')
    const payroll = kit.partner('payroll')
    assert.equal(carriedTo(await browser.get(await payroll.ssoRedirect())).address, 'http://payroll.test/acs')
    const wish = { assertionConsumerServiceURL: 'http://payroll.test/acs' }
    assert.equal(carriedTo(await browser.get(await payroll.ssoRedirect(wish))).address, 'http://payroll.test/acs')
    const posted = await browser.get(await payroll.ssoRedirect({ ...wish, protocolBinding: bindingUri('post') }))
    assert.equal(payroll.readResponse(posted.body).action, 'http://payroll.test/acs')
  })

  test('a refusal goes by artifact too, signed', async () => {
    const { kit, peer } = await createArtifactKit({ payroll: {} })
    await using _kit = kit
    const url = await kit.partner('payroll').ssoRedirect({ protocolBinding: bindingUri('artifact'), isPassive: true })
    const first = await kit.browser().get(url)
    const sent = carriedTo(await kit.browser().get(String(first.headers.location)))
    const response = verifyResponse(await peer('payroll').resolve(kit.app, ars, sent.artifact), authority, { wantResponseSigned: true })
    assert.match(response.status.subcodes.join(), /NoPassive/)
  })
})

suite('/idp/SSO.saml2: an AuthnRequest by HTTP Artifact', () => {
  for (const byForm of [false, true]) {
    test(`is fetched from the partner and answered, by ${byForm ? 'POST' : 'GET'}`, async () => {
      const { kit, peer } = await createArtifactKit({ payroll: { requireSignedAuthnRequests: true } })
      await using _kit = kit
      const browser = kit.browser()
      const payroll = kit.partner('payroll')
      const request = payroll.authnRequest()
      const brought = { binding: 'artifact' as const, parameter: 'SAMLRequest' as const, parts: serialiseAuthnRequest(request), relayState: 'rs', byForm }
      const first = await peer('payroll').bring(browser, ssoUrl, brought)
      assert.equal(first.statusCode, 303, first.body)
      const { response, relayState } = payroll.readResponse((await signIn(browser, String(first.headers.location))).body)
      assert.equal(response.inResponseTo, request.id)
      assert.equal(relayState, 'rs')
      const [asked] = peer('payroll').asked
      assert.equal(asked?.url, 'http://payroll.test/ars')
      assert.equal(asked.headers?.['soapaction'], '"http://www.oasis-open.org/committees/security"')
    })
  }

  test('is refused from a connection that takes none, before anybody is asked', async () => {
    const { kit, peer } = await createArtifactKit({ payroll: { incomingBindings: ['redirect', 'post', 'soap'] } })
    await using _kit = kit
    const parts = serialiseAuthnRequest(kit.partner('payroll').authnRequest())
    const answer = await peer('payroll').bring(kit.browser(), ssoUrl, { binding: 'artifact', parameter: 'SAMLRequest', parts })
    assert.equal(answer.statusCode, 400)
    assert.match(answer.body, /CURFEW_SAML_BINDING_REFUSED/)
    assert.equal(peer('payroll').asked.length, 0)
  })
})
