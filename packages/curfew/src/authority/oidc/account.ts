import { isCurfewError } from '@curfew/codecs'
import type { SessionId } from '../../core/ids.ts'
import { isLive, type Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import { isSamePerson } from '../sign-on/hashed-keys.ts'
import type { OidcClient } from './client.ts'
import { sidOf } from './participant.ts'

/** What an account of the library is here: one session of ours. Its tokens are worth as much as the session. */
export type AccountUser = Pick<Session, 'id' | 'userKey' | 'username' | 'attributes' | 'authnContext' | 'sri'>

/** Claims of the standard scopes that have an attribute of the same meaning by default (OpenID Core section 5.1). */
const standard: Readonly<Record<string, string>> = { email: 'mail', name: 'displayName', given_name: 'givenName', family_name: 'sn' }
/** Claims with one value each; any other claim with several values is a list. */
const single: ReadonlySet<string> = new Set(Object.keys(standard))

/** The session behind an account while it is live. */
export async function liveAccount(ctx: Pick<AuthorityContext, 'store' | 'clock'>, accountId: string): Promise<Session | undefined> {
  const session = await ctx.store.getSession(accountId as SessionId)
  return session !== undefined && isLive(session, ctx.clock.nowMs()) ? session : undefined
}

/** Kind of the artifact that keeps a user for grants which outlive the session. */
export const offlineAccountKind = 'OfflineAccount'

/** Keeps the user as long as the offline grant may be used. */
export async function keepOfflineAccount(ctx: Pick<AuthorityContext, 'store'>, session: Session, untilMs: number): Promise<void> {
  const { id, userKey, username, attributes, authnContext, sri } = session
  await ctx.store.putArtifact({
    kind: offlineAccountKind,
    id,
    sessionId: id,
    untilMs,
    value: { id, userKey, username, attributes, authnContext, sri } satisfies AccountUser
  })
}

/** The user with the attributes that the directory of the sign-in has now; those of the sign-in where it has none, or does not answer. */
export async function presentUser(ctx: Pick<AuthorityContext, 'users' | 'logger'>, user: AccountUser): Promise<AccountUser> {
  if (!isOfDirectory(ctx, user)) return user
  try {
    const known = await ctx.users.find(user.username)
    return known !== undefined && isSamePerson(known.userKey, user.userKey) ? { ...user, attributes: known.attributes } : user
  } catch (error) {
    if (!isCurfewError(error)) throw error
    ctx.logger.warn({ event: 'oidc.userinfo-stale', code: error.code }, 'the directory does not answer: claims are those of the sign-in')
    return user
  }
}

/** Whether the directory of the sign-in has this user no more, or disabled. One that does not answer says neither. */
export async function isBarred(ctx: Pick<AuthorityContext, 'users' | 'logger'>, user: AccountUser): Promise<boolean> {
  if (!isOfDirectory(ctx, user)) return false
  try {
    const known = await ctx.users.find(user.username)
    return known === undefined || !isSamePerson(known.userKey, user.userKey) || known.isDisabled
  } catch (error) {
    if (!isCurfewError(error)) throw error
    ctx.logger.warn({ event: 'oidc.user-unknown', code: error.code }, 'the directory does not answer: an offline grant is used without its word')
    return false
  }
}

function isOfDirectory({ users }: Pick<AuthorityContext, 'users'>, { username, userKey }: AccountUser): boolean {
  return users.keysFor(username).some((key) => isSamePerson(key, userKey))
}

/** Claims for one client; which of them are released is decided by the scopes. */
export function claimsFor(ctx: Pick<AuthorityContext, 'locator'>, client: OidcClient, user: AccountUser): Readonly<Record<string, unknown>> {
  const mapped = Object.entries({ ...standard, ...client.claims }).flatMap(([claim, attribute]) => {
    const values = attribute === 'username' ? [user.username] : (user.attributes[attribute] ?? [])
    if (values.length === 0) return []
    return [[claim, values.length === 1 || single.has(claim) ? values[0] : values] as const]
  })
  const sri = client.sessionValidation.includeSessionId ? { 'pi.sri': user.sri } : {}
  return { preferred_username: user.username, ...Object.fromEntries(mapped), sid: sidOf(ctx, client, user), ...sri, acr: user.authnContext }
}
