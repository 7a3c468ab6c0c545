import { CompactEncrypt, importJWK, type JWK } from 'jose'
import type { TokenEncryptionSettings } from './settings.ts'

/** How tokens for one client are encrypted, and to which of its keys. */
export interface TokenEncryption extends TokenEncryptionSettings {
  readonly key: JWK
}

/** The first key of a client that an algorithm can encrypt to; one that is marked for signatures is left alone. */
export function encryptionKeyOf(keys: readonly Readonly<Record<string, unknown>>[], algorithm: TokenEncryptionSettings['algorithm']): JWK | undefined {
  const kty = algorithm === 'ECDH-ES' ? 'EC' : 'RSA'
  return keys.find((key) => key['kty'] === kty && (key['use'] ?? 'enc') === 'enc' && (key['alg'] ?? algorithm) === algorithm) as JWK | undefined
}

/** A signed token inside a JWE that only the client can open (RFC 7519 section 11.2: signed first, then encrypted). */
export async function encryptToken({ algorithm, content, key }: TokenEncryption, token: string): Promise<string> {
  return new CompactEncrypt(Buffer.from(token))
    .setProtectedHeader({ alg: algorithm, enc: content, cty: 'JWT', ...(key.kid === undefined ? {} : { kid: key.kid }) })
    .encrypt(await importJWK(key, algorithm))
}
