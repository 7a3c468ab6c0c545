import type { UserKey } from '../../core/ids.ts'
import type { AuthorityContext } from '../context.ts'
import { passwordBytesMax } from './password-policy.ts'
import type { User } from './user-directory.ts'
import { localUserKey } from './users.ts'

export type PasswordCheck =
  | { readonly kind: 'ok'; readonly user: User; readonly checkedAtMs: number }
  | { readonly kind: 'failed' | 'locked'; readonly userKey?: UserKey }

export type Refusal = Exclude<PasswordCheck, { readonly kind: 'ok' }>

export type PasswordDeps = Pick<AuthorityContext, 'store' | 'clock' | 'engine' | 'users' | 'signOn' | 'openChecks'>

export const usernameLengthMax = 128

/** So often somebody is asked again whose limit was used up by right passwords on other nodes. */
const roundsMax = 5

/**
 * Checks a password. An unknown user, a disabled one and a locked one take as long as a wrong password, and the first
 * two answer the same. Every attempt is counted before it is checked, so parallel guesses can't pass the limit, and a
 * right password takes the count back: who finds the limit used up by checks that are still open waits for them. An
 * empty password is wrong without asking anybody: directories take it for a visit without a name.
 * @throws CURFEW_USERS_UNAVAILABLE when the directory does not answer
 */
export async function checkPassword(deps: PasswordDeps, username: string, password: string): Promise<PasswordCheck> {
  if (username.length > usernameLengthMax || Buffer.byteLength(password) > passwordBytesMax) return { kind: 'failed' }
  const user = await deps.users.find(username)
  // Names that nobody has are counted like those of the first directory.
  const lockKey = user?.userKey ?? deps.users.keysFor(username)[0] ?? localUserKey(username)
  const guess: Guess = { user, lockKey, password }
  for (let round = 1; ; round += 1) {
    const checked = await checkCounted(deps, guess)
    if (checked !== undefined) return checked
    await deps.users.verify(undefined, password)
    // Other nodes may have found right passwords meanwhile.
    if (round === roundsMax || (await isUsedUp(deps, lockKey))) return { kind: 'locked', ...known(user) }
  }
}

interface Guess {
  readonly user: User | undefined
  /** Whose attempts are counted. */
  readonly lockKey: UserKey
  readonly password: string
}

/** Takes an attempt and checks the password with it; undefined when none was left. */
async function checkCounted(deps: PasswordDeps, { user, lockKey, password }: Guess): Promise<PasswordCheck | undefined> {
  const attempt = await takeAttempt(deps, lockKey)
  if (attempt === undefined) return undefined
  const { checkedAtMs, number } = attempt
  try {
    const verified = password !== '' && (await deps.users.verify(user, password))
    if (verified === false || user === undefined || user.isDisabled) {
      if (number === deps.signOn.locking.attempts && user !== undefined) await endLocked(deps, user)
      return { kind: 'failed', ...known(user) }
    }
    await deps.store.lockClear(lockKey)
    // Whom the directory lets in once more is not kept out by us where no new password can be chosen.
    const mustChange = verified === 'must-change' || (verified === 'in-grace' && deps.signOn.passwords.change && user.canChangePassword)
    return { kind: 'ok', user: mustChange ? { ...user, mustChangePassword: true } : user, checkedAtMs }
  } finally {
    attempt.close()
  }
}

function known(user: User | undefined): { readonly userKey?: UserKey } {
  return user === undefined ? {} : { userKey: user.userKey }
}

/** What nobody is called here is not written down: people type passwords into the wrong field. */
export async function recordRefusal(deps: Pick<AuthorityContext, 'store' | 'clock' | 'logger'>, { kind, userKey }: Refusal): Promise<void> {
  const event = `sign-in.${kind}`
  deps.logger.warn({ event, isKnown: userKey !== undefined }, 'A sign-in was refused')
  if (userKey === undefined) return
  await deps.store.appendAudit({ atMs: deps.clock.nowMs(), event, actor: { kind: 'user', id: userKey }, userKey })
}

/** One attempt that is counted already. */
interface Attempt {
  /** Which one it is. */
  readonly number: number
  readonly checkedAtMs: number
  /** To be called once it is known whether it was right. */
  readonly close: () => void
}

/**
 * An attempt of this person; undefined when none is left, and no check is open here that could give one back. A locked
 * user's attempts are not counted: the lock ends by itself.
 */
async function takeAttempt(deps: PasswordDeps, userKey: UserKey): Promise<Attempt | undefined> {
  const { attempts, windowMinutes } = deps.signOn.locking
  for (;;) {
    // Asked for before the count is read: a check that closes in between is not missed.
    const before = deps.openChecks.next(userKey)
    if (!(await isUsedUp(deps, userKey))) {
      const close = deps.openChecks.begin(userKey)
      const checkedAtMs = deps.clock.nowMs()
      const number = await numbered(deps.store.lockBump(userKey, checkedAtMs, windowMinutes * 60_000), close)
      if (number <= attempts) return { number, checkedAtMs, close }
      close()
    }
    const next = before ?? deps.openChecks.next(userKey)
    if (next === undefined) return undefined
    await next
  }
}

/** The number of an attempt; one that could not be counted is not open. */
async function numbered(bump: ReturnType<PasswordDeps['store']['lockBump']>, close: () => void): Promise<number> {
  try {
    return (await bump).value
  } catch (error) {
    close()
    throw error
  }
}

async function isUsedUp({ store, clock, signOn }: PasswordDeps, userKey: UserKey): Promise<boolean> {
  const { attempts, windowMinutes } = signOn.locking
  return (await store.lockRead(userKey, clock.nowMs(), windowMinutes * 60_000)) >= attempts
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
