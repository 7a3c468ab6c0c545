import type { FastifyReply, FastifyRequest } from 'fastify'
import type { LogoutRun } from '../../core/run.ts'
import { isLive, type Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import { type Browser, derivedSessionCookie, readBrowser, resumedCookie, sessionCookie, type SetCookie, setResumedCookie } from './cookies.ts'
import { touchDue } from './session-limits.ts'

export type BrowserDeps = Pick<AuthorityContext, 'store' | 'clock' | 'secrets' | 'baseUrl' | 'sessions' | 'logger'>

/**
 * The live session of this browser; looking does not count as activity. A persistent cookie alone opens it once: the
 * answer restores the session cookie, so that the same cookie without it shortly afterwards comes from somebody else.
 */
export async function currentSession(deps: BrowserDeps, request: FastifyRequest): Promise<Session | undefined> {
  const browser = browserOf(deps, request)
  const session = await sessionOf(deps, browser)
  if (session === undefined || !isLive(session, deps.clock.nowMs())) return undefined
  if (browser.hasSessionCookie && browser.tokenHash === session.tokenHash) return session
  return (await isReplay(deps, session, request)) ? undefined : session
}

export function browserOf(deps: Pick<BrowserDeps, 'secrets'>, request: FastifyRequest): Browser {
  return readBrowser(request, deps.secrets.persistent)
}

/** A session cookie counts as it is; a persistent one only for a session that was made persistent. */
async function sessionOf(deps: BrowserDeps, browser: Browser): Promise<Session | undefined> {
  const { tokenHash, persistentTokenHash } = browser
  const byToken = tokenHash === undefined ? undefined : await deps.store.findSessionByToken(tokenHash)
  if (byToken !== undefined || persistentTokenHash === undefined) return byToken
  return deps.store.findSessionByPersistentToken(persistentTokenHash)
}

/** Requests with nothing but a persistent cookie, and whether that was used before: asked once, however often one looks. */
const lookedAt = new WeakMap<FastifyRequest, Promise<boolean>>()

function isReplay(deps: BrowserDeps, session: Session, request: FastifyRequest): Promise<boolean> {
  const known = lookedAt.get(request)
  if (known !== undefined) return known
  const looking = useOnce(deps, session)
  lookedAt.set(request, looking)
  return looking
}

async function useOnce(deps: BrowserDeps, { id, userKey, persistentTokenHash }: Session): Promise<boolean> {
  const nowMs = deps.clock.nowMs()
  const { persistentReplaySeconds } = deps.sessions
  if (persistentReplaySeconds === 0 || persistentTokenHash === undefined) return false
  const { value } = await deps.store.replaySeen('persistent cookie', persistentTokenHash, nowMs + persistentReplaySeconds * 1000, nowMs)
  if (value === 'fresh') return false
  deps.logger.warn({ event: 'session.cookie-replayed', session: id }, 'A persistent cookie came a second time without its session cookie')
  await deps.store.appendAudit({ atMs: nowMs, event: 'session.cookie-replayed', actor: { kind: 'user', id: userKey }, userKey, sessionId: id })
  return true
}

/** What a browser that was restarted gets with the answer to its first request: its session cookie again. */
export async function restoredCookie(deps: BrowserDeps, request: FastifyRequest): Promise<SetCookie | undefined> {
  const looked = lookedAt.get(request)
  if (looked === undefined || (await looked)) return undefined
  return derivedSessionCookie(request, deps.secrets.persistent, { isSecure: isSecure(deps) })
}

/** Before an answer leaves that Fastify sends, unless it set another session cookie. */
export async function restoreCookie(deps: BrowserDeps, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const cookie = await restoredCookie(deps, request)
  const isSet = [reply.getHeader('set-cookie')].flat().some((line) => String(line).startsWith(`${sessionCookie}=`))
  if (cookie !== undefined && !isSet) reply.setCookie(cookie.name, cookie.value, cookie.options)
}

/** Records that the user was active; writes only when a quarter of the idle time has passed (AC-124). */
export async function recordActivity(deps: Pick<BrowserDeps, 'store' | 'clock'>, session: Session): Promise<void> {
  const nowMs = deps.clock.nowMs()
  const idleExpiresAtMs = touchDue(session, nowMs)
  if (idleExpiresAtMs !== undefined) await deps.store.touch(session.id, nowMs, idleExpiresAtMs)
}

/** Hash of the session cookie of this browser, whatever became of the session. */
export function browserToken(deps: Pick<BrowserDeps, 'secrets'>, request: FastifyRequest): string | undefined {
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
