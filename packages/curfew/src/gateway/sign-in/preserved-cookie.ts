import type { Place } from '../route/applications.ts'
import { cookieValues } from '../session/cookies.ts'
import type { Sealer } from '../session/sealer.ts'
import type { WebSession } from '../session/web-session.ts'

/** Cookie that names the request that waited; it is taken with the next request. */
export const preservedCookie = 'PA.preserved'

/** As long as a browser may take from the sign-in to the address that it waited for. */
const keptMs = 60_000

/** What the cookie says: which request waits, for which web session of which origin. */
interface Named {
  readonly preserved: string
  readonly sessionId: string
  readonly origin: string
  readonly untilMs: number
}

/** `Set-Cookie` of a sign-in that a request waited for. Nobody but a gateway of this secret can make one, and it is of use in that session only. */
export function preservedCookies(
  sealer: Sealer,
  preserved: string,
  { id: sessionId }: Pick<WebSession, 'id'>,
  { origin, isSecure }: Pick<Place, 'origin' | 'isSecure'>,
  nowMs: number
): string {
  const named: Named = { preserved, sessionId, origin, untilMs: nowMs + keptMs }
  return `${preservedCookie}=${sealer.seal(JSON.stringify(named), nowMs)}; Path=/; Max-Age=${keptMs / 1000}; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`
}

export function clearedPreserved(isSecure: boolean): string {
  return `${preservedCookie}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`
}

/** The name of the request that waits for this session; whatever else stands in such cookies was planted, and says nothing. */
export function preservedName(
  sealer: Sealer,
  cookieHeader: string | undefined,
  { sessionId, origin }: Pick<Named, 'sessionId' | 'origin'>,
  nowMs: number
): string | undefined {
  for (const value of cookieValues(cookieHeader, preservedCookie)) {
    const text = sealer.open(value, nowMs)
    const named = text === undefined ? undefined : (JSON.parse(text) as Partial<Named>)
    if (named?.sessionId === sessionId && named.origin === origin && nowMs < (named.untilMs ?? 0)) return named.preserved
  }
  return undefined
}
