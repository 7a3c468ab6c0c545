import { CurfewError } from '../errors.ts'
import { attribute, childElements, hasOnly, is, text, type XmlElement } from '../xml/element.ts'
import { digestSha256Uri } from '../dsig/algorithms.ts'
import { isInteger } from '../dsig/key-info.ts'

export const xencNamespace = 'http://www.w3.org/2001/04/xmlenc#'
export const xenc11Namespace = 'http://www.w3.org/2009/xmlenc11#'
const dsNamespace = 'http://www.w3.org/2000/09/xmldsig#'

/** How content is encrypted here: always with a tag that proves it. */
export type ContentAlgorithm = 'aes-128-gcm' | 'aes-256-gcm'
/** How the content key is encrypted here: RSA-OAEP with SHA-1 (XML Encryption 1.0), or with SHA-256 (1.1). */
export type KeyTransport = 'rsa-oaep' | 'rsa-oaep-sha256'

export interface ContentCipher {
  readonly uri: string
  /** Name for node:crypto. */
  readonly cipher: 'aes-128-gcm' | 'aes-256-gcm' | 'aes-128-cbc' | 'aes-192-cbc' | 'aes-256-cbc'
  readonly keyBytes: number
  readonly isCbc: boolean
}

const contentCiphers: readonly ContentCipher[] = [
  { uri: `${xenc11Namespace}aes128-gcm`, cipher: 'aes-128-gcm', keyBytes: 16, isCbc: false },
  { uri: `${xenc11Namespace}aes256-gcm`, cipher: 'aes-256-gcm', keyBytes: 32, isCbc: false },
  { uri: `${xencNamespace}aes128-cbc`, cipher: 'aes-128-cbc', keyBytes: 16, isCbc: true },
  { uri: `${xencNamespace}aes192-cbc`, cipher: 'aes-192-cbc', keyBytes: 24, isCbc: true },
  { uri: `${xencNamespace}aes256-cbc`, cipher: 'aes-256-cbc', keyBytes: 32, isCbc: true }
]

const mgf1pUri = `${xencNamespace}rsa-oaep-mgf1p`
const oaep11Uri = `${xenc11Namespace}rsa-oaep`
const digestSha1Uri = `${dsNamespace}sha1`
const mgfSha256Uri = `${xenc11Namespace}mgf1sha256`

/** Hash of OAEP by the identifiers of its digest and its mask: both have to be the same hash. */
const oaepHashes: Readonly<Record<string, string>> = {
  [`${digestSha1Uri} ${xenc11Namespace}mgf1sha1`]: 'sha1',
  [`${digestSha256Uri} ${mgfSha256Uri}`]: 'sha256',
  [`http://www.w3.org/2001/04/xmldsig-more#sha384 ${xenc11Namespace}mgf1sha384`]: 'sha384',
  [`${xencNamespace}sha512 ${xenc11Namespace}mgf1sha512`]: 'sha512'
}

export function contentCipher(algorithm: ContentAlgorithm): ContentCipher {
  const found = contentCiphers.find(({ cipher }) => cipher === algorithm)
  if (found === undefined) throw new TypeError(`no content encryption ${String(algorithm)}`)
  return found
}

/** Identifiers of what {@link acceptedContent} and {@link acceptedTransport} take from everybody, as metadata lists them. */
export const offeredEncryptionMethods: readonly string[] = [...contentCiphers.filter(({ isCbc }) => !isCbc).map(({ uri }) => uri), oaep11Uri, mgf1pUri]

/** The content encryption of an identifier from metadata, when it is one that is written here. */
export function contentAlgorithmOf(uri: string): ContentAlgorithm | undefined {
  return uri === contentCipher('aes-256-gcm').uri ? 'aes-256-gcm' : uri === contentCipher('aes-128-gcm').uri ? 'aes-128-gcm' : undefined
}

/** What names a way of key transport in a message. */
export interface TransportNames {
  readonly uri: string
  readonly digestUri: string
  /** Absent in XML Encryption 1.0, where the mask is always made with SHA-1. */
  readonly mgfUri?: string
  readonly hash: string
}

export function transportNames(transport: KeyTransport): TransportNames {
  switch (transport) {
    case 'rsa-oaep':
      return { uri: mgf1pUri, digestUri: digestSha1Uri, hash: 'sha1' }
    case 'rsa-oaep-sha256':
      return { uri: oaep11Uri, digestUri: digestSha256Uri, mgfUri: mgfSha256Uri, hash: 'sha256' }
  }
}

/**
 * Content encryption of a message, by exact comparison.
 * @param allowsCbc - CBC has no tag: only where this partner may use it and a signature covers the cipher text
 * @throws CURFEW_SAML_ENCRYPTION_REFUSED
 */
export function acceptedContent(method: XmlElement, allowsCbc: boolean): ContentCipher {
  const uri = attribute(method, 'Algorithm')
  const found = contentCiphers.find((candidate) => candidate.uri === uri)
  if (found === undefined || parametersOf(method).length > 0 || (found.isCbc && !allowsCbc)) throw refused('content', uri)
  return found
}

/**
 * Hash of RSA-OAEP of a message. RSA 1.5 is refused, and OAEP with a label, or with two different hashes.
 * @throws CURFEW_SAML_ENCRYPTION_REFUSED
 */
export function acceptedTransport(method: XmlElement): string {
  const uri = attribute(method, 'Algorithm')
  const parameters = parametersOf(method)
  const digests = parameters.filter((child) => is(child, dsNamespace, 'DigestMethod'))
  const masks = parameters.filter((child) => is(child, xenc11Namespace, 'MGF'))
  const isPlain =
    digests.length < 2 &&
    masks.length < 2 &&
    digests.length + masks.length === parameters.length &&
    !parameters.some((child) => childElements(child).length > 0 || !hasOnly(child, ['Algorithm']))
  if (!isPlain) throw refused('parameters of the key transport', uri)
  const digest = digests[0] === undefined ? digestSha1Uri : attribute(digests[0], 'Algorithm')
  const mask = masks[0] === undefined ? `${xenc11Namespace}mgf1sha1` : attribute(masks[0], 'Algorithm')
  const isKnown = uri === oaep11Uri || (uri === mgf1pUri && masks.length === 0)
  const hash = isKnown ? oaepHashes[`${digest ?? ''} ${mask ?? ''}`] : undefined
  if (hash === undefined) throw refused('key transport', uri)
  return hash
}

/** What stands in a method beside its KeySize, which comes first and is a number. */
function parametersOf(method: XmlElement): readonly XmlElement[] {
  const [first, ...others] = childElements(method)
  if (!hasOnly(method, ['Algorithm'])) throw refused('attributes of a method', attribute(method, 'Algorithm'))
  if (!is(first, xencNamespace, 'KeySize')) return first === undefined ? [] : [first, ...others]
  if (!hasOnly(first, []) || !isInteger(text(first))) throw refused('a KeySize', attribute(method, 'Algorithm'))
  return others
}

function refused(what: string, uri: string | undefined): CurfewError {
  return new CurfewError('CURFEW_SAML_ENCRYPTION_REFUSED', { what, algorithm: (uri ?? 'none').slice(0, 100) })
}
