import type { AdminAccountLinks } from '../admin/context.ts'
import type { AuthorityContext } from '../authority/context.ts'
import { createPasswordEndings } from '../authority/sign-on/password-endings.ts'
import type { UserDirectory } from '../authority/sign-on/user-directory.ts'
import { type LocalUsers, localDirectory, localUserKey, openUserFile, type Passwords } from '../authority/sign-on/users.ts'
import { linksOf, removeLink } from '../authority/upstream/account-link.ts'
import type { Config } from '../config/schema.ts'
import type { UserKey } from '../core/ids.ts'
import { createLoop, type Loop } from '../engine/loop.ts'
import type { Logger } from '../platform/logger.ts'
import { hashPassword, verifyPassword } from '../platform/password.ts'
import { systemRandom } from '../platform/random.ts'

/** The local users; without a file nobody is found. @throws CURFEW_CONFIG_USERS */
export async function openUsers(file: string | undefined, logger: Logger): Promise<UserDirectory> {
  const passwords: Passwords = {
    verify: (hash, password) => verifyPassword(hash, password),
    hash: (password) => hashPassword(password, systemRandom),
    decoyHash: await hashPassword(Buffer.from(systemRandom.bytes(16)).toString('base64'), systemRandom)
  }
  if (file === undefined) return localDirectory(noUsers, passwords)
  return localDirectory(
    await openUserFile(file, (error) => logger.warn({ event: 'users.file-failed', err: error }, 'the users file could not be read again')),
    passwords
  )
}

const noUsers: LocalUsers = { find: async () => undefined, all: async () => [], replace: async () => undefined }

/** How often the people are looked at for changed passwords: the longest that a session outlives one, about. */
const passwordLookMs = 2_000

/** Ends the sessions of changed passwords, as often as configured. */
export function passwordWatch(
  config: Config,
  deps: Pick<AuthorityContext, 'store' | 'engine' | 'users' | 'clock' | 'signals'> & { readonly random: typeof systemRandom; readonly logger: Logger }
): Loop {
  const endOutdated = createPasswordEndings({ ...deps, signOn: config.signOn })
  const isOn = config.signOn.users !== undefined && config.signOn.passwordChangeEndsSessions
  return createLoop({
    clock: deps.clock,
    intervalMs: passwordLookMs,
    fraction: () => deps.random.fraction(),
    work: async () => {
      if (isOn) await endOutdated()
      await deps.signals.passwordsChanged(await deps.users.changed())
      return false
    },
    onError: (error) =>
      deps.logger.error({ event: 'password-change.failed', err: error }, 'Sessions of a changed password could not be ended; it is tried again')
  })
}

/** Links of local users for the admin API; a user that is gone may still have some. */
export function adminAccountLinks(deps: Pick<AuthorityContext, 'store' | 'clock' | 'users'>): AdminAccountLinks {
  const keyOf = async (username: string): Promise<UserKey> => (await deps.users.find(username))?.userKey ?? localUserKey(username)
  return {
    list: async (username) =>
      (await linksOf(deps, await keyOf(username))).map(({ id, providerId, providerUser, username: user, linkedAtMs }) => ({
        id,
        provider: providerId,
        providerUser,
        user,
        linkedAtMs
      })),
    remove: async (username, id, by) => removeLink(deps, await keyOf(username), id, by)
  }
}
