import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { CurfewError } from '@curfew/codecs'
import { calculateJwkThumbprint } from 'jose'
import type { TokenAlgorithm, TokenKey } from './settings.ts'

/**
 * A private key for tokens, with what it can sign.
 * @throws CURFEW_CONFIG_KEY for a kind that no client could check: RSA from 2048 bits, P-256 and Ed25519 are taken
 */
export async function makeTokenKey(key: KeyObject, where: string): Promise<TokenKey> {
  const algorithms = algorithmsOf(key)
  if (algorithms.length === 0) throw new CurfewError('CURFEW_CONFIG_KEY', { where, why: 'tokens are signed with RSA from 2048 bits, P-256 or Ed25519' })
  return { kid: await calculateJwkThumbprint(createPublicKey(pemOf(key)).export({ format: 'jwk' })), key, algorithms }
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}

function algorithmsOf(key: KeyObject): readonly TokenAlgorithm[] {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (type === 'rsa' && (details?.modulusLength ?? 0) >= 2048) return ['RS256', 'PS256']
  if (type === 'ec' && details?.namedCurve === 'prime256v1') return ['ES256']
  return type === 'ed25519' ? ['EdDSA'] : []
}

/** Reads a private key for tokens. @throws CURFEW_CONFIG_KEY */
export function readTokenKey(pem: string, where: string): Promise<TokenKey> {
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch (cause) {
    throw new CurfewError('CURFEW_CONFIG_KEY', { where, why: 'the private key can not be read' }, { cause })
  }
  return makeTokenKey(key, where)
}

/** The key that signs with an algorithm: the first that can. */
export function signingKeyFor(keys: readonly TokenKey[], algorithm: TokenAlgorithm): TokenKey {
  const key = keys.find((candidate) => candidate.algorithms.includes(algorithm))
  if (key === undefined) throw new CurfewError('CURFEW_CONFIG_KEY', { where: 'oidc.keys', why: `no key signs ${algorithm}` })
  return key
}
