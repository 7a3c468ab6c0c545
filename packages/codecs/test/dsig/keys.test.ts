import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { suite, test } from 'node:test'
import {
  certificateBase64,
  requireSigningKey,
  signatureUri,
  signBytesSync,
  unsafeAllowSmallRsa,
  verificationKeyFromCertificate,
  verificationKeyFromPublicKey,
  verifyBytes
} from '../../src/index.ts'
import { keysByAlgorithm, partnerKey, smallKey } from '../support/keys.ts'
import { codeOf } from '../support/messages.ts'

/** Made with OpenSSL 3: `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -days 1 -subj /CN=curfew-test`; its dates do not matter here. */
const certificate =
  'MIIBgjCCASegAwIBAgIUDqC5MCwTQ9z9Cimbih8PgoqGKggwCgYIKoZIzj0EAwIwFjEUMBIGA1UEAwwLY3VyZmV3LXRlc3QwHhcNMjYxMTI0MTIzODU2WhcN' +
  'MjYxMTI1MTIzODU2WjAWMRQwEgYDVQQDDAtjdXJmZXctdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABGMcJnqsYhWrqiF6aSny7RU91Sp2SlrcoNCy' +
  'A6sdcyLhmcmn3zQvbXFfJgg9F0jna3QrTT1pe8iCo5YdGJ080OKjUzBRMB0GA1UdDgQWBBS9rJJXMc7Np9auD6o03MIv+bk7izAfBgNVHSMEGDAWgBS9rJJX' +
  'Mc7Np9auD6o03MIv+bk7izAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQCT9HByLC1I1xq6mK0cW1JvB/KlQ7KiK85SSjExqqQ7VQIhAKG4' +
  'AvL1cy9Lgm52XhbegurL0hJqAmekPkOZf1LnqGIZ'

suite('Keys of partners', () => {
  test('a certificate is read as PEM, as base64 and with white space in it', () => {
    const pem = `-----BEGIN CERTIFICATE-----\n${certificate.match(/.{1,64}/g)?.join('\n') ?? ''}\n-----END CERTIFICATE-----\n`
    const forms = [certificate, pem, ` ${certificate.slice(0, 30)}\r\n\t${certificate.slice(30)} `].map(verificationKeyFromCertificate)
    for (const form of forms) {
      assert.equal(form.fingerprint, forms[0]?.fingerprint)
      assert.match(form.fingerprint, /^(?:[0-9A-F]{2}:){31}[0-9A-F]{2}$/)
      assert.equal(form.key.asymmetricKeyType, 'ec')
    }
    assert.equal(certificateBase64(pem), certificate)
  })

  test('its dates are told, not judged', () => {
    assert.ok((verificationKeyFromCertificate(certificate).notAfterMs ?? 0) > 0)
  })

  test('what is no certificate is refused', () => {
    for (const text of ['', 'AAAA', 'not base64', certificate.slice(0, 100), partnerKey.publicKey.export({ type: 'spki', format: 'pem' }).toString()])
      assert.equal(
        codeOf(() => verificationKeyFromCertificate(text)),
        'CURFEW_SAML_METADATA'
      )
  })

  test('a bare public key has a fingerprint of its own', () => {
    assert.match(partnerKey.verification.fingerprint, /^(?:[0-9A-F]{2}:){31}[0-9A-F]{2}$/)
    assert.notEqual(partnerKey.verification.fingerprint, keysByAlgorithm['ecdsa-sha256'].verification.fingerprint)
  })
})

suite('Strength of keys', () => {
  const data = 'x'

  test('RSA of 1024 bits verifies with the symbol only', () => {
    const signature = signBytesSync(data, smallKey.signing)
    const verify = (policy: object): string => codeOf(() => verifyBytes(data, signature, signatureUri('rsa-sha256'), [smallKey.verification], policy))
    assert.equal(verify({}), 'CURFEW_SAML_SIGNER_UNKNOWN')
    assert.equal(verify({ smallRsa: unsafeAllowSmallRsa }), 'accepted')
    assert.equal(verify({ smallRsa: Symbol('unsafe: accept RSA keys below 2048 bits of this peer') }), 'CURFEW_SAML_SIGNER_UNKNOWN')
  })

  test('curves other than P-256 and P-384, and other kinds of keys, never verify', () => {
    const others = [
      generateKeyPairSync('ec', { namedCurve: 'secp256k1' }),
      generateKeyPairSync('ec', { namedCurve: 'secp521r1' }),
      generateKeyPairSync('ed25519'),
      generateKeyPairSync('rsa-pss', { modulusLength: 2048 })
    ]
    for (const { publicKey } of others)
      for (const algorithm of ['ecdsa-sha256', 'rsa-sha256', 'rsa-pss-sha256'] as const)
        assert.equal(
          codeOf(() => verifyBytes(data, Buffer.alloc(64), signatureUri(algorithm), [verificationKeyFromPublicKey(publicKey)], {})),
          'CURFEW_SAML_SIGNER_UNKNOWN'
        )
  })

  test('this side signs with nothing weak', () => {
    assert.equal(
      codeOf(() => requireSigningKey(smallKey.privateKey, 'rsa')),
      'CURFEW_SAML_KEY_TOO_WEAK'
    )
    assert.equal(
      codeOf(() => requireSigningKey(partnerKey.publicKey, 'rsa')),
      'CURFEW_SAML_KEY_TOO_WEAK'
    )
    assert.equal(
      codeOf(() => requireSigningKey(partnerKey.privateKey, 'ec')),
      'CURFEW_SAML_KEY_TOO_WEAK'
    )
    assert.equal(
      codeOf(() => requireSigningKey(partnerKey.privateKey, 'rsa')),
      'accepted'
    )
  })
})
