import { CurfewError } from '@curfew/codecs'
import type { Random } from '../../platform/random.ts'
import { createRecent, type Recent } from '../../platform/recent.ts'
import type { WebSessionSettings } from '../settings.ts'
import { clearedSessionCookie, type CookieAttributes, cookieValues, sessionCookie, sessionCookieName } from './cookies.ts'
import { cookieCharactersMax, createEncryptedSealer, createSignedSealer, type Sealer } from './sealer.ts'
import { type ClaimsRefresh, type OpenedSession, openedSession, parseWebSession, serialiseWebSession, type WebSession } from './web-session.ts'

/** A cookie is written again when the last activity in it is older than this, or than a quarter of the idle time. */
export const updateWindowMs = 60_000
/** Of the cookies that were opened lately so many to twice as many are remembered, of all web sessions together; the same one comes with every request. */
const openedMax = 10_000

/** Web sessions in cookies: what comes in, what goes out. */
export interface SessionCookies {
  /**
   * The session of a request: made by a gateway of this secret, for this audience and host, within its limits.
   * What is no session beside it counts for nothing: whoever can plant such a cookie would lock people out. Several
   * cookies of one session are that session, as the youngest says: a host that comes to share its cookie with a domain
   * leaves the former one in browsers. Of several sessions those count that have not ended.
   * @param isEnded - whether a session is known to have ended; asked where there are several
   * @throws CURFEW_GATEWAY_COOKIE_AMBIGUOUS when there are several sessions
   */
  read(
    settings: WebSessionSettings,
    cookieHeader: string | undefined,
    host: string,
    nowMs: number,
    isEnded?: (opened: OpenedSession) => boolean
  ): OpenedSession | undefined
  /**
   * Whose session the cookie of a request is or was: also one that is over. Nothing may be opened with it. What is no session beside it
   * counts for nothing; `several`: there are sessions of more than one person.
   */
  owner(settings: WebSessionSettings, cookieHeader: string | undefined, nowMs: number): Pick<WebSession, 'issuer' | 'subject'> | 'several' | undefined
  /** Every session of such a cookie, also one that is over, to end them: more than one where somebody planted one. */
  readAll(settings: WebSessionSettings, cookieHeader: string | undefined, host: string, nowMs: number): readonly OpenedSession[]
  /** True when the request brings such a cookie, good or not. */
  isThere(settings: WebSessionSettings, cookieHeader: string | undefined): boolean
  /** @throws CURFEW_GATEWAY_COOKIE_TOO_LARGE when no browser would keep it */
  write(settings: WebSessionSettings, session: WebSession, attributes: CookieAttributes, nowMs: number): string
  /** The same, with as much of what it can do without as a browser would keep. @throws CURFEW_GATEWAY_COOKIE_TOO_LARGE without any of it, too */
  writeFitting(settings: WebSessionSettings, session: WebSession, attributes: CookieAttributes, nowMs: number): FittingCookie
  /** True for a session that a browser would keep, if need be without what it can do without. */
  fits(settings: WebSessionSettings, session: WebSession, nowMs: number): boolean
  clear(settings: WebSessionSettings, attributes: CookieAttributes): string
  /** The cookie with this moment as last activity, when it is time to write it again, or it says something else now. */
  renewed(settings: WebSessionSettings, opened: OpenedSession, attributes: CookieAttributes, nowMs: number): string | undefined
}

/** A cookie, and what had no place in it. */
export interface FittingCookie {
  readonly cookie: string
  readonly leftOut?: 'refresh-token' | 'refresh'
  /** The ID token: the provider asks before it signs somebody out without it. */
  readonly isHintLeftOut?: true
  /** How long the value would have been with it. */
  readonly characters?: number
}

/** What signed cookies are sealed for: their public keys are published under it. */
export function sealUse(settings: Pick<WebSessionSettings, 'id' | 'audience' | 'cookieType'>): string {
  return `${settings.cookieType} cookie ${settings.audience}`
}

export function createSessionCookies(deps: {
  readonly secret: Uint8Array
  readonly random: Random
  readonly webSessions: readonly WebSessionSettings[]
}): SessionCookies {
  const openedEach = Math.ceil(openedMax / Math.max(1, deps.webSessions.length))
  const sealers = new Map(deps.webSessions.map((settings) => [settings.id, sealersOf(deps, settings, openedEach)]))
  const sealersFor = (settings: WebSessionSettings): Sealers => {
    const found = sealers.get(settings.id)
    if (found === undefined) throw new TypeError(`no web session ${settings.id}`)
    return found
  }
  const open = (settings: WebSessionSettings, value: string, nowMs: number): OpenedSession | undefined => {
    const { write, other, opened } = sealersFor(settings)
    const known = opened.find(value)
    if (known !== undefined) return known
    // Both kinds are read, so that a change of the setting signs nobody out.
    const text = write.open(value, nowMs) ?? other.open(value, nowMs)
    const session = text === undefined ? undefined : parseWebSession(text)
    if (session === undefined) return undefined
    const fresh = openedSession(session)
    // A part of a header is kept with the whole of it.
    opened.keep(Buffer.from(value, 'latin1').toString('latin1'), fresh)
    return fresh
  }
  const seal = (settings: WebSessionSettings, session: WebSession, nowMs: number): { readonly value: string; readonly isKept: boolean } => {
    const value = sealersFor(settings).write.seal(serialiseWebSession(session), nowMs)
    return { value, isKept: sessionCookieName(settings).length + 1 + value.length <= cookieCharactersMax }
  }
  const write: SessionCookies['write'] = (settings, session, attributes, nowMs) => {
    const { value, isKept } = seal(settings, session, nowMs)
    if (!isKept)
      throw new CurfewError('CURFEW_GATEWAY_COOKIE_TOO_LARGE', { audience: settings.audience, characters: value.length, maximum: cookieCharactersMax })
    return sessionCookie(settings, value, attributes)
  }
  const writeFitting: SessionCookies['writeFitting'] = (settings, session, attributes, nowMs) => {
    let characters: number | undefined
    for (const { fitting, ...left } of lessAndLess(session)) {
      const { value, isKept } = seal(settings, fitting, nowMs)
      characters ??= value.length
      const isWhole = left.leftOut === undefined && left.isHintLeftOut === undefined
      if (isKept) return { cookie: sessionCookie(settings, value, attributes), ...left, ...(isWhole ? {} : { characters }) }
    }
    return { cookie: write(settings, without(session), attributes, nowMs) }
  }
  const readAll: SessionCookies['readAll'] = (settings, cookieHeader, host, nowMs) => {
    const all: OpenedSession[] = []
    for (const value of cookieValues(cookieHeader, sessionCookieName(settings))) {
      const found = open(settings, value, nowMs)
      if (found !== undefined && isHere(settings, found.session, host)) all.push(found)
    }
    return all
  }
  return {
    read(settings, cookieHeader, host, nowMs, isEnded = () => false) {
      const here = readAll(settings, cookieHeader, host, nowMs)
      const [only] = here
      if (only === undefined) return undefined
      if (here.length === 1) return isWithinLimits(settings, only.session, nowMs) ? only : undefined
      const all = here.filter(({ session }) => isWithinLimits(settings, session, nowMs))
      if (all.length < 2) return all[0]
      const going = all.filter((opened) => !isEnded(opened))
      const [found, ...more] = going
      if (found === undefined) return all[0]
      if (more.some(({ session: { id } }) => id !== found.session.id))
        throw new CurfewError('CURFEW_GATEWAY_COOKIE_AMBIGUOUS', { audience: settings.audience, times: going.length })
      return going.reduce(younger)
    },
    readAll,
    owner(settings, cookieHeader, nowMs) {
      const sessions = cookieValues(cookieHeader, sessionCookieName(settings)).flatMap((value) => open(settings, value, nowMs)?.session ?? [])
      const [first, ...more] = sessions
      return more.some(({ issuer, subject }) => issuer !== first?.issuer || subject !== first.subject) ? 'several' : first
    },
    isThere: (settings, cookieHeader) => cookieValues(cookieHeader, sessionCookieName(settings)).length > 0,
    write,
    writeFitting,
    fits: (settings, session, nowMs) => seal(settings, without(session), nowMs).isKept,
    clear: (settings, attributes) => clearedSessionCookie(settings, attributes),
    renewed(settings, { session, isChanged }, attributes, nowMs) {
      return isChanged !== true && nowMs - session.activeAtMs < Math.min(updateWindowMs, settings.idleMs / 4)
        ? undefined
        : writeFitting(settings, { ...session, activeAtMs: nowMs }, attributes, nowMs).cookie
    }
  }
}

/** Without all that it can do without. */
function without({ refresh: _refresh, idToken: _idToken, ...bare }: WebSession): WebSession {
  return bare
}

type Left = Omit<FittingCookie, 'cookie' | 'characters'>

/** A session with less and less of what it can do without; the smaller loss first. */
function* lessAndLess(session: WebSession): Generator<Left & { readonly fitting: WebSession }> {
  const { refresh, idToken, ...bare } = session
  const { refreshToken, ...accessOnly } = refresh ?? {}
  const steps: readonly (Left & { readonly kept: Partial<Pick<WebSession, 'refresh'>> })[] = [
    { kept: refresh === undefined ? {} : { refresh } },
    ...(refresh === undefined || refreshToken === undefined ? [] : [{ kept: { refresh: accessOnly as ClaimsRefresh }, leftOut: 'refresh-token' } as const]),
    ...(refresh === undefined ? [] : [{ kept: {}, leftOut: 'refresh' } as const])
  ]
  for (const { kept, ...left } of steps) {
    if (idToken !== undefined) yield { fitting: { ...bare, ...kept, idToken }, ...left }
    yield { fitting: { ...bare, ...kept }, ...left, ...(idToken === undefined ? {} : { isHintLeftOut: true }) }
  }
}

/** Of two cookies of one session, the one that was written last. */
function younger(one: OpenedSession, other: OpenedSession): OpenedSession {
  return other.session.activeAtMs > one.session.activeAtMs ? other : one
}

function isHere(settings: WebSessionSettings, session: WebSession, host: string): boolean {
  return session.audience === settings.audience && (session.host === undefined ? settings.cookieDomain !== undefined : session.host === host)
}

function isWithinLimits(settings: WebSessionSettings, session: WebSession, nowMs: number): boolean {
  return nowMs < session.expiresAtMs && nowMs < session.activeAtMs + settings.idleMs
}

interface Sealers {
  readonly write: Sealer
  readonly other: Sealer
  /** What was opened lately, by the value of its cookie. */
  readonly opened: Recent<OpenedSession>
}

function sealersOf({ secret, random }: { readonly secret: Uint8Array; readonly random: Random }, settings: WebSessionSettings, openedEach: number): Sealers {
  const { maxMs } = settings
  const encrypted = createEncryptedSealer({ secret, random, maxMs, use: sealUse({ ...settings, cookieType: 'encrypted' }) })
  const signed = createSignedSealer({ secret, random, maxMs, use: sealUse({ ...settings, cookieType: 'signed' }) })
  const opened = createRecent<OpenedSession>(openedEach)
  return settings.cookieType === 'signed' ? { write: signed, other: encrypted, opened } : { write: encrypted, other: signed, opened }
}
