import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import {
  createSeal,
  encryptAssertion,
  makeDecryptionKey,
  serialiseAssertion,
  serialiseLogoutRequest,
  signEnvelopedSync,
  verifyLogoutRequest,
  verifyResponse
} from '../../src/index.ts'
import {
  canonical,
  cbcPeer,
  decryption,
  encryptedAssertion,
  encryptingPeer,
  formerPair,
  ownEntity,
  ownPair,
  sealFor,
  signedAssertionHere,
  strangerPair,
  wrapped
} from '../support/encryption.ts'
import { partnerKey, smallKey } from '../support/keys.ts'
import { assertion, codeOf, logoutRequest, peer, posted, responseXml } from '../support/messages.ts'

const declared = 'xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" xmlns:ds="http://www.w3.org/2000/09/xmldsig#"'
const nameIn = (inner: string, signs = false, from = encryptingPeer): string =>
  verifyResponse(posted(responseXml(signs ? canonical(inner) : inner, signs), 'SAMLResponse'), from).assertion?.subject.nameId.value ?? ''
const refusal = (inner: string, signs = false, from = encryptingPeer): string => codeOf(() => nameIn(inner, signs, from))

suite('SAML Core 2.3.4 and 6: encrypted assertions', () => {
  for (const content of ['aes-128-gcm', 'aes-256-gcm'] as const)
    for (const transport of ['rsa-oaep', 'rsa-oaep-sha256'] as const)
      test(`what is written with ${content} and ${transport} is read, signed outside or not`, () => {
        const inner = encryptAssertion(signedAssertionHere, sealFor(ownPair, { content, transport }))
        assert.equal(inner.includes('>ana<'), false)
        assert.equal(nameIn(inner), 'ana')
        assert.equal(nameIn(inner, true), 'ana')
      })

  test('the written form is its own canonical form, so that a signature around it is right', () => {
    assert.equal(canonical(encryptedAssertion), encryptedAssertion)
  })

  test('the proof is that of the signature inside, where the Response has none', () => {
    const read = verifyResponse(posted(responseXml(encryptedAssertion), 'SAMLResponse'), encryptingPeer)
    assert.deepEqual(read.assertion, assertion)
  })

  for (const keyPlace of ['inside', 'beside', 'beside, named'] as const)
    test(`the key may stand ${keyPlace}`, () => assert.equal(nameIn(wrapped('EncryptedAssertion', { plain: signedAssertionHere, keyPlace })), 'ana'))

  test('during a roll-over the former key is tried, too', () => {
    assert.equal(nameIn(encryptAssertion(signedAssertionHere, sealFor(formerPair))), 'ana')
    const after = { ...encryptingPeer, decryption: { ...decryption, keys: [ownPair.decryption] } }
    assert.equal(refusal(encryptAssertion(signedAssertionHere, sealFor(formerPair)), false, after), 'CURFEW_SAML_DECRYPTION')
  })

  test('SHA-256 with its own mask is read, SHA-256 with a mask of SHA-1 is refused', () => {
    const method = (more: string): string =>
      `<xenc:EncryptionMethod Algorithm="http://www.w3.org/2009/xmlenc11#rsa-oaep"><ds:DigestMethod xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>${more}</xenc:EncryptionMethod>`
    const mask = '<x:MGF xmlns:x="http://www.w3.org/2009/xmlenc11#" Algorithm="http://www.w3.org/2009/xmlenc11#mgf1sha256"/>'
    const parts = { plain: signedAssertionHere, oaepHash: 'sha256' }
    assert.equal(nameIn(wrapped('EncryptedAssertion', { ...parts, keyMethod: method(mask) })), 'ana')
    assert.equal(refusal(wrapped('EncryptedAssertion', { ...parts, keyMethod: method('') })), 'CURFEW_SAML_ENCRYPTION_REFUSED')
  })

  test('without decryption keys nothing encrypted is accepted', () => {
    assert.equal(refusal(encryptedAssertion, true, peer), 'CURFEW_SAML_ENCRYPTED')
    assert.equal(refusal(encryptedAssertion, true, { ...peer, decryption: { keys: [] } }), 'CURFEW_SAML_ENCRYPTED')
  })

  test('a key for another recipient is passed over, one for this side is used', () => {
    const other = encryptAssertion(signedAssertionHere, sealFor(ownPair, { recipient: 'https://other.example' }))
    assert.equal(refusal(other), 'CURFEW_SAML_ENCRYPTION_REFUSED')
    const both = wrapped('EncryptedAssertion', { plain: signedAssertionHere, keyPlace: 'beside', keyAttributes: ` Recipient="${ownEntity}"` }).replace(
      '</saml:EncryptedAssertion>',
      `${/<xenc:EncryptedKey.*<\/xenc:EncryptedKey>/s.exec(other)?.[0].replace('<xenc:EncryptedKey', `<xenc:EncryptedKey ${declared}`)}</saml:EncryptedAssertion>`
    )
    assert.equal(nameIn(both), 'ana')
  })
})

suite('SAML Core 2.2.4: encrypted identifiers', () => {
  const seal = sealFor(ownPair)
  test('in a LogoutRequest by POST', () => {
    const xml = signEnvelopedSync(serialiseLogoutRequest(logoutRequest, seal), partnerKey.signing)
    assert.ok(!xml.includes('>ana<') && !xml.includes('<saml:NameID'))
    const read = verifyLogoutRequest(posted(xml), encryptingPeer)
    assert.deepEqual({ ...read }, { ...logoutRequest })
    assert.equal(
      codeOf(() => verifyLogoutRequest(posted(xml), peer)),
      'CURFEW_SAML_ENCRYPTED'
    )
  })

  test('in an assertion, plain or encrypted as a whole', () => {
    const signed = signEnvelopedSync(serialiseAssertion(assertion, seal), partnerKey.signing)
    assert.equal(signed.includes('>ana<'), false)
    assert.equal(nameIn(signed), 'ana')
    assert.equal(nameIn(encryptAssertion(signed, seal)), 'ana')
  })

  test('any identifier comes out as it went in', () => {
    const part = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }).filter((s) => s.isWellFormed() && /^[\t\n\r\x20-\uFFFD]*$/.test(s))
    fc.assert(
      fc.property(part, fc.option(part, { nil: undefined }), (value, nameQualifier) => {
        const subject = { value, ...(nameQualifier === undefined ? {} : { nameQualifier }) }
        const xml = signEnvelopedSync(serialiseLogoutRequest({ ...logoutRequest, subject }, seal), partnerKey.signing)
        assert.deepEqual(verifyLogoutRequest(posted(xml), encryptingPeer).subject, subject)
      }),
      { numRuns: 60 }
    )
  })
})

suite('XML Encryption: what is refused before a key is touched', () => {
  const parts = { plain: signedAssertionHere }
  const xenc = 'http://www.w3.org/2001/04/xmlenc#'
  const refused: Readonly<Record<string, string>> = {
    'RSA 1.5': wrapped('EncryptedAssertion', { ...parts, keyMethod: `<xenc:EncryptionMethod Algorithm="${xenc}rsa-1_5"/>` }),
    '3DES': wrapped('EncryptedAssertion', { ...parts, contentMethod: `${xenc}tripledes-cbc` }),
    'a label of OAEP': wrapped('EncryptedAssertion', {
      ...parts,
      keyMethod: `<xenc:EncryptionMethod Algorithm="${xenc}rsa-oaep-mgf1p"><xenc:OAEPparams>QUJD</xenc:OAEPparams></xenc:EncryptionMethod>`
    }),
    'a mask in version 1.0': wrapped('EncryptedAssertion', {
      ...parts,
      keyMethod: `<xenc:EncryptionMethod Algorithm="${xenc}rsa-oaep-mgf1p"><x:MGF xmlns:x="http://www.w3.org/2009/xmlenc11#" Algorithm="http://www.w3.org/2009/xmlenc11#mgf1sha1"/></xenc:EncryptionMethod>`
    }),
    'content instead of an element': wrapped('EncryptedAssertion', parts).replace('xmlenc#Element"', 'xmlenc#Content"'),
    'a RetrievalMethod that leads out of the element': wrapped('EncryptedAssertion', { ...parts, keyPlace: 'beside, named' }).replace(
      'URI="#_key"',
      'URI="https://evil.example/key"'
    ),
    'a RetrievalMethod to an id that is not there': wrapped('EncryptedAssertion', { ...parts, keyPlace: 'beside, named' }).replace(
      'URI="#_key"',
      'URI="#_other"'
    ),
    'a RetrievalMethod with transforms': wrapped('EncryptedAssertion', { ...parts, keyPlace: 'beside, named' }).replace(
      'URI="#_key"/>',
      'URI="#_key"><ds:Transforms/></ds:RetrievalMethod>'
    ),
    'a CipherReference': wrapped('EncryptedAssertion', parts).replace(
      /<xenc:CipherValue>.*?<\/xenc:CipherValue>/s,
      '<xenc:CipherReference URI="https://evil.example/"/>'
    ),
    'a key agreement': wrapped('EncryptedAssertion', { ...parts, keyPlace: 'beside, named' }).replace(
      /<ds:RetrievalMethod[^>]*>/,
      '<xenc:AgreementMethod Algorithm="x"/>'
    ),
    'a key that is for other data': wrapped('EncryptedAssertion', {
      ...parts,
      keyPlace: 'beside',
      keyMore: '<xenc:ReferenceList><xenc:DataReference URI="#_other"/></xenc:ReferenceList>'
    }),
    'no key': wrapped('EncryptedAssertion', { ...parts, keyPlace: 'beside' }).replace(/<xenc:EncryptedKey.*<\/xenc:EncryptedKey>/s, ''),
    'two EncryptedData': wrapped('EncryptedAssertion', parts)
      .replace(/<xenc:EncryptedData.*<\/xenc:EncryptedData>/s, '$&$&')
      .replace('Id="_data"', '')
      .replace('Id="_key"', ''),
    'a cipher text without room for a tag': wrapped('EncryptedAssertion', { ...parts, octets: (octets) => octets.subarray(0, 28) }),
    'a signature beside the data': wrapped('EncryptedAssertion', parts).replace(
      '</saml:EncryptedAssertion>',
      '<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/></saml:EncryptedAssertion>'
    )
  }
  for (const [name, inner] of Object.entries(refused)) test(name, () => assert.equal(refusal(inner, true), 'CURFEW_SAML_ENCRYPTION_REFUSED'))

  test('two keys for this side are tried, three are refused', () => {
    const key =
      /<xenc:EncryptedKey.*<\/xenc:EncryptedKey>/s.exec(wrapped('EncryptedAssertion', { ...parts, to: strangerPair.publicKey, keyPlace: 'beside' }))?.[0] ?? ''
    const more = (count: number): string => Array.from({ length: count }, (_, i) => key.replace('_key', `_other${i}`)).join('') + '</saml:EncryptedAssertion>'
    const good = wrapped('EncryptedAssertion', { ...parts, keyPlace: 'beside' })
    assert.equal(nameIn(good.replace('</saml:EncryptedAssertion>', more(1))), 'ana')
    assert.equal(refusal(good.replace('</saml:EncryptedAssertion>', more(2))), 'CURFEW_SAML_ENCRYPTION_REFUSED')
  })

  test('keys of another kind, or too small, can not be used at all', () => {
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    assert.equal(
      codeOf(() => makeDecryptionKey(ec.privateKey)),
      'CURFEW_SAML_KEY_TOO_WEAK'
    )
    assert.equal(
      codeOf(() => makeDecryptionKey(smallKey.privateKey)),
      'CURFEW_SAML_KEY_TOO_WEAK'
    )
    for (const key of [ec.publicKey, createPublicKey(smallKey.privateKey), ownPair.privateKey])
      assert.equal(
        codeOf(() => createSeal({ key, content: 'aes-256-gcm', transport: 'rsa-oaep' }, () => Buffer.alloc(32))),
        'CURFEW_SAML_KEY_TOO_WEAK'
      )
  })
})

suite('AES-CBC', () => {
  for (const cipher of ['aes-128-cbc', 'aes-256-cbc'] as const)
    test(`${cipher} is read of a partner that may use it, where a signature covers the cipher text`, () => {
      const inner = wrapped('EncryptedAssertion', { plain: signedAssertionHere, cipher })
      assert.equal(nameIn(inner, true, cbcPeer), 'ana')
      assert.equal(refusal(inner, false, cbcPeer), 'CURFEW_SAML_ENCRYPTION_REFUSED')
      assert.equal(refusal(inner, true, encryptingPeer), 'CURFEW_SAML_ENCRYPTION_REFUSED')
    })

  test('an identifier by CBC in a signed assertion is covered by that signature', () => {
    const id = wrapped('EncryptedID', { plain: '<NameID xmlns="urn:oasis:names:tc:SAML:2.0:assertion">ana</NameID>', cipher: 'aes-128-cbc' })
    const { tail, ...parts } = serialiseAssertion(assertion)
    const inside = canonical(id).replace(' xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"', '')
    const signed = signEnvelopedSync({ ...parts, tail: tail.replace(/<saml:NameID.*<\/saml:NameID>/, inside) }, partnerKey.signing)
    assert.equal(nameIn(signed, false, cbcPeer), 'ana')
    assert.equal(refusal(signed, false, encryptingPeer), 'CURFEW_SAML_ENCRYPTION_REFUSED')
  })
})
