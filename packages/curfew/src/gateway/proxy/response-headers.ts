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
  /** Somebody is signed in: what may be about them is not kept by the browser, so that nothing shows after the sign-out. */
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
  if (options.isPrivate && !mayBeKept(headers)) out['cache-control'] = 'no-store'
  return out
}

/** What a page is made of, and says nothing about anybody: code, style, fonts. */
const partType = /^(?:text\/(?:css|javascript)|application\/(?:javascript|wasm)|font\/)/

/**
 * True for what a browser may keep past a sign-out, as the application says: parts of pages, and what the application
 * calls public or unchangeable. A page is neither, whatever it is called.
 */
function mayBeKept({ 'content-type': type = '', 'cache-control': control = '' }: IncomingHttpHeaders): boolean {
  if (type.startsWith('text/html')) return false
  return partType.test(type) || /(?:^|[\s,])(?:public|immutable)(?:$|[\s,])/i.test(control)
}
