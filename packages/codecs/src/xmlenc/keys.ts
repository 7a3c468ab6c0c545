import { createPublicKey, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import { isUsable, strengthOf } from '../dsig/keys.ts'
import { CurfewError } from '../errors.ts'
import type { ContentAlgorithm, KeyTransport } from './algorithms.ts'

/** A key of this side that partners encrypt to. */
export interface DecryptionKey {
  readonly key: KeyObject
  /** Makes the key that goes on where nothing could be decrypted, so that the same work follows. */
  readonly decoy: KeyObject
}

/** How encrypted content of one partner is read. */
export interface Decryption {
  /** All are tried; the second one is for the time of a roll-over. At most {@link decryptionKeysMax}. */
  readonly keys: readonly DecryptionKey[]
  /** Entity ID of this side: keys that are encrypted for somebody else are passed over. */
  readonly recipient?: string
  /** This partner may use AES-CBC, where a signature covers the cipher text. */
  readonly allowsCbc?: boolean
}

/** Whom something is encrypted for, and how. */
export interface EncryptionTarget {
  readonly key: KeyObject
  readonly content: ContentAlgorithm
  readonly transport: KeyTransport
  /** Entity ID of the reader. */
  readonly recipient?: string
}

/** Most keys of this side that one message is tried with: each costs a private RSA operation. */
export const decryptionKeysMax = 2

/**
 * Prepares a private key for decryption.
 * @throws CURFEW_SAML_KEY_TOO_WEAK when it is no private RSA key of at least 2048 bits
 */
export function makeDecryptionKey(key: KeyObject): DecryptionKey {
  if (key.type !== 'private') throw tooWeak(key)
  requireEncryptionKey(createPublicKey(key))
  const secret = hkdfSync('sha256', key.export({ type: 'pkcs8', format: 'der' }), '', 'curfew decryption decoy', 32)
  return { key, decoy: createSecretKey(Buffer.from(secret)) }
}

/** @throws CURFEW_SAML_KEY_TOO_WEAK when it is no public RSA key of at least 2048 bits */
export function requireEncryptionKey(key: KeyObject): void {
  if (key.type !== 'public' || !isUsable(strengthOf(key), 'rsa', {})) throw tooWeak(key)
}

function tooWeak(key: KeyObject): CurfewError {
  return new CurfewError('CURFEW_SAML_KEY_TOO_WEAK', { kind: key.asymmetricKeyType ?? key.type, bits: key.asymmetricKeyDetails?.modulusLength ?? 0 })
}
