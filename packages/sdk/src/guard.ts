import type { GuardRequest, GuardResponse } from './http.ts'
import type { AppSession } from './session-registry.ts'

/** What stands in front of an application, whatever protocol it speaks. */
export interface Guard {
  /** Answers requests to the guard's own paths; undefined: the request is the application's. */
  handle(request: GuardRequest): Promise<GuardResponse | undefined>
  /** The session of the request's cookie. Ask on every request: a session may have ended a moment ago. */
  session(cookie: string | undefined): Promise<AppSession | undefined>
  /** Where to send a browser that has to sign in first; comes back to `to`, a path of this application. */
  loginPath(to: string): string
  /** Name of the cookie that holds the session. */
  readonly sessionCookie: string
  /** The guard's own paths. */
  readonly paths: object
  /** The same question as {@link session}, with what else the answer needs. Absent: the session is all there is to say. */
  admit?(cookie: string | undefined): Promise<Admission>
}

/** How a request that is the application's goes on. */
export type Admission =
  | { readonly kind: 'signed-in'; readonly session: AppSession }
  /** `headers` belong to the answer, whatever the application answers. */
  | { readonly kind: 'signed-out'; readonly headers: Readonly<Record<string, string>> }
  /** Instead of the application. */
  | { readonly kind: 'answered'; readonly answer: GuardResponse }

export async function admissionOf(guard: Guard, cookie: string | undefined): Promise<Admission> {
  if (guard.admit !== undefined) return guard.admit(cookie)
  const session = await guard.session(cookie)
  return session === undefined ? { kind: 'signed-out', headers: {} } : { kind: 'signed-in', session }
}

/** Name of the session cookie where the application gives none. */
export const sessionCookieDefault = 'app_session'

/**
 * How far the clocks of two machines of one issuer may differ, in milliseconds: a session that began so shortly after a
 * logout was written may be one from before it, and ends.
 */
export const issuerSkewMs = 5_000

/** Longest address, in characters, that is remembered while somebody signs in. */
const landingCharsMax = 2_000

/** A path of this application and nothing else; anything that could lead elsewhere, or is too long, becomes `/`. */
export function localPath(to: string | null | undefined): string {
  return typeof to === 'string' && to.length <= landingCharsMax && /^\/(?![/\\])[^\s\\]*$/.test(to) ? to : '/'
}

/** Path and query of a request target. */
export function splitTarget(target: string): readonly [string, string] {
  const at = target.indexOf('?')
  return at < 0 ? [target, ''] : [target.slice(0, at), target.slice(at + 1)]
}

/** A sign-out is started by a form of this application: another site's page can't do it to a user. */
export function isOwnForm(request: GuardRequest, baseUrl: string): boolean {
  const { origin } = request
  if (origin !== undefined && origin !== 'null') return origin === new URL(baseUrl).origin
  return request.fetchSite === undefined || request.fetchSite === 'same-origin'
}

/** One cookie of the guard: not for scripts, and not for requests that other sites start in the background. */
export function guardCookie(name: string, value: string, baseUrl: string, maxAgeSeconds?: number): string {
  const secure = baseUrl.startsWith('https:') ? '; Secure' : ''
  const age = maxAgeSeconds === undefined ? '' : `; Max-Age=${maxAgeSeconds}`
  return `${name}=${value}; Path=/; HttpOnly; SameSite=Lax${secure}${age}`
}
