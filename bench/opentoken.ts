import { createCipheriv, createDecipheriv, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { deflateSync, inflateSync } from 'node:zlib'
import { decodeOpenToken, encodeOpenToken, type OpenTokenPairs, openTokenKey, serialisePayload } from '@curfew/codecs'
import { line, rateOf, ratioOf } from './measure.ts'

const pairs: OpenTokenPairs = [
  ['not-before', '2030-01-01T00:00:00Z'],
  ['authnContext', 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport'],
  ['subject', 'ana'],
  ['mail', 'ana@example.org'],
  ['group', 'staff'],
  ['group', "people of d'angelo"],
  ['not-on-or-after', '2030-01-01T00:05:00Z'],
  ['renew-until', '2030-01-01T12:00:00Z']
]

/** Tokens beside what the platform takes for the same octets: deflate, AES-CBC, HMAC-SHA1. */
export async function benchOpenToken(): Promise<readonly string[]> {
  const text = Buffer.from(serialisePayload(pairs))
  const lines = ['OpenToken against raw deflate, AES-CBC and HMAC-SHA1 of the same octets']
  for (const [id, name, cipher] of [
    [2, 'AES-128', 'aes-128-cbc'],
    [1, 'AES-256', 'aes-256-cbc']
  ] as const) {
    const key = openTokenKey(id, '2Federate')
    const iv = randomBytes(16)
    const token = encodeOpenToken(pairs, key, iv)
    const packed = seal(cipher, key.octets, iv, text)
    const mac = macOf(key.octets, text)
    const encode = (): string => encodeOpenToken(pairs, key, iv)
    const decode = (): unknown => decodeOpenToken(token, [key])
    const rawEncode = (): unknown => [seal(cipher, key.octets, iv, text), macOf(key.octets, text)]
    const rawDecode = (): boolean => timingSafeEqual(macOf(key.octets, unseal(cipher, key.octets, iv, packed)), mac)
    const [written, read] = [rateOf(encode), rateOf(decode)]
    lines.push(
      line(`encode, ${name} (${perSecond(written.perCpuSecond)})`, ratioOf(encode, rawEncode), 'raw', 0.75),
      line(`decode, ${name} (${perSecond(read.perCpuSecond)})`, ratioOf(decode, rawDecode), 'raw', 0.5)
    )
  }
  return lines
}

function seal(cipher: string, key: Uint8Array, iv: Uint8Array, text: Buffer): Buffer {
  const encryptor = createCipheriv(cipher, key, iv)
  return Buffer.concat([encryptor.update(deflateSync(text)), encryptor.final()])
}

function unseal(cipher: string, key: Uint8Array, iv: Uint8Array, packed: Buffer): Buffer {
  const decryptor = createDecipheriv(cipher, key, iv)
  return inflateSync(Buffer.concat([decryptor.update(packed), decryptor.final()]))
}

function macOf(key: Uint8Array, text: Buffer): Buffer {
  return createHmac('sha1', key).update(text).digest()
}

function perSecond(rate: number): string {
  return `${Math.round(rate / 100) / 10}k a CPU-second`
}
