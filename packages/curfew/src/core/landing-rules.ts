import { isLoopback } from './loopback.ts'
import type { Peer } from './peer.ts'
import type { RedirectRule } from './redirect.ts'

/** Who lends its hosts to a landing page. */
export interface LandingSources {
  /** Identity providers, and the applications that take part in the session. */
  readonly peers: readonly Peer[]
  /** Origins that are always allowed. */
  readonly ownOrigins: readonly string[]
  /** Plain http counts for loopback hosts only, and only where the authority itself is reached that way. */
  readonly allowLoopbackHttp: boolean
}

/**
 * The rules for `page` at the PingOne endpoints: the host of an identity provider's sign-on address, of an
 * application's own or assertion consumer address, a domain of an application's list, an origin of our own. A host
 * counts at the port of the address that names it, or without a port; a domain without a port, with all that lies
 * below it.
 */
export function landingRules(sources: LandingSources): readonly RedirectRule[] {
  const urls = sources.peers.flatMap(({ landing }) => landing?.urls ?? [])
  const domains = sources.peers.flatMap(({ landing }) => landing?.domains ?? [])
  return [...urls.flatMap((url) => hostRules(url, sources.allowLoopbackHttp)), ...domains.flatMap(domainRules), ...sources.ownOrigins.flatMap(originRules)]
}

function hostRules(url: string, allowLoopbackHttp: boolean): readonly RedirectRule[] {
  const parsed = URL.parse(url)
  if (parsed === null) return []
  const requireHttps = !(allowLoopbackHttp && isLoopback(parsed.hostname))
  const hosts = [...new Set([parsed.hostname, parsed.host])]
  return hosts.map((domain) => ({ domain, requireHttps, allowQueryAndFragment: true }))
}

function domainRules(domain: string): readonly RedirectRule[] {
  const parsed = URL.parse(`https://${domain}/`)
  if (parsed === null || parsed.host !== parsed.hostname || parsed.href !== `https://${parsed.hostname}/`) return []
  const rule = { requireHttps: true, allowQueryAndFragment: true }
  return [
    { ...rule, domain: parsed.hostname },
    { ...rule, domain: `*.${parsed.hostname}` }
  ]
}

function originRules(origin: string): readonly RedirectRule[] {
  const parsed = URL.parse(origin)
  return parsed === null ? [] : [{ domain: parsed.host, requireHttps: parsed.protocol === 'https:', allowQueryAndFragment: true }]
}
