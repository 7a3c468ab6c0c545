import type { FastifyReply, FastifyRequest } from 'fastify'
import type { LogoutRun } from '../../core/run.ts'
import { isLive, type Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import { type Browser, readBrowser, resumedCookie, setResumedCookie } from './cookies.ts'
import { touchDue } from './session-limits.ts'

export type BrowserDeps = Pick<AuthorityContext, 'store' | 'clock' | 'secrets' | 'baseUrl'>

/** The live session of this browser; looking does not count as activity. */
export async function currentSession(deps: BrowserDeps, request: FastifyRequest): Promise<Session | undefined> {
  const session = await sessionOf(deps, browserOf(deps, request))
  return session !== undefined && isLive(session, deps.clock.nowMs()) ? session : undefined
}

export function browserOf(deps: BrowserDeps, request: FastifyRequest): Browser {
  return readBrowser(request, deps.secrets.persistent)
}

/** A session cookie counts as it is; a persistent one only for a session that was made persistent. */
async function sessionOf(deps: BrowserDeps, browser: Browser): Promise<Session | undefined> {
  const { tokenHash, persistentTokenHash } = browser
  const byToken = tokenHash === undefined ? undefined : await deps.store.findSessionByToken(tokenHash)
  if (byToken !== undefined || persistentTokenHash === undefined) return byToken
  return deps.store.findSessionByPersistentToken(persistentTokenHash)
}

/** Records that the user was active; writes only when a quarter of the idle time has passed (AC-124). */
export async function recordActivity(deps: BrowserDeps, session: Session): Promise<void> {
  const nowMs = deps.clock.nowMs()
  const idleExpiresAtMs = touchDue(session, nowMs)
  if (idleExpiresAtMs !== undefined) await deps.store.touch(session.id, nowMs, idleExpiresAtMs)
}

/** Hash of the session cookie of this browser, whatever became of the session. */
export function browserToken(deps: BrowserDeps, request: FastifyRequest): string | undefined {
  return browserOf(deps, request).tokenHash
}

/**
 * The run that this browser was lost from: its session has ended and an application still waits for a visit. Returned
 * once per run, so that nobody is kept from signing in again by an application that never sends the browser back.
 */
export async function lostRun(deps: BrowserDeps, request: FastifyRequest, reply: FastifyReply): Promise<LogoutRun | undefined> {
  const { tokenHash } = browserOf(deps, request)
  if (tokenHash === undefined) return undefined
  const run = await deps.store.findOpenRunByToken(tokenHash)
  const waits = run?.deliveries.some((d) => d.state === 'waiting-for-browser' && d.channels[d.channelIndex]?.kind !== 'server')
  if (run === undefined || waits !== true || request.cookies[resumedCookie] === run.id) return undefined
  setResumedCookie(reply, run.id, { isSecure: isSecure(deps) })
  return run
}

export function isSecure(deps: { readonly baseUrl: string }): boolean {
  return deps.baseUrl.startsWith('https:')
}
