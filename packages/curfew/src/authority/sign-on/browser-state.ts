import type { FastifyReply, FastifyRequest } from 'fastify'
import { isLive, type Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import { isSecure } from './browser-session.ts'

type StateDeps = Pick<AuthorityContext, 'store' | 'clock' | 'locator' | 'baseUrl'>

/**
 * The one cookie that a script may read, on one page: it says only whether the same session is still there. No
 * endpoint takes it for a session. Browsers get it from their first sign-in at an OpenID client.
 * @see OpenID Connect Session Management 1.0 section 4.2 (OP browser state)
 */
export const browserStateCookie = 'PF.STATE'

/** What the cookie holds once nobody is signed in. It is never removed: absent means that it can not be seen. */
export const signedOutState = 'signed-out'

/** Partner name under which a session is sealed for the cookie. */
const statePartner = 'curfew:browser-state'

/** The state of a browser with this session: another for each session, and without a way back to it from outside. */
export function browserStateOf(deps: Pick<StateDeps, 'locator'>, session: Pick<Session, 'id'> | undefined): string {
  return session === undefined ? signedOutState : deps.locator.seal(statePartner, session.id)
}

/** A frame inside a page of another site must see it: `SameSite=None`, which browsers take only together with `Secure`. */
export function browserStateOptions(deps: Pick<StateDeps, 'baseUrl'>): { path: string; httpOnly: false; secure: boolean; sameSite: 'none' | 'lax' } {
  const secure = isSecure(deps)
  return { path: '/', httpOnly: false, secure, sameSite: secure ? 'none' : 'lax' }
}

/** A new session in a browser that has the cookie; one without it has no client that looks. */
export function renewBrowserState(deps: StateDeps, session: Session, reply: FastifyReply): void {
  if (reply.request.cookies[browserStateCookie] === undefined) return
  reply.setCookie(browserStateCookie, browserStateOf(deps, session), browserStateOptions(deps))
}

/** Before an answer leaves: a cookie whose session has ended, whatever ended it, says so from now on. */
export async function correctBrowserState(deps: StateDeps, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  // A request that was refused early has no cookies read yet.
  const known = (request.cookies as FastifyRequest['cookies'] | undefined)?.[browserStateCookie]
  if (known === undefined || known === signedOutState || isRenewed(reply)) return
  const id = deps.locator.open(statePartner, known)
  const session = id === undefined ? undefined : await deps.store.getSession(id)
  if (session !== undefined && isLive(session, deps.clock.nowMs())) return
  reply.setCookie(browserStateCookie, signedOutState, browserStateOptions(deps))
}

function isRenewed(reply: FastifyReply): boolean {
  return [reply.getHeader('set-cookie')].flat().some((cookie) => String(cookie).startsWith(`${browserStateCookie}=`))
}
