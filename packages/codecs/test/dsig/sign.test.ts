import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { suite, test } from 'node:test'
import { isCurfewError, signatureUri, signBytes, signBytesSync, signEnveloped, signEnvelopedSync, unsafeAllowSha1, verifyBytes } from '../../src/index.ts'
import { foreignKey, keysByAlgorithm, partnerKey, smallKey } from '../support/keys.ts'
import { codeOf } from '../support/messages.ts'

const data = 'SAMLRequest=x&SigAlg=y'
const algorithms = Object.keys(keysByAlgorithm) as readonly (keyof typeof keysByAlgorithm)[]

suite('Signatures over octets', () => {
  for (const algorithm of algorithms) {
    test(`${algorithm}: signs on and off this thread, finds the key that fits among others`, async () => {
      const { signing, verification } = keysByAlgorithm[algorithm]
      for (const signature of [signBytesSync(data, signing), await signBytes(Buffer.from(data), signing)]) {
        const found = verifyBytes(data, signature, signatureUri(algorithm), [foreignKey.verification, verification], {})
        assert.equal(found, verification)
        assert.equal(
          codeOf(() => verifyBytes(`${data} `, signature, signatureUri(algorithm), [verification], {})),
          'CURFEW_SAML_SIGNATURE_INVALID'
        )
      }
    })
  }

  test('one algorithm is never taken for another', () => {
    for (const made of algorithms) {
      const signature = signBytesSync(data, keysByAlgorithm[made].signing)
      for (const named of algorithms) {
        if (named === made) continue
        const code = codeOf(() =>
          verifyBytes(
            data,
            signature,
            signatureUri(named),
            Object.values(keysByAlgorithm).map((k) => k.verification),
            {}
          )
        )
        assert.equal(code, 'CURFEW_SAML_SIGNATURE_INVALID', `${made} named ${named}`)
      }
    }
  })

  test('ECDSA values are raw r and s; DER, short and long ones are refused', () => {
    const { signing, verification } = keysByAlgorithm['ecdsa-sha256']
    const signature = signBytesSync(data, signing)
    assert.equal(signature.length, 64)
    const der = Buffer.concat([Buffer.from([0x30, 0x44, 0x02, 0x20]), signature.subarray(0, 32), Buffer.from([0x02, 0x20]), signature.subarray(32)])
    for (const wrong of [der, signature.subarray(0, 63), Buffer.concat([signature, Buffer.from([0])]), Buffer.alloc(64), Buffer.alloc(0)])
      assert.equal(
        codeOf(() => verifyBytes(data, wrong, signatureUri('ecdsa-sha256'), [verification], {})),
        'CURFEW_SAML_SIGNATURE_INVALID'
      )
  })

  test('RSA values of a wrong length are refused', () => {
    const signature = signBytesSync(data, partnerKey.signing)
    for (const wrong of [signature.subarray(1), Buffer.concat([Buffer.from([0]), signature]), Buffer.alloc(256), Buffer.alloc(0)])
      assert.equal(
        codeOf(() => verifyBytes(data, wrong, signatureUri('rsa-sha256'), [partnerKey.verification], {})),
        'CURFEW_SAML_SIGNATURE_INVALID'
      )
  })

  test('an HMAC with the public key as secret is refused by its name and by its value', () => {
    const secret = partnerKey.publicKey.export({ type: 'spki', format: 'pem' })
    const value = createHmac('sha256', secret).update(data).digest()
    for (const uri of ['http://www.w3.org/2001/04/xmldsig-more#hmac-sha256', 'http://www.w3.org/2000/09/xmldsig#hmac-sha1'])
      assert.equal(
        codeOf(() => verifyBytes(data, value, uri, [partnerKey.verification], { sha1: unsafeAllowSha1 })),
        'CURFEW_SAML_ALGORITHM_REFUSED'
      )
    assert.equal(
      codeOf(() => verifyBytes(data, value, signatureUri('rsa-sha256'), [partnerKey.verification], {})),
      'CURFEW_SAML_SIGNATURE_INVALID'
    )
  })

  test('algorithm identifiers are compared exactly', () => {
    const signature = signBytesSync(data, partnerKey.signing)
    const uri = signatureUri('rsa-sha256')
    for (const other of [undefined, '', ` ${uri}`, `${uri} `, uri.toUpperCase(), uri.replace('http:', 'https:'), 'rsa-sha256', 'constructor', '__proto__'])
      assert.equal(
        codeOf(() => verifyBytes(data, signature, other, [partnerKey.verification], {})),
        'CURFEW_SAML_ALGORITHM_REFUSED'
      )
  })

  test('a small RSA key is no key without the symbol', () => {
    const signature = signBytesSync(data, smallKey.signing)
    assert.equal(
      codeOf(() => verifyBytes(data, signature, signatureUri('rsa-sha256'), [smallKey.verification], { smallRsa: true } as never)),
      'CURFEW_SAML_SIGNER_UNKNOWN'
    )
  })

  test('a key of another kind than the algorithm is a mistake of the caller', () => {
    const mixed = { key: partnerKey.privateKey, algorithm: 'ecdsa-sha256' as const }
    assert.throws(() => signBytesSync(data, mixed), TypeError)
    assert.throws(() => signEnvelopedSync({ head: '<a>', tail: '</a>', id: '_a' }, mixed), TypeError)
  })
})

suite('Enveloped signatures by construction', () => {
  const parts = { head: '<a ID="_a">', tail: '</a>', id: '_a' }

  test('the signature stands between head and tail, and nothing else changes', async () => {
    for (const xml of [signEnvelopedSync(parts, partnerKey.signing), await signEnveloped(parts, partnerKey.signing)]) {
      assert.ok(xml.startsWith('<a ID="_a"><ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>'))
      assert.ok(xml.endsWith('</ds:SignatureValue></ds:Signature></a>'))
    }
  })

  test('the certificate is embedded only when it is asked for', () => {
    const signing = { ...partnerKey.signing, certificate: 'QUJD' }
    assert.ok(!signEnvelopedSync(parts, signing).includes('KeyInfo'))
    assert.match(signEnvelopedSync(parts, { ...signing, embedCertificate: true }), /<ds:X509Certificate>QUJD<\/ds:X509Certificate>/)
  })

  test('refuses an id or a certificate that would be markup', async () => {
    const isRefusal = (error: unknown): boolean => isCurfewError(error) && error.code === 'CURFEW_XML_WRITE'
    for (const id of ['', '1a', 'a b', '_a"', '_a">', '_é']) assert.throws(() => signEnvelopedSync({ ...parts, id }, partnerKey.signing), isRefusal)
    for (const certificate of ['', '<x/>', '-----BEGIN CERTIFICATE-----', 'QUJ D'])
      await assert.rejects(signEnveloped(parts, { ...partnerKey.signing, certificate, embedCertificate: true }), isRefusal)
  })
})
