import { createPrivateKey, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import {
  certificateBase64,
  CurfewError,
  type DecryptionKey,
  makeDecryptionKey,
  requireSigningKey,
  type SignatureAlgorithm,
  type SigningKey,
  type VerificationKey,
  verificationKeyFromCertificate
} from '@curfew/codecs'

/** A signing key of this authority with the certificate that partners know it by. */
export interface AuthorityKey {
  readonly signing: SigningKey
  readonly verification: VerificationKey
  readonly certificateBase64: string
}

/**
 * Reads a private key and its certificate.
 * @throws CURFEW_CONFIG_KEY when they can't be read or do not belong together, CURFEW_SAML_KEY_TOO_WEAK
 */
export function readAuthorityKey(keyPem: string, certificatePem: string, algorithm: SignatureAlgorithm, where: string): AuthorityKey {
  const key = privateKey(keyPem, where)
  requireSigningKey(key, algorithm.startsWith('rsa') ? 'rsa' : 'ec')
  const verification = verificationKeyFromCertificate(certificatePem)
  const isPair = createPrivateKey(keyPem).asymmetricKeyType === verification.key.asymmetricKeyType && samePublicKey(key, verification.key)
  if (!isPair) throw new CurfewError('CURFEW_CONFIG_KEY', { where, why: 'the certificate belongs to another key' })
  const certificate = certificateBase64(certificatePem)
  return { signing: { key, algorithm, certificate }, verification, certificateBase64: certificate }
}

/** A key that partners encrypt to, with its certificate. */
export interface AuthorityDecryptionKey {
  readonly decryption: DecryptionKey
  readonly verification: VerificationKey
  readonly certificateBase64: string
}

/** The same for a key that decrypts. @throws CURFEW_CONFIG_KEY, CURFEW_SAML_KEY_TOO_WEAK */
export function readDecryptionKey(keyPem: string, certificatePem: string, where: string): AuthorityDecryptionKey {
  const key = privateKey(keyPem, where)
  const decryption = makeDecryptionKey(key)
  const verification = verificationKeyFromCertificate(certificatePem)
  if (verification.key.asymmetricKeyType !== 'rsa' || !samePublicKey(key, verification.key))
    throw new CurfewError('CURFEW_CONFIG_KEY', { where, why: 'the certificate belongs to another key' })
  return { decryption, verification, certificateBase64: certificateBase64(certificatePem) }
}

function privateKey(pem: string, where: string): KeyObject {
  try {
    return createPrivateKey(pem)
  } catch (cause) {
    throw new CurfewError('CURFEW_CONFIG_KEY', { where, why: 'the private key can not be read' }, { cause })
  }
}

function samePublicKey(key: KeyObject, other: KeyObject): boolean {
  const own = key.export({ format: 'jwk' })
  const its = other.export({ format: 'jwk' })
  return own.n === its.n && own.e === its.e && own.x === its.x && own.y === its.y
}

/** A secret for one use, derived from the one secret of the authority. @param master - at least 32 bytes */
export function deriveSecret(master: Uint8Array, use: string): KeyObject {
  if (master.length < 32) throw new CurfewError('CURFEW_CONFIG_KEY', { where: use, why: 'the secret has fewer than 32 bytes' })
  return createSecretKey(Buffer.from(hkdfSync('sha256', master, '', `curfew ${use}`, 32)))
}
