import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { deflateRawSync } from 'node:zlib'
import {
  decodeRedirect,
  encodeRedirect,
  messageAgeSecondsMax,
  type Received,
  serialiseAssertion,
  serialiseAuthnRequest,
  serialiseLogoutRequest,
  serialiseLogoutResponse,
  serialiseResponse,
  signEnvelopedSync,
  status,
  validateAuthnRequest,
  validateLogoutRequest,
  validateLogoutResponse,
  validateResponse,
  verifyAuthnRequest,
  verifyLogoutRequest,
  verifyLogoutResponse,
  verifyResponse
} from '../../src/index.ts'
import { partnerKey } from '../support/keys.ts'
import {
  assertion,
  codeOf,
  here,
  logoutRequest,
  logoutResponse,
  now,
  partner,
  peer,
  posted,
  responseXml,
  signedAssertion,
  signedRequest,
  signedResponse
} from '../support/messages.ts'

const skewSeconds = 60
const plainAssertion = serialiseAssertion(assertion)
const unsignedAssertion = plainAssertion.head + plainAssertion.tail
const ms = (milliseconds: number): Temporal.Duration => Temporal.Duration.from({ milliseconds })
const { notOnOrAfter: _, ...endless } = logoutRequest
const endlessRequest = signEnvelopedSync(serialiseLogoutRequest(endless), partnerKey.signing)
const request = (at: Temporal.Instant, xml = signedRequest): string =>
  codeOf(() => validateLogoutRequest(verifyLogoutRequest(posted(xml), peer), { now: at, destinations: [here], skewSeconds }))
const answer = (at: Temporal.Instant): string =>
  codeOf(() => validateLogoutResponse(verifyLogoutResponse(posted(signedResponse, 'SAMLResponse'), peer), { now: at, destinations: [here], skewSeconds }))
const response = (at: Temporal.Instant, xml = responseXml()): string =>
  codeOf(() =>
    validateResponse(verifyResponse(posted(xml, 'SAMLResponse'), peer), {
      now: at,
      consumerUrl: here,
      audience: 'https://login.example',
      inResponseTo: '_asked',
      skewSeconds
    })
  )

/** The last moment at which something holds, the first at which it does not, and why. */
function assertEnds(judge: (at: Temporal.Instant) => string, end: Temporal.Instant, code: string): void {
  assert.equal(judge(end.subtract(ms(1))), 'accepted')
  assert.equal(judge(end), code)
  assert.equal(judge(end.add(ms(1))), code)
}

/** The same for a beginning: the moment itself counts. */
function assertBegins(judge: (at: Temporal.Instant) => string, start: Temporal.Instant, code: string): void {
  assert.equal(judge(start), 'accepted')
  assert.equal(judge(start.subtract(ms(1))), code)
}

suite('Clock boundaries, to the millisecond', () => {
  test('a LogoutRequest ends at its NotOnOrAfter and the skew', () => assertEnds(request, now.add({ minutes: 5, seconds: skewSeconds }), 'CURFEW_SAML_EXPIRED'))

  test('a LogoutRequest without an end of its own grows old', () => {
    const old = now.add({ seconds: messageAgeSecondsMax + skewSeconds })
    assert.equal(request(old, endlessRequest), 'accepted')
    assert.equal(request(old.add(ms(1)), endlessRequest), 'CURFEW_SAML_EXPIRED')
  })

  test('a LogoutRequest of the future is taken within the skew', () =>
    assertBegins(request, now.subtract({ seconds: skewSeconds }), 'CURFEW_SAML_ISSUE_INSTANT'))

  test('a LogoutResponse of the future is taken within the skew, and grows old', () => {
    assertBegins(answer, now.subtract({ seconds: skewSeconds }), 'CURFEW_SAML_ISSUE_INSTANT')
    const old = now.add({ seconds: messageAgeSecondsMax + skewSeconds })
    assert.equal(answer(old), 'accepted')
    assert.equal(answer(old.add(ms(1))), 'CURFEW_SAML_EXPIRED')
  })

  test('the conditions of an assertion begin at NotBefore less the skew', () =>
    assertBegins(response, now.subtract({ minutes: 1, seconds: skewSeconds }), 'CURFEW_SAML_CONDITIONS'))

  test('the conditions of an assertion end at NotOnOrAfter and the skew', () =>
    assertEnds(response, now.add({ minutes: 5, seconds: skewSeconds }), 'CURFEW_SAML_CONDITIONS'))

  test('the confirmation of a subject ends at its own NotOnOrAfter and the skew', () => {
    const [confirmation] = assertion.subject.confirmations
    assert.ok(confirmation)
    const shorter = { ...assertion, subject: { ...assertion.subject, confirmations: [{ ...confirmation, notOnOrAfter: now.add({ minutes: 2 }) }] } }
    const xml = responseXml(signEnvelopedSync(serialiseAssertion(shorter), partnerKey.signing))
    assertEnds((at) => response(at, xml), now.add({ minutes: 2, seconds: skewSeconds }), 'CURFEW_SAML_SUBJECT_CONFIRMATION')
  })
})

suite('Wrong Destination', () => {
  const at = (destination: string | undefined, verify: 'request' | 'response'): string => {
    const given = destination === undefined ? {} : { destination }
    const { destination: _request, ...requestRest } = logoutRequest
    const { destination: _response, ...responseRest } = logoutResponse
    const context = { now, destinations: [here], skewSeconds }
    if (verify === 'request')
      return codeOf(() =>
        validateLogoutRequest(
          verifyLogoutRequest(posted(signEnvelopedSync(serialiseLogoutRequest({ ...requestRest, ...given }), partnerKey.signing)), peer),
          context
        )
      )
    const xml = signEnvelopedSync(serialiseLogoutResponse({ ...responseRest, ...given }), partnerKey.signing)
    return codeOf(() => validateLogoutResponse(verifyLogoutResponse(posted(xml, 'SAMLResponse'), peer), context))
  }
  const wrong: Readonly<Record<string, string | undefined>> = {
    none: undefined,
    'another host': 'https://login.example.evil.example/idp/SLO.saml2',
    'another path': 'https://login.example/idp/SLO.ssaml2',
    'the same with a query': `${here}?x=1`,
    'the same with a slash': `${here}/`,
    'the same in other letters': here.toUpperCase(),
    'the same over http': here.replace('https:', 'http:'),
    'the same with its port': here.replace('login.example', 'login.example:443')
  }
  for (const [name, destination] of Object.entries(wrong))
    test(`${name} is refused for requests and answers`, () => {
      assert.equal(at(destination, 'request'), 'CURFEW_SAML_DESTINATION_WRONG')
      assert.equal(at(destination, 'response'), 'CURFEW_SAML_DESTINATION_WRONG')
    })
  test('a signed AuthnRequest without one is refused by Redirect and by POST; one that is not signed needs none', async () => {
    const parts = serialiseAuthnRequest({ kind: 'AuthnRequest', id: '_authn', issuer: partner, issueInstant: now, forceAuthn: false, isPassive: false })
    const xml = parts.head + parts.tail
    const redirected = decodeRedirect(new URL(await encodeRedirect(here, { parameter: 'SAMLRequest', xml }, partnerKey.signing)).search.slice(1))
    const bare = decodeRedirect(new URLSearchParams({ SAMLRequest: deflateRawSync(xml).toString('base64') }).toString())
    const judge = (received: Received): string =>
      codeOf(() => validateAuthnRequest(verifyAuthnRequest(received, peer, { signature: 'optional' }), { now, destinations: [here], skewSeconds }))
    assert.deepEqual(
      [judge(posted(signEnvelopedSync(parts, partnerKey.signing))), judge(redirected), judge(posted(xml)), judge(bare)],
      ['CURFEW_SAML_DESTINATION_WRONG', 'CURFEW_SAML_DESTINATION_WRONG', 'accepted', 'accepted']
    )
  })
  test('a signed Response without one is refused; around a signed assertion it needs none', () => {
    const head = { kind: 'Response' as const, id: '_answer1', issuer: partner, issueInstant: now, inResponseTo: '_asked', status: status.success() }
    const signedInside = serialiseResponse(head, signedAssertion)
    const signedOutside = serialiseResponse(head, unsignedAssertion)
    assert.deepEqual(
      [
        response(now, signEnvelopedSync(signedInside, partnerKey.signing)),
        response(now, signEnvelopedSync(signedOutside, partnerKey.signing)),
        response(now, signedInside.head + signedInside.tail)
      ],
      ['CURFEW_SAML_DESTINATION_WRONG', 'CURFEW_SAML_DESTINATION_WRONG', 'accepted']
    )
  })
  test('the configured one is accepted', () => assert.deepEqual([at(here, 'request'), at(here, 'response')], ['accepted', 'accepted']))
})
