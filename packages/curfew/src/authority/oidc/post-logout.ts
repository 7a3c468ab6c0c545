import { decideRedirect, type RedirectRule } from '../../core/redirect.ts'
import type { OidcClient } from './client.ts'

/**
 * Where a client may send a person after a logout: an address it registered, exactly, or one that its registered
 * pattern covers (`https://*.example.com/bye/*`: any sub-domain, anything below the path). `state` is put onto it.
 */
export function postLogoutTarget(client: OidcClient | undefined, uri: string | undefined, state: string | undefined): string | undefined {
  if (client === undefined) return undefined
  const exact = client.postLogoutRedirectUris.filter((registered) => !registered.includes('*'))
  const list = client.postLogoutRedirectUris.filter((registered) => registered.includes('*')).flatMap(ruleOf)
  const decision = decideRedirect(uri, { list, exact })
  if (decision.kind !== 'allowed') return undefined
  if (state === undefined) return decision.url
  const target = new URL(decision.url)
  target.searchParams.set('state', state)
  return target.href
}

const pattern = /^(https?):\/\/((?:\*\.)?[a-z0-9.-]+(?::\d{1,5})?)(\/[^*?#]*?)?(?:\/\*)?$/i

/** A pattern that is not one of the two forms covers nothing. */
export function ruleOf(registered: string): readonly RedirectRule[] {
  const parts = pattern.exec(registered)
  const [, scheme, domain, path] = parts ?? []
  if (scheme === undefined || domain === undefined) return []
  return [{ domain, requireHttps: scheme.toLowerCase() === 'https', allowQueryAndFragment: false, ...(path === undefined || path === '/' ? {} : { path }) }]
}
