import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  decodeSoap,
  openArtifactResponse,
  type PeerKeys,
  serialiseLogoutRequest,
  signEnvelopedSync,
  verifyAuthnRequest,
  verifyLogoutRequest,
  verifyLogoutResponse,
  verifyResponse
} from '../../src/index.ts'
import { carrying, opened } from '../support/artifact.ts'
import { foreignKey } from '../support/keys.ts'
import { codeOf, logoutRequest, peer, responseXml, signedAssertion, signedRequest, signedResponse } from '../support/messages.ts'

const other: PeerKeys = { entityId: 'https://other.example/saml', keys: [foreignKey.verification] }
const bare = (): string => {
  const { head, tail } = serialiseLogoutRequest(logoutRequest)
  return head + tail
}
const ofOther = signEnvelopedSync(serialiseLogoutRequest({ ...logoutRequest, issuer: other.entityId }), foreignKey.signing)
const signature = /<ds:Signature .*?<\/ds:Signature>/.exec(carrying(signedRequest))?.[0] ?? ''

suite('What the answer to an ArtifactResolve can not do', () => {
  test('bring a message of another partner, though that partner signed it', () => {
    assert.equal(
      codeOf(() => opened(carrying(ofOther))),
      'CURFEW_SAML_ISSUER_WRONG'
    )
    assert.equal(
      codeOf(() => opened(carrying(ofOther, { signs: false }))),
      'CURFEW_SAML_ISSUER_WRONG'
    )
  })

  test('be read with the keys of somebody who was not asked', () => {
    const received = opened(carrying(signedRequest))
    const same: PeerKeys = { ...other, keys: peer.keys }
    for (const keys of [other, same])
      assert.equal(
        codeOf(() => verifyLogoutRequest(received, keys)),
        'CURFEW_SAML_ISSUER_WRONG'
      )
    assert.equal(
      codeOf(() => verifyLogoutResponse(opened(carrying(signedResponse)), same)),
      'CURFEW_SAML_ISSUER_WRONG'
    )
    assert.equal(
      codeOf(() => verifyResponse(opened(carrying(responseXml())), same)),
      'CURFEW_SAML_ISSUER_WRONG'
    )
  })

  test('answer another question', () => {
    for (const inResponseTo of ['_resolve2', '']) {
      assert.equal(
        codeOf(() => opened(carrying(signedRequest, { change: { inResponseTo } }))),
        'CURFEW_SAML_IN_RESPONSE_TO'
      )
    }
    assert.equal(
      codeOf(() => opened(carrying(signedRequest).replace(' InResponseTo="_resolve1"', ''))),
      'CURFEW_SAML_SIGNATURE_INVALID'
    )
    assert.equal(
      codeOf(() => opened(carrying(signedRequest, { signs: false }).replace(' InResponseTo="_resolve1"', ''))),
      'CURFEW_SAML_IN_RESPONSE_TO'
    )
  })

  test('come from another issuer than the one that was asked', () => {
    assert.equal(
      codeOf(() => opened(carrying(signedRequest, { signs: false, change: { issuer: other.entityId } }))),
      'CURFEW_SAML_ISSUER_WRONG'
    )
    assert.equal(
      codeOf(() => opened(carrying(signedRequest), other)),
      'CURFEW_SAML_SIGNATURE_INVALID'
    )
  })

  test('spoil a signature and have the other one stand for it', () => {
    const spoiled = signedRequest.replace('index-1', 'index-9')
    assert.equal(
      codeOf(() => verifyLogoutRequest(opened(carrying(spoiled)), peer)),
      'CURFEW_SAML_SIGNATURE_INVALID'
    )
    assert.equal(
      codeOf(() => opened(carrying(signedRequest).replace('index-1', 'index-9'))),
      'CURFEW_SAML_SIGNATURE_INVALID'
    )
    const assertion = signedAssertion.replace('>ana<', '>admin<')
    assert.equal(
      codeOf(() => verifyResponse(opened(carrying(responseXml(assertion))), peer)),
      'CURFEW_SAML_SIGNATURE_INVALID'
    )
  })

  const evil = bare().replace('_request1', '_evil1').replace('ana &amp; co', 'eve')
  const wrapped: Readonly<Record<string, readonly [string, string]>> = {
    'a second message behind the first': [carrying(signedRequest + evil), 'CURFEW_SAML_STRUCTURE'],
    'the signed answer in Extensions of an unsigned one': [
      carrying(evil, { signs: false, change: { id: '_evil' } }).replace(
        '<samlp:Status',
        `<samlp:Extensions xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol">${carrying(signedRequest)}</samlp:Extensions><samlp:Status`
      ),
      'CURFEW_SAML_STRUCTURE'
    ],
    'the signed answer in an extension of an unsigned one': [
      carrying(evil, { signs: false, change: { id: '_evil' } }).replace(
        '<samlp:Status',
        `<samlp:Extensions xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"><x:x xmlns:x="urn:x">${carrying(signedRequest)}</x:x></samlp:Extensions><samlp:Status`
      ),
      'CURFEW_SAML_SIGNATURE_MISSING'
    ],
    'the signature of another answer': [
      carrying(evil, { signs: false, change: { id: '_evil' } }).replace('</saml:Issuer>', `</saml:Issuer>${signature}`),
      'CURFEW_SAML_SIGNATURE_SHAPE'
    ],
    'an answer inside of an answer': [carrying(carrying(signedRequest), { signs: false, change: { id: '_evil' } }), 'CURFEW_SAML_STRUCTURE'],
    'a message in the place of the status': [
      carrying(signedRequest, { signs: false }).replace(/<samlp:Status .*?<\/samlp:Status>/, ''),
      'CURFEW_SAML_STRUCTURE'
    ],
    'a signed message inside of an unsigned one': [
      carrying(evil.replace('</samlp:LogoutRequest>', `${signedRequest}</samlp:LogoutRequest>`), { signs: false }),
      'CURFEW_SAML_STRUCTURE'
    ]
  }
  for (const [name, [xml, code]] of Object.entries(wrapped)) {
    test(`hide ${name}`, () => {
      assert.equal(
        codeOf(() => verifyLogoutRequest(opened(xml), peer)),
        code
      )
    })
  }

  test('sign an AuthnRequest for somebody else, or unsign one that must be signed', () => {
    assert.equal(
      codeOf(() => verifyAuthnRequest(opened(carrying(signedRequest)), peer, { signature: 'optional' })),
      'CURFEW_SAML_STRUCTURE'
    )
  })

  test('be a fault, a page or another message', () => {
    const asked = { requestId: '_resolve1' }
    for (const body of ['<html></html>', '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body/></soap:Envelope>'])
      assert.notEqual(
        codeOf(() => openArtifactResponse(decodeSoap(Buffer.from(body)), peer, asked)),
        'accepted'
      )
    const envelope = `<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>${signedRequest}</soap:Body></soap:Envelope>`
    assert.equal(
      codeOf(() => openArtifactResponse(decodeSoap(Buffer.from(envelope)), peer, asked)),
      'CURFEW_SAML_STRUCTURE'
    )
  })

  test('change one character of what is signed and be accepted', () => {
    const xml = carrying(bare())
    assert.equal(
      codeOf(() => verifyLogoutRequest(opened(xml), peer)),
      'accepted'
    )
    for (const [from, to] of [
      ['_resolved1', '_resolved2'],
      ['ana &amp; co', 'eve'],
      ['status:Success', 'status:Succesz'],
      ['index-1', 'index-2x']
    ] as const)
      assert.notEqual(
        codeOf(() => verifyLogoutRequest(opened(xml.replace(from, to)), peer)),
        'accepted'
      )
  })
})
