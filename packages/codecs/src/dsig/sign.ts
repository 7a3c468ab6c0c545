import { sign as cryptoSign, verify as cryptoVerify, hash } from 'node:crypto'
import { CurfewError } from '../errors.ts'
import { isName } from '../xml/characters.ts'
import { acceptedMethod, cryptoOptions, digestSha256Uri, envelopedUri, exclusiveC14nUri, methodOf, signatureUri, type VerifyPolicy } from './algorithms.ts'
import { isUsable, type SigningKey, type VerificationKey } from './keys.ts'

const dsNamespace = 'http://www.w3.org/2000/09/xmldsig#'

/**
 * Signs octets. RSA runs on the thread pool and leaves the event loop free; ECDSA is shorter than the hand-over.
 * A key of another kind than the algorithm says is a mistake of the caller: `TypeError`.
 */
export function signBytes(data: string | Uint8Array, signing: SigningKey): Promise<Buffer> {
  const method = methodFor(signing)
  const octets = typeof data === 'string' ? Buffer.from(data) : data
  const options = cryptoOptions(method, signing.key)
  if (method.keyType === 'ec') return Promise.resolve(cryptoSign(method.hash, octets, options))
  return new Promise((resolve, reject) => {
    cryptoSign(method.hash, octets, options, (error, signature) => (error === null ? resolve(signature) : reject(error)))
  })
}

/** The same on this thread. */
export function signBytesSync(data: string | Uint8Array, signing: SigningKey): Buffer {
  const method = methodFor(signing)
  return cryptoSign(method.hash, typeof data === 'string' ? Buffer.from(data) : data, cryptoOptions(method, signing.key))
}

/** An RSA key named ECDSA would sign all the same, and every partner would refuse the message. */
function methodFor(signing: SigningKey): ReturnType<typeof methodOf> {
  const method = methodOf(signing.algorithm)
  if (signing.key.asymmetricKeyType !== method.keyType) throw new TypeError(`a key of kind ${signing.key.asymmetricKeyType} can not sign ${signing.algorithm}`)
  return method
}

/**
 * Verifies octets against the keys of one peer and returns the key that fits.
 * @throws CURFEW_SAML_ALGORITHM_REFUSED, CURFEW_SAML_SIGNER_UNKNOWN when the peer has no usable key of that kind,
 *   CURFEW_SAML_SIGNATURE_INVALID when none of its keys fits
 */
export function verifyBytes(
  data: string | Uint8Array,
  signature: Uint8Array,
  algorithmUri: string | undefined,
  keys: readonly VerificationKey[],
  policy: VerifyPolicy
): VerificationKey {
  const method = acceptedMethod(algorithmUri, policy)
  const octets = typeof data === 'string' ? Buffer.from(data) : data
  const candidates = keys.filter((candidate) => isUsable(candidate.strength, method.keyType, policy))
  if (candidates.length === 0) throw new CurfewError('CURFEW_SAML_SIGNER_UNKNOWN', { algorithm: method.algorithm, keys: keys.length })
  const found = candidates.find((candidate) => cryptoVerify(method.hash, octets, cryptoOptions(method, candidate.key), signature))
  if (found === undefined) throw new CurfewError('CURFEW_SAML_SIGNATURE_INVALID', { algorithm: method.algorithm, keysTried: candidates.length })
  return found
}

/** A message around the place of its signature; `head + tail` is its own exclusive canonical form. */
export interface SignableParts {
  readonly head: string
  readonly tail: string
  readonly id: string
}

/**
 * Puts an enveloped signature into a message: signing by construction, nothing is canonicalised.
 * @throws CURFEW_XML_WRITE when the id is no name or the certificate no base64
 */
export async function signEnveloped(parts: SignableParts, signing: SigningKey): Promise<string> {
  const info = signedInfo(parts, signing)
  const value = await signBytes(info.forSigning, signing)
  return parts.head + signatureElement(info.inMessage, value, signing) + parts.tail
}

/** The same on this thread. */
export function signEnvelopedSync(parts: SignableParts, signing: SigningKey): string {
  const info = signedInfo(parts, signing)
  return parts.head + signatureElement(info.inMessage, signBytesSync(info.forSigning, signing), signing) + parts.tail
}

/** SignedInfo is its own apex when signed, so it declares `ds`; inside the message `ds:Signature` does. */
function signedInfo(parts: SignableParts, signing: SigningKey): { readonly forSigning: string; readonly inMessage: string } {
  if (!isName(parts.id)) throw new CurfewError('CURFEW_XML_WRITE', { why: 'an id that is not a name' })
  const digest = hash('sha256', parts.head + parts.tail, 'base64')
  const body =
    `<ds:CanonicalizationMethod Algorithm="${exclusiveC14nUri}"></ds:CanonicalizationMethod>` +
    `<ds:SignatureMethod Algorithm="${signatureUri(signing.algorithm)}"></ds:SignatureMethod>` +
    `<ds:Reference URI="#${parts.id}"><ds:Transforms><ds:Transform Algorithm="${envelopedUri}"></ds:Transform>` +
    `<ds:Transform Algorithm="${exclusiveC14nUri}"></ds:Transform></ds:Transforms>` +
    `<ds:DigestMethod Algorithm="${digestSha256Uri}"></ds:DigestMethod><ds:DigestValue>${digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>`
  return { forSigning: `<ds:SignedInfo xmlns:ds="${dsNamespace}">${body}`, inMessage: `<ds:SignedInfo>${body}` }
}

function signatureElement(info: string, value: Buffer, signing: SigningKey): string {
  const start = `<ds:Signature xmlns:ds="${dsNamespace}">${info}<ds:SignatureValue>${value.toString('base64')}</ds:SignatureValue>`
  return `${start}${keyInfo(signing)}</ds:Signature>`
}

function keyInfo(signing: SigningKey): string {
  const { certificate } = signing
  if (signing.embedCertificate !== true || certificate === undefined) return ''
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(certificate)) throw new CurfewError('CURFEW_XML_WRITE', { why: 'a certificate that is not base64' })
  return `<ds:KeyInfo><ds:X509Data><ds:X509Certificate>${certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>`
}

/** SHA-256 of octets as hex: the hash that proofs and receipts carry. */
export function sha256Hex(data: string | Uint8Array): string {
  return hash('sha256', data, 'hex')
}
