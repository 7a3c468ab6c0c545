import { constants, createCipheriv, generateKeyPairSync, publicEncrypt, randomBytes, type KeyObject } from 'node:crypto'
import {
  canonicalise,
  createSeal,
  type Decryption,
  type DecryptionKey,
  type EncryptionTarget,
  encryptAssertion,
  makeDecryptionKey,
  parseXml,
  type PeerKeys,
  type Seal,
  serialiseAssertion,
  signEnvelopedSync
} from '../../src/index.ts'
import { partnerKey } from './keys.ts'
import { assertion, peer } from './messages.ts'

/** A key pair of this side that partners encrypt to. */
export interface EncryptionPair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
  readonly decryption: DecryptionKey
}

export function encryptionPair(): EncryptionPair {
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return { ...pair, decryption: makeDecryptionKey(pair.privateKey) }
}

/** The one in use, the one before, and one of somebody else. */
export const ownPair = encryptionPair()
export const formerPair = encryptionPair()
export const strangerPair = encryptionPair()
export const ownEntity = 'https://login.example'

export const decryption: Decryption = { keys: [ownPair.decryption, formerPair.decryption], recipient: ownEntity }
/** The partner of `messages.ts`, who may encrypt. */
export const encryptingPeer: PeerKeys = { ...peer, decryption }
export const cbcPeer: PeerKeys = { ...peer, decryption: { ...decryption, allowsCbc: true } }

export function sealFor(pair: EncryptionPair, change: Partial<EncryptionTarget> = {}): Seal {
  return createSeal({ key: pair.publicKey, content: 'aes-256-gcm', transport: 'rsa-oaep', recipient: ownEntity, ...change }, (count) => randomBytes(count))
}

/** A signed assertion, encrypted for this side. */
export const signedAssertionHere = signEnvelopedSync(serialiseAssertion(assertion), partnerKey.signing)
export const encryptedAssertion = encryptAssertion(signedAssertionHere, sealFor(ownPair))

const xenc = 'http://www.w3.org/2001/04/xmlenc#'
const contentUris = {
  'aes-128-gcm': 'http://www.w3.org/2009/xmlenc11#aes128-gcm',
  'aes-256-gcm': 'http://www.w3.org/2009/xmlenc11#aes256-gcm',
  'aes-128-cbc': `${xenc}aes128-cbc`,
  'aes-256-cbc': `${xenc}aes256-cbc`
} as const

/** Parts of an encrypted element as other products write them; every part can be replaced. */
export interface ForeignParts {
  readonly plain: string | Uint8Array
  readonly cipher?: keyof typeof contentUris
  readonly contentKey?: Buffer
  readonly iv?: Buffer
  /** Replaces the octets of the cipher text. */
  readonly octets?: (octets: Buffer) => Buffer
  readonly keyOctets?: (octets: Buffer) => Buffer
  readonly padding?: (plain: Buffer) => Buffer
  readonly to?: KeyObject
  readonly oaepHash?: string
  readonly keyMethod?: string
  readonly contentMethod?: string
  readonly keyPlace?: 'inside' | 'beside' | 'beside, named'
  readonly keyAttributes?: string
  readonly keyMore?: string
  readonly dataAttributes?: string
}

/** `EncryptedData` and keys by hand: what `createSeal` would never write, too. */
export function foreignData(parts: ForeignParts): string {
  const cipher = parts.cipher ?? 'aes-256-gcm'
  const isCbc = cipher.endsWith('cbc')
  const contentKey = parts.contentKey ?? randomBytes(cipher.includes('256') ? 32 : 16)
  const iv = parts.iv ?? randomBytes(isCbc ? 16 : 12)
  const plain = Buffer.from(parts.plain)
  const octets = isCbc ? cbc(cipher, contentKey, iv, (parts.padding ?? padded)(plain)) : gcm(cipher, contentKey, iv, plain)
  const to = parts.to ?? ownPair.publicKey
  const keyOctets = publicEncrypt({ key: to, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: parts.oaepHash ?? 'sha1' }, contentKey)
  const keyMethod = parts.keyMethod ?? `<xenc:EncryptionMethod Algorithm="${xenc}rsa-oaep-mgf1p"/>`
  const key =
    `<xenc:EncryptedKey xmlns:xenc="${xenc}" Id="_key"${parts.keyAttributes ?? ''}>${keyMethod}` +
    `<ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:KeyName>ours</ds:KeyName></ds:KeyInfo>` +
    `${value((parts.keyOctets ?? same)(keyOctets))}${parts.keyMore ?? ''}</xenc:EncryptedKey>`
  const retrieval = `<ds:RetrievalMethod Type="${xenc}EncryptedKey" URI="#_key"/>`
  const place = parts.keyPlace ?? 'inside'
  const info = place === 'inside' ? key : place === 'beside, named' ? retrieval : ''
  const keyInfo = info === '' ? '' : `<ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#">${info}</ds:KeyInfo>`
  return (
    `<xenc:EncryptedData xmlns:xenc="${xenc}" Id="_data" Type="${xenc}Element"${parts.dataAttributes ?? ''}>` +
    `<xenc:EncryptionMethod Algorithm="${parts.contentMethod ?? contentUris[cipher]}"/>${keyInfo}${value((parts.octets ?? same)(octets))}</xenc:EncryptedData>` +
    (place === 'inside' ? '' : key)
  )
}

function value(octets: Buffer): string {
  return `<xenc:CipherData><xenc:CipherValue>\n${octets.toString('base64').replace(/.{76}/g, '$&\n')}\n</xenc:CipherValue></xenc:CipherData>`
}

function same(octets: Buffer): Buffer {
  return octets
}

/** Padding of XML Encryption: only the last octet counts. */
export function padded(plain: Buffer): Buffer {
  const count = 16 - (plain.length % 16)
  return Buffer.concat([plain, Buffer.alloc(count - 1, 0x5a), Buffer.of(count)])
}

function gcm(cipher: string, key: Buffer, iv: Buffer, plain: Buffer): Buffer {
  const encrypting = createCipheriv(cipher as 'aes-256-gcm', key, iv, { authTagLength: 16 })
  return Buffer.concat([iv, encrypting.update(plain), encrypting.final(), encrypting.getAuthTag()])
}

function cbc(cipher: string, key: Buffer, iv: Buffer, plain: Buffer): Buffer {
  const encrypting = createCipheriv(cipher, key, iv).setAutoPadding(false)
  return Buffer.concat([iv, encrypting.update(plain), encrypting.final()])
}

export function wrapped(name: 'EncryptedAssertion' | 'EncryptedID', parts: ForeignParts): string {
  return `<saml:${name} xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">${foreignData(parts)}</saml:${name}>`
}

/** The canonical form of an element, so that a signature can be made around it. */
export function canonical(xml: string): string {
  return canonicalise(parseXml(Buffer.from(xml), 'message').root)
}
