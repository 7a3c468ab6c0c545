import type { User, UserDirectory } from './user-directory.ts'

/** One directory by its name. */
export interface NamedDirectory {
  readonly id: string
  readonly directory: UserDirectory
}

/**
 * Several directories as one: the first that knows a name has the word about it. A password is shown to that one only,
 * and nobody signs in past a directory that does not answer, because the name may be its.
 */
export function directoriesInOrder(all: readonly NamedDirectory[]): UserDirectory {
  const last = all.at(-1)
  const of = (user: User): UserDirectory => {
    const found = all.find(({ id }) => id === user.directory)
    if (found === undefined) throw new TypeError(`there is no directory ${user.directory}`)
    return found.directory
  }
  return {
    async find(username) {
      for (const { directory } of all) {
        const user = await directory.find(username)
        if (user !== undefined) return user
      }
      return undefined
    },
    verify: async (user, password) => (user === undefined ? (last?.directory.verify(undefined, password) ?? false) : of(user).verify(user, password)),
    changed: async () => (await Promise.all(all.map(({ directory }) => directory.changed()))).flat(),
    setPassword: (user, change) => of(user).setPassword(user, change),
    sources: all.map(({ id }) => id),
    keysFor: (username) => all.flatMap(({ directory }) => directory.keysFor(username))
  }
}
