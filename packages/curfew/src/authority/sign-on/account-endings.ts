import type { SessionId } from '../../core/ids.ts'
import type { Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import { hashedKey } from './hashed-keys.ts'
import { canonicalName } from './user-directory.ts'
import { localUserKey, type UserFile } from './users.ts'

export type AccountEndingDeps = Pick<AuthorityContext, 'everywhere' | 'engine' | 'store' | 'clock'> & {
  readonly file: Pick<UserFile, 'mayStay'>
}

/** A file counts when it has stood as it is for so long: one that somebody is writing may lack people. */
export const settledMs = 5_000

const pageSize = 500

/**
 * Ends the sessions of local users who are disabled, or gone from the users file. At first those of everybody who is not
 * in it, whatever happened while nothing ran; then of those who were and are no more. An ending is one step of the
 * store: of several nodes that read the same file one makes the run.
 * @returns how many sessions a round ended; what failed is done again in the next one
 */
export function createAccountEndings(deps: AccountEndingDeps): () => Promise<number> {
  let seen: ReadonlySet<string> | undefined
  let seenAtMs = 0
  let done: ReadonlySet<string> | undefined
  return async () => {
    const now = await deps.file.mayStay()
    if (now === undefined || now === done) return 0
    const nowMs = deps.clock.nowMs()
    if (now !== seen) {
      seen = now
      seenAtMs = nowMs
    }
    if (nowMs - seenAtMs < settledMs) return 0
    const { ended, isAll } = await (done === undefined ? endStrangers(deps, now) : endLeavers(deps, done.difference(now)))
    // A group that is away is asked again in the next round.
    if (isAll) done = now
    return ended
  }
}

interface Round {
  readonly ended: number
  readonly isAll: boolean
}

/** Sessions here of local users whom the file does not have; the nodes of another group look at theirs. */
async function endStrangers(deps: AccountEndingDeps, mayStay: ReadonlySet<string>): Promise<Round> {
  let ended = 0
  let cursor: string | undefined
  do {
    const page = await deps.store.listSessions({ state: 'live', limit: pageSize, nowMs: deps.clock.nowMs(), ...(cursor === undefined ? {} : { cursor }) })
    const strangers = page.items.flatMap(({ session }) => (isLocal(session) && !mayStay.has(canonicalName(session.username)) ? [session.id] : []))
    ended += (await end(deps, strangers)).ended
    cursor = page.nextCursor
  } while (cursor !== undefined)
  return { ended, isAll: true }
}

async function endLeavers(deps: AccountEndingDeps, names: ReadonlySet<string>): Promise<Round> {
  const rounds: Round[] = []
  // Sessions from before `sessions.hashUserKeys` was switched have the other key.
  for (const name of names) for (const key of [localUserKey(name), hashedKey(localUserKey(name))]) rounds.push(await endOf(deps, key))
  return { ended: rounds.reduce((sum, { ended }) => sum + ended, 0), isAll: rounds.every(({ isAll }) => isAll) }
}

async function endOf(deps: AccountEndingDeps, userKey: Session['userKey']): Promise<Round> {
  const { found, unreached } = await deps.everywhere.byUser(userKey)
  const { ended, isAll } = await end(
    deps,
    found.map(({ id }) => id)
  )
  return { ended, isAll: isAll && unreached.length === 0 }
}

async function end({ engine }: AccountEndingDeps, sessionIds: readonly SessionId[]): Promise<Round> {
  if (sessionIds.length === 0) return { ended: 0, isAll: true }
  const { ended, unreached } = await engine.endSessions({
    scope: { kind: 'sessions', sessionIds },
    reason: 'admin',
    by: { kind: 'system', id: 'users-file' },
    starter: { kind: 'none' },
    browser: 'absent',
    endOfflineGrants: true
  })
  return { ended: ended.length, isAll: unreached === undefined }
}

function isLocal({ userKey, username }: Session): boolean {
  const key = localUserKey(username)
  return userKey === key || userKey === hashedKey(key)
}
