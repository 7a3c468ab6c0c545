import { constants, createDecipheriv, createHmac, privateDecrypt } from 'node:crypto'
import { strictBase64 } from '../base64.ts'
import { CurfewError } from '../errors.ts'
import { isHint, isKeyInfo } from '../dsig/key-info.ts'
import { attribute, childElements, hasOnly, is, text, type XmlDocument, type XmlElement } from '../xml/element.ts'
import { parseXml } from '../xml/reader.ts'
import { acceptedContent, acceptedTransport, type ContentCipher, xencNamespace } from './algorithms.ts'
import { elementType, ivBytes, tagBytes } from './encrypt.ts'
import { type Decryption, decryptionKeysMax } from './keys.ts'

const dsNamespace = 'http://www.w3.org/2000/09/xmldsig#'
const keyType = `${xencNamespace}EncryptedKey`
/** Most keys for this side in one element: each costs a private RSA operation for each of our keys. */
export const encryptedKeysMax = 2
const cbcBlockBytes = 16

/** Opens an encrypted element of one message, such as `EncryptedID`. @param expected - the element that must be inside */
export type Open = (wrapper: XmlElement, expected: { readonly namespace: string; readonly name: string }) => XmlDocument

/**
 * Makes the function that opens what a partner encrypted. What comes out is another document, as untrusted as any until
 * a signature over it, or over the cipher text, was verified.
 *
 * Whatever fails once a private key is used (key, padding, tag, text, the element inside) gives the same error after the
 * same work: nobody learns from an answer, or from its time, what a changed cipher text decrypted to.
 *
 * @param isCovered - a verified signature covers the cipher text: only then CBC can be read
 * @throws CURFEW_SAML_ENCRYPTED where nothing encrypted is expected of this partner
 */
export function openerFor(decryption: Decryption | undefined, isCovered: boolean): Open {
  return (wrapper, expected) => {
    if (decryption === undefined || decryption.keys.length === 0) throw new CurfewError('CURFEW_SAML_ENCRYPTED', { what: wrapper.name })
    if (decryption.keys.length > decryptionKeysMax) throw new TypeError(`more than ${decryptionKeysMax} decryption keys`)
    const sealed = readSealed(wrapper, decryption, isCovered)
    const { contentKey, isKnown } = unwrap(sealed, decryption)
    const { octets, isWhole } = decipher(sealed, contentKey)
    const document = parsed(octets)
    const isExpected = is(document?.root, expected.namespace, expected.name)
    if (document === undefined || !isKnown || !isWhole || !isExpected) throw new CurfewError('CURFEW_SAML_DECRYPTION', { what: wrapper.name })
    return document
  }
}

/** What anybody can see of an encrypted element. */
interface Sealed {
  readonly content: ContentCipher
  readonly octets: Buffer
  readonly keys: readonly { readonly hash: string; readonly octets: Buffer }[]
}

/** @throws CURFEW_SAML_ENCRYPTION_REFUSED for another shape or algorithm than is accepted; no secret is involved yet */
function readSealed(wrapper: XmlElement, decryption: Decryption, isCovered: boolean): Sealed {
  const [data, ...beside] = childElements(wrapper)
  if (!is(data, xencNamespace, 'EncryptedData') || !beside.every((child) => is(child, xencNamespace, 'EncryptedKey'))) throw shape(wrapper.name)
  if (!hasOnly(wrapper, []) || !hasOnly(data, typeAttributes)) throw shape('attributes of EncryptedData')
  const type = attribute(data, 'Type')
  if (type !== undefined && type !== elementType) throw shape('the Type of EncryptedData')
  const parts = childElements(data)
  const info = is(parts[1], dsNamespace, 'KeyInfo') ? parts[1] : undefined
  const [method, cipherData, ...more] = parts.filter((part) => part !== info)
  if (!is(method, xencNamespace, 'EncryptionMethod') || cipherData === undefined || more.length > 0) throw shape('the parts of EncryptedData')
  const content = acceptedContent(method, isCovered && decryption.allowsCbc === true)
  const keys = [...(info === undefined ? [] : keysInside(info, beside)), ...beside.map((key) => requireNames(key, data))]
  const shaped = keys.map(keyParts)
  const own = shaped.filter(({ key }) => isFor(key, decryption.recipient))
  if (own.length === 0 || own.length > encryptedKeysMax) throw shape('the number of keys for this recipient')
  const octets = cipherOctets(cipherData)
  const isLongEnough = content.isCbc ? octets.length >= 2 * cbcBlockBytes && octets.length % cbcBlockBytes === 0 : octets.length > ivBytes + tagBytes
  if (!isLongEnough) throw shape('the length of the cipher text')
  return { content, octets, keys: own.map(readKey) }
}

/** `KeyInfo` holds the keys, or names those beside it by their `Id` in the same element; nothing is ever fetched. */
function keysInside(info: XmlElement, beside: readonly XmlElement[]): readonly XmlElement[] {
  const children = childElements(info)
  if (!hasOnly(info, ['Id']) || children.length === 0) throw shape('the KeyInfo of EncryptedData')
  const isKnown = (child: XmlElement): boolean =>
    is(child, xencNamespace, 'EncryptedKey') || (is(child, dsNamespace, 'KeyName') && isHint(child)) || namesNeighbour(child, beside)
  const unknown = children.find((child) => !isKnown(child))
  if (unknown !== undefined) throw shape(unknown.name.slice(0, 60))
  return children.filter((child) => is(child, xencNamespace, 'EncryptedKey'))
}

function namesNeighbour(method: XmlElement, beside: readonly XmlElement[]): boolean {
  const uri = attribute(method, 'URI')
  const isKey = is(method, dsNamespace, 'RetrievalMethod') && attribute(method, 'Type') === keyType && isHint(method)
  return isKey && beside.some((key) => attribute(key, 'Id') !== undefined && uri === `#${attribute(key, 'Id') ?? ''}`)
}

/** A key beside the data that lists what it is for has to list this. */
function requireNames(key: XmlElement, data: XmlElement): XmlElement {
  const list = childElements(key).find((child) => is(child, xencNamespace, 'ReferenceList'))
  if (list === undefined) return key
  const id = attribute(data, 'Id')
  const isNamed = id !== undefined && childElements(list).some((child) => is(child, xencNamespace, 'DataReference') && attribute(child, 'URI') === `#${id}`)
  if (!isNamed) throw shape('the ReferenceList')
  return key
}

function isFor(key: XmlElement, recipient: string | undefined): boolean {
  const named = attribute(key, 'Recipient')
  return named === undefined || named === '' || recipient === undefined || named === recipient
}

interface KeyParts {
  readonly key: XmlElement
  readonly method: XmlElement
  readonly cipherData: XmlElement
}

/**
 * The parts of a key in the order of the schema, whoever it is for: a signature inside of what is encrypted does not cover
 * them. `KeyInfo` only says which certificate was used; no key is taken from it.
 */
function keyParts(key: XmlElement): KeyParts {
  const parts = childElements(key)
  const info = is(parts[1], dsNamespace, 'KeyInfo') ? parts[1] : undefined
  const [method, cipherData, ...more] = parts.filter((part) => part !== info)
  const list = is(more[0], xencNamespace, 'ReferenceList') ? more[0] : undefined
  const [name, ...others] = more.filter((part) => part !== list)
  const isPlain =
    hasOnly(key, keyAttributes) &&
    (info === undefined || isKeyInfo(info)) &&
    (list === undefined || isReferenceList(list)) &&
    (name === undefined || isCarriedName(name)) &&
    others.length === 0
  if (!is(method, xencNamespace, 'EncryptionMethod') || cipherData === undefined || !isPlain) throw shape('the parts of EncryptedKey')
  return { key, method, cipherData }
}

const typeAttributes = ['Id', 'Type', 'MimeType', 'Encoding']
const keyAttributes = [...typeAttributes, 'Recipient']

function isCarriedName(element: XmlElement): boolean {
  return is(element, xencNamespace, 'CarriedKeyName') && hasOnly(element, []) && text(element).length >= 0
}

function isReferenceList(list: XmlElement): boolean {
  const references = childElements(list)
  const isReference = (one: XmlElement): boolean =>
    (is(one, xencNamespace, 'DataReference') || is(one, xencNamespace, 'KeyReference')) &&
    hasOnly(one, ['URI']) &&
    attribute(one, 'URI') !== undefined &&
    childElements(one).length === 0
  return hasOnly(list, []) && references.length > 0 && references.every(isReference)
}

function readKey({ method, cipherData }: KeyParts): Sealed['keys'][number] {
  return { hash: acceptedTransport(method), octets: cipherOctets(cipherData) }
}

function cipherOctets(cipherData: XmlElement): Buffer {
  const [value, ...more] = childElements(cipherData)
  const isPlain = is(cipherData, xencNamespace, 'CipherData') && hasOnly(cipherData, []) && more.length === 0
  if (!isPlain || !is(value, xencNamespace, 'CipherValue') || !hasOnly(value, [])) throw shape('CipherData')
  return strictBase64(text(value), 'whitespace')
}

/** Tries every key with every one of ours, also after one fitted. What fits none goes on with a key that nobody knows. */
function unwrap({ content, keys }: Sealed, decryption: Decryption): { readonly contentKey: Buffer; readonly isKnown: boolean } {
  let found: Buffer | undefined
  let decoy = Buffer.alloc(content.keyBytes)
  for (const own of decryption.keys) {
    for (const { hash, octets } of keys) {
      const opened = rsaDecrypted(own.key, hash, octets)
      decoy = createHmac('sha256', own.decoy).update(octets).digest().subarray(0, content.keyBytes)
      if (found === undefined && opened?.length === content.keyBytes) found = opened
    }
  }
  return { contentKey: found ?? decoy, isKnown: found !== undefined }
}

function rsaDecrypted(key: Decryption['keys'][number]['key'], hash: string, octets: Buffer): Buffer | undefined {
  try {
    return privateDecrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: hash }, octets)
  } catch {
    // Becomes the one error of openerFor, after the work that a key which fits would have led to.
    return undefined
  }
}

function decipher({ content, octets }: Sealed, key: Buffer): { readonly octets: Buffer; readonly isWhole: boolean } {
  return content.isCbc ? decipherCbc(content, octets, key) : decipherGcm(content, octets, key)
}

/** The text is looked at only once its tag was right. @see xmlenc-core1 section 5.2.4 */
function decipherGcm({ cipher }: ContentCipher, octets: Buffer, key: Buffer): { readonly octets: Buffer; readonly isWhole: boolean } {
  const opening = createDecipheriv(cipher as 'aes-256-gcm', key, octets.subarray(0, ivBytes), { authTagLength: tagBytes })
  opening.setAuthTag(octets.subarray(-tagBytes))
  const plain = opening.update(octets.subarray(ivBytes, -tagBytes))
  try {
    opening.final()
    return { octets: plain, isWhole: true }
  } catch {
    return { octets: plain.subarray(0, 0), isWhole: false }
  }
}

/** The last octet says how many octets of padding there are; a wrong one is remembered, and the rest read all the same. */
function decipherCbc({ cipher }: ContentCipher, octets: Buffer, key: Buffer): { readonly octets: Buffer; readonly isWhole: boolean } {
  const opening = createDecipheriv(cipher, key, octets.subarray(0, cbcBlockBytes)).setAutoPadding(false)
  const plain = Buffer.concat([opening.update(octets.subarray(cbcBlockBytes)), opening.final()])
  const padding = plain.at(-1) ?? 0
  const isWhole = padding >= 1 && padding <= cbcBlockBytes
  return { octets: plain.subarray(0, plain.length - (isWhole ? padding : 1)), isWhole }
}

function parsed(octets: Buffer): XmlDocument | undefined {
  try {
    return parseXml(octets, 'message')
  } catch {
    return undefined
  }
}

function shape(what: string): CurfewError {
  return new CurfewError('CURFEW_SAML_ENCRYPTION_REFUSED', { what })
}
