import { CurfewError } from '@curfew/codecs'
import { type Guard, splitTarget } from './guard.ts'
import { cookieValue, type GuardRequest, type GuardResponse, htmlAnswer } from './http.ts'
import type { AppSession, SessionRegistry } from './session-registry.ts'
import { endedKey } from './watched-registry.ts'

/**
 * What a browser can be told to throw away. `cookies` takes the cookies of the whole registrable domain, those of the
 * authority and of other applications included: only where this application is alone in its domain.
 * @see W3C Clear Site Data, section 3.1
 */
export type SiteData = 'cache' | 'cookies' | 'storage' | 'executionContexts'

interface ProtectionOptions {
  readonly sessions: SessionRegistry
  /** True when nothing is known of a session and it has to be refused. */
  isUnknown(session: AppSession): boolean
  readonly clearSiteData?: readonly SiteData[]
  readonly nowMs: () => number
}

const clearedDefault: readonly SiteData[] = ['cache', 'storage']

/** A guard with that of the sessions in front: unknown is refused, and a browser learns once that its session is over. */
export function protectedGuard(inner: Guard, options: ProtectionOptions): Guard {
  const { clearSiteData = clearedDefault } = options
  const clearing: Readonly<Record<string, string>> =
    clearSiteData.length === 0 ? {} : { 'clear-site-data': clearSiteData.map((name) => `"${name}"`).join(', ') }
  const session = async (cookie: string | undefined): Promise<AppSession | undefined> => {
    const found = await inner.session(cookie)
    if (found !== undefined && options.isUnknown(found)) throw new CurfewError('CURFEW_FEED_STALE')
    return found
  }
  return {
    paths: inner.paths,
    sessionCookie: inner.sessionCookie,
    loginPath: (to) => inner.loginPath(to),
    session,
    async handle(request: GuardRequest) {
      const isOwn = Object.values(inner.paths).includes(splitTarget(request.target)[0])
      const before = isOwn ? await inner.session(request.cookie) : undefined
      const answer = await inner.handle(request)
      const isOver = answer !== undefined && before !== undefined && (await inner.session(request.cookie)) === undefined
      // Told here: the next answer need not tell it again.
      if (isOver) await options.sessions.take(endedKey(before.id), options.nowMs())
      return isOver ? { ...answer, headers: { ...answer.headers, ...clearing } } : answer
    },
    async admit(cookie) {
      const found = await inner.session(cookie)
      if (found !== undefined) return options.isUnknown(found) ? { kind: 'answered', answer: unknownAnswer() } : { kind: 'signed-in', session: found }
      const id = cookieValue(cookie, inner.sessionCookie)
      const isOver = id !== undefined && (await options.sessions.take(endedKey(id), options.nowMs())) !== undefined
      return { kind: 'signed-out', headers: isOver ? clearing : {} }
    }
  }
}

/** Nobody is signed out by it: the same request is answered once the list is known again. */
function unknownAnswer(): GuardResponse {
  const text = 'Whether your session is still good can not be found out now. Try again in a moment.'
  const answer = htmlAnswer(503, `<!doctype html><html lang="en"><meta charset="utf-8"><title>Try again in a moment</title><p>${text}</p></html>`)
  return { ...answer, headers: { ...answer.headers, 'retry-after': '5' } }
}
