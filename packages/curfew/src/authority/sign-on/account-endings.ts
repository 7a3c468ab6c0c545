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
 * in it, whatever happened while nothing ran; then, and in between, of those who were and are no more. An ending is one
 * step of the store: of several nodes that read the same file one makes the run.
 * @returns how many sessions a round ended; what failed is done again in the next one, from where it failed
 */
export function createAccountEndings(deps: AccountEndingDeps): () => Promise<number> {
  const settled = settledFile(deps)
  /** The file that the sessions agree with, but for those of strangers on pages that were not looked at yet. */
  let done: ReadonlySet<string> | undefined
  let tried: ReadonlySet<string> | undefined
  let strangers: Strangers = { isAll: false, beforeMs: 0 }

  const leave = async (): Promise<number> => {
    const now = await settled()
    if (now === undefined || now === done || now === tried) return 0
    tried = now
    const { ended, isAll } = done === undefined ? nobody : await endLeavers(deps, done.difference(now))
    if (!isAll) return ended
    if (done === undefined) strangers = { ...strangers, beforeMs: deps.clock.nowMs() }
    done = now
    return ended
  }
  return async () => {
    // A group that is away is asked again in the next round.
    tried = undefined
    let ended = await leave()
    while (done !== undefined && !strangers.isAll) {
      const page = await endStrangers(deps, done, strangers)
      strangers = page
      ended += page.ended + (await leave())
    }
    return ended
  }
}

/** What a file says of who may stay once it has stood as it is for a while; undefined before. */
function settledFile({ file, clock }: AccountEndingDeps): () => Promise<ReadonlySet<string> | undefined> {
  let seen: ReadonlySet<string> | undefined
  let seenAtMs = 0
  return async () => {
    const now = await file.mayStay()
    const nowMs = clock.nowMs()
    if (now !== undefined && now !== seen) {
      seen = now
      seenAtMs = nowMs
    }
    return nowMs - seenAtMs < settledMs ? undefined : now
  }
}

interface Round {
  readonly ended: number
  readonly isAll: boolean
}

const nobody: Round = { ended: 0, isAll: true }

/** How far the sessions have been looked at. */
interface Strangers {
  readonly isAll: boolean
  /** Whoever signed in later was in the file by then, though perhaps not when it counted first. */
  readonly beforeMs: number
  readonly cursor?: string
}

/** A page of the sessions here of local users whom the file does not have; the nodes of another group look at theirs. */
async function endStrangers(deps: AccountEndingDeps, mayStay: ReadonlySet<string>, { beforeMs, cursor }: Strangers): Promise<Round & Strangers> {
  const page = await deps.store.listSessions({ state: 'live', limit: pageSize, nowMs: deps.clock.nowMs(), ...(cursor === undefined ? {} : { cursor }) })
  const strangers = page.items.flatMap(({ session }) => {
    const isStranger = session.createdAtMs < beforeMs && isLocal(session) && !mayStay.has(canonicalName(session.username))
    return isStranger ? [session.id] : []
  })
  const { ended } = await end(deps, strangers)
  return { ended, beforeMs, isAll: page.nextCursor === undefined, ...(page.nextCursor === undefined ? {} : { cursor: page.nextCursor }) }
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
