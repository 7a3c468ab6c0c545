import type { AuthorityContext } from '../authority/context.ts'
import { createPasswordEndings } from '../authority/sign-on/password-endings.ts'
import { openUserFile, type UserDirectory } from '../authority/sign-on/users.ts'
import type { Config } from '../config/schema.ts'
import { createLoop, type Loop } from '../engine/loop.ts'
import type { Logger } from '../platform/logger.ts'
import { systemRandom } from '../platform/random.ts'

/** The local users; without a file nobody is found. @throws CURFEW_CONFIG_USERS */
export function openUsers(file: string | undefined, logger: Logger): Promise<UserDirectory> {
  if (file === undefined) return Promise.resolve({ find: async () => undefined, changed: async () => [] })
  return openUserFile(file, (error) => logger.warn({ event: 'users.file-failed', err: error }, 'the users file could not be read again'))
}

/** How often the people are looked at for changed passwords: the longest that a session outlives one, about. */
const passwordLookMs = 2_000

/** Ends the sessions of changed passwords, as often as configured. */
export function passwordWatch(
  config: Config,
  deps: Pick<AuthorityContext, 'store' | 'engine' | 'users' | 'clock'> & { readonly random: typeof systemRandom; readonly logger: Logger }
): Loop {
  const endOutdated = createPasswordEndings(deps)
  const isOn = config.signOn.users !== undefined && config.signOn.passwordChangeEndsSessions
  return createLoop({
    clock: deps.clock,
    intervalMs: passwordLookMs,
    fraction: () => deps.random.fraction(),
    work: async () => {
      if (isOn) await endOutdated()
      return false
    },
    onError: (error) =>
      deps.logger.error({ event: 'password-change.failed', err: error }, 'Sessions of a changed password could not be ended; it is tried again')
  })
}
