import { redirectTargetCharactersMax } from './limits.ts'

/** One entry of the allow-list for landing pages. */
export interface RedirectRule {
  /** Host name; a leading `*.` stands for one or more labels. A port may follow. */
  readonly domain: string
  /** The path must equal it or lie below it; absent: any. */
  readonly path?: string
  readonly requireHttps: boolean
  readonly allowQueryAndFragment: boolean
}

export type RedirectDecision =
  | { readonly kind: 'absent' }
  | { readonly kind: 'allowed'; readonly url: string }
  | { readonly kind: 'ignored'; readonly why: RedirectRefusal }

export type RedirectRefusal = 'too-long' | 'characters' | 'not-absolute' | 'scheme' | 'user-info' | 'no-rule'

/**
 * The one decision about every landing parameter. Rejected means ignored: the logout goes on and the default page is
 * shown. `list` is `unchecked` where an administrator switched the list off: any http or https address that two
 * readers understand alike. `exact` holds whole addresses that an administrator configured as default landing pages.
 */
export function decideRedirect(
  raw: string | undefined,
  rules: { readonly list: readonly RedirectRule[] | 'unchecked'; readonly exact: readonly string[] }
): RedirectDecision {
  if (raw === undefined || raw === '') return { kind: 'absent' }
  if (raw.length > redirectTargetCharactersMax) return ignored('too-long')
  if (!/^[\x21-\x7e]+$/.test(raw) || /[\\<>"'`{}|^]/.test(raw)) return ignored('characters')
  if (!/^https?:\/\/[^/?#]/i.test(raw)) return ignored(/^[a-z][a-z0-9+.-]*:/i.test(raw) && !/^https?:/i.test(raw) ? 'scheme' : 'not-absolute')
  const url = parse(raw)
  if (url === undefined) return ignored('not-absolute')
  const authority = /^https?:\/\/([^/?#]*)/i.exec(raw)?.[1] ?? ''
  if (url.username !== '' || url.password !== '' || authority.includes('@') || authority.includes('%')) return ignored('user-info')
  // The address is followed as the parser understood it, so that browser and check never read it differently.
  if (rules.exact.some((exact) => parse(exact)?.href === url.href)) return { kind: 'allowed', url: url.href }
  return rules.list === 'unchecked' || rules.list.some((rule) => matches(url, rule)) ? { kind: 'allowed', url: url.href } : ignored('no-rule')
}

function matches(url: URL, rule: RedirectRule): boolean {
  if (rule.requireHttps && url.protocol !== 'https:') return false
  if (!rule.allowQueryAndFragment && (url.search !== '' || url.hash !== '')) return false
  return hostMatches(url, rule.domain.toLowerCase()) && pathMatches(url.pathname, rule.path)
}

function hostMatches(url: URL, domain: string): boolean {
  const [name = '', port] = domain.split(/:(?=\d+$)/)
  if (port === undefined ? url.port !== '' : url.port !== port && !(url.port === '' && port === (url.protocol === 'https:' ? '443' : '80'))) return false
  const host = url.hostname
  if (!name.startsWith('*.')) return host === name
  const suffix = name.slice(1)
  // What the star stands for are whole labels: readers disagree about empty ones.
  return suffix.length > 1 && host.endsWith(suffix) && /^[\w-]+(?:\.[\w-]+)*$/.test(host.slice(0, -suffix.length))
}

function pathMatches(pathname: string, path: string | undefined): boolean {
  if (path === undefined || path === '' || path === '/') return true
  // An encoded slash, backslash or dot could mean another path to the target than it does here.
  if (/%2f|%5c|%2e/i.test(pathname)) return false
  return pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`)
}

function parse(raw: string): URL | undefined {
  return URL.canParse(raw) ? new URL(raw) : undefined
}

function ignored(why: RedirectRefusal): RedirectDecision {
  return { kind: 'ignored', why }
}
