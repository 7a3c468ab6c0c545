import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { type SignatureAlgorithm, type SigningKey, type VerificationKey, verificationKeyFromPublicKey } from '../../src/index.ts'

/** A key pair of a test partner. */
export interface TestKey {
  readonly signing: SigningKey
  readonly verification: VerificationKey
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
}

function rsa(modulusLength: number, algorithm: SignatureAlgorithm = 'rsa-sha256'): TestKey {
  const pair = generateKeyPairSync('rsa', { modulusLength })
  return { ...pair, signing: { key: pair.privateKey, algorithm }, verification: verificationKeyFromPublicKey(pair.publicKey) }
}

function ec(namedCurve: string, algorithm: SignatureAlgorithm): TestKey {
  const pair = generateKeyPairSync('ec', { namedCurve })
  return { ...pair, signing: { key: pair.privateKey, algorithm }, verification: verificationKeyFromPublicKey(pair.publicKey) }
}

export const partnerKey = rsa(2048)
export const foreignKey = rsa(2048)
export const smallKey = rsa(1024)
export const keysByAlgorithm: Readonly<Record<SignatureAlgorithm, TestKey>> = {
  'rsa-sha256': partnerKey,
  'rsa-sha384': { ...partnerKey, signing: { ...partnerKey.signing, algorithm: 'rsa-sha384' } },
  'rsa-sha512': { ...partnerKey, signing: { ...partnerKey.signing, algorithm: 'rsa-sha512' } },
  'rsa-pss-sha256': { ...partnerKey, signing: { ...partnerKey.signing, algorithm: 'rsa-pss-sha256' } },
  'ecdsa-sha256': ec('prime256v1', 'ecdsa-sha256'),
  'ecdsa-sha384': ec('secp384r1', 'ecdsa-sha384')
}
