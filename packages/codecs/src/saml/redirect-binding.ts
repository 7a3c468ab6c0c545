import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import { strictBase64 } from '../base64.ts'
import { type SignatureAlgorithm, signatureUri } from '../dsig/algorithms.ts'
import type { SigningKey } from '../dsig/keys.ts'
import { signBytes } from '../dsig/sign.ts'
import { CurfewError } from '../errors.ts'
import { messageLimits } from '../xml/limits.ts'
import { relayStateBytesMax } from './names.ts'
import { type Received, receive } from './received.ts'

/** Longest query string that is read, in characters. */
export const redirectQueryBytesMax = 64 * 1024
const deflateEncoding = 'urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE'

export interface RedirectMessage {
  readonly parameter: 'SAMLRequest' | 'SAMLResponse'
  /** The unsigned message: `head + tail`. */
  readonly xml: string
  readonly relayState?: string
}

/**
 * Makes the address that carries a signed message by HTTP Redirect. A query that the endpoint has already is kept.
 * @see saml-bindings-2.0-os section 3.4.4.1
 */
export async function encodeRedirect(url: string, message: RedirectMessage, key: SigningKey): Promise<string> {
  const octets = redirectOctets(message, key.algorithm)
  return redirectUrl(url, octets, await signBytes(octets, key))
}

/** The part of the query that is signed: message, RelayState, algorithm, as they are sent. */
export function redirectOctets(message: RedirectMessage, algorithm: SignatureAlgorithm): string {
  const packed = deflateRawSync(message.xml, { level: 1, windowBits: 10, memLevel: 4, chunkSize: 1024 }).toString('base64')
  const relay = message.relayState === undefined ? '' : `&RelayState=${escaped(message.relayState)}`
  return `${message.parameter}=${encodeURIComponent(packed)}${relay}&SigAlg=${encodeURIComponent(signatureUri(algorithm))}`
}

/** The address with what {@link redirectOctets} gave and the signature over it. */
export function redirectUrl(url: string, octets: string, signature: Buffer): string {
  return `${url}${url.includes('?') ? '&' : '?'}${octets}&Signature=${encodeURIComponent(signature.toString('base64'))}`
}

/** An apostrophe too: a browser would encode it on its way, and the signature is over the octets. @see URL Standard, special-query percent-encode set */
function escaped(value: string): string {
  return encodeURIComponent(value).replaceAll("'", '%27')
}

/**
 * Reads a message received over HTTP Redirect. The signature covers the query octets as received, so `rawQuery` is
 * the undecoded string. A missing signature is reported by `isSigned`, not treated as failure: verification decides.
 *
 * @param rawQuery - after `?`, still percent-encoded, at most {@link redirectQueryBytesMax} characters
 * @throws CURFEW_SAML_QUERY, CURFEW_SAML_BASE64, CURFEW_SAML_DEFLATE, CURFEW_SAML_DEFLATE_LIMIT and all of the reader
 * @see saml-bindings-2.0-os section 3.4.4.1
 */
export function decodeRedirect(rawQuery: string): Received {
  if (rawQuery.length > redirectQueryBytesMax) throw refused('it is too long')
  const raw = rawParameters(rawQuery)
  const request = raw.get('SAMLRequest')
  const response = raw.get('SAMLResponse')
  const message = request ?? response
  if (message === undefined || (request !== undefined && response !== undefined)) throw refused('it must hold exactly one message')
  const encoding = raw.get('SAMLEncoding')
  if (encoding !== undefined && decode(encoding) !== deflateEncoding) throw refused('SAMLEncoding is not DEFLATE')
  const rawRelay = raw.get('RelayState')
  const relayState = rawRelay === undefined ? undefined : decode(rawRelay)
  if (relayState !== undefined && Buffer.byteLength(relayState) > relayStateBytesMax) throw refused('RelayState is too long')
  const name = request === undefined ? 'SAMLResponse' : 'SAMLRequest'
  const xml = inflate(strictBase64(decode(message), 'none'))
  const query = signedQuery(`${name}=${message}${rawRelay === undefined ? '' : `&RelayState=${rawRelay}`}`, raw)
  const received = receive(xml, { binding: 'redirect', ...(relayState === undefined ? {} : { relayState }), ...(query === undefined ? {} : { query }) })
  const isRequest = received.kind === 'AuthnRequest' || received.kind === 'LogoutRequest'
  if (isRequest !== (name === 'SAMLRequest')) throw refused('the parameter does not fit the message')
  return received
}

function signedQuery(start: string, raw: ReadonlyMap<string, string>) {
  const algorithm = raw.get('SigAlg')
  const signature = raw.get('Signature')
  if (algorithm === undefined && signature === undefined) return undefined
  if (algorithm === undefined || signature === undefined) throw refused('SigAlg and Signature belong together')
  return {
    octets: `${start}&SigAlg=${algorithm}`,
    algorithm: usualAlgorithms.get(algorithm) ?? decode(algorithm),
    signature: strictBase64(decode(signature), 'whitespace')
  }
}

/** How the usual algorithms stand in a query. */
const usualAlgorithms: ReadonlyMap<string, string> = new Map(
  (['rsa-sha256', 'rsa-sha384', 'rsa-sha512', 'ecdsa-sha256', 'ecdsa-sha384'] as const).map((name) => {
    const uri = signatureUri(name)
    return [encodeURIComponent(uri), uri]
  })
)

const known = new Set(['SAMLRequest', 'SAMLResponse', 'RelayState', 'SigAlg', 'Signature', 'SAMLEncoding'])

/**
 * Parameters of the binding by their exact raw names, values as received. One that appears twice, or under an encoded
 * name, is refused.
 */
function rawParameters(query: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (let start = 0; start <= query.length; ) {
    const amp = query.indexOf('&', start)
    const end = amp < 0 ? query.length : amp
    const equals = query.indexOf('=', start)
    const at = equals < 0 || equals > end ? end : equals
    const name = query.slice(start, at)
    if (known.has(name)) {
      if (found.has(name)) throw refused(`${name} stands twice`)
      found.set(name, query.slice(at + 1, end))
    } else if (name.includes('%') && known.has(decode(name))) throw refused('a parameter name is encoded')
    start = end + 1
  }
  return found
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value.includes('+') ? value.replaceAll('+', ' ') : value)
  } catch (cause) {
    throw new CurfewError('CURFEW_SAML_QUERY', { why: 'percent-encoding is broken' }, { cause })
  }
}

/** Inflates one raw DEFLATE stream, bounded, and requires that nothing is left over. */
function inflate(packed: Buffer): Buffer {
  try {
    const { buffer, engine } = inflateRawSync(packed, {
      maxOutputLength: messageLimits.documentBytesMax,
      chunkSize: 1024,
      finishFlush: constants.Z_FINISH,
      info: true
    }) as unknown as {
      buffer: Buffer
      engine: { bytesWritten: number }
    }
    if (engine.bytesWritten !== packed.length) throw new CurfewError('CURFEW_SAML_DEFLATE', { why: 'something follows the stream' })
    return buffer
  } catch (cause) {
    if (cause instanceof CurfewError) throw cause
    const isLimit = cause instanceof Error && 'code' in cause && cause.code === 'ERR_BUFFER_TOO_LARGE'
    throw isLimit
      ? new CurfewError('CURFEW_SAML_DEFLATE_LIMIT', { maximum: messageLimits.documentBytesMax })
      : new CurfewError('CURFEW_SAML_DEFLATE', {}, { cause })
  }
}

function refused(why: string): CurfewError {
  return new CurfewError('CURFEW_SAML_QUERY', { why })
}
