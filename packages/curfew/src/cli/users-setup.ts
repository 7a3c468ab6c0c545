import { availableParallelism } from 'node:os'
import type { AdminAccountLinks } from '../admin/context.ts'
import type { AuthorityContext } from '../authority/context.ts'
import { directoriesInOrder, type NamedDirectory } from '../authority/sign-on/directories.ts'
import { withHashedKeys } from '../authority/sign-on/hashed-keys.ts'
import { createLdapDirectory, type LdapDirectorySettings } from '../authority/sign-on/ldap-directory.ts'
import { type AccountEndingDeps, createAccountEndings } from '../authority/sign-on/account-endings.ts'
import { createPasswordEndings } from '../authority/sign-on/password-endings.ts'
import type { UserDirectory } from '../authority/sign-on/user-directory.ts'
import { localDirectory, localId, localUserKey, openUserFile, type Passwords, type UserFile } from '../authority/sign-on/users.ts'
import { linksOf, removeLink } from '../authority/upstream/account-link.ts'
import type { DirectoryConfig } from '../config/directory-schema.ts'
import type { Config } from '../config/schema.ts'
import type { UserKey } from '../core/ids.ts'
import { createLoop, type Loop } from '../engine/loop.ts'
import { createBulkhead } from '../platform/bulkhead.ts'
import { systemClock } from '../platform/clock.ts'
import { createLdapPool, type LdapPool } from '../platform/ldap/ldap-pool.ts'
import type { Logger } from '../platform/logger.ts'
import { hashPassword, verifyPassword } from '../platform/password.ts'
import { systemRandom } from '../platform/random.ts'
import { readText } from './key-files.ts'

/** The people who may sign in with a password. */
export interface OpenedUsers extends Disposable {
  readonly directory: UserDirectory
  /** Those of the users file, where there is one. */
  readonly file?: UserFile
}

/** The users file, then the directories, in configured order. @throws CURFEW_CONFIG_USERS, CURFEW_CONFIG_FILE */
export async function openUsers(config: Config, logger: Logger): Promise<OpenedUsers> {
  const pools: LdapPool[] = []
  const named: NamedDirectory[] = []
  const file = config.signOn.users === undefined ? undefined : await openUsersFile(config.signOn.users, logger)
  if (file !== undefined) named.push({ id: localId, directory: await openLocalUsers(file) })
  for (const settings of config.signOn.directories) {
    const pool = directoryPool(settings)
    pools.push(pool)
    const deps = { pool, clock: systemClock, random: systemRandom, logger }
    named.push({ id: settings.id, directory: createLdapDirectory(directorySettings(settings, config.sessions), deps) })
  }
  return {
    ...(file === undefined ? {} : { file }),
    directory: config.sessions.hashUserKeys ? withHashedKeys(directoriesInOrder(named)) : directoriesInOrder(named),
    [Symbol.dispose]() {
      for (const pool of pools) pool.close()
    }
  }
}

function openUsersFile(path: string, logger: Logger): Promise<UserFile> {
  return openUserFile(path, (error) => logger.warn({ event: 'users.file-failed', err: error }, 'the users file could not be read again'))
}

/**
 * So many passwords are hashed at once at the most, on fewer cores one for each: one less than libuv has threads, or files
 * and names of other servers would be looked up behind all sign-ins that wait.
 */
const hashesMax = 3

async function openLocalUsers(users: UserFile): Promise<UserDirectory> {
  const hashing = createBulkhead({ concurrentMax: Math.min(availableParallelism(), hashesMax), queuedMax: Number.MAX_SAFE_INTEGER })
  const passwords: Passwords = {
    verify: (hash, password) => hashing.run('password', () => verifyPassword(hash, password)),
    hash: (password) => hashing.run('password', () => hashPassword(password, systemRandom)),
    decoyHash: await hashPassword(Buffer.from(systemRandom.bytes(16)).toString('base64'), systemRandom)
  }
  return localDirectory(users, passwords)
}

/** Connections to one directory, as configured. @throws CURFEW_CONFIG_FILE */
export function directoryPool(settings: DirectoryConfig): LdapPool {
  const { urls, startTls, ca, bindDn, bindPassword, connectTimeoutSeconds, timeoutSeconds, connectionsMax } = settings
  return createLdapPool({
    clock: systemClock,
    urls,
    startTls,
    connectionsMax,
    connectTimeoutMs: connectTimeoutSeconds * 1000,
    timeoutMs: timeoutSeconds * 1000,
    ...(ca === undefined ? {} : { ca: readText(ca) }),
    ...(bindDn === undefined || bindPassword === undefined ? {} : { service: { dn: bindDn, password: bindPassword } })
  })
}

/** Sessions without an end are looked back at for so long. */
const lookBackMinutesMax = 30 * 24 * 60

function directorySettings(settings: DirectoryConfig, sessions: Config['sessions']): LdapDirectorySettings {
  const { id, base, filter, loginAttributes, attributes, passwordChange, passwordChanged, mustChangeAttribute } = settings
  const longest = [sessions.maxMinutes, ...Object.values(sessions.sources).map(({ maxMinutes }) => maxMinutes ?? 0)]
  const lookBackMs = (longest.includes(-1) ? lookBackMinutesMax : Math.max(...longest)) * 60_000
  return {
    id,
    base,
    filter,
    loginAttributes,
    attributes,
    passwordChange,
    ...(mustChangeAttribute === undefined ? {} : { mustChangeAttribute }),
    ...(passwordChanged === undefined
      ? {}
      : { changed: { attribute: passwordChanged.attribute, syntax: passwordChanged.syntax, everyMs: passwordChanged.everySeconds * 1000, lookBackMs } })
  }
}

/** How often the people are looked at for changed passwords: the longest that a session outlives one, about. */
const passwordLookMs = 2_000

/** Ends the sessions of changed passwords, as often as configured. */
export function passwordWatch(
  config: Config,
  deps: Pick<AuthorityContext, 'store' | 'everywhere' | 'engine' | 'users' | 'clock' | 'signals'> & {
    readonly random: typeof systemRandom
    readonly logger: Logger
  }
): Loop {
  const endOutdated = createPasswordEndings({ ...deps, signOn: config.signOn })
  const isOn = config.signOn.passwordChangeEndsSessions
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

/** How often the users file is looked at for people who are disabled or gone. */
const accountLookMs = 2_000

/** Ends the sessions of people who are disabled or gone; nobody to look for where there is no users file. */
export function accountWatch(
  file: UserFile | undefined,
  deps: Omit<AccountEndingDeps, 'file'> & { readonly random: typeof systemRandom; readonly logger: Logger }
): Loop | undefined {
  if (file === undefined) return undefined
  const endBarred = createAccountEndings({ ...deps, file })
  return createLoop({
    clock: deps.clock,
    intervalMs: accountLookMs,
    fraction: () => deps.random.fraction(),
    work: async () => {
      const ended = await endBarred()
      if (ended > 0) deps.logger.info({ event: 'users.sessions-ended', ended }, 'Sessions of people who are disabled or gone from the users file have ended')
      return false
    },
    onError: (error) =>
      deps.logger.error({ event: 'users.endings-failed', err: error }, 'Sessions of people who are disabled or gone could not be ended; it is tried again')
  })
}

/** Links of local users for the admin API; a user that is gone may still have some. */
export function adminAccountLinks(deps: Pick<AuthorityContext, 'store' | 'clock' | 'users'>): AdminAccountLinks {
  const keyOf = async (username: string): Promise<UserKey> =>
    (await deps.users.find(username))?.userKey ?? deps.users.keysFor(username)[0] ?? localUserKey(username)
  return {
    list: async (username) =>
      (await linksOf(deps, await keyOf(username))).map(({ id, providerId, role, providerUser, username: user, linkedAtMs }) => ({
        id,
        provider: providerId,
        role,
        providerUser,
        user,
        linkedAtMs
      })),
    remove: async (username, id, by) => removeLink(deps, await keyOf(username), id, by)
  }
}
