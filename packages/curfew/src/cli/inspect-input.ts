import { existsSync, readFileSync, statSync } from 'node:fs'
import { inflateRawSync } from 'node:zlib'
import {
  type CarriedArtifact,
  CurfewError,
  decodePost,
  decodeRedirect,
  decodeSoap,
  type JwtPeek,
  messageLimits,
  type OpenTokenPeek,
  parseXml,
  peekJwt,
  peekOpenToken,
  type Received,
  type XmlElement
} from '@curfew/codecs'
import { artifactIn } from './inspect-artifact.ts'
import { messageElement } from './inspect-message.ts'
import { shortened } from './inspect-shorten.ts'

/** What an input turned out to be. */
export type Inspected =
  | {
      readonly kind: 'saml'
      readonly received: Received
      /** The message itself, inside whatever carried it. Nothing in it has been verified. */
      readonly message: XmlElement
      /** Where it was sent: the address without its query, when there was one. */
      readonly sentTo?: string
    }
  | { readonly kind: 'artifact'; readonly carried: CarriedArtifact }
  | { readonly kind: 'metadata'; readonly bytes: Uint8Array }
  | { readonly kind: 'jwt'; readonly peek: JwtPeek; readonly token: string }
  | { readonly kind: 'opentoken'; readonly peek: OpenTokenPeek; readonly token: string }
  | { readonly kind: 'id'; readonly of: keyof typeof idPrefixes; readonly id: string }

/** Identifiers that people see: of a run, of a session, and the reference of a page or an answer that said no. */
const idPrefixes = { run: 'run_', session: 'ses_', reference: 'msg_' } as const

/** Longest text that is looked for as a file. */
const pathCharactersMax = 1024
/** `OTK` in base64, then whatever version. */
const openTokenShape = /^T1RL[\w-]{30,}[*=]{0,2}$/
const idShape = /^(?:run|ses|msg)_[\w-]{4,120}$/
const tokenShape = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*){2,4}$/
/** Parameters that carry tokens in OpenID Connect and OAuth. */
const tokenParameters = ['logout_token', 'id_token_hint', 'id_token', 'access_token', 'client_assertion', 'request'] as const

/**
 * Recognises what somebody pasted: an address or query with a SAML message, an artifact or a token, form fields, a page with such a
 * form, XML, a SOAP envelope, metadata, base64 of any of them, a JSON Web Token, an OpenToken, an identifier that people
 * see, or a file that holds one. Works offline.
 * @throws CURFEW_CLI_INPUT_UNKNOWN, and the code of whatever was wrong with the message
 */
export function recognise(input: string): Inspected {
  const text = (isFile(input) ? readFileSync(input, 'utf8') : input).trim()
  if (idShape.test(text)) return fromId(text)
  const carried = artifactIn(text)
  if (carried !== undefined) return { kind: 'artifact', carried }
  if (/(^|[?&])SAML(Request|Response)=/.test(text)) return fromQuery(text)
  const token = tokenShape.test(text) ? text : tokenIn(text)
  if (token !== undefined) return { kind: 'jwt', peek: peekJwt(token), token }
  const openToken = openTokenIn(text)
  if (openToken !== undefined) return openToken
  if (/<input\b[^>]*\bname="SAML(Request|Response)"/i.test(text)) return fromPage(text)
  if (text.startsWith('<') || text.startsWith('\ufeff<')) return fromXml(Buffer.from(text))
  if (/^[A-Za-z0-9+/=\s%]+$/.test(text)) return fromBase64(text)
  throw new CurfewError('CURFEW_CLI_INPUT_UNKNOWN', { starts: shortened(text) })
}

function isFile(input: string): boolean {
  return input.length < pathCharactersMax && existsSync(input) && statSync(input).isFile()
}

/** The token of an address such as the end session endpoint is called with. */
function tokenIn(text: string): string | undefined {
  const [, query = text] = /^https?:[^?\s]*\?(\S*)$/.exec(text) ?? []
  if (/\s/.test(query)) return undefined
  const parameters = new URLSearchParams(query.split('#')[0] ?? '')
  return tokenParameters.map((name) => parameters.get(name) ?? '').find((value) => tokenShape.test(value))
}

function fromId(id: string): Inspected {
  const of = (Object.keys(idPrefixes) as (keyof typeof idPrefixes)[]).find((kind) => id.startsWith(idPrefixes[kind]))
  return { kind: 'id', of: of ?? 'reference', id }
}

/** An OpenToken alone, or the parameter of an address or form that holds one: its name is a setting of the adapter. */
function openTokenIn(text: string): Inspected | undefined {
  const [, query = text] = /^https?:[^?\s]*\?(\S*)$/.exec(text) ?? []
  const values = /\s/.test(query) ? [] : [...new URLSearchParams(query.split('#')[0] ?? '').values()]
  const token = [text, ...values].find((value) => openTokenShape.test(value))
  const peek = token === undefined ? undefined : peekOpenToken(token)
  return token === undefined || peek === undefined ? undefined : { kind: 'opentoken', peek, token }
}

/** Redirect when it inflates, POST fields otherwise. */
function fromQuery(text: string): Inspected {
  const at = text.indexOf('?')
  const query = (at < 0 ? text : text.slice(at + 1)).split('#')[0] ?? text
  const sentTo = at > 0 && URL.canParse(text) ? { sentTo: withoutMessage(text.slice(0, at), query) } : {}
  try {
    return { ...fromRedirect(query), ...sentTo }
  } catch (redirectError) {
    try {
      return { ...fromFields([...new URLSearchParams(query)]), ...sentTo }
    } catch {
      throw redirectError
    }
  }
}

/** An endpoint may have parameters of its own; they belong to its address. */
function withoutMessage(address: string, query: string): string {
  const own = query.split('&').filter((pair) => !/^(SAMLRequest|SAMLResponse|RelayState|SigAlg|Signature|SAMLEncoding)=/.test(pair))
  return own.length === 0 ? address : `${address}?${own.join('&')}`
}

type InspectedSaml = Extract<Inspected, { readonly kind: 'saml' }>

function fromRedirect(query: string): InspectedSaml {
  const received = decodeRedirect(query)
  const value = /(?:^|&)SAML(?:Request|Response)=([^&]*)/.exec(query)?.[1] ?? ''
  const packed = Buffer.from(decodeURIComponent(value), 'base64')
  return samlFrom(received, inflateRawSync(packed, { maxOutputLength: messageLimits.documentBytesMax }))
}

function fromFields(fields: readonly (readonly [string, string])[]): InspectedSaml {
  const received = decodePost(fields)
  const value = fields.find(([name]) => name === 'SAMLRequest' || name === 'SAMLResponse')?.[1] ?? ''
  return samlFrom(received, Buffer.from(value, 'base64'))
}

function samlFrom(received: Received, xml: Uint8Array): InspectedSaml {
  return { kind: 'saml', received, message: messageElement(parseXml(xml, 'message').root) }
}

/** The page that an identity provider or this authority sends so that the browser posts a message on. */
function fromPage(page: string): InspectedSaml {
  const fields = [...page.matchAll(/<input\b[^>]*>/gi)].flatMap(([tag]): (readonly [string, string])[] => {
    const name = attributeOf(tag, 'name')
    const value = attributeOf(tag, 'value')
    return name === undefined || value === undefined ? [] : [[name, value]]
  })
  const action = attributeOf(/<form\b[^>]*>/i.exec(page)?.[0] ?? '', 'action')
  return { ...fromFields(fields), ...(action === undefined || !URL.canParse(action) ? {} : { sentTo: action }) }
}

function attributeOf(tag: string, name: string): string | undefined {
  return new RegExp(`\\s${name}="([^"]*)"`, 'i').exec(tag)?.[1]?.replace(/&(#x?[0-9a-f]+|amp|quot|lt|gt);/gi, (_, what: string) => characterOf(what))
}

function characterOf(reference: string): string {
  if (/^#x/i.test(reference)) return String.fromCodePoint(Number.parseInt(reference.slice(2), 16))
  if (reference.startsWith('#')) return String.fromCodePoint(Number.parseInt(reference.slice(1), 10))
  const named: Readonly<Record<string, string>> = { amp: '&', quot: '"', lt: '<', gt: '>' }
  return named[reference.toLowerCase()] ?? ''
}

function fromXml(bytes: Buffer): Inspected {
  const root = parseXml(bytes, 'metadata').root
  if (root.name === 'EntityDescriptor' || root.name === 'EntitiesDescriptor') return { kind: 'metadata', bytes }
  if (root.name === 'Envelope') return samlFrom(decodeSoap(bytes), bytes)
  return fromFields([[parameterFor(root.name), bytes.toString('base64')]])
}

function parameterFor(root: string): string {
  return root === 'Response' || root === 'LogoutResponse' ? 'SAMLResponse' : 'SAMLRequest'
}

/** XML in base64, or a deflated message as it stands in an address. */
function fromBase64(text: string): Inspected {
  const value = text.includes('%') ? decodeURIComponent(text) : text
  const octets = Buffer.from(value, 'base64')
  if (octets.toString('utf8').trimStart().startsWith('<')) return fromXml(octets)
  const encoded = encodeURIComponent(value.replace(/\s+/g, ''))
  try {
    return fromRedirect(`SAMLRequest=${encoded}`)
  } catch (error) {
    const isOther = error instanceof CurfewError && error.code === 'CURFEW_SAML_QUERY'
    if (!isOther) throw new CurfewError('CURFEW_CLI_INPUT_UNKNOWN', { starts: shortened(text) }, { cause: error })
    return fromRedirect(`SAMLResponse=${encoded}`)
  }
}
