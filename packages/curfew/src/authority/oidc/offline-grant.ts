import type { SessionId } from '../../core/ids.ts'
import type { Store } from '../../stores/store.ts'
import type { AuthorityContext } from '../context.ts'
import { type AccountUser, offlineAccountKind } from './account.ts'
import { grantKeyOf } from './grant-name.ts'

/** Kind of the artifact that says that the offline grant of a session and client was ended. */
const endedGrantKind = 'EndedGrant'

/** What is known of a user whose session has ended but who left an offline grant with this client that nobody ended. */
export async function offlineAccount(ctx: Pick<AuthorityContext, 'store' | 'clock'>, accountId: string, clientId: string): Promise<AccountUser | undefined> {
  const nowMs = ctx.clock.nowMs()
  const kept = await ctx.store.getArtifact(offlineAccountKind, accountId, nowMs)
  if (kept === undefined) return undefined
  const ended = await ctx.store.getArtifact(endedGrantKind, grantKeyOf(accountId, clientId), nowMs)
  return ended === undefined ? (kept.value as AccountUser) : undefined
}

/** What an ending of a grant needs. */
export interface GrantEnding {
  readonly sessionId: SessionId
  readonly clientId: string
  /** The session goes on (partial logout), and the client may get another grant in it. */
  readonly isSessionLive: boolean
  /** Until when a token of it could be valid. */
  readonly untilMs: number
}

/**
 * Drops everything that was issued under a grant. The mark is written first: a token that is being issued in this
 * moment, and is stored after the rest was dropped, is worth nothing either.
 * @returns how many codes, tokens and grants were dropped
 */
export async function endGrant(store: Pick<Store, 'putArtifact' | 'dropGrant'>, { sessionId, clientId, isSessionLive, untilMs }: GrantEnding): Promise<number> {
  const id = grantKeyOf(sessionId, clientId)
  if (!isSessionLive) await store.putArtifact({ kind: endedGrantKind, id, sessionId, untilMs, value: {} })
  const { value } = await store.dropGrant(id)
  return value
}
