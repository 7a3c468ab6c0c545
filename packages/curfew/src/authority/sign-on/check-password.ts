import type { UserKey } from '../../core/ids.ts'
import type { AuthorityContext } from '../context.ts'
import { passwordBytesMax } from './password-policy.ts'
import type { User } from './user-directory.ts'
import { localUserKey } from './users.ts'

export type PasswordCheck =
  | { readonly kind: 'ok'; readonly user: User; readonly checkedAtMs: number }
  | { readonly kind: 'failed' | 'locked'; readonly userKey?: UserKey }

export type Refusal = Exclude<PasswordCheck, { readonly kind: 'ok' }>

export type PasswordDeps = Pick<AuthorityContext, 'store' | 'clock' | 'engine' | 'users' | 'signOn'>

export const usernameLengthMax = 128

/**
 * Checks a password. An unknown user, a disabled one and a locked one take as long as a wrong password, and the first
 * two answer the same. Every attempt is counted before it is checked, so parallel guesses can't pass the limit. An empty
 * password is wrong without asking anybody: directories take it for a visit without a name.
 * @throws CURFEW_USERS_UNAVAILABLE when the directory does not answer
 */
export async function checkPassword(deps: PasswordDeps, username: string, password: string): Promise<PasswordCheck> {
  if (username.length > usernameLengthMax || Buffer.byteLength(password) > passwordBytesMax) return { kind: 'failed' }
  const user = await deps.users.find(username)
  const known = user === undefined ? {} : { userKey: user.userKey }
  // Names that nobody has are counted like those of the first directory.
  const lockKey = user?.userKey ?? deps.users.keysFor(username)[0] ?? localUserKey(username)
  const checkedAtMs = deps.clock.nowMs()
  const attempt = await countAttempt(deps, lockKey)
  const isRight = password !== '' && (await deps.users.verify(attempt === undefined ? undefined : user, password))
  if (attempt === undefined) return { kind: 'locked', ...known }
  if (!isRight || user === undefined || user.isDisabled) {
    if (attempt === deps.signOn.locking.attempts && user !== undefined) await endLocked(deps, user)
    return { kind: 'failed', ...known }
  }
  await deps.store.lockClear(lockKey)
  return { kind: 'ok', user, checkedAtMs }
}

/** What nobody is called here is not written down: people type passwords into the wrong field. */
export async function recordRefusal(deps: Pick<AuthorityContext, 'store' | 'clock' | 'logger'>, { kind, userKey }: Refusal): Promise<void> {
  const event = `sign-in.${kind}`
  deps.logger.warn({ event, isKnown: userKey !== undefined }, 'A sign-in was refused')
  if (userKey === undefined) return
  await deps.store.appendAudit({ atMs: deps.clock.nowMs(), event, actor: { kind: 'user', id: userKey }, userKey })
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
async function endLocked(deps: PasswordDeps, { userKey }: User): Promise<void> {
  if (deps.signOn.locking.endsSessions !== true) return
  await deps.engine.endSessions({
    scope: { kind: 'user', userKey },
    reason: 'account-lock',
    by: { kind: 'system', id: 'account-lock' },
    starter: { kind: 'none' },
    browser: 'absent'
  })
}
