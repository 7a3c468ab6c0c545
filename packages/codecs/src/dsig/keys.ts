import { createHash, type KeyObject, X509Certificate } from 'node:crypto'
import { CurfewError } from '../errors.ts'
import type { SignatureAlgorithm, VerifyPolicy } from './algorithms.ts'
import { unsafeAllowSmallRsa } from './algorithms.ts'

/** A key this side signs with. */
export interface SigningKey {
  readonly key: KeyObject
  readonly algorithm: SignatureAlgorithm
  /** Base64 of the DER certificate; put into the message when `embedCertificate`. */
  readonly certificate?: string
  readonly embedCertificate?: boolean
}

/** A key of a peer, from its stored metadata. */
export interface VerificationKey {
  readonly key: KeyObject
  /** SHA-256 of the certificate, or of the public key where there is none: `3A:9F:...`. */
  readonly fingerprint: string
  readonly notAfterMs?: number
  readonly strength: KeyStrength
}

/** Kind and size of a public key, taken once: asking the key each time costs as much as reading a short message. */
export interface KeyStrength {
  readonly kind: 'rsa' | 'ec' | 'other'
  /** Length of an RSA modulus; 0 for other keys. */
  readonly bits: number
  /** Name of the curve; empty for other keys. */
  readonly curve: string
}

/**
 * Reads a certificate as PEM or as base64 of its DER. Its dates are not judged: in SAML metadata it only carries the key.
 * @throws CURFEW_SAML_METADATA when it can't be read
 */
export function verificationKeyFromCertificate(certificate: string): VerificationKey {
  try {
    const x509 = new X509Certificate(pemOf(certificate))
    return { key: x509.publicKey, fingerprint: x509.fingerprint256, notAfterMs: Date.parse(x509.validTo), strength: strengthOf(x509.publicKey) }
  } catch (cause) {
    throw new CurfewError('CURFEW_SAML_METADATA', { why: 'a certificate can not be read' }, { cause })
  }
}

/** A bare public key as a verification key. */
export function verificationKeyFromPublicKey(key: KeyObject): VerificationKey {
  const hex = createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex')
    .toUpperCase()
  return { key, fingerprint: hex.match(/../g)?.join(':') ?? hex, strength: strengthOf(key) }
}

/** Base64 of the DER, from PEM or base64 with any white space. */
export function certificateBase64(certificate: string): string {
  return certificate.replace(/-----(?:BEGIN|END) CERTIFICATE-----/g, '').replace(/\s+/g, '')
}

function pemOf(certificate: string): string {
  const body = certificateBase64(certificate)
  return `-----BEGIN CERTIFICATE-----\n${body.match(/.{1,64}/g)?.join('\n') ?? ''}\n-----END CERTIFICATE-----\n`
}

/** Smallest RSA key that verifies, and the curves. */
const rsaBitsMin = 2048
const rsaBitsMinUnsafe = 1024
const curves = new Set(['prime256v1', 'secp384r1'])

/** Kind and size of a key. */
export function strengthOf(key: KeyObject): KeyStrength {
  const kind = key.asymmetricKeyType
  const details = key.asymmetricKeyDetails
  return { kind: kind === 'rsa' || kind === 'ec' ? kind : 'other', bits: details?.modulusLength ?? 0, curve: details?.namedCurve ?? '' }
}

/** True for a key that may verify messages of this kind. */
export function isUsable({ kind, bits, curve }: KeyStrength, keyType: 'rsa' | 'ec', policy: VerifyPolicy): boolean {
  if (kind !== keyType) return false
  if (keyType === 'ec') return curves.has(curve)
  return bits >= (policy.smallRsa === unsafeAllowSmallRsa ? rsaBitsMinUnsafe : rsaBitsMin)
}

/**
 * Checks a key that this side wants to sign with.
 * @throws CURFEW_SAML_KEY_TOO_WEAK
 */
export function requireSigningKey(key: KeyObject, keyType: 'rsa' | 'ec'): void {
  if (key.type !== 'private' || !isUsable(strengthOf(key), keyType, {})) {
    throw new CurfewError('CURFEW_SAML_KEY_TOO_WEAK', { kind: key.asymmetricKeyType ?? key.type, bits: key.asymmetricKeyDetails?.modulusLength ?? 0 })
  }
}
