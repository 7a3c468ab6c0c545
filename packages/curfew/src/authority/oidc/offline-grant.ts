import type { SessionId } from '../../core/ids.ts'
import type { Store } from '../../stores/store.ts'
import type { AuthorityContext } from '../context.ts'
import { type AccountUser, offlineAccountKind } from './account.ts'
import { generationOf, type GrantOwner, nextGeneration } from './grant-generation.ts'
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
  readonly nowMs: number
  readonly refreshTokenSeconds: number
}

/** Nodes do not agree on the time to the second: an ended grant is remembered for longer than any token of it lives. */
const marginMs = 3_600_000

/**
 * Drops everything that was issued under a grant. The mark is written first: a token that is being issued in this
 * moment, and is stored after the rest was dropped, is worth nothing either.
 * @returns how many codes, tokens and grants were dropped
 */
export async function endGrant(store: Pick<Store, 'getArtifact' | 'putArtifact' | 'dropGrant'>, ending: GrantEnding): Promise<number> {
  const { sessionId, clientId, isSessionLive, nowMs, refreshTokenSeconds } = ending
  const owner = { accountId: sessionId, clientId }
  const generation = await generationOf(store, owner, nowMs)
  const untilMs = nowMs + refreshTokenSeconds * 1000 + marginMs
  if (!isSessionLive) await store.putArtifact({ kind: endedGrantKind, id: grantKeyOf(sessionId, clientId), sessionId, untilMs, value: {} }, { isEnding: true })
  const dropped = await Promise.all(namesAround(generation).map((one) => dropOne(store, owner, one)))
  // Afterwards: what a crash leaves half done is dropped again under the name that it has.
  const last = Math.max(generation, ...dropped.filter(({ count }) => count > 0).map(({ generation: one }) => one))
  if (isSessionLive) await nextGeneration(store, owner, last, { nowMs, refreshTokenSeconds })
  return dropped.reduce((sum, { count }) => sum + count, 0)
}

/**
 * A token that was issued while the grant before ended has the name of that one, and where two nodes wrote the mark at
 * once it may lag behind by one: nothing is called ended that lives under a name beside the one that counts.
 */
function namesAround(generation: number): readonly number[] {
  return [generation - 1, generation, generation + 1].filter((one) => one >= 0)
}

async function dropOne(
  store: Pick<Store, 'dropGrant'>,
  { accountId, clientId }: GrantOwner,
  generation: number
): Promise<{ generation: number; count: number }> {
  return { generation, count: (await store.dropGrant(grantKeyOf(accountId, clientId, generation))).value }
}
