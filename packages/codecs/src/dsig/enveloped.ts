import { hash } from 'node:crypto'
import { strictBase64 } from '../base64.ts'
import { CurfewError } from '../errors.ts'
import { canonicalise } from '../xml/canonical.ts'
import { attribute, childElements, hasOnly, is, text, type XmlDocument, type XmlElement } from '../xml/element.ts'
import { acceptedDigest, digestSha256Uri, envelopedUri, exclusiveC14nUri, type VerifyPolicy } from './algorithms.ts'
import { isKeyInfo } from './key-info.ts'
import type { VerificationKey } from './keys.ts'
import { sha256Hex, verifyBytes } from './sign.ts'

export const dsNamespace = 'http://www.w3.org/2000/09/xmldsig#'
const samlNamespace = 'urn:oasis:names:tc:SAML:2.0:assertion'
/** Most prefixes of an InclusiveNamespaces PrefixList. */
export const prefixListMax = 16

/** What a signature proves: the element without its Signature, and the key. Nothing else of the document is proved. */
export interface SignedView {
  readonly signedBy: VerificationKey
  readonly algorithm: string
  readonly view: XmlElement
  /** SHA-256 (hex) of the octets that were digested: what proofs and receipts carry. */
  readonly canonicalHash: string
}

/** The Signature child of a signable element in its only accepted place: directly after `Issuer`, or first without one. */
export function signatureOf(element: XmlElement): XmlElement | undefined {
  const children = childElements(element)
  const place = is(children[0], samlNamespace, 'Issuer') ? 1 : 0
  let found: XmlElement | undefined
  for (let i = 0; i < children.length; i++) {
    const child = children[i]
    if (!is(child, dsNamespace, 'Signature')) continue
    if (i !== place) throw shape('the Signature is not in its place')
    found = child
  }
  return found
}

/**
 * Verifies the enveloped signature of one element against the keys of one peer. `KeyInfo` is held to its schema, and no
 * key is taken from it. Of a signature exactly one shape is accepted: one Reference to the parent of the Signature,
 * enveloped transform then exclusive canonicalisation.
 *
 * @throws CURFEW_SAML_SIGNATURE_MISSING, CURFEW_SAML_SIGNATURE_SHAPE, CURFEW_SAML_ALGORITHM_REFUSED,
 *   CURFEW_SAML_SIGNATURE_INVALID, CURFEW_SAML_SIGNER_UNKNOWN
 */
export function verifyEnveloped(document: XmlDocument, element: XmlElement, keys: readonly VerificationKey[], policy: VerifyPolicy): SignedView {
  const signature = signatureOf(element)
  if (signature === undefined) throw new CurfewError('CURFEW_SAML_SIGNATURE_MISSING')
  const [info, value, ...rest] = childElements(signature)
  if (
    !is(info, dsNamespace, 'SignedInfo') ||
    !is(value, dsNamespace, 'SignatureValue') ||
    rest.length > 1 ||
    (rest[0] !== undefined && !is(rest[0], dsNamespace, 'KeyInfo'))
  ) {
    throw shape('the parts of the Signature')
  }
  requireUncovered(signature, value, rest[0])
  const signed = readSignedInfo(info)
  requireReference(document, element, signed.uri)
  const digestHash = acceptedDigest(signed.digestMethod, policy)
  const canonical = canonicalise(element, { omit: signature, inclusivePrefixes: signed.contentPrefixes })
  // Neither side of the comparison is a secret: both can be computed from the message by anybody.
  const digest = hash(digestHash, canonical, 'hex')
  if (digest !== strictBase64(text(signed.digestValue), 'whitespace').toString('hex'))
    throw new CurfewError('CURFEW_SAML_SIGNATURE_INVALID', { what: 'digest' })
  const infoOctets = canonicalise(info, { inclusivePrefixes: signed.infoPrefixes })
  const signedBy = verifyBytes(infoOctets, strictBase64(text(value), 'whitespace'), signed.signatureMethod, keys, policy)
  const canonicalHash = signed.digestMethod === digestSha256Uri ? digest : sha256Hex(canonical)
  return { signedBy, algorithm: signed.signatureMethod ?? '', view: without(element, signature), canonicalHash }
}

/**
 * What stands in a Signature outside of SignedInfo is covered by nothing: whoever carries the message can change it. It is
 * held to the schema, so that a message is not accepted here which verifiers that know the schema refuse.
 */
function requireUncovered(signature: XmlElement, value: XmlElement, keyInfo: XmlElement | undefined): void {
  if (!hasOnly(signature, ['Id']) || !hasOnly(value, ['Id'])) throw shape('attributes of the Signature')
  if (is(keyInfo, dsNamespace, 'KeyInfo') && !isKeyInfo(keyInfo)) throw shape('the parts of KeyInfo')
}

interface SignedInfo {
  readonly signatureMethod: string | undefined
  readonly digestMethod: string | undefined
  readonly digestValue: XmlElement
  readonly uri: string | undefined
  readonly contentPrefixes: readonly string[]
  readonly infoPrefixes: readonly string[]
}

function readSignedInfo(info: XmlElement): SignedInfo {
  const [c14n, method, reference, ...more] = childElements(info)
  if (
    !is(c14n, dsNamespace, 'CanonicalizationMethod') ||
    !is(method, dsNamespace, 'SignatureMethod') ||
    !is(reference, dsNamespace, 'Reference') ||
    more.length > 0
  ) {
    throw shape('the parts of SignedInfo')
  }
  if (attribute(c14n, 'Algorithm') !== exclusiveC14nUri) throw new CurfewError('CURFEW_SAML_ALGORITHM_REFUSED', { what: 'canonicalisation' })
  requireEmpty(method)
  const [transforms, digestMethod, digestValue, ...rest] = childElements(reference)
  if (
    !is(transforms, dsNamespace, 'Transforms') ||
    !is(digestMethod, dsNamespace, 'DigestMethod') ||
    !is(digestValue, dsNamespace, 'DigestValue') ||
    rest.length > 0
  ) {
    throw shape('the parts of Reference')
  }
  requireEmpty(digestMethod)
  const [enveloped, exclusive, ...others] = childElements(transforms)
  const isAccepted =
    is(enveloped, dsNamespace, 'Transform') &&
    is(exclusive, dsNamespace, 'Transform') &&
    others.length === 0 &&
    attribute(enveloped, 'Algorithm') === envelopedUri &&
    attribute(exclusive, 'Algorithm') === exclusiveC14nUri &&
    childElements(enveloped).length === 0
  if (!isAccepted || exclusive === undefined) throw new CurfewError('CURFEW_SAML_ALGORITHM_REFUSED', { what: 'transforms' })
  return {
    signatureMethod: attribute(method, 'Algorithm'),
    digestMethod: attribute(digestMethod, 'Algorithm'),
    digestValue,
    uri: attribute(reference, 'URI'),
    contentPrefixes: prefixList(exclusive),
    infoPrefixes: prefixList(c14n)
  }
}

/** Algorithms that take no parameters; one that is there would be passed over otherwise. */
function requireEmpty(method: XmlElement): void {
  if (childElements(method).length > 0) throw shape(`parameters of ${method.name}`)
}

function prefixList(element: XmlElement): readonly string[] {
  const [list, ...more] = childElements(element)
  if (list === undefined) return []
  if (!is(list, exclusiveC14nUri, 'InclusiveNamespaces') || more.length > 0) throw shape('the parts of a transform')
  const prefixes = (attribute(list, 'PrefixList') ?? '').split(' ').filter((prefix) => prefix !== '')
  if (prefixes.length > prefixListMax) throw shape('too many prefixes')
  return prefixes.map((prefix) => (prefix === '#default' ? '' : prefix))
}

function requireReference(document: XmlDocument, element: XmlElement, uri: string | undefined): void {
  const id = attribute(element, 'ID')
  const isOwn = id !== undefined && uri === `#${id}` && document.ids.get(id) === element
  if (!isOwn) throw shape('the Reference does not name the element that holds the Signature')
}

function without(element: XmlElement, signature: XmlElement): XmlElement {
  return { ...element, children: element.children.filter((child) => child !== signature) }
}

function shape(what: string): CurfewError {
  return new CurfewError('CURFEW_SAML_SIGNATURE_SHAPE', { what })
}
