import { isCurfewError } from '@curfew/codecs'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../../platform/clock.ts'
import type { Provider, RefreshedTokens, Tokens, UserClaims } from '../sign-in/provider.ts'
import type { GatewaySettings, WebSessionSettings } from '../settings.ts'
import type { Sealer } from './sealer.ts'
import { wantedClaims } from './wanted-claims.ts'
import { type ClaimsRefresh, type OpenedSession, openedSession, type WebSession } from './web-session.ts'

/** Asks for the claims of users again while their web sessions live. */
export interface UserRefresh {
  /** What a new session keeps for it; undefined where claims are not asked for again. */
  keep(settings: WebSessionSettings, signedIn: { readonly tokens: Tokens; readonly userInfo: Claims }): ClaimsRefresh | undefined
  /** The session with claims that are young enough: at once from the cookie or from memory, else a promise. */
  of(settings: WebSessionSettings, opened: OpenedSession): OpenedSession | Promise<OpenedSession>
}

type Claims = Readonly<Record<string, unknown>>

export interface UserRefreshDeps {
  readonly settings: Pick<GatewaySettings, 'applications' | 'provider' | 'sessionCheck'>
  readonly clock: Clock
  /** Seals tokens in cookies that can be read. */
  readonly sealer: Sealer
  readonly provider: Pick<Provider, 'userInfo' | 'refresh'>
  /** Whether a cookie holds it. */
  fits(settings: WebSessionSettings, session: WebSession): boolean
  /** What the provider says of the user of this session has no room in its cookie; said once of each. */
  onTooLarge(settings: WebSessionSettings): void
  onAnswer(result: 'fresh' | 'refused' | 'failed', code?: string): void
  /** The provider takes the refresh token of this session no more, and nothing else tells whether the session is over. */
  onEnded(session: WebSession): void
}

/** Sessions whose answer is remembered until their cookie has it. */
const keptMax = 10_000
/** A request waits so long for the provider; then it goes on with the claims that are known. */
const waitMsMax = 2_000

/**
 * Requests of one session that come together share one question, and a provider that does not answer is asked again
 * after the interval only: the claims then stay as they are. So they do where the new ones have no room in the cookie. One that refuses the tokens is not asked any more.
 *
 * A refresh token may be good for one time. Of one session only one question is under way, and what the provider gave
 * is remembered before anything else is asked, so that a request with a cookie from before goes on with it.
 */
export function createUserRefresh(deps: UserRefreshDeps): UserRefresh {
  const { clock, settings: all } = deps
  const kept = new LRUCache<string, { readonly opened: OpenedSession; readonly atMs: number }>({ max: keptMax })
  const asked = new Map<string, Promise<OpenedSession>>()
  const tooLarge = new LRUCache<string, true>({ max: keptMax })
  const fitting = (settings: WebSessionSettings, session: WebSession, former: WebSession): WebSession => {
    if (session.refresh === undefined || session.claims === former.claims || deps.fits(settings, session)) return session
    if (!tooLarge.has(session.id)) deps.onTooLarge(settings)
    tooLarge.set(session.id, true)
    const names = former.refresh?.names ?? session.refresh.names
    return { ...session, claims: former.claims, refresh: { ...session.refresh, names } }
  }
  const ask = async (settings: WebSessionSettings, opened: OpenedSession, refresh: ClaimsRefresh): Promise<OpenedSession> => {
    const atMs = clock.nowMs()
    const put = (session: WebSession): OpenedSession => {
      const result: OpenedSession = session === opened.session ? opened : { ...openedSession(session), isChanged: true }
      kept.set(session.id, { opened: result, atMs })
      return result
    }
    return put(fitting(settings, await askedAnew(deps, settings, { session: opened.session, refresh }, put), opened.session))
  }
  return {
    keep(settings, { tokens, userInfo }) {
      const names = Object.keys(wantedClaims(all, settings.id, userInfo))
      const isWanted = all.provider.userInfo && settings.refreshMs !== undefined && names.length > 0
      return isWanted ? { names, atMs: clock.nowMs(), ...sealed(deps, settings, tokens) } : undefined
    },
    of(settings, opened) {
      const { refresh, id } = opened.session
      const { refreshMs } = settings
      if (refresh === undefined || refreshMs === undefined) return opened
      const nowMs = clock.nowMs()
      if (nowMs - refresh.atMs < refreshMs) return opened
      const known = kept.get(id)
      if (known !== undefined && nowMs - known.atMs < refreshMs) return known.opened
      const base = known === undefined ? opened : later(known.opened, opened)
      if (base.session.refresh === undefined) return base
      const answer = asked.get(id) ?? ask(settings, base, base.session.refresh).finally(() => asked.delete(id))
      asked.set(id, answer)
      return withinTime(clock, answer, base)
    }
  }
}

/** A browser may still send a cookie from before the last answer. */
function later(known: OpenedSession, opened: OpenedSession): OpenedSession {
  const claimsAtMs = ({ session: { refresh } }: OpenedSession): number => refresh?.atMs ?? Number.POSITIVE_INFINITY
  const tokenUntilMs = ({ session: { refresh } }: OpenedSession): number => (refresh === undefined ? Number.POSITIVE_INFINITY : (refresh.tokenUntilMs ?? 0))
  // A cookie knows whole seconds.
  const isOlder = claimsAtMs(opened) <= claimsAtMs(known) && tokenUntilMs(opened) <= tokenUntilMs(known)
  return isOlder ? known : opened
}

/** Tokens as a cookie holds them: in one that can be read they are sealed. */
function sealed({ clock, sealer, settings: { provider } }: UserRefreshDeps, { cookieType }: WebSessionSettings, tokens: Tokens): TokensOf {
  const nowMs = clock.nowMs()
  const seal = (token: string): string => (cookieType === 'signed' ? sealer.seal(token, nowMs) : token)
  const { accessToken, accessTokenMs, refreshToken } = tokens
  return {
    token: seal(accessToken),
    ...(accessTokenMs === undefined ? {} : { tokenUntilMs: nowMs + accessTokenMs }),
    ...(refreshToken === undefined || !provider.refreshTokens ? {} : { refreshToken: seal(refreshToken) })
  }
}

type TokensOf = Pick<ClaimsRefresh, 'token' | 'tokenUntilMs' | 'refreshToken'>

interface Asking {
  readonly session: WebSession
  readonly refresh: ClaimsRefresh
}

/** The session with what the provider says now: as it was when it says nothing, never asked again when it takes no token any more. */
async function askedAnew(deps: UserRefreshDeps, settings: WebSessionSettings, asking: Asking, put: (session: WebSession) => unknown): Promise<WebSession> {
  let { session, refresh } = asking
  const atMs = deps.clock.nowMs()
  const open = (token: string | undefined): string | undefined =>
    token !== undefined && settings.cookieType === 'signed' ? deps.sealer.open(token, atMs) : token
  const given = (claims: Claims): WebSession => {
    const told = wantedClaims(deps.settings, settings.id, claims)
    const others = Object.entries(session.claims).filter(([name]) => !refresh.names.includes(name))
    deps.onAnswer('fresh')
    return { ...session, claims: { ...Object.fromEntries(others), ...told }, refresh: { ...refresh, atMs, names: Object.keys(told) } }
  }
  try {
    const isExpired = refresh.tokenUntilMs !== undefined && refresh.tokenUntilMs <= atMs
    const hasRefreshToken = open(refresh.refreshToken) !== undefined
    const first = isExpired && hasRefreshToken ? undefined : await claimsBy(deps, open(refresh.token), session)
    if (first?.kind === 'claims') return given(first.claims)
    const refreshed = await tokensBy(deps, open(refresh.refreshToken), session)
    if (refreshed.kind === 'refused') return refused(deps, session, hasRefreshToken)
    const { tokenUntilMs: _, refreshToken: __, ...base } = refresh
    refresh = { ...base, ...sealed(deps, settings, refreshed.tokens) }
    session = { ...session, refresh }
    put(session)
    const second = await claimsBy(deps, refreshed.tokens.accessToken, session)
    return second.kind === 'claims' ? given(second.claims) : refused(deps, session, false)
  } catch (error) {
    deps.onAnswer('failed', isCurfewError(error) ? error.code : 'CURFEW_OUTBOUND_UNREACHABLE')
    return session
  }
}

async function claimsBy({ provider }: UserRefreshDeps, token: string | undefined, { subject }: WebSession): Promise<UserClaims> {
  return token === undefined ? { kind: 'refused' } : provider.userInfo(token, subject)
}

async function tokensBy({ provider }: UserRefreshDeps, token: string | undefined, { subject }: WebSession): Promise<RefreshedTokens> {
  return token === undefined ? { kind: 'refused' } : provider.refresh(token, subject)
}

/**
 * Without a way to ask again. A refresh token that is refused says that what it came from is over; where the feed or the
 * status tells of the session itself, it says so and nothing more: another gateway may have used the token.
 */
function refused(deps: UserRefreshDeps, session: WebSession, isGrantOver: boolean): WebSession {
  const { refresh: _, ...without } = session
  const { sessionCheck } = deps.settings
  const isToldOtherwise = session.sri !== undefined && (sessionCheck.feed || sessionCheck.status)
  deps.onAnswer('refused')
  if (isGrantOver && !isToldOtherwise) deps.onEnded(session)
  return without
}

function withinTime(clock: Clock, answer: Promise<OpenedSession>, otherwise: OpenedSession): Promise<OpenedSession> {
  return new Promise((resolve) => {
    const timer = clock.after(waitMsMax, () => resolve(otherwise))
    answer.then(
      (opened) => {
        timer.cancel()
        resolve(opened)
      },
      () => resolve(otherwise)
    )
  })
}
