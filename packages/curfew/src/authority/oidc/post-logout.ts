import { decideRedirect, type RedirectRule } from '../../core/redirect.ts'
import type { OidcClient } from './client.ts'

/**
 * Where a client may send a person after a logout: an address it registered, exactly, or one that its registered
 * pattern covers (`https://*.example.com/bye/*`: any sub-domain, anything below the path). `state` is put onto it.
 */
export function postLogoutTarget(client: OidcClient | undefined, uri: string | undefined, state: string | undefined): string | undefined {
  if (client === undefined) return undefined
  const exact = client.postLogoutRedirectUris.filter((registered) => !registered.includes('*'))
  const patterns = client.postLogoutRedirectUris.filter((registered) => registered.includes('*'))
  const url = allowed(uri, [], exact) ?? patterns.map((registered) => coveredBy(registered, uri)).find((covered) => covered !== undefined)
  if (url === undefined || state === undefined) return url
  const target = new URL(url)
  target.searchParams.set('state', state)
  return target.href
}

function allowed(uri: string | undefined, list: readonly RedirectRule[], exact: readonly string[]): string | undefined {
  const decision = decideRedirect(uri, { list, exact })
  return decision.kind === 'allowed' ? decision.url : undefined
}

/** Without a star at its end a pattern names one path, as an address does. */
function coveredBy(registered: string, uri: string | undefined): string | undefined {
  const url = allowed(uri, ruleOf(registered), [])
  const isBelow = registered.endsWith('/*')
  return url !== undefined && (isBelow || new URL(url).pathname === (pattern.exec(registered)?.[3] ?? '/')) ? url : undefined
}

const pattern = /^(https?):\/\/((?:\*\.)?[a-z0-9.-]+(?::\d{1,5})?)(\/[^*?#]*?)?(?:\/\*)?$/i

/** A pattern that is not one of the two forms covers nothing. */
export function ruleOf(registered: string): readonly RedirectRule[] {
  const parts = pattern.exec(registered)
  const [, scheme, domain, path] = parts ?? []
  if (scheme === undefined || domain === undefined) return []
  return [{ domain, requireHttps: scheme.toLowerCase() === 'https', allowQueryAndFragment: false, ...(path === undefined || path === '/' ? {} : { path }) }]
}
