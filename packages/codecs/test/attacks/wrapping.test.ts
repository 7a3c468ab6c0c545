import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { decodeSoap, serialiseAssertion, signEnvelopedSync, verifyLogoutRequest, verifyLogoutResponse, verifyResponse } from '../../src/index.ts'
import { foreignKey } from '../support/keys.ts'
import { assertion, codeOf, peer, posted, responseXml, signedAssertion, signedRequest, signedResponse } from '../support/messages.ts'

const evil = (xml: string): string => xml.replaceAll('>ana<', '>admin<').replace(/<ds:Signature .*?<\/ds:Signature>/, '')
const evilAssertion = evil(signedAssertion).replace('ID="_assertion1"', 'ID="_evil"')
const signature = /<ds:Signature .*?<\/ds:Signature>/.exec(signedAssertion)?.[0] ?? ''
const bare = signedAssertion.replace(signature, '')
const inside = (xml: string, place: string, child: string): string => xml.replace(place, child + place)

/** Who a message would sign in, or the code of its refusal. */
function accepted(xml: string): string {
  let name = ''
  const code = codeOf(() => {
    name = verifyResponse(posted(xml, 'SAMLResponse'), peer).assertion?.subject.nameId.value ?? ''
  })
  return code === 'accepted' ? name : code
}

suite('Signature wrapping of Response', () => {
  const whole = responseXml()
  const signedWhole = responseXml(bare, true)
  const wholeSignature = /<ds:Signature .*?<\/ds:Signature>/.exec(signedWhole)?.[0] ?? ''
  const bareWhole = signedWhole.replace(wholeSignature, '')
  const forgedResponse = responseXml(evilAssertion).replace('ID="_answer1"', 'ID="_evilanswer"')
  const permutations: Readonly<Record<string, string>> = {
    '1 the signed Response in an Object of its signature in a forged one': forgedResponse.replace(
      '</saml:Issuer>',
      `</saml:Issuer>${wholeSignature.replace('</ds:Signature>', `<ds:Object>${bareWhole}</ds:Object></ds:Signature>`)}`
    ),
    '2 the signed Response beside its signature in a forged one': forgedResponse
      .replace('</saml:Issuer>', `</saml:Issuer>${wholeSignature}`)
      .replace('</samlp:Response>', `${bareWhole}</samlp:Response>`),
    '3 a forged assertion before the signed one': responseXml(evilAssertion + signedAssertion),
    '4 the signed assertion inside a forged one': responseXml(inside(evilAssertion, '</saml:Assertion>', signedAssertion)),
    '5 a forged assertion that carries the signature, the signed one behind': responseXml(
      evilAssertion.replace('</saml:Issuer>', `</saml:Issuer>${signature}`) + bare
    ),
    '6 the signed assertion inside the signature of the forged one': responseXml(
      evilAssertion.replace('</saml:Issuer>', `</saml:Issuer>${signature.replace('</ds:Signature>', `${bare}</ds:Signature>`)}`)
    ),
    '7 a forged assertion in Extensions': whole.replace('<samlp:Status>', `<samlp:Extensions>${evilAssertion}</samlp:Extensions><samlp:Status>`),
    '8 the signed assertion in an Object of the forged one': responseXml(
      evilAssertion.replace('</saml:Issuer>', `</saml:Issuer>${signature.replace('</ds:Signature>', `<ds:Object>${bare}</ds:Object></ds:Signature>`)}`)
    ),
    '9 the signed assertion in Advice of the forged one': responseXml(
      inside(evilAssertion, '<saml:AuthnStatement', `<saml:Advice>${signedAssertion}</saml:Advice>`)
    ),
    'the same ID twice': responseXml(evilAssertion.replace('_evil', '_assertion1') + signedAssertion),
    'a forged assertion alone': responseXml(evilAssertion),
    'a forged assertion with the signature moved over': responseXml(
      evilAssertion.replace('_evil', '_assertion1').replace('</saml:Issuer>', `</saml:Issuer>${signature}`)
    ),
    'an assertion signed by somebody else': responseXml(
      signEnvelopedSync(serialiseAssertion({ ...assertion, subject: { ...assertion.subject, nameId: { value: 'admin' } } }), foreignKey.signing)
    ),
    'a name split by a comment': responseXml(signedAssertion.replace('>ana<', '>ana<!-- x -->.evil<')),
    'a name split by an element': responseXml(signedAssertion.replace('>ana<', '>a<b></b>na<')),
    'a prefix bound to something else': whole.replace(
      '<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"',
      '<saml:Assertion xmlns:saml="urn:evil"'
    ),
    'a default namespace wrapped around': `<x xmlns="urn:oasis:names:tc:SAML:2.0:protocol">${whole}</x>`
  }
  test('the plain message signs ana in', () => assert.equal(accepted(whole), 'ana'))
  for (const [name, xml] of Object.entries(permutations)) test(`refuses ${name}`, () => assert.match(accepted(xml), /^CURFEW_/))
})

suite('Signature wrapping of logout messages', () => {
  const request = (xml: string): string => codeOf(() => verifyLogoutRequest(posted(xml), peer))
  const unsigned = signedRequest.replace(/<ds:Signature .*?<\/ds:Signature>/, '').replaceAll('_request1', '_forged')
  test('AC-145 a signed assertion inside an unsigned LogoutRequest', () =>
    assert.match(request(inside(unsigned, '</samlp:LogoutRequest>', signedAssertion)), /^CURFEW_SAML_(STRUCTURE|SIGNATURE)/))
  test('AC-145 a signed assertion in Extensions of an unsigned LogoutRequest', () =>
    assert.match(request(unsigned.replace('</saml:Issuer>', `</saml:Issuer><samlp:Extensions>${signedAssertion}</samlp:Extensions>`)), /^CURFEW_/))
  test('AC-145 a signed LogoutRequest inside an unsigned one', () =>
    assert.match(request(unsigned.replace('</saml:Issuer>', `</saml:Issuer><samlp:Extensions>${signedRequest}</samlp:Extensions>`)), /^CURFEW_/))
  test('AC-145 the signature of one request on another', () => {
    const other = /<ds:Signature .*?<\/ds:Signature>/.exec(signedRequest)?.[0] ?? ''
    assert.equal(request(unsigned.replace('</saml:Issuer>', `</saml:Issuer>${other}`)), 'CURFEW_SAML_SIGNATURE_SHAPE')
  })
  test('a SessionIndex added after signing', () =>
    assert.equal(request(inside(signedRequest, '</samlp:LogoutRequest>', '<samlp:SessionIndex>x</samlp:SessionIndex>')), 'CURFEW_SAML_SIGNATURE_INVALID'))
  test('a LogoutResponse whose status was changed', () => {
    assert.equal(
      codeOf(() => verifyLogoutResponse(posted(signedResponse.replace('status:Success', 'status:Responder'), 'SAMLResponse'), peer)),
      'CURFEW_SAML_SIGNATURE_INVALID'
    )
  })
  test('a signed message in a SOAP header proves nothing about the body', () => {
    const xml = `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header>${signedRequest}</s:Header><s:Body>${unsigned}</s:Body></s:Envelope>`
    assert.equal(
      codeOf(() => verifyLogoutRequest(decodeSoap(Buffer.from(xml)), peer)),
      'CURFEW_SAML_SIGNATURE_MISSING'
    )
  })
})
