import { isCurfewError } from '@curfew/codecs'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../../platform/clock.ts'
import type { UserClaims } from '../sign-in/provider.ts'
import type { GatewaySettings, WebSessionSettings } from '../settings.ts'
import type { Sealer } from './sealer.ts'
import { wantedClaims } from './wanted-claims.ts'
import { type ClaimsRefresh, type OpenedSession, openedSession, type WebSession } from './web-session.ts'

/** Asks for the claims of users again while their web sessions live. */
export interface UserRefresh {
  /** What a new session keeps for it; undefined where claims are not asked for again. */
  keep(settings: WebSessionSettings, signedIn: { readonly accessToken: string; readonly userInfo: Claims }): ClaimsRefresh | undefined
  /** The session with claims that are young enough: at once from the cookie or from memory, else a promise. */
  of(settings: WebSessionSettings, opened: OpenedSession): OpenedSession | Promise<OpenedSession>
}

type Claims = Readonly<Record<string, unknown>>

export interface UserRefreshDeps {
  readonly settings: Pick<GatewaySettings, 'applications' | 'provider'>
  readonly clock: Clock
  /** Seals access tokens in cookies that can be read. */
  readonly sealer: Sealer
  readonly userInfo: (accessToken: string, subject: string) => Promise<UserClaims>
  onAnswer(result: 'fresh' | 'refused' | 'failed', code?: string): void
}

/** Sessions whose answer is remembered until their cookie has it. */
const keptMax = 10_000
/** A request waits so long for the provider; then it goes on with the claims that are known. */
const waitMsMax = 2_000

/**
 * Requests of one session that come together share one question, and a provider that does not answer is asked again
 * after the interval only: the claims then stay as they are. One that refuses the token is not asked any more.
 */
export function createUserRefresh(deps: UserRefreshDeps): UserRefresh {
  const { clock, sealer, settings: all } = deps
  const kept = new LRUCache<string, { readonly opened: OpenedSession; readonly atMs: number }>({ max: keptMax })
  const asked = new Map<string, Promise<OpenedSession>>()
  const ask = async (settings: WebSessionSettings, opened: OpenedSession, refresh: ClaimsRefresh): Promise<OpenedSession> => {
    const { session } = opened
    const atMs = clock.nowMs()
    const fresh = await askedAnew(deps, settings, session, { ...refresh, atMs })
    const result: OpenedSession = fresh === undefined ? opened : { ...openedSession(fresh), isChanged: true }
    kept.set(session.id, { opened: result, atMs })
    return result
  }
  return {
    keep(settings, { accessToken, userInfo }) {
      const names = Object.keys(wantedClaims(all, settings.id, userInfo))
      const isWanted = all.provider.userInfo && settings.refreshMs !== undefined && names.length > 0
      if (!isWanted) return undefined
      const nowMs = clock.nowMs()
      return { names, atMs: nowMs, token: settings.cookieType === 'signed' ? sealer.seal(accessToken, nowMs) : accessToken }
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
  const atMs = (one: OpenedSession): number => one.session.refresh?.atMs ?? Number.POSITIVE_INFINITY
  return atMs(known) >= atMs(opened) ? known : opened
}

/** The session with what the provider says now; undefined when it says nothing. */
async function askedAnew(deps: UserRefreshDeps, settings: WebSessionSettings, session: WebSession, refresh: ClaimsRefresh): Promise<WebSession | undefined> {
  const token = settings.cookieType === 'signed' ? deps.sealer.open(refresh.token, refresh.atMs) : refresh.token
  const { refresh: _, ...without } = session
  if (token === undefined) return without
  try {
    const answer = await deps.userInfo(token, session.subject)
    if (answer.kind === 'refused') {
      deps.onAnswer('refused')
      return without
    }
    const told = wantedClaims(deps.settings, settings.id, answer.claims)
    const others = Object.entries(session.claims).filter(([name]) => !refresh.names.includes(name))
    deps.onAnswer('fresh')
    return { ...session, claims: { ...Object.fromEntries(others), ...told }, refresh: { ...refresh, names: Object.keys(told) } }
  } catch (error) {
    deps.onAnswer('failed', isCurfewError(error) ? error.code : 'CURFEW_OUTBOUND_UNREACHABLE')
    return undefined
  }
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
