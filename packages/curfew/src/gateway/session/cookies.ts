import type { WebSessionSettings } from '../settings.ts'

/** Every value that the request has for a cookie: more than one means that somebody planted one. */
export function cookieValues(header: string | undefined, name: string): readonly string[] {
  const values: string[] = []
  const prefix = `${name}=`
  let at = header?.indexOf(prefix) ?? -1
  while (header !== undefined && at >= 0) {
    const begin = header.lastIndexOf(';', at) + 1
    const next = header.indexOf(';', at)
    const end = next < 0 ? header.length : next
    if (begin === at || header.slice(begin, at).trim() === '') values.push(header.slice(at + prefix.length, end).trimEnd())
    at = header.indexOf(prefix, end)
  }
  return values
}

/** Names of cookies that begin with a prefix, in the order of the header. */
export function cookieNames(header: string | undefined, prefix: string): readonly string[] {
  return (header ?? '').split(';').flatMap((pair) => {
    const name = pair.trim().split('=', 1)[0] ?? ''
    return name.startsWith(prefix) ? [name] : []
  })
}

/** The cookies of a request without those of the gateway: applications never see them. */
export function withoutGatewayCookies(header: string): string {
  if (!header.includes(cookiePrefix)) return header
  return header
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => !pair.startsWith(cookiePrefix))
    .join('; ')
}

/** Every cookie of a gateway begins so. */
export const cookiePrefix = 'PA.'

export function sessionCookieName({ audience }: Pick<WebSessionSettings, 'audience'>): string {
  return cookiePrefix + audience
}

export interface CookieAttributes {
  readonly isSecure: boolean
  /** `User-Agent` of the browser: some take no `SameSite=None`. */
  readonly userAgent?: string | undefined
  /** Where the browser sends it. Default: everywhere. */
  readonly path?: string
}

/** `Set-Cookie` of a web session; it lives as long as the browser. */
export function sessionCookie(settings: WebSessionSettings, value: string, { isSecure, userAgent, path = '/' }: CookieAttributes): string {
  const { cookieDomain, httpOnly, sameSite, partitioned } = settings
  const site = sameSite === 'disabled' || (sameSite === 'none' && isOldBrowser(userAgent)) ? [] : [`SameSite=${sameSite === 'none' ? 'None' : 'Lax'}`]
  return [
    `${sessionCookieName(settings)}=${value}`,
    `Path=${path}`,
    ...(cookieDomain === undefined ? [] : [`Domain=${cookieDomain}`]),
    ...(isSecure ? ['Secure'] : []),
    ...(httpOnly ? ['HttpOnly'] : []),
    ...site,
    ...(partitioned ? ['Partitioned'] : [])
  ].join('; ')
}

/** The same, to take it from the browser: the value is empty and its time is over. */
export function clearedSessionCookie(settings: WebSessionSettings, attributes: CookieAttributes): string {
  return `${sessionCookie(settings, '', attributes)}; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0`
}

/**
 * Browsers that take `SameSite=None` for `Strict` or drop the cookie: Safari of iOS 12 and macOS 10.14, Chrome 51 to
 * 66, UC Browser before 12.13.2.
 */
const oldBrowsers: readonly RegExp[] = [
  /\(iP.+; CPU .*OS 12[_\d]*.*\) AppleWebKit\//,
  /\(Macintosh;.*Mac OS X 10_14[_\d]*.*\) AppleWebKit\/[\d.]+ \(KHTML, like Gecko\) Version\/[\d.]+ Safari/,
  /Chrom(?:e|ium)\/(?:5[1-9]|6[0-6])\./,
  /UCBrowser\/(?:[0-9]|1[01])\.|UCBrowser\/12\.(?:[0-9]|1[0-2])\.|UCBrowser\/12\.13\.[01](?!\d)/
]

function isOldBrowser(userAgent: string | undefined): boolean {
  return userAgent !== undefined && oldBrowsers.some((pattern) => pattern.test(userAgent))
}
