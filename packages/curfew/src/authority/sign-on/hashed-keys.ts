import { createHash } from 'node:crypto'
import type { UserKey } from '../../core/ids.ts'
import type { SessionSettings } from './session-limits.ts'
import type { User, UserDirectory } from './user-directory.ts'

/** What takes the place of a name in a key: SHA-256, base64url without padding. Whoever knows the name can make it. */
export function hashOfName(name: string): string {
  return createHash('sha256').update(name).digest('base64url')
}

/** A key whose name is a hash; the source stays readable. */
export function hashedKey(key: UserKey): UserKey {
  const at = key.indexOf(':')
  return `${key.slice(0, at)}:${hashOfName(key.slice(at + 1))}`
}

/** Whether two keys are of one person; one of them may be from before `sessions.hashUserKeys` was switched. */
export function isSamePerson(a: UserKey, b: UserKey): boolean {
  return a === b || hashedKey(a) === b || a === hashedKey(b)
}

/** A key as this installation keeps it. */
export function storedKey({ hashUserKeys }: Pick<SessionSettings, 'hashUserKeys'>, key: UserKey): UserKey {
  return hashUserKeys ? hashedKey(key) : key
}

/** A directory whose people have hashed keys: no name is in any key that is stored, logged or asked for. */
export function withHashedKeys(directory: UserDirectory): UserDirectory {
  const hashed = (user: User): User => ({ ...user, userKey: hashedKey(user.userKey) })
  return {
    ...directory,
    async find(username) {
      const user = await directory.find(username)
      return user === undefined ? undefined : hashed(user)
    },
    changed: async () => (await directory.changed()).map(hashed),
    keysFor: (username) => directory.keysFor(username).map(hashedKey)
  }
}
