import { createCipheriv, createDecipheriv, createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { deflateSync, inflateSync } from 'node:zlib'
import { CurfewError } from '../errors.ts'
import type { OpenTokenKey } from './key.ts'
import { openTokenLimits } from './limits.ts'
import { type OpenTokenPairs, parsePayload, serialisePayload } from './payload.ts'
import { openTokenSuites, type OpenTokenSuite } from './suite.ts'

const literal = Buffer.from('OTK')
const version = 1
const macBytes = 20
/** Literal, version, suite, MAC, IV length. */
const headBytes = 26

/**
 * Writes a token: literal, version, suite, MAC, IV, no key info, payload. The payload is deflated, then encrypted; the
 * MAC covers its clear text.
 *
 * @param iv - fresh random octets, as many as the suite wants
 * @throws CURFEW_OPENTOKEN_WRITE when a value can't be written, the token would be too large, or the IV has another length
 * @see draft-smith-opentoken-02, Token Layout
 */
export function encodeOpenToken(pairs: OpenTokenPairs, { suite, octets }: OpenTokenKey, iv: Uint8Array): string {
  if (iv.length !== suite.ivBytes) throw new CurfewError('CURFEW_OPENTOKEN_WRITE', { ivBytes: iv.length, expected: suite.ivBytes })
  const text = Buffer.from(serialisePayload(pairs), 'utf8')
  if (text.length > openTokenLimits.payloadBytesMax) throw new CurfewError('CURFEW_OPENTOKEN_WRITE', { bytes: text.length })
  const payload = encrypt(suite, octets, iv, deflateSync(text))
  const length = Buffer.alloc(2)
  if (payload.length > 0xffff) throw new CurfewError('CURFEW_OPENTOKEN_WRITE', { bytes: payload.length })
  length.writeUInt16BE(payload.length)
  const head = Buffer.of(version, suite.id)
  const mac = macOf(suite, octets, [head, iv, text])
  const token = Buffer.concat([literal, head, mac, Buffer.of(iv.length), iv, Buffer.of(0), length, payload])
  const written = token.toString('base64').replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '*')
  if (written.length > openTokenLimits.charactersMax) throw new CurfewError('CURFEW_OPENTOKEN_WRITE', { characters: written.length })
  return written
}

/** A token whose MAC was right. */
export interface DecodedOpenToken {
  readonly pairs: OpenTokenPairs
  /** The key that fitted. */
  readonly key: OpenTokenKey
  /** MAC of the token (base64url): tells one token from any other, for replay prevention. */
  readonly mac: string
}

/**
 * Reads a token and proves that somebody with the key made it. Everything that is wrong before that proof, shape, suite,
 * padding, compression or MAC, gives the same error after the same work.
 *
 * @param keys - newest first; each is tried that has the suite of the token
 * @throws CURFEW_OPENTOKEN_INVALID when it is no token of one of these keys
 * @throws CURFEW_OPENTOKEN_TEXT when the proven text is not written as a payload
 * @see draft-smith-opentoken-02, Processing Rules
 */
export function decodeOpenToken(token: string, keys: readonly OpenTokenKey[]): DecodedOpenToken {
  const parts = partsOf(token)
  const candidates = parts === undefined ? [] : keys.filter(({ suite }) => suite.id === parts.suite.id)
  for (const key of parts === undefined ? [] : candidates) {
    const text = open(parts as Parts, key)
    if (text !== undefined) return { pairs: parsePayload(utf8(text)), key, mac: (parts as Parts).mac.toString('base64url') }
  }
  throw new CurfewError('CURFEW_OPENTOKEN_INVALID')
}

/** What a token shows without its key. Nothing of it is proven. */
export interface OpenTokenPeek {
  readonly version: number
  /** Number of the cipher suite, as it stands in the token. */
  readonly suite: number
  /** Hint about the key, hexadecimal; absent when the lengths of the token do not fit. */
  readonly keyInfo?: string
  /** Absent when the lengths of the token do not fit. */
  readonly payloadBytes?: number
}

/** Looks at the head of a token. Undefined: it is no OpenToken of any version. @see draft-smith-opentoken-02, Token Layout */
export function peekOpenToken(token: string): OpenTokenPeek | undefined {
  const octets = base64Of(token)
  if (octets === undefined || octets.length < headBytes || !octets.subarray(0, 3).equals(literal)) return undefined
  const parts = partsOf(token)
  const rest = parts === undefined ? {} : { keyInfo: parts.keyInfo.toString('hex'), payloadBytes: parts.payload.length }
  return { version: octets[3] ?? 0, suite: octets[4] ?? 0, ...rest }
}

interface Parts {
  readonly suite: OpenTokenSuite
  readonly mac: Buffer
  readonly iv: Buffer
  readonly keyInfo: Buffer
  readonly payload: Buffer
}

/** Cuts a token into its parts; undefined when any length does not fit exactly. */
function partsOf(token: string): Parts | undefined {
  const octets = base64Of(token)
  if (octets === undefined || octets.length < headBytes || !octets.subarray(0, 3).equals(literal) || octets[3] !== version) return undefined
  const suite = openTokenSuites[octets[4] ?? -1]
  const ivBytes = octets[25]
  if (suite === undefined || ivBytes !== suite.ivBytes || octets.length < headBytes + ivBytes + 3) return undefined
  const keyInfoAt = headBytes + ivBytes + 1
  const payloadAt = keyInfoAt + (octets[keyInfoAt - 1] ?? 0) + 2
  if (octets.length < payloadAt) return undefined
  const payload = octets.subarray(payloadAt)
  if (payload.length === 0 || octets.readUInt16BE(payloadAt - 2) !== payload.length || payload.length % suite.blockBytes !== 0) return undefined
  return {
    suite,
    mac: octets.subarray(5, 5 + macBytes),
    iv: octets.subarray(headBytes, headBytes + ivBytes),
    keyInfo: octets.subarray(keyInfoAt, payloadAt - 2),
    payload
  }
}

/** One spelling per token: the alphabet alone, padding whole (`*` or `=`) or left out, unused bits zero. */
function base64Of(token: string): Buffer | undefined {
  if (token.length > openTokenLimits.charactersMax) return undefined
  const [, body = '', padding = ''] = /^([\w-]+)(\*{0,2}|={0,2})$/.exec(token) ?? []
  const octets = Buffer.from(body, 'base64url')
  const isExact = body !== '' && octets.toString('base64url') === body
  return isExact && (padding === '' || (body.length + padding.length) % 4 === 0) ? octets : undefined
}

/** The clear text, when everything fits. Wrong padding and wrong compression are as much work as a wrong MAC. */
function open({ suite, mac, iv, keyInfo, payload }: Parts, { octets }: OpenTokenKey): Buffer | undefined {
  const { packed, isPadded } = decrypt(suite, octets, iv, payload)
  const inflated = inflate(packed)
  const expected = macOf(suite, octets, [Buffer.of(version, suite.id), iv, keyInfo, inflated ?? packed])
  const isRight = timingSafeEqual(expected, mac)
  return isRight && isPadded && inflated !== undefined ? inflated : undefined
}

function encrypt({ cipher }: OpenTokenSuite, key: Uint8Array, iv: Uint8Array, packed: Buffer): Buffer {
  if (cipher === undefined) return packed
  const encryptor = createCipheriv(cipher, key, iv)
  return Buffer.concat([encryptor.update(packed), encryptor.final()])
}

/** Takes the padding off without a branch on it: with a wrong one the octets go on whole. */
function decrypt(
  { cipher, blockBytes }: OpenTokenSuite,
  key: Uint8Array,
  iv: Uint8Array,
  payload: Buffer
): { readonly packed: Buffer; readonly isPadded: boolean } {
  if (cipher === undefined) return { packed: payload, isPadded: true }
  const decryptor = createDecipheriv(cipher, key, iv).setAutoPadding(false)
  const octets = Buffer.concat([decryptor.update(payload), decryptor.final()])
  const count = octets[octets.length - 1] ?? 0
  let differs = Number(count === 0) | Number(count > blockBytes)
  for (let i = 1; i <= blockBytes; i++) differs |= Number(i <= count) & Number(octets[octets.length - i] !== count)
  return { packed: octets.subarray(0, octets.length - (differs === 0 ? count : 0)), isPadded: differs === 0 }
}

/** Inflates one zlib stream, bounded; nothing may follow it. */
function inflate(packed: Buffer): Buffer | undefined {
  try {
    const { buffer, engine } = inflateSync(packed, { maxOutputLength: openTokenLimits.payloadBytesMax, chunkSize: 1024, info: true }) as unknown as {
      readonly buffer: Buffer
      readonly engine: { readonly bytesWritten: number }
    }
    return engine.bytesWritten === packed.length ? buffer : undefined
  } catch {
    return undefined
  }
}

/** Suite 0 has no key and so only a digest. */
function macOf({ cipher }: OpenTokenSuite, key: Uint8Array, parts: readonly Uint8Array[]): Buffer {
  const mac = cipher === undefined ? createHash('sha1') : createHmac('sha1', key)
  for (const part of parts) mac.update(part)
  return mac.digest()
}

function utf8(text: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(text)
  } catch (cause) {
    throw new CurfewError('CURFEW_OPENTOKEN_TEXT', {}, { cause })
  }
}
