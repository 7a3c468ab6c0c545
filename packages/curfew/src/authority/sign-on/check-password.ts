import type { UserKey } from '../../core/ids.ts'
import type { AuthorityContext } from '../context.ts'
import { canonicalName, type LocalUser } from './users.ts'

export type PasswordCheck = { readonly kind: 'ok'; readonly user: LocalUser } | { readonly kind: 'failed' | 'locked'; readonly isKnown: boolean }

export type PasswordDeps = Pick<AuthorityContext, 'store' | 'clock' | 'engine' | 'users' | 'passwords' | 'signOn'>

/** Longer input is refused before hashing: a hash of megabytes would be work for free. */
export const passwordBytesMax = 1024
export const usernameLengthMax = 128

/** The key a local user has over all sessions. */
export function userKeyOf(username: string): UserKey {
  return `local:${canonicalName(username)}`
}

/**
 * Checks a password. An unknown user, a disabled one and a locked one take as long as a wrong password, and the first
 * two answer the same. Every attempt is counted before it is checked, so parallel guesses can't pass the limit.
 */
export async function checkPassword(deps: PasswordDeps, username: string, password: string): Promise<PasswordCheck> {
  if (username.length > usernameLengthMax || Buffer.byteLength(password) > passwordBytesMax) return { kind: 'failed', isKnown: false }
  const user = await deps.users.find(username)
  const attempt = await countAttempt(deps, userKeyOf(username))
  const isRight = await deps.passwords.verify(user?.passwordHash ?? deps.passwords.decoyHash, password)
  if (attempt === undefined) return { kind: 'locked', isKnown: user !== undefined }
  if (!isRight || user === undefined || user.isDisabled) {
    if (attempt === deps.signOn.locking.attempts && user !== undefined) await endLocked(deps, user)
    return { kind: 'failed', isKnown: user !== undefined }
  }
  // Changed while it was checked: a session opened now would outlive the change.
  if ((await deps.users.find(username))?.passwordHash !== user.passwordHash) return { kind: 'failed', isKnown: true }
  await deps.store.lockClear(userKeyOf(username))
  return { kind: 'ok', user }
}

/** Which attempt this is; undefined when none was left. A locked user's attempts are not counted: the lock ends by itself. */
async function countAttempt(deps: PasswordDeps, userKey: UserKey): Promise<number | undefined> {
  const { attempts, windowMinutes } = deps.signOn.locking
  const nowMs = deps.clock.nowMs()
  if ((await deps.store.lockRead(userKey, nowMs, windowMinutes * 60_000)) >= attempts) return undefined
  const { value } = await deps.store.lockBump(userKey, nowMs, windowMinutes * 60_000)
  return value <= attempts ? value : undefined
}

/** The last attempt was wrong: the account is locked from here on, and its sessions end where that is wanted. */
async function endLocked(deps: PasswordDeps, { username }: LocalUser): Promise<void> {
  if (deps.signOn.locking.endsSessions !== true) return
  await deps.engine.endSessions({
    scope: { kind: 'user', userKey: userKeyOf(username) },
    reason: 'account-lock',
    by: { kind: 'system', id: 'account-lock' },
    starter: { kind: 'none' },
    browser: 'absent'
  })
}
