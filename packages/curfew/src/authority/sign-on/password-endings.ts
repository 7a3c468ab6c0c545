import type { AuthorityContext } from '../context.ts'
import { sessionsValidFrom, type User } from './user-directory.ts'

export type PasswordEndingDeps = Pick<AuthorityContext, 'store' | 'engine' | 'users'>

/**
 * Ends the sessions of a user that were opened before the password was changed or reset. One opened with the new
 * password goes on. Works from what the people's source says, so a change while the server is down counts, too.
 * @returns how many sessions a round ended; each change is acted on once by each process, and again where that failed
 */
export function createPasswordEndings(deps: PasswordEndingDeps): () => Promise<number> {
  const done = new Map<string, number>()
  return async () => {
    let count = 0
    for (const user of await deps.users.changed()) {
      const validFromMs = sessionsValidFrom(user)
      if (done.get(user.userKey) === validFromMs) continue
      count += await endBefore(deps, user, validFromMs)
      done.set(user.userKey, validFromMs)
    }
    return count
  }
}

async function endBefore(deps: PasswordEndingDeps, { userKey }: User, validFromMs: number): Promise<number> {
  const outdated = (await deps.store.findByUser(userKey)).filter(({ authenticatedAtMs }) => authenticatedAtMs < validFromMs)
  if (outdated.length === 0) return 0
  const { ended } = await deps.engine.endSessions({
    scope: { kind: 'sessions', sessionIds: outdated.map(({ id }) => id) },
    reason: 'password-change',
    by: { kind: 'system', id: 'password-change' },
    starter: { kind: 'none' },
    browser: 'absent'
  })
  return ended.length
}
