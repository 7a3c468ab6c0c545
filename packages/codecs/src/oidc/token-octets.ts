import { constants, KeyObject, verify, type VerifyKeyObjectInput } from 'node:crypto'
import type { CryptoKey } from 'jose'
import { CurfewError } from '../errors.ts'
import { headerOf, keysIn, refusal, requireKind, type TokenAlgorithm, type TokenExpectation, tokenCharactersMax, type TokenHeader } from './token.ts'

interface Scheme {
  readonly hash: string | null
  readonly options: Omit<VerifyKeyObjectInput, 'key'>
}

/** RFC 7518 section 3.1, RFC 8037 section 3.1 */
const schemes: Readonly<Record<TokenAlgorithm, Scheme>> = {
  RS256: { hash: 'sha256', options: { padding: constants.RSA_PKCS1_PADDING } },
  PS256: { hash: 'sha256', options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST } },
  ES256: { hash: 'sha256', options: { dsaEncoding: 'ieee-p1363' } },
  ES384: { hash: 'sha384', options: { dsaEncoding: 'ieee-p1363' } },
  EdDSA: { hash: null, options: {} }
}

/** RFC 7518 sections 3.3 and 3.5 */
const rsaBitsMin = 2048
const dot = 0x2e

/**
 * Checks kind and signature of a token that lies in octets, by the same rules as `verifyToken`, and copies nothing of it: the
 * pages of a long list are read so, thousands one after the other.
 * @param payload - takes what was signed
 * @returns how many octets of `payload` that are; what they say is not looked at
 * @throws those of `verifyToken` but for claims
 */
export async function verifyTokenOctets(token: Buffer, payload: Buffer, expected: TokenExpectation, types: readonly string[]): Promise<number> {
  const first = token.indexOf(dot)
  const last = token.lastIndexOf(dot)
  const isCompact = first > 0 && last > first && token.indexOf(dot, first + 1) === last
  if (!isCompact || token.length > (expected.charactersMax ?? tokenCharactersMax) || payload.length < last - first)
    throw new CurfewError('CURFEW_JWT_MALFORMED')
  const header = headerOf(`${token.toString('latin1', 0, first)}..`)
  requireKind(header, expected, types)
  const key = await keyFor(header, expected)
  const { hash, options } = schemes[header.alg as TokenAlgorithm]
  const signature = Buffer.from(token.toString('latin1', last + 1), 'base64url')
  if (!verify(hash, token.subarray(0, last), { key, ...options }, signature)) throw new CurfewError('CURFEW_OIDC_TOKEN_SIGNATURE')
  return decodeInto(payload, token, first + 1, last)
}

/** Characters that are decoded at once: four are three octets, so that parts can be put one behind the other. */
const decodedAtOnce = 16 * 1024

/** In parts: a text as long as a page would lie among the large objects, which are collected late. */
function decodeInto(payload: Buffer, token: Buffer, from: number, to: number): number {
  let length = 0
  for (let at = from; at < to; at += decodedAtOnce) {
    const end = Math.min(to, at + decodedAtOnce)
    const written = payload.write(token.toString('latin1', at, end), length, 'base64url')
    // Fewer than they stand for: something among them is no sign of base64url.
    if (written !== Math.floor(((end - at) * 3) / 4)) throw new CurfewError('CURFEW_JWT_MALFORMED')
    length += written
  }
  return length
}

const known = new WeakMap<CryptoKey, KeyObject>()

async function keyFor(header: TokenHeader, { keys }: TokenExpectation): Promise<KeyObject> {
  try {
    const found = await keysIn(keys)({ ...header, alg: header.alg ?? '' } as Parameters<ReturnType<typeof keysIn>>[0], undefined as never)
    const key = known.get(found) ?? KeyObject.from(found)
    known.set(found, key)
    if (key.asymmetricKeyType === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) < rsaBitsMin) throw new TypeError('the key is too short')
    return key
  } catch (cause) {
    throw refusal(cause)
  }
}
