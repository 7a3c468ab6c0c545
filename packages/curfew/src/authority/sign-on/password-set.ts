import type { AuthorityContext } from '../context.ts'
import { isUnavailable } from './directory-problem.ts'
import type { NotedChange } from './password-note.ts'
import type { RefusedPassword } from '../../platform/ldap/ldap-link.ts'
import type { MessageKey } from '../pages/messages.ts'
import type { NewPassword, User, UserDirectory } from './user-directory.ts'

type PasswordSetDeps = Pick<AuthorityContext, 'users' | 'logger'>

/** Puts a new password in the place of the former one; a change that was not made is not remembered either. */
export async function setOrWithdraw({ users }: PasswordSetDeps, note: NotedChange, user: User, change: NewPassword): ReturnType<typeof users.setPassword> {
  let result: Awaited<ReturnType<typeof users.setPassword>> | undefined
  try {
    result = await users.setPassword(user, change)
    return result
  } finally {
    if (result === undefined || isRefused(result)) await note.withdraw()
  }
}

/** What the directory answered is a rule that is against the new password. */
export function isRefused(result: Awaited<ReturnType<UserDirectory['setPassword']>>): result is RefusedPassword {
  return result !== 'set' && result !== 'unanswered'
}

/** What a person is told of such a rule. */
export const refusedText: Readonly<Record<RefusedPassword, MessageKey>> = {
  policy: 'password.refused',
  'too-short': 'password.refusedShort',
  'used-before': 'password.refusedUsed',
  'too-soon': 'password.refusedSoon'
}

/** The user after a change. A directory that went away right after it is no reason to say that nothing was changed. */
export async function readAfter({ users, logger }: PasswordSetDeps, { username }: User): Promise<User | undefined> {
  try {
    return await users.find(username)
  } catch (error) {
    if (!isUnavailable(error)) throw error
    logger.error({ event: 'users.unavailable', err: error }, 'The directory of users does not answer after a password was changed')
    return undefined
  }
}
