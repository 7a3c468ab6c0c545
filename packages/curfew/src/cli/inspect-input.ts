import { existsSync, readFileSync } from 'node:fs'
import { CurfewError, decodePost, decodeRedirect, decodeSoap, parseXml, peekJwt, type JwtPeek, type Received } from '@curfew/codecs'

/** What an input turned out to be. */
export type Inspected =
  | { readonly kind: 'saml'; readonly received: Received }
  | { readonly kind: 'metadata'; readonly bytes: Uint8Array }
  | { readonly kind: 'jwt'; readonly peek: JwtPeek }

/**
 * Recognises what somebody pasted: an address or query with a SAML message, a form field, XML, a SOAP envelope,
 * metadata, base64 of any of them, a JSON Web Token, or a file that holds one. Works offline.
 * @throws CURFEW_CLI_INPUT_UNKNOWN, and the code of whatever was wrong with the message
 */
export function recognise(input: string): Inspected {
  const text = (input.length < 1024 && existsSync(input) ? readFileSync(input, 'utf8') : input).trim()
  if (/(^|[?&])SAML(Request|Response)=/.test(text)) return { kind: 'saml', received: fromQuery(text) }
  if (text.startsWith('<') || text.startsWith('\ufeff<')) return fromXml(Buffer.from(text))
  if (/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*){2,4}$/.test(text)) return { kind: 'jwt', peek: peekJwt(text) }
  if (/^[A-Za-z0-9+/=\s%]+$/.test(text)) return fromBase64(text)
  throw new CurfewError('CURFEW_CLI_INPUT_UNKNOWN', { starts: text.slice(0, 20) })
}

/** Redirect when it inflates, POST fields otherwise. */
function fromQuery(text: string): Received {
  const query = text.includes('?') ? text.slice(text.indexOf('?') + 1) : text
  try {
    return decodeRedirect(query.split('#')[0] ?? query)
  } catch (redirectError) {
    try {
      return decodePost(new URLSearchParams(query))
    } catch {
      throw redirectError
    }
  }
}

function fromXml(bytes: Uint8Array): Inspected {
  const root = parseXml(bytes, 'metadata').root
  if (root.name === 'EntityDescriptor' || root.name === 'EntitiesDescriptor') return { kind: 'metadata', bytes }
  if (root.name === 'Envelope') return { kind: 'saml', received: decodeSoap(bytes) }
  return fromBase64(Buffer.from(bytes).toString('base64'))
}

function fromBase64(text: string): Inspected {
  const value = text.includes('%') ? decodeURIComponent(text) : text
  const octets = Buffer.from(value, 'base64')
  const xml = octets.toString('utf8').trimStart()
  if (xml.startsWith('<') && /:?Entit(y|ies)Descriptor[\s>]/.test(xml.slice(0, 4096))) return { kind: 'metadata', bytes: octets }
  const isPlain = xml.startsWith('<')
  const name = /:?(Response|LogoutResponse)[\s>]/.test(xml.slice(0, 200)) ? 'SAMLResponse' : 'SAMLRequest'
  if (isPlain) return { kind: 'saml', received: decodePost([[name, octets.toString('base64')]]) }
  const encoded = encodeURIComponent(value.replace(/\s+/g, ''))
  try {
    return { kind: 'saml', received: decodeRedirect(`SAMLRequest=${encoded}`) }
  } catch (error) {
    const isOther = error instanceof CurfewError && error.code === 'CURFEW_SAML_QUERY'
    if (!isOther) throw new CurfewError('CURFEW_CLI_INPUT_UNKNOWN', { starts: text.slice(0, 20) }, { cause: error })
    return { kind: 'saml', received: decodeRedirect(`SAMLResponse=${encoded}`) }
  }
}
