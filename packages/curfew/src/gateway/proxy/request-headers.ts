import type { IncomingMessage } from 'node:http'
import { withoutGatewayCookies } from '../session/cookies.ts'

/** Hop-by-hop (RFC 9110 section 7.6.1), and what this proxy says itself. */
const ownHop: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
  'http2-settings'
])

/** Headers by which frameworks let a proxy say what was asked for: only this proxy says so. */
const reserved: ReadonlySet<string> = new Set(['forwarded', 'x-real-ip', 'x-original-url', 'x-original-uri', 'x-rewrite-url', 'x-original-host', 'x-host'])

/**
 * A header name as applications may read it: most of them take `-` and `_`, and some every other sign, for the same.
 * Two names with the same key are one header to somebody.
 */
export function headerKey(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '-')
}

/** What becomes of a header of a client: it goes on, it stays here, or it goes on without what is the gateway's. */
type Fate = 'pass' | 'drop' | 'cookie'

/** Decides by the name; names come again and again, and each is looked at once. */
export interface HeaderNames {
  of(name: string): { readonly fate: Fate; readonly lower: string }
}

/** Names remembered; a client that makes up new ones pays for them each time. */
const namesMax = 500

/** @param applications - whose identity headers no client may set, in any spelling */
export function createHeaderNames(applications: readonly { readonly headers: Readonly<Record<string, string>> }[]): HeaderNames {
  const identityKeys = new Set(applications.flatMap(({ headers }) => Object.keys(headers).map(headerKey)))
  const known = new Map<string, { readonly fate: Fate; readonly lower: string }>()
  const fateOf = (name: string, lower: string): Fate => {
    const key = headerKey(name)
    if (ownHop.has(lower) || identityKeys.has(key) || reserved.has(key) || key.startsWith('x-forwarded-')) return 'drop'
    return lower === 'cookie' ? 'cookie' : 'pass'
  }
  return {
    of(name) {
      const found = known.get(name)
      if (found !== undefined) return found
      const lower = name.toLowerCase()
      const made = { fate: fateOf(name, lower), lower }
      if (known.size < namesMax) known.set(name, made)
      return made
    }
  }
}

const nothing: ReadonlySet<string> = new Set()

/** Names in `Connection`: they are for this hop and go no further. */
export function connectionNames(header: string | readonly string[] | undefined): ReadonlySet<string> {
  const text = typeof header === 'string' ? header : (header ?? []).join(',')
  if (text === '' || text === 'keep-alive' || text === 'close') return nothing
  return new Set(
    text
      .toLowerCase()
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '')
  )
}

export interface RequestHeaderOptions {
  readonly names: HeaderNames
  /** What the gateway says about the user. */
  readonly identity: readonly (readonly [string, string])[]
  /** As the browser has it. */
  readonly host: string
  readonly isSecure: boolean
  /** What the application gets as `Host`. */
  readonly targetHost: string
  /** The caller's address; what it says about others counts when it is trusted. */
  readonly address: string
  readonly isTrusted: boolean
}

/** The headers that an application gets: those of the client without what is not for it, and those of the gateway. */
export function requestHeaders(request: Pick<IncomingMessage, 'rawHeaders' | 'headers'>, options: RequestHeaderOptions): string[] {
  const { rawHeaders } = request
  const named = connectionNames(request.headers.connection)
  const out: string[] = ['host', options.targetHost]
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    const value = rawHeaders[i + 1] ?? ''
    const { fate, lower } = options.names.of(name)
    if (fate === 'drop' || (named.size > 0 && named.has(lower))) continue
    const kept = fate === 'cookie' ? withoutGatewayCookies(value) : value
    if (fate === 'pass' || kept !== '') out.push(name, kept)
  }
  const known = options.isTrusted ? request.headers['x-forwarded-for'] : undefined
  const before = typeof known === 'string' ? `${known}, ` : ''
  out.push('x-forwarded-for', before + options.address, 'x-forwarded-host', options.host, 'x-forwarded-proto', options.isSecure ? 'https' : 'http')
  for (const [name, value] of options.identity) out.push(name, value)
  return out
}
