import { constants, type KeyObject } from 'node:crypto'
import { CurfewError } from '../errors.ts'

export type SignatureAlgorithm = 'rsa-sha256' | 'rsa-sha384' | 'rsa-sha512' | 'rsa-pss-sha256' | 'ecdsa-sha256' | 'ecdsa-sha384'

/** Accepts SHA-1 for one peer. A symbol, so that no configuration file can reach it. */
export const unsafeAllowSha1: unique symbol = Symbol('unsafe: accept SHA-1 signatures of this peer')
/** Accepts RSA keys of 1024 to 2047 bits for one peer, to verify only. */
export const unsafeAllowSmallRsa: unique symbol = Symbol('unsafe: accept RSA keys below 2048 bits of this peer')

/** Exceptions for one peer. */
export interface VerifyPolicy {
  readonly sha1?: typeof unsafeAllowSha1
  readonly smallRsa?: typeof unsafeAllowSmallRsa
  /** Algorithms this peer may use; absent: every one of the allow-list. */
  readonly algorithms?: readonly SignatureAlgorithm[]
}

interface SignatureMethod {
  readonly algorithm: SignatureAlgorithm | 'rsa-sha1'
  readonly uri: string
  readonly hash: string
  readonly keyType: 'rsa' | 'ec'
  readonly isPss: boolean
}

const methods: readonly SignatureMethod[] = [
  { algorithm: 'rsa-sha256', uri: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256', hash: 'sha256', keyType: 'rsa', isPss: false },
  { algorithm: 'rsa-sha384', uri: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha384', hash: 'sha384', keyType: 'rsa', isPss: false },
  { algorithm: 'rsa-sha512', uri: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512', hash: 'sha512', keyType: 'rsa', isPss: false },
  { algorithm: 'rsa-pss-sha256', uri: 'http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1', hash: 'sha256', keyType: 'rsa', isPss: true },
  { algorithm: 'ecdsa-sha256', uri: 'http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256', hash: 'sha256', keyType: 'ec', isPss: false },
  { algorithm: 'ecdsa-sha384', uri: 'http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384', hash: 'sha384', keyType: 'ec', isPss: false },
  { algorithm: 'rsa-sha1', uri: 'http://www.w3.org/2000/09/xmldsig#rsa-sha1', hash: 'sha1', keyType: 'rsa', isPss: false }
]

const byUri = new Map(methods.map((m) => [m.uri, m]))
const byName = new Map<string, SignatureMethod>(methods.map((m) => [m.algorithm, m]))

const digests = new Map([
  ['http://www.w3.org/2001/04/xmlenc#sha256', 'sha256'],
  ['http://www.w3.org/2001/04/xmldsig-more#sha384', 'sha384'],
  ['http://www.w3.org/2001/04/xmlenc#sha512', 'sha512'],
  ['http://www.w3.org/2000/09/xmldsig#sha1', 'sha1']
])

export const digestSha256Uri = 'http://www.w3.org/2001/04/xmlenc#sha256'
export const exclusiveC14nUri = 'http://www.w3.org/2001/10/xml-exc-c14n#'
export const envelopedUri = 'http://www.w3.org/2000/09/xmldsig#enveloped-signature'

/** Algorithm identifier to put into a message. */
export function signatureUri(algorithm: SignatureAlgorithm): string {
  return methodOf(algorithm).uri
}

export function methodOf(algorithm: SignatureAlgorithm): SignatureMethod {
  const method = byName.get(algorithm)
  if (method === undefined) throw new TypeError(`no signature algorithm ${String(algorithm)}`)
  return method
}

/**
 * The method of an identifier from a message, by exact comparison against the allow-list.
 * @throws CURFEW_SAML_ALGORITHM_REFUSED
 */
export function acceptedMethod(uri: string | undefined, policy: VerifyPolicy): SignatureMethod {
  const method = uri === undefined ? undefined : byUri.get(uri)
  const isAllowed =
    method !== undefined && (method.algorithm === 'rsa-sha1' ? policy.sha1 === unsafeAllowSha1 : (policy.algorithms?.includes(method.algorithm) ?? true))
  if (!isAllowed) throw new CurfewError('CURFEW_SAML_ALGORITHM_REFUSED', { algorithm: (uri ?? 'none').slice(0, 100) })
  return method
}

/** @throws CURFEW_SAML_ALGORITHM_REFUSED */
export function acceptedDigest(uri: string | undefined, policy: VerifyPolicy): string {
  const hash = uri === undefined ? undefined : digests.get(uri)
  if (hash === undefined || (hash === 'sha1' && policy.sha1 !== unsafeAllowSha1)) {
    throw new CurfewError('CURFEW_SAML_ALGORITHM_REFUSED', { digest: (uri ?? 'none').slice(0, 100) })
  }
  return hash
}

/** Options of node:crypto for one method and key. */
export function cryptoOptions(method: SignatureMethod, key: KeyObject) {
  if (method.keyType === 'ec') return { key, dsaEncoding: 'ieee-p1363' as const }
  if (method.isPss) return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
  return { key, padding: constants.RSA_PKCS1_PADDING }
}
