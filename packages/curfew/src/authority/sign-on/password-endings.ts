import type { Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import { validFrom } from './password-note.ts'
import { sessionsValidFrom, type User } from './user-directory.ts'

export type PasswordEndingDeps = Pick<AuthorityContext, 'everywhere' | 'engine' | 'users' | 'store' | 'clock'> & {
  readonly signOn: Pick<AuthorityContext['signOn'], 'sourceId'>
}

/**
 * Ends the sessions of a user that were opened before the password was changed or reset. One opened with the new
 * password goes on, and so do all of them where the password was changed here by somebody who wanted that. Sessions of all groups are meant. Works from what the people's source says, so a change while the server is down counts, too.
 * @returns how many sessions a round ended; each change is acted on once by each process, and again where that failed
 */
export function createPasswordEndings(deps: PasswordEndingDeps): () => Promise<number> {
  const done = new Map<string, number>()
  return async () => {
    let count = 0
    for (const user of await deps.users.changed()) {
      const saidMs = sessionsValidFrom(user)
      if (done.get(user.userKey) === saidMs) continue
      const { ended, isAll } = await endBefore(deps, user, await validFrom(deps, user))
      count += ended
      // A group that is away is asked again in the next round.
      if (isAll) done.set(user.userKey, saidMs)
    }
    return count
  }
}

async function endBefore(deps: PasswordEndingDeps, { userKey }: User, validFromMs: number): Promise<{ readonly ended: number; readonly isAll: boolean }> {
  const { found, unreached } = await deps.everywhere.byUser(userKey)
  const outdated = found.filter((session) => validSinceMs(deps, session) < validFromMs)
  if (outdated.length === 0) return { ended: 0, isAll: unreached.length === 0 }
  const summary = await deps.engine.endSessions({
    scope: { kind: 'sessions', sessionIds: outdated.map(({ id }) => id) },
    reason: 'password-change',
    by: { kind: 'system', id: 'password-change' },
    starter: { kind: 'none' },
    browser: 'absent'
  })
  return { ended: summary.ended.length, isAll: unreached.length === 0 && summary.unreached === undefined }
}

/** A sign-in elsewhere that is linked to the user may lie further back than the session that it opened here. */
function validSinceMs({ signOn }: PasswordEndingDeps, { sourceId, authenticatedAtMs, createdAtMs }: Session): number {
  return sourceId === signOn.sourceId ? authenticatedAtMs : createdAtMs
}
