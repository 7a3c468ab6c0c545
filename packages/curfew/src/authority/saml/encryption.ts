import {
  type ContentAlgorithm,
  contentAlgorithmOf,
  createSeal,
  type EncryptionTarget,
  isCurfewError,
  type KeyDescriptor,
  type KeyTransport,
  requireEncryptionKey,
  type Seal,
  type VerificationKey,
  verificationKeyFromCertificate
} from '@curfew/codecs'
import type { Random } from '../../platform/random.ts'

/** What is encrypted for a partner: assertions as a whole, the NameID in assertions and LogoutRequests, or both. */
export type EncryptedParts = 'assertions' | 'nameId' | 'both'

/** What the configuration says of encryption with one partner. */
export interface EncryptionSettings {
  readonly encrypt?: EncryptedParts | undefined
  readonly encryption?:
    | {
        readonly content?: ContentAlgorithm | undefined
        readonly keyTransport?: KeyTransport | undefined
        /** PEM file; absent: from metadata. */
        readonly certificate?: string | undefined
      }
    | undefined
  /** It may use AES-CBC, where a signature covers the cipher text. */
  readonly allowCbc?: boolean | undefined
}

/** How things are encrypted for one partner. */
export interface PartnerEncryption {
  readonly target: EncryptionTarget
  readonly fingerprint: string
  /** When the certificate of the key ends. */
  readonly notAfterMs?: number
  /** Assertions are encrypted as a whole. */
  readonly assertions: boolean
  /** NameIDs are, in LogoutRequests and in assertions that are not encrypted themselves. */
  readonly nameIds: boolean
}

/**
 * Joins settings and published keys.
 * @param certificate - PEM of `encryption.certificate`
 * @returns undefined where nothing is to be encrypted, a reason where it can't be
 */
export function encryptionOf(
  settings: EncryptionSettings,
  published: readonly KeyDescriptor[],
  certificate: string | undefined,
  recipient: string
): PartnerEncryption | string | undefined {
  const { encrypt, encryption } = settings
  if (encrypt === undefined) return undefined
  const found = certificate === undefined ? publishedKey(published) : usableKey(certificate)
  if (found === undefined) return 'encrypt is set, but there is no certificate to encrypt to: an RSA key of at least 2048 bits'
  const offered = published.filter(({ use }) => use !== 'signing').flatMap(({ encryptionMethods }) => encryptionMethods ?? [])
  return {
    target: {
      key: found.key,
      content: encryption?.content ?? preferredContent(offered),
      transport: encryption?.keyTransport ?? 'rsa-oaep',
      recipient
    },
    fingerprint: found.fingerprint,
    ...(found.notAfterMs === undefined ? {} : { notAfterMs: found.notAfterMs }),
    assertions: encrypt !== 'nameId',
    nameIds: encrypt !== 'assertions'
  }
}

/** A key for encryption alone goes before one for both uses. */
function publishedKey(published: readonly KeyDescriptor[]): VerificationKey | undefined {
  const own = published.filter(({ use }) => use === 'encryption')
  const shared = published.filter(({ use }) => use === undefined)
  for (const certificate of [...own, ...shared].flatMap(({ certificates }) => certificates)) {
    const key = usableKey(certificate)
    if (key !== undefined) return key
  }
  return undefined
}

function usableKey(certificate: string): VerificationKey | undefined {
  try {
    const key = verificationKeyFromCertificate(certificate)
    requireEncryptionKey(key.key)
    return key
  } catch (error) {
    if (!isCurfewError(error)) throw error
    return undefined
  }
}

/** The first AES-GCM that the partner lists; the strong one where it lists none. */
function preferredContent(offered: readonly string[]): ContentAlgorithm {
  for (const uri of offered) {
    const known = contentAlgorithmOf(uri)
    if (known !== undefined) return known
  }
  return 'aes-256-gcm'
}

type Encrypting = { readonly encryption?: PartnerEncryption }

/** Encrypts whole assertions for a partner that asks for it. */
export function assertionSeal({ encryption }: Encrypting, random: Pick<Random, 'bytes'>): Seal | undefined {
  return encryption?.assertions === true ? createSeal(encryption.target, (count) => random.bytes(count)) : undefined
}

/** Encrypts the NameID of messages to a partner that asks for it. */
export function nameIdSeal({ encryption }: Encrypting, random: Pick<Random, 'bytes'>): Seal | undefined {
  return encryption?.nameIds === true ? createSeal(encryption.target, (count) => random.bytes(count)) : undefined
}
