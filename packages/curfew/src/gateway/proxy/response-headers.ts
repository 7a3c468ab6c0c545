import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import { cookiePrefix } from '../session/cookies.ts'
import { connectionNames } from './request-headers.ts'

/** Hop-by-hop: they speak of the connection to the application, not of the one to the browser. */
const hop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade'
])

export interface ResponseHeaderOptions {
  readonly setCookies: readonly string[]
  /** Origin of the application, and the one that browsers have for it: a redirect to the first becomes the second. */
  readonly target: string
  readonly origin: string
  /** Somebody is signed in: documents are not kept by the browser, so that "back" shows nothing after the sign-out. */
  readonly isPrivate: boolean
}

/** The headers of an answer as the browser gets them. */
export function responseHeaders(headers: IncomingHttpHeaders, options: ResponseHeaderOptions): OutgoingHttpHeaders {
  const named = connectionNames(headers.connection)
  const out: OutgoingHttpHeaders = {}
  for (const name in headers) if (!hop.has(name) && !named.has(name) && name !== 'set-cookie') out[name] = headers[name]
  const theirs = headers['set-cookie']?.filter((cookie) => !cookie.trimStart().startsWith(cookiePrefix)) ?? []
  if (theirs.length + options.setCookies.length > 0) out['set-cookie'] = [...theirs, ...options.setCookies]
  const { location } = headers
  if (location?.startsWith(`${options.target}/`) === true) out['location'] = options.origin + location.slice(options.target.length)
  if (options.isPrivate && (headers['content-type'] ?? '').startsWith('text/html')) out['cache-control'] = 'no-store'
  return out
}
