import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { SignedXml } from 'xml-crypto'
import { DOMParser } from '@xmldom/xmldom'
import fc from 'fast-check'
import {
  parseXml,
  serialiseLogoutRequest,
  signEnvelopedSync,
  signMessage,
  type SignatureAlgorithm,
  unsafeAllowSha1,
  verifyEnveloped,
  verifyLogoutRequest
} from '../../src/index.ts'
import { foreignKey, keysByAlgorithm, partnerKey, smallKey } from '../support/keys.ts'
import { codeOf, logoutRequest, partner, peer, posted, signedRequest } from '../support/messages.ts'

const verify = (xml: string, keys = [partnerKey.verification], policy = {}): unknown => {
  const document = parseXml(Buffer.from(xml), 'message')
  return verifyEnveloped(document, document.root, keys, policy)
}

suite('Enveloped signatures', () => {
  for (const [algorithm, key] of Object.entries(keysByAlgorithm)) {
    test(`signs and verifies with ${algorithm}`, async () => {
      const xml = await signMessage(serialiseLogoutRequest(logoutRequest), key.signing)
      const message = verifyLogoutRequest(posted(xml), {
        entityId: partner,
        keys: [key.verification],
        policy: { algorithms: [algorithm as SignatureAlgorithm] }
      })
      assert.deepEqual(
        { ...message, issueInstant: message.issueInstant.toString() },
        { ...logoutRequest, issueInstant: logoutRequest.issueInstant.toString(), notOnOrAfter: message.notOnOrAfter }
      )
    })
  }

  test('an independent library accepts what we sign', () => {
    const checker = new SignedXml({ publicCert: partnerKey.publicKey.export({ type: 'spki', format: 'pem' }) as string, getCertFromKeyInfo: () => null })
    const document = new DOMParser().parseFromString(signedRequest, 'text/xml')
    const signature = document.getElementsByTagNameNS('http://www.w3.org/2000/09/xmldsig#', 'Signature')[0]
    checker.loadSignature(signature as unknown as string)
    assert.equal(checker.checkSignature(signedRequest), true)
  })

  test('any change of a signed octet is refused', () => {
    const end = signedRequest.indexOf('<ds:Signature')
    fc.assert(
      fc.property(fc.nat(signedRequest.length - 1), fc.constantFrom('x', '0', 'A', ' ', '>', '='), (at, character) => {
        if (signedRequest[at] === character) return
        const changed = signedRequest.slice(0, at) + character + signedRequest.slice(at + 1)
        const code = codeOf(() => verifyLogoutRequest(posted(changed), peer))
        assert.notEqual(code, 'accepted', `octet ${at} (signature at ${end})`)
        assert.match(code, /^CURFEW_/)
      }),
      { numRuns: 1_500 }
    )
  })

  test('a key of somebody else does not fit', () => {
    assert.equal(
      codeOf(() => verify(signedRequest, [foreignKey.verification])),
      'CURFEW_SAML_SIGNATURE_INVALID'
    )
  })

  test('without a key of the kind the signer is unknown', () => {
    assert.equal(
      codeOf(() => verify(signedRequest, [])),
      'CURFEW_SAML_SIGNER_UNKNOWN'
    )
    assert.equal(
      codeOf(() => verify(signedRequest, [keysByAlgorithm['ecdsa-sha256'].verification])),
      'CURFEW_SAML_SIGNER_UNKNOWN'
    )
  })

  test('RSA keys below 2048 bits do not verify', () => {
    const xml = signEnvelopedSync(serialiseLogoutRequest(logoutRequest), smallKey.signing)
    assert.equal(
      codeOf(() => verify(xml, [smallKey.verification])),
      'CURFEW_SAML_SIGNER_UNKNOWN'
    )
  })

  test('an algorithm that this partner may not use is refused', () => {
    assert.equal(
      codeOf(() => verify(signedRequest, undefined, { algorithms: ['ecdsa-sha256'] })),
      'CURFEW_SAML_ALGORITHM_REFUSED'
    )
  })
})

suite('Shapes of signatures that are refused', () => {
  const edit = (from: string | RegExp, to: string): string => {
    const changed = signedRequest.replace(from, to)
    assert.notEqual(changed, signedRequest, 'the test must change something')
    return changed
  }
  const cases: Readonly<Record<string, readonly [string, string]>> = {
    'SHA-1 signature': [
      edit('xmldsig-more#rsa-sha256', 'NOPE').replace('http://www.w3.org/2001/04/NOPE', 'http://www.w3.org/2000/09/xmldsig#rsa-sha1'),
      'CURFEW_SAML_ALGORITHM_REFUSED'
    ],
    'HMAC with the public key': [
      edit('http://www.w3.org/2001/04/xmldsig-more#rsa-sha256', 'http://www.w3.org/2000/09/xmldsig#hmac-sha1'),
      'CURFEW_SAML_ALGORITHM_REFUSED'
    ],
    'SHA-1 digest': [edit('http://www.w3.org/2001/04/xmlenc#sha256', 'http://www.w3.org/2000/09/xmldsig#sha1'), 'CURFEW_SAML_ALGORITHM_REFUSED'],
    'inclusive canonicalisation': [
      edit(
        '<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#">',
        '<ds:CanonicalizationMethod Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315">'
      ),
      'CURFEW_SAML_ALGORITHM_REFUSED'
    ],
    'an XPath transform': [
      edit('http://www.w3.org/2000/09/xmldsig#enveloped-signature', 'http://www.w3.org/TR/1999/REC-xpath-19991116'),
      'CURFEW_SAML_ALGORITHM_REFUSED'
    ],
    'a third transform': [
      edit('</ds:Transforms>', '<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></ds:Transform></ds:Transforms>'),
      'CURFEW_SAML_ALGORITHM_REFUSED'
    ],
    'an empty reference': [edit('URI="#_request1"', 'URI=""'), 'CURFEW_SAML_SIGNATURE_SHAPE'],
    'a reference to something else': [edit('URI="#_request1"', 'URI="#_other"'), 'CURFEW_SAML_SIGNATURE_SHAPE'],
    'an outside reference': [edit('URI="#_request1"', 'URI="https://evil.example/x"'), 'CURFEW_SAML_SIGNATURE_SHAPE'],
    'two references': [edit(/(<ds:Reference.*<\/ds:Reference>)/, '$1$1'), 'CURFEW_SAML_SIGNATURE_SHAPE'],
    'an Object': [edit('</ds:Signature>', '<ds:Object></ds:Object></ds:Signature>'), 'CURFEW_SAML_SIGNATURE_SHAPE'],
    'two signatures': [edit(/(<ds:Signature .*<\/ds:Signature>)/, '$1$1'), 'CURFEW_SAML_SIGNATURE_SHAPE'],
    'a signature at the end': [
      signedRequest.replace(/(<ds:Signature .*<\/ds:Signature>)(.*)(<\/samlp:LogoutRequest>)/, '$2$1$3'),
      'CURFEW_SAML_SIGNATURE_SHAPE'
    ],
    'markup in the digest': [edit('<ds:DigestValue>', '<ds:DigestValue><ds:X></ds:X>'), 'CURFEW_XML_ELEMENT_UNEXPECTED'],
    'junk in the signature value': [edit('<ds:SignatureValue>', '<ds:SignatureValue>!'), 'CURFEW_SAML_BASE64'],
    'no signature': [signedRequest.replace(/<ds:Signature .*<\/ds:Signature>/, ''), 'CURFEW_SAML_SIGNATURE_MISSING']
  }
  for (const [name, [xml, code]] of Object.entries(cases))
    test(`refuses ${name}`, () =>
      assert.equal(
        codeOf(() => verify(xml)),
        code
      ))

  test('a certificate inside the message is never used', () => {
    const parts = serialiseLogoutRequest(logoutRequest)
    const xml = signEnvelopedSync(parts, { ...foreignKey.signing, certificate: 'AAAA', embedCertificate: true })
    assert.match(xml, /<ds:X509Certificate>AAAA</)
    assert.equal(
      codeOf(() => verify(xml)),
      'CURFEW_SAML_SIGNATURE_INVALID'
    )
  })

  test('SHA-1 is reached by a symbol only', () => {
    assert.equal(typeof unsafeAllowSha1, 'symbol')
    assert.equal(
      codeOf(() => verify(cases['SHA-1 signature']?.[0] ?? '', undefined, { sha1: true } as never)),
      'CURFEW_SAML_ALGORITHM_REFUSED'
    )
  })

  test('white space between lines of the signature value is accepted', () => {
    const value = /<ds:SignatureValue>(.*)<\/ds:SignatureValue>/.exec(signedRequest)?.[1] ?? ''
    const folded = signedRequest.replace(value, value.match(/.{1,64}/g)?.join('\n') ?? '')
    assert.equal(
      codeOf(() => verify(folded)),
      'accepted'
    )
  })
})
