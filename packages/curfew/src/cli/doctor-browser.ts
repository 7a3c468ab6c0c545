import type { Check } from './doctor-check.ts'
import { isSameSite } from './doctor-site.ts'

/** How one application is signed out, as the browser sees it. */
export interface BrowserWays {
  readonly id: string
  readonly hasServerWay: boolean
  /** Ways through the browser, in configured order. */
  readonly services: readonly { readonly binding: 'redirect' | 'post' | 'artifact' | 'front-channel' | 'image'; readonly url: string }[]
  /** `frames: true`, or a protocol that knows nothing else. */
  readonly usesFrames: boolean
  /** Addresses that forbid to be framed, with the header that says so. */
  readonly framesRefused: ReadonlyMap<string, string>
}

/** The cookies of the authority itself; http is for loopback only, which the configuration sees to. */
export function cookieCheck(baseUrl: string): Check {
  const what = 'cookies'
  if (new URL(baseUrl).protocol === 'https:') return { what, verdict: 'ok', why: 'Secure and SameSite=Lax: no frame of another site sees them' }
  return { what, verdict: 'ok', why: 'http on this machine: SameSite=Lax, not Secure' }
}

/** Whether cookies and hidden frames can work for one application. Undefined when it is not told through the browser. */
export function browserCheck(baseUrl: string, ways: BrowserWays): Check | undefined {
  const { services, hasServerWay, usesFrames } = ways
  const what = `${ways.id}: browser`
  const [first] = services
  if (first === undefined) return hasServerWay ? { what, verdict: 'ok', why: 'not needed: it is asked from server to server' } : undefined
  return { what, ...(usesFrames ? judgeFrame(baseUrl, ways) : judgeHop(baseUrl, ways, first)) }
}

type Finding = Omit<Check, 'what'>

function judgeFrame(baseUrl: string, { services, hasServerWay, framesRefused }: BrowserWays): Finding {
  const isMixed = services.find(({ url }) => baseUrl.startsWith('https:') && url.startsWith('http:'))
  const silent = services.some(({ binding }) => binding === 'front-channel' || binding === 'image')
  const otherWay = silent ? 'Add backChannel to logout.modes.' : 'Take frames: true away, so that the browser visits it.'
  if (isMixed !== undefined)
    return { verdict: 'fail', why: `a page over https loads no frame from ${isMixed.url}`, fix: `Give it an https address. ${otherWay}` }
  const refused = services.find(({ url, binding }) => binding !== 'image' && framesRefused.has(url))
  if (refused !== undefined) {
    const why = `${refused.url} forbids to be framed (${framesRefused.get(refused.url) ?? ''}): the frame stays empty and is waited for in vain`
    return { verdict: 'fail', why, fix: `Let it allow frame-ancestors ${new URL(baseUrl).origin}. ${otherWay}` }
  }
  const other = services.find(({ url }) => !isSameSite(baseUrl, url))
  if (other === undefined) return { verdict: 'ok', why: 'same site as the authority: a hidden frame sees its cookies' }
  const why = `${other.url} is another site: browsers without third-party cookies show it no cookie in a frame`
  if (hasServerWay) return { verdict: 'ok', why: `${why}; it is asked from server to server first` }
  return { verdict: 'warn', why: `${why}, and the sign-out stays unconfirmed there`, fix: `Keep it only if sessions are found without cookies. ${otherWay}` }
}

function judgeHop(baseUrl: string, { services, hasServerWay, framesRefused }: BrowserWays, first: BrowserWays['services'][number]): Finding {
  if (services.every(({ url }) => isSameSite(baseUrl, url))) {
    const refused = services.find(({ url }) => framesRefused.has(url))
    const frames = refused === undefined ? 'hidden frames can work too: frames: true' : `it forbids frames (${framesRefused.get(refused.url) ?? ''})`
    return { verdict: 'ok', why: `same site as the authority: the browser visits it; ${frames}` }
  }
  if (first.binding === 'post' && !hasServerWay) {
    const why = `${first.url} is another site and asked by POST: its cookies come along only with SameSite=None`
    return { verdict: 'warn', why: `${why}, else it finds no session`, fix: 'Put redirect before post in slo, or let it find sessions without cookies.' }
  }
  return { verdict: 'ok', why: 'another site: the browser visits it, where its cookies work; a hidden frame would not see them' }
}

/** The header by which an answer forbids a page of the authority to frame it; undefined when it does not. */
export function frameRefusal(headers: Readonly<Record<string, string>>, baseUrl: string, url: string): string | undefined {
  const ancestors = /(?:^|[;,])\s*frame-ancestors\s+([^;,]*)/i.exec(headers['content-security-policy'] ?? '')?.[1]?.trim()
  // Where both stand, browsers follow frame-ancestors (CSP 3 section 6.4.2).
  if (ancestors !== undefined) return allowsFraming(ancestors, baseUrl, url) ? undefined : `frame-ancestors ${ancestors}`
  const option = headers['x-frame-options']?.trim()
  const isRefused = /^deny$/i.test(option ?? '') || (/^sameorigin$/i.test(option ?? '') && new URL(baseUrl).origin !== new URL(url).origin)
  return isRefused ? `X-Frame-Options: ${option ?? ''}` : undefined
}

function allowsFraming(ancestors: string, baseUrl: string, url: string): boolean {
  const { origin, protocol, hostname, host } = new URL(baseUrl)
  return ancestors.split(/\s+/).some((source) => {
    if (source === "'self'") return origin === new URL(url).origin
    if (source === '*' || source === protocol) return true
    const pattern = source.replace(/\/$/, '').toLowerCase()
    const [, scheme = '', name = ''] = /^(?:([a-z]+:)\/\/)?(.*)$/.exec(pattern) ?? []
    if (scheme !== '' && scheme !== protocol) return false
    if (name.startsWith('*.')) return hostname.endsWith(name.slice(1).replace(/:(\d+|\*)$/, ''))
    return name === host || name === `${hostname}:*` || (name === hostname && host === hostname)
  })
}
