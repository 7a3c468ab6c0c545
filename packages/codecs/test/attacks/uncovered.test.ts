import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  decodeSoap,
  encodeSoap,
  encryptAssertion,
  serialiseMetadata,
  signEnvelopedSync,
  verifyLogoutRequest,
  verifyLogoutResponse,
  verifyMetadata,
  verifyResponse
} from '../../src/index.ts'
import { carrying, opened } from '../support/artifact.ts'
import { canonical, encryptingPeer, ownPair, sealFor, signedAssertionHere, wrapped } from '../support/encryption.ts'
import { partnerKey } from '../support/keys.ts'
import { codeOf, partner, peer, posted, responseXml, signedAssertion, signedRequest, signedResponse } from '../support/messages.ts'

const octets = 'QUJD'
const schemaInstance = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
const x509 = (inner: string): string => `<ds:X509Data>${inner}</ds:X509Data>`
const withKeyInfo = (inner: string, attributes = ''): string =>
  signedRequest.replace('</ds:Signature>', `<ds:KeyInfo${attributes}>${inner}</ds:KeyInfo></ds:Signature>`)
const byPost = (xml: string): string => codeOf(() => verifyLogoutRequest(posted(xml), peer))

suite('What stands in a Signature and is not signed', () => {
  const refused: Readonly<Record<string, string>> = {
    'an id of XML on the Signature': signedRequest.replace('<ds:Signature ', '<ds:Signature xml:id="_c" '),
    'an attribute of its own namespace on the Signature': signedRequest.replace('<ds:Signature ', '<ds:Signature ds:Id="_c" '),
    'an attribute that the schema does not have on the Signature': signedRequest.replace('<ds:Signature ', '<ds:Signature ID="_c" '),
    'a language on the SignatureValue': signedRequest.replace('<ds:SignatureValue', '<ds:SignatureValue xml:lang="de"'),
    'an attribute that XML Schema does not have': signedRequest.replace('<ds:Signature ', `<ds:Signature ${schemaInstance} xsi:a="b" `),
    'text between its parts': signedRequest.replace('<ds:SignatureValue', 'x<ds:SignatureValue'),
    'an attribute on KeyInfo': withKeyInfo('<ds:KeyName>a</ds:KeyName>', ' a="b"'),
    'text in KeyInfo': withKeyInfo('a<ds:KeyName>a</ds:KeyName>'),
    'text alone in KeyInfo, as xml-crypto 6.0 can write it': withKeyInfo('null', ' Id="_c"'),
    'an attribute on an empty KeyInfo': withKeyInfo('', ' a="b"'),
    'an attribute on a KeyName': withKeyInfo('<ds:KeyName a="b">a</ds:KeyName>'),
    'an element in a KeyName': withKeyInfo('<ds:KeyName><ds:KeyName>a</ds:KeyName></ds:KeyName>'),
    'a key of DSA': withKeyInfo(`<ds:KeyValue><ds:DSAKeyValue><ds:Y>${octets}</ds:Y></ds:DSAKeyValue></ds:KeyValue>`),
    'half a key': withKeyInfo(`<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>${octets}</ds:Modulus></ds:RSAKeyValue></ds:KeyValue>`),
    'two keys in one': withKeyInfo(
      `<ds:KeyValue>${`<ds:RSAKeyValue><ds:Modulus>${octets}</ds:Modulus><ds:Exponent>${octets}</ds:Exponent></ds:RSAKeyValue>`.repeat(2)}</ds:KeyValue>`
    ),
    'an attribute on an empty X509Data': withKeyInfo('<ds:X509Data Id="_c"></ds:X509Data>'),
    'text in an X509Data': withKeyInfo(x509('null')),
    'a certificate that is no base64': withKeyInfo(x509('<ds:X509Certificate>-----BEGIN</ds:X509Certificate>')),
    'an attribute on a certificate': withKeyInfo(x509(`<ds:X509Certificate Id="_c">${octets}</ds:X509Certificate>`)),
    'a serial that is no number': withKeyInfo(
      x509('<ds:X509IssuerSerial><ds:X509IssuerName>CN=a</ds:X509IssuerName><ds:X509SerialNumber>0x1</ds:X509SerialNumber></ds:X509IssuerSerial>')
    ),
    'transforms of what would be fetched': withKeyInfo('<ds:RetrievalMethod URI="#a"><ds:Transforms></ds:Transforms></ds:RetrievalMethod>'),
    'another Signature': withKeyInfo('<ds:Signature></ds:Signature>'),
    'an element without a namespace': withKeyInfo('<a></a>'),
    'an assertion': withKeyInfo(signedAssertion),
    'an assertion in something unknown': withKeyInfo(`<a xmlns="urn:a">${signedAssertion}</a>`),
    'an encrypted key': withKeyInfo('<x:EncryptedKey xmlns:x="http://www.w3.org/2001/04/xmlenc#"></x:EncryptedKey>')
  }
  for (const [name, xml] of Object.entries(refused))
    test(`${name} is refused`, () => {
      assert.notEqual(xml, signedRequest)
      assert.match(byPost(xml), /^CURFEW_(?:SAML_SIGNATURE_SHAPE|XML_TEXT_UNEXPECTED|XML_ELEMENT_UNEXPECTED)$/)
    })

  const accepted: Readonly<Record<string, string>> = {
    'an empty X509Data': withKeyInfo(x509('')),
    'an X509Data of white space': withKeyInfo(x509('\n  ')),
    'an empty KeyInfo': withKeyInfo(''),
    'an empty KeyInfo with an id': withKeyInfo(' ', ' Id="_c"'),
    'what XML Schema allows on every element': signedRequest
      .replace('<ds:Signature ', `<ds:Signature ${schemaInstance} xsi:schemaLocation="urn:a a.xsd" xsi:type="ds:SignatureType" `)
      .replace('<ds:SignatureValue', `<ds:SignatureValue ${schemaInstance} xsi:nil="false" xsi:noNamespaceSchemaLocation="a.xsd"`),
    'ids where the schema has them': signedRequest
      .replace('<ds:Signature ', '<ds:Signature Id="_a" ')
      .replace('<ds:SignatureValue', '<ds:SignatureValue Id="_b"')
      .replace('</ds:Signature>', '<ds:KeyInfo Id="_c"><ds:KeyName></ds:KeyName></ds:KeyInfo></ds:Signature>'),
    'white space and declarations': signedRequest
      .replace('<ds:Signature ', '<ds:Signature xmlns:a="urn:a" ')
      .replace('<ds:SignedInfo', '\n  <ds:SignedInfo')
      .replace(/<ds:SignatureValue>.{60}/, '\n  $&\n')
      .replace('</ds:Signature>', '\n</ds:Signature>'),
    'the certificate, its subject, its issuer and its key': withKeyInfo(
      x509(
        `\n<ds:X509Certificate>\n${octets}\n${octets}</ds:X509Certificate><ds:X509SubjectName>CN=a</ds:X509SubjectName><ds:X509SKI>${octets}</ds:X509SKI>` +
          '<ds:X509IssuerSerial><ds:X509IssuerName>CN=a</ds:X509IssuerName><ds:X509SerialNumber>12</ds:X509SerialNumber></ds:X509IssuerSerial>'
      ) + `<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>${octets}</ds:Modulus><ds:Exponent>AQAB</ds:Exponent></ds:RSAKeyValue></ds:KeyValue>`
    ),
    'a key of ECDSA': withKeyInfo(
      `<ds:KeyValue><e:ECKeyValue xmlns:e="http://www.w3.org/2009/xmldsig11#"><e:NamedCurve URI="urn:oid:1.2.840.10045.3.1.7"></e:NamedCurve><e:PublicKey>${octets}</e:PublicKey></e:ECKeyValue></ds:KeyValue>`
    ),
    'a reference of WS-Security': withKeyInfo(
      `<o:SecurityTokenReference xmlns:o="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd">${x509(
        '<ds:X509IssuerSerial><ds:X509IssuerName>CN=a</ds:X509IssuerName><ds:X509SerialNumber>12</ds:X509SerialNumber></ds:X509IssuerSerial>'
      )}</o:SecurityTokenReference>`
    )
  }
  for (const [name, xml] of Object.entries(accepted)) test(`of products, ${name} change nothing`, () => assert.equal(byPost(xml), 'accepted'))

  test('the same holds for a LogoutResponse, for an assertion and for metadata', () => {
    const marked = (xml: string): string => xml.replace('<ds:Signature ', '<ds:Signature xml:id="_c" ')
    assert.equal(
      codeOf(() => verifyLogoutResponse(posted(marked(signedResponse), 'SAMLResponse'), peer)),
      'CURFEW_SAML_SIGNATURE_SHAPE'
    )
    for (const inner of [marked(signedAssertion), encryptAssertion(marked(signedAssertionHere), sealFor(ownPair))])
      assert.match(
        codeOf(() => verifyResponse(posted(responseXml(inner), 'SAMLResponse'), encryptingPeer)),
        /^CURFEW_SAML_(?:SIGNATURE_SHAPE|DECRYPTION)$/
      )
    const metadata = signEnvelopedSync(serialiseMetadata({ id: '_m', entityId: partner }), partnerKey.signing)
    const read = (xml: string): string => codeOf(() => verifyMetadata(Buffer.from(xml), [partnerKey.verification]))
    assert.deepEqual([read(metadata), read(marked(metadata))], ['accepted', 'CURFEW_SAML_SIGNATURE_SHAPE'])
  })
})

suite('What stands around an encrypted assertion that alone is signed', () => {
  const good = wrapped('EncryptedAssertion', { plain: signedAssertionHere, keyPlace: 'inside' })
  const beside = wrapped('EncryptedAssertion', { plain: signedAssertionHere, keyPlace: 'beside, named' })
  const outcome = (inner: string, signs = false): string => codeOf(() => verifyResponse(posted(responseXml(inner, signs), 'SAMLResponse'), encryptingPeer))
  const inKey = (more: string): string => good.replace('</xenc:EncryptedKey>', `${more}</xenc:EncryptedKey>`)
  const refused: Readonly<Record<string, string>> = {
    'an attribute on EncryptedAssertion': good.replace('<saml:EncryptedAssertion', '<saml:EncryptedAssertion a="b"'),
    'an attribute on EncryptedData': good.replace('<xenc:EncryptedData', '<xenc:EncryptedData xml:id="_c"'),
    'an attribute on EncryptedKey': good.replace('<xenc:EncryptedKey', '<xenc:EncryptedKey ID="_c"'),
    'an attribute on EncryptionMethod': good.replace('<xenc:EncryptionMethod ', '<xenc:EncryptionMethod a="b" '),
    'a KeySize that is no number': good.replace(
      /(<xenc:EncryptionMethod Algorithm="[^"]*gcm")\/>/,
      '$1><xenc:KeySize>x</xenc:KeySize></xenc:EncryptionMethod>'
    ),
    'two KeySize': good.replace(
      /(<xenc:EncryptionMethod Algorithm="[^"]*gcm")\/>/,
      `$1>${'<xenc:KeySize>256</xenc:KeySize>'.repeat(2)}</xenc:EncryptionMethod>`
    ),
    'an attribute on CipherData': good.replace('<xenc:CipherData', '<xenc:CipherData Id="_c"'),
    'an attribute on CipherValue': good.replace('<xenc:CipherValue', '<xenc:CipherValue xml:lang="de"'),
    'an attribute on KeyInfo': good.replace('<ds:KeyInfo ', '<ds:KeyInfo a="b" '),
    'an attribute on the name of a key': good.replace('<ds:KeyName', '<ds:KeyName a="b"'),
    'an assertion in the KeyInfo of the key': good.replace('<ds:KeyName>', `${signedAssertion}<ds:KeyName>`),
    'two KeyInfo of the key': good.replace(
      '</ds:KeyName></ds:KeyInfo>',
      '$&<ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:KeyName/></ds:KeyInfo>'
    ),
    'an empty list of what the key is for': inKey('<xenc:ReferenceList/>'),
    'something unknown in that list': inKey('<xenc:ReferenceList><xenc:DataReference URI="#_data" a="b"/></xenc:ReferenceList>'),
    'a name of the key before that list': inKey(
      '<xenc:CarriedKeyName>a</xenc:CarriedKeyName><xenc:ReferenceList><xenc:DataReference URI="#_data"/></xenc:ReferenceList>'
    ),
    'an attribute on the reference to the key': beside.replace('<ds:RetrievalMethod ', '<ds:RetrievalMethod Id="_c" '),
    'text beside the data': good.replace('<xenc:EncryptedData', 'x<xenc:EncryptedData')
  }
  for (const [name, xml] of Object.entries(refused))
    test(`${name} is refused`, () => {
      assert.notEqual(xml, good)
      assert.match(outcome(xml), /^CURFEW_(?:SAML_ENCRYPTION_REFUSED|SAML_STRUCTURE|XML_TEXT_UNEXPECTED)$/)
    })

  test('what the schema has is read', () => {
    const named = inKey('<xenc:ReferenceList><xenc:DataReference URI="#_data"/></xenc:ReferenceList><xenc:CarriedKeyName>a</xenc:CarriedKeyName>')
    const sized = good.replace(/(<xenc:EncryptionMethod Algorithm="[^"]*gcm")\/>/, '$1><xenc:KeySize>256</xenc:KeySize></xenc:EncryptionMethod>')
    const typed = good.replace('<xenc:EncryptedData', '<xenc:EncryptedData MimeType="text/xml"')
    // How AD FS and WIF name the certificate of a key.
    const serial = x509('<ds:X509IssuerSerial><ds:X509IssuerName>CN=a</ds:X509IssuerName><ds:X509SerialNumber>12</ds:X509SerialNumber></ds:X509IssuerSerial>')
    const issued = good.replace('<ds:KeyName>ours</ds:KeyName>', serial)
    const referred = good.replace(
      '<ds:KeyName>ours</ds:KeyName>',
      `<o:SecurityTokenReference xmlns:o="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"><o:KeyIdentifier ValueType="urn:a">${octets}</o:KeyIdentifier></o:SecurityTokenReference>`
    )
    assert.ok(![issued, referred].includes(good))
    for (const xml of [good, beside, named, sized, typed, issued, referred]) assert.equal(outcome(xml), 'accepted')
    assert.equal(outcome(canonical(good), true), 'accepted')
  })
})

suite('What stands around an assertion, or a message, that alone is signed', () => {
  const outcome = (xml: string): string => codeOf(() => verifyResponse(posted(xml, 'SAMLResponse'), peer))
  const edits: Readonly<Record<string, readonly [string, string]>> = {
    'an attribute on the Response': ['<samlp:Response ', '<samlp:Response a="b" '],
    'a language on the Response': ['<samlp:Response ', '<samlp:Response xml:lang="de" '],
    'an attribute on its Issuer': ['<saml:Issuer ', '<saml:Issuer a="b" '],
    'an empty Extensions': ['<samlp:Status>', '<samlp:Extensions></samlp:Extensions><samlp:Status>'],
    'an extension without a namespace': ['<samlp:Status>', '<samlp:Extensions><a></a></samlp:Extensions><samlp:Status>'],
    'an attribute on its Status': ['<samlp:Status>', '<samlp:Status Id="_c">'],
    'an attribute on a StatusCode': ['<samlp:StatusCode ', '<samlp:StatusCode a="b" '],
    'two StatusCode in one': ['></samlp:StatusCode>', `>${'<samlp:StatusCode Value="a"></samlp:StatusCode>'.repeat(2)}</samlp:StatusCode>`],
    'something unknown in its Status': ['</samlp:Status>', '<a></a></samlp:Status>']
  }
  for (const [name, [from, to]] of Object.entries(edits))
    test(`${name} is refused`, () => {
      const changed = responseXml().replace(from, to)
      assert.notEqual(changed, responseXml())
      assert.equal(outcome(changed), 'CURFEW_SAML_STRUCTURE')
    })

  test('what the schema has is passed over', () => {
    const consent = responseXml().replace('<samlp:Response ', '<samlp:Response Consent="urn:oasis:names:tc:SAML:2.0:consent:unspecified" ')
    const detail = responseXml().replace(
      '</samlp:Status>',
      '<samlp:StatusMessage>a</samlp:StatusMessage><samlp:StatusDetail></samlp:StatusDetail></samlp:Status>'
    )
    const extended = responseXml().replace('<samlp:Status>', '<samlp:Extensions><a xmlns="urn:a" b="c">d</a></samlp:Extensions><samlp:Status>')
    const located = responseXml().replace('<samlp:Response ', `<samlp:Response ${schemaInstance} xsi:schemaLocation="urn:a a.xsd" `)
    assert.notEqual(located, responseXml())
    for (const xml of [consent, detail, extended, located]) assert.equal(outcome(xml), 'accepted')
  })

  test('an attribute on an ArtifactResponse that is not signed is refused', () => {
    const around = carrying(signedResponse, { signs: false })
    assert.equal(
      codeOf(() => opened(around)),
      'accepted'
    )
    assert.equal(
      codeOf(() => opened(around.replace('<art:ArtifactResponse ', '<art:ArtifactResponse a="b" '))),
      'CURFEW_SAML_STRUCTURE'
    )
  })
})

suite('What stands around a message by SOAP', () => {
  const soap = encodeSoap(signedRequest)
  const outcome = (xml: string): string => codeOf(() => verifyLogoutRequest(decodeSoap(Buffer.from(xml)), peer))
  const header = (inner: string, attributes = ''): string => soap.replace('<soap:Body', `<soap:Header${attributes}>${inner}</soap:Header><soap:Body`)
  const refused: Readonly<Record<string, string>> = {
    'an attribute without a namespace on the Envelope': soap.replace('<soap:Envelope ', '<soap:Envelope Id="_c" '),
    'one on the Header': header('', ' Id="_c"'),
    'a header without a namespace': header('<a></a>'),
    'a header that must be understood, in other words': header('<a xmlns="urn:a" soap:mustUnderstand="true"></a>'),
    'text before the Body': soap.replace('<soap:Body', 'a<soap:Body')
  }
  for (const [name, xml] of Object.entries(refused))
    test(`${name} is refused`, () => {
      assert.notEqual(xml, soap)
      assert.equal(outcome(xml), 'CURFEW_SAML_SOAP')
    })

  test('much white space with something behind it costs no more than reading it', () => {
    const long = soap.replace('<soap:Body', `${' '.repeat(60_000)}a<soap:Body`)
    const start = performance.now()
    assert.equal(outcome(long), 'CURFEW_SAML_SOAP')
    assert.ok(performance.now() - start < 500)
  })

  test('attributes and headers of products are passed over', () => {
    const utility = 'xmlns:u="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"'
    for (const xml of [
      soap.replace('<soap:Envelope ', '<soap:Envelope soap:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/" '),
      soap.replace('<soap:Body', `<soap:Body ${utility} u:Id="_c"`),
      header(`<u:Timestamp ${utility} soap:mustUnderstand="0"></u:Timestamp>`),
      soap.replace('<soap:Body', '\\\n  <soap:Header/><soap:Body')
    ])
      assert.equal(outcome(xml), 'accepted')
  })
})
