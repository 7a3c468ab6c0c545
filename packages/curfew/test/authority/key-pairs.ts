import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'

/** A key with a self-signed certificate. */
export interface KeyPair {
  readonly key: KeyObject
  readonly certificatePem: string
  /** Base64 of the DER. */
  readonly certificate: string
}

/** P-256: quick to make. */
export function makeKeyPair(name: string): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return certified(name, privateKey, publicKey, sequence(Buffer.from('06082a8648ce3d040302', 'hex')))
}

/** RSA-2048, for peers that know nothing else. */
export function makeRsaKeyPair(name: string): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return certified(name, privateKey, publicKey, sequence(Buffer.from('06092a864886f70d01010b0500', 'hex')))
}

function certified(name: string, privateKey: KeyObject, publicKey: KeyObject, algorithm: Buffer): KeyPair {
  const commonName = der(0x31, sequence(Buffer.from('0603550403', 'hex'), der(0x0c, Buffer.from(name))))
  const validity = sequence(der(0x17, Buffer.from('260101000000Z')), der(0x17, Buffer.from('460101000000Z')))
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const toBeSigned = sequence(der(0x02, Buffer.of(1)), algorithm, sequence(commonName), validity, sequence(commonName), spki)
  const signature = der(0x03, Buffer.concat([Buffer.of(0), sign('sha256', toBeSigned, privateKey)]))
  const certificate = sequence(toBeSigned, algorithm, signature).toString('base64')
  const lines = certificate.match(/.{1,64}/g)?.join('\n') ?? ''
  return { key: privateKey, certificate, certificatePem: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n` }
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts))
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.of(tag, ...size), content])
}
