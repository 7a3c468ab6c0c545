import { readFileSync } from 'node:fs'
import { CurfewError, type Decryption } from '@curfew/codecs'
import type { AdminPeer } from '../admin/context.ts'
import { makeTokenKey, readTokenKey } from '../authority/oidc/keys.ts'
import type { TokenKey } from '../authority/oidc/settings.ts'
import type { OwnKey } from '../authority/saml/settings.ts'
import type { Config } from '../config/schema.ts'
import { createReceiptSigner, type ReceiptSigner } from '../engine/receipt.ts'
import { type AuthorityKey, readAuthorityKey, readDecryptionKey } from '../platform/keys.ts'

/** Keys of their own, or those of SAML that tokens can be signed with. */
export async function readTokenKeys(config: Config, keys: readonly AuthorityKey[]): Promise<readonly TokenKey[]> {
  const { keys: own } = config.oidc
  if (own !== undefined) return Promise.all(own.map(({ key }) => readTokenKey(readText(key), key)))
  const usable = keys.filter(({ signing }) => signing.key.asymmetricKeyType !== 'ec' || signing.key.asymmetricKeyDetails?.namedCurve === 'prime256v1')
  return Promise.all(usable.map(({ signing }) => makeTokenKey(signing.key, 'saml.keys')))
}

export function certificateFacts({
  fingerprint,
  notAfterMs
}: {
  readonly fingerprint: string
  readonly notAfterMs?: number
}): AdminPeer['certificates'][number] {
  return { fingerprint, ...(notAfterMs === undefined ? {} : { notAfterMs }) }
}

export function receiptSigner(entityId: string, [first]: readonly AuthorityKey[]): ReceiptSigner {
  if (first === undefined) throw new CurfewError('CURFEW_CONFIG_KEY', { where: 'saml.keys', why: 'there is no key' })
  const { key, algorithm } = first.signing
  const kid = first.verification.fingerprint
  if (algorithm.startsWith('rsa')) return createReceiptSigner(entityId, { key, algorithm: 'RS256', kid })
  return createReceiptSigner(entityId, { key, algorithm: algorithm === 'ecdsa-sha384' ? 'ES384' : 'ES256', kid })
}

/** Reads one signing key of the configuration. @throws CURFEW_CONFIG_FILE, CURFEW_CONFIG_KEY */
export function readKey(key: Config['saml']['keys'][number]): AuthorityKey {
  return readAuthorityKey(readText(key.key), readText(key.certificate), key.algorithm, key.key)
}

/** The keys that partners encrypt to, the published one first; undefined without any. @throws CURFEW_CONFIG_FILE, CURFEW_CONFIG_KEY */
export function decryptionOf({ saml }: Config, recipient: string): Decryption | undefined {
  if (saml.decryptionKeys.length === 0) return undefined
  const keys = saml.decryptionKeys.map(({ key, certificate }) => readDecryptionKey(readText(key), readText(certificate), key).decryption)
  return { keys, recipient }
}

/** Certificate that partners encrypt to, as base64 of its DER. */
export function encryptionCertificate({ saml }: Config): string | undefined {
  const [first] = saml.decryptionKeys
  return first === undefined ? undefined : readDecryptionKey(readText(first.key), readText(first.certificate), first.key).certificateBase64
}

/** The part of a key that signs messages. */
export function ownKeyOf(key: AuthorityKey): OwnKey {
  return { ...key.signing, certificate: key.certificateBase64 }
}

/** @throws CURFEW_CONFIG_FILE */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new CurfewError('CURFEW_CONFIG_FILE', { path, why: 'it can not be read' }, { cause })
  }
}

/** The secret that cookies and identifiers derive from. @throws CURFEW_CONFIG_FILE */
export function readSecret(path: string): Uint8Array {
  return Buffer.from(readText(path).trim(), 'base64')
}

/** The token of the admin API: from the configuration or its file. @throws CURFEW_CONFIG_FILE */
export function adminToken(config: Config): string {
  return config.admin.token ?? readText(config.admin.tokenFile ?? '').trim()
}
