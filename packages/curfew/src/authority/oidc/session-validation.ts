import { isLive } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import { recordActivity } from '../sign-on/browser-session.ts'
import { type AccountUser, isBarred } from './account.ts'
import type { OidcClient } from './client.ts'
import { offlineAccount } from './offline-grant.ts'
import type { SessionValidation, SessionValidationSettings } from './settings.ts'

/** What a code or token says of itself, as far as its session is judged by it. */
export interface JudgedToken {
  readonly accountId: string
  readonly isAccessToken: boolean
  /** Issued with `offline_access`. */
  readonly isOffline: boolean
}

/** Unlike in the replaced product, both checks are on unless switched off: an ending is meant. */
const validationDefault: SessionValidation = {
  includeSessionId: true,
  checkValidAuthnSession: true,
  checkSessionRevocationStatus: true,
  updateAuthnSessionActivity: false
}

/** What one client sets, else what is set for all, else the defaults. */
export function validationOf(own: SessionValidationSettings | undefined, forAll: SessionValidationSettings | undefined): SessionValidation {
  const choose = (name: keyof SessionValidation): boolean => own?.[name] ?? forAll?.[name] ?? validationDefault[name]
  return {
    includeSessionId: choose('includeSessionId'),
    checkValidAuthnSession: choose('checkValidAuthnSession'),
    checkSessionRevocationStatus: choose('checkSessionRevocationStatus'),
    updateAuthnSessionActivity: choose('updateAuthnSessionActivity')
  }
}

/**
 * The user behind a code or token, or undefined when its session makes it worthless (AC-105, AC-106). Only an access
 * token may outlive its session, and only where the client's settings say so; an offline grant does by its nature, as long
 * as its user may sign in.
 */
export async function userBehind(
  ctx: Pick<AuthorityContext, 'store' | 'clock' | 'users' | 'logger'>,
  client: OidcClient,
  token: JudgedToken
): Promise<AccountUser | undefined> {
  const nowMs = ctx.clock.nowMs()
  const session = await ctx.store.getSession(token.accountId as AccountUser['id'])
  const isValid = session !== undefined && isLive(session, nowMs)
  if (!isValid && token.isOffline) {
    const left = await offlineAccount(ctx, token.accountId, client.clientId)
    return left === undefined || (await isBarred(ctx, left)) ? undefined : left
  }
  const { checkValidAuthnSession, checkSessionRevocationStatus } = client.sessionValidation
  if (session === undefined || (!isValid && (checkValidAuthnSession || !token.isAccessToken))) return undefined
  const isChecked = checkSessionRevocationStatus || !token.isAccessToken
  return isChecked && (await ctx.store.isRevoked(session.sri, nowMs)) ? undefined : session
}

/** A token was validated: where the client's settings say so, that counts as activity of the user (AC-107). */
export async function recordValidation(
  ctx: Pick<AuthorityContext, 'store' | 'clock' | 'secrets' | 'baseUrl'>,
  client: OidcClient,
  accountId: string
): Promise<void> {
  if (!client.sessionValidation.updateAuthnSessionActivity) return
  const session = await ctx.store.getSession(accountId as AccountUser['id'])
  if (session !== undefined && isLive(session, ctx.clock.nowMs())) await recordActivity(ctx, session)
}

/** Whoever validates a token by the state of its session is told which one that is. */
export function namesSession({ sessionValidation: by }: OidcClient): boolean {
  return by.includeSessionId || by.checkValidAuthnSession || by.checkSessionRevocationStatus || by.updateAuthnSessionActivity
}
