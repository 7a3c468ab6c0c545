import { createHash } from 'node:crypto'
import type { Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import { browserStateOf } from '../sign-on/browser-state.ts'

/**
 * The `session_state` of an authorization response: what {@link sendCheckSession} works out again in the browser.
 * Undefined for a redirect address without an origin (an application that is no web page).
 * @see OpenID Connect Session Management 1.0 section 2
 */
export function sessionStateFor(
  ctx: Pick<AuthorityContext, 'locator' | 'ids'>,
  { clientId, redirectUri, session }: { readonly clientId: string; readonly redirectUri: string; readonly session: Session | undefined }
): string | undefined {
  const origin = webOrigin(redirectUri)
  if (origin === undefined) return undefined
  const salt = ctx.ids.cookie()
  const hash = createHash('sha256').update(`${clientId} ${origin} ${browserStateOf(ctx, session)} ${salt}`)
  return `${hash.digest('base64url')}.${salt}`
}

/** Scheme, host and port as a browser writes them. */
export function webOrigin(uri: string): string | undefined {
  const url = URL.parse(uri)
  return url !== null && /^https?:$/.test(url.protocol) ? url.origin : undefined
}
