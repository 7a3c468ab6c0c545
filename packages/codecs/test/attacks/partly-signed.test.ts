import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  serialiseAssertion,
  serialiseLogoutRequest,
  serialiseLogoutResponse,
  signEnvelopedSync,
  verifyLogoutRequest,
  verifyLogoutResponse,
  verifyResponse
} from '../../src/index.ts'
import { partnerKey } from '../support/keys.ts'
import { assertion, codeOf, logoutRequest, logoutResponse, peer, posted, responseXml, signedAssertion, signedRequest } from '../support/messages.ts'

const bare = ({ head, tail }: { readonly head: string; readonly tail: string }): string => head + tail
const signature = (xml: string): string => /<ds:Signature .*?<\/ds:Signature>/.exec(xml)?.[0] ?? ''

suite('Unsigned messages', () => {
  test('an unsigned LogoutRequest is refused', () =>
    assert.equal(
      codeOf(() => verifyLogoutRequest(posted(bare(serialiseLogoutRequest(logoutRequest))), peer)),
      'CURFEW_SAML_SIGNATURE_MISSING'
    ))

  test('an unsigned LogoutResponse is refused', () =>
    assert.equal(
      codeOf(() => verifyLogoutResponse(posted(bare(serialiseLogoutResponse(logoutResponse)), 'SAMLResponse'), peer)),
      'CURFEW_SAML_SIGNATURE_MISSING'
    ))

  test('an unsigned assertion in an unsigned Response is refused', () =>
    assert.equal(
      codeOf(() => verifyResponse(posted(responseXml(bare(serialiseAssertion(assertion))), 'SAMLResponse'), peer)),
      'CURFEW_SAML_SIGNATURE_MISSING'
    ))
})

suite('Partly signed messages', () => {
  test('a signature over a child proves nothing about the message around it', () => {
    const nameId = { head: '<saml:NameID xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_name">', tail: 'ana</saml:NameID>', id: '_name' }
    const signed = signEnvelopedSync(nameId, partnerKey.signing)
    const { head, tail } = serialiseLogoutRequest(logoutRequest)
    const plain = signed.replace(signature(signed), '')
    // The signature of the child in the place where the one of the message belongs.
    const moved = head + signature(signed) + tail.replace(/<saml:NameID.*<\/saml:NameID>/, plain)
    assert.equal(
      codeOf(() => verifyLogoutRequest(posted(moved), peer)),
      'CURFEW_SAML_SIGNATURE_SHAPE'
    )
    const inside = head + tail.replace(/<saml:NameID.*<\/saml:NameID>/, signed)
    assert.match(
      codeOf(() => verifyLogoutRequest(posted(inside), peer)),
      /^CURFEW_SAML_(STRUCTURE|SIGNATURE_MISSING)$/
    )
  })

  test('of a Response whose assertion alone is signed, a second assertion is not read', () => {
    const other = bare(serialiseAssertion({ ...assertion, id: '_other', subject: { ...assertion.subject, nameId: { value: 'admin' } } }))
    for (const inner of [signedAssertion + other, other + signedAssertion])
      assert.equal(
        codeOf(() => verifyResponse(posted(responseXml(inner), 'SAMLResponse'), peer)),
        'CURFEW_SAML_ASSERTION_COUNT'
      )
  })

  test('a signature that is there must be good even where another one would do', () => {
    const whole = responseXml(signedAssertion.replace('>ana<', '>admin<'), true)
    assert.equal(
      codeOf(() => verifyResponse(posted(whole, 'SAMLResponse'), peer)),
      'CURFEW_SAML_SIGNATURE_INVALID'
    )
  })

  test('attributes and text around what is signed are not read', () => {
    for (const [from, to] of [
      ['<samlp:SessionIndex>index-1', '<samlp:SessionIndex>index-9'],
      [' NotOnOrAfter="', ' Consent="x" NotOnOrAfter="'],
      ['</samlp:LogoutRequest>', '<samlp:SessionIndex>more</samlp:SessionIndex></samlp:LogoutRequest>']
    ] as const)
      assert.equal(
        codeOf(() => verifyLogoutRequest(posted(signedRequest.replace(from, to)), peer)),
        'CURFEW_SAML_SIGNATURE_INVALID'
      )
  })
})

suite('Two SignedInfo', () => {
  const info = /<ds:SignedInfo>.*<\/ds:SignedInfo>/.exec(signedRequest)?.[0] ?? ''
  const forged = signedRequest.replace('ana &amp; co', 'eve')
  const places: Readonly<Record<string, string>> = {
    'before the one that is signed': forged.replace(info, info.replace(/<ds:DigestValue>[^<]*/, '<ds:DigestValue>AAAA') + info),
    'behind the one that is signed': forged.replace(info, info + info.replace(/<ds:DigestValue>[^<]*/, '<ds:DigestValue>AAAA')),
    'behind the value': signedRequest.replace('</ds:SignatureValue>', `</ds:SignatureValue>${info}`),
    'in the one that is signed': signedRequest.replace('</ds:SignedInfo>', `${info}</ds:SignedInfo>`)
  }
  for (const [name, xml] of Object.entries(places))
    test(`a second one ${name} is refused`, () =>
      assert.equal(
        codeOf(() => verifyLogoutRequest(posted(xml), peer)),
        'CURFEW_SAML_SIGNATURE_SHAPE'
      ))
})
