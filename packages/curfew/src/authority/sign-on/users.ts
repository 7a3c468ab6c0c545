import { readFile, stat } from 'node:fs/promises'
import { CurfewError } from '@curfew/codecs'
import { parse } from 'yaml'
import { z } from 'zod'
import type { UserKey } from '../../core/ids.ts'
import type { Attributes } from '../../core/session.ts'
import { canonicalName, type NewPassword, type User, type UserDirectory } from './user-directory.ts'
import { editUserFile, isNamed, type UserEntry } from './user-file.ts'

/** One person of the local users file. */
export interface LocalUser {
  /** As written in the file; sign-in ignores case. */
  readonly username: string
  /** Argon2id in PHC string form. */
  readonly passwordHash: string
  readonly attributes: Attributes
  readonly isDisabled: boolean
  readonly mustChangePassword?: boolean
  /** When the password was last changed or reset; absent: never since it was given. */
  readonly passwordChangedAtMs?: number
  /** Sessions that were opened before end; absent: the same as {@link passwordChangedAtMs}. */
  readonly sessionsValidFromMs?: number
}

/** How passwords of local users are kept. */
export interface Passwords {
  /** Compares in constant time; false for a hash that can't be read. */
  verify(passwordHash: string, password: string): Promise<boolean>
  hash(password: string): Promise<string>
  /** A hash of nobody's password at the usual cost, so that an unknown user takes as long as a known one. */
  readonly decoyHash: string
}

/** Name of the directory of local users. */
export const localId = 'local'

/** The key a local user has over all sessions. */
export function localUserKey(username: string): UserKey {
  return `${localId}:${canonicalName(username)}`
}

const values = z.union([z.string().transform((value) => [value]), z.array(z.string())])

/** The file: one entry per person, made by `curfew users add`. */
export const usersSchema = z.strictObject({
  users: z.array(
    z.strictObject({
      username: z.string().min(1).max(128),
      password: z.string().startsWith('$argon2id$'),
      attributes: z.record(z.string(), values).default({}),
      disabled: z.boolean().default(false),
      mustChangePassword: z.boolean().default(false),
      passwordChangedAt: z.iso.datetime().optional(),
      sessionsValidFrom: z.iso.datetime().optional()
    })
  ),
  /** People whose sessions go on though they are disabled or gone. */
  keepSessionsOf: z.array(z.string().min(1).max(128)).default([])
})

/** What a users file says. */
export interface UserFileContent {
  /** By canonical name. */
  readonly users: ReadonlyMap<string, LocalUser>
  /** Canonical names of people whose sessions go on; absent: the file is empty, and says nothing. */
  readonly mayStay?: ReadonlySet<string>
}

/**
 * The people of a users file.
 * @throws CURFEW_CONFIG_USERS when the text has another shape or names a person twice
 */
export function parseUsers(text: string, path: string): ReadonlyMap<string, LocalUser> {
  return parseUserFile(text, path).users
}

/** Reads a whole users file. @throws CURFEW_CONFIG_USERS */
export function parseUserFile(text: string, path: string): UserFileContent {
  let document: unknown
  try {
    document = parse(text)
  } catch (cause) {
    throw new CurfewError('CURFEW_CONFIG_USERS', { path, reason: 'not readable as YAML' }, { cause })
  }
  const read = usersSchema.safeParse(document ?? { users: [] })
  if (!read.success) {
    const [issue] = read.error.issues
    throw new CurfewError('CURFEW_CONFIG_USERS', { path, at: issue?.path.join('.') ?? '', reason: issue?.message ?? '' }, { cause: read.error })
  }
  const users = new Map<string, LocalUser>()
  for (const { username, password, attributes, disabled, mustChangePassword, passwordChangedAt, sessionsValidFrom } of read.data.users) {
    const key = canonicalName(username)
    if (users.has(key)) throw new CurfewError('CURFEW_CONFIG_USERS', { path, username, reason: 'named twice' })
    users.set(key, {
      username,
      passwordHash: password,
      attributes,
      isDisabled: disabled,
      ...(mustChangePassword ? { mustChangePassword } : {}),
      ...(passwordChangedAt === undefined ? {} : { passwordChangedAtMs: instantOf(passwordChangedAt) }),
      ...(sessionsValidFrom === undefined ? {} : { sessionsValidFromMs: instantOf(sessionsValidFrom) })
    })
  }
  if (document === null || document === undefined) return { users }
  const enabled = [...users].flatMap(([key, { isDisabled }]) => (isDisabled ? [] : [key]))
  return { users, mayStay: new Set([...enabled, ...read.data.keepSessionsOf.map(canonicalName)]) }
}

function instantOf(text: string): number {
  return Temporal.Instant.from(text).epochMilliseconds
}

/** Where local users are kept. */
export interface LocalUsers {
  find(username: string): Promise<LocalUser | undefined>
  all(): Promise<readonly LocalUser[]>
  /** Puts another entry in the place of one. @throws CURFEW_USERS_UNWRITABLE */
  replace(username: string, change: (entry: UserEntry) => UserEntry): Promise<void>
}

/** Local users in a file. */
export interface UserFile extends LocalUsers {
  /**
   * Canonical names of people whose sessions go on: the same set while the file stays as it is. Undefined while there is
   * nothing in the file.
   */
  mayStay(): Promise<ReadonlySet<string> | undefined>
}

/** People with a password that is checked here. */
export function localDirectory(users: LocalUsers, passwords: Passwords): UserDirectory {
  return {
    async find(username) {
      const user = await users.find(username)
      return user === undefined ? undefined : userOf(user)
    },
    async verify(user, password) {
      const known = user === undefined ? undefined : await users.find(user.username)
      const isRight = await passwords.verify(known?.passwordHash ?? passwords.decoyHash, password)
      if (!isRight || known === undefined) return false
      // Changed or disabled while it was checked, or waited for that: a session opened now would outlive it.
      const present = await users.find(known.username)
      return present?.passwordHash === known.passwordHash && !present.isDisabled
    },
    changed: async () => (await users.all()).filter(({ passwordChangedAtMs }) => passwordChangedAtMs !== undefined).map(userOf),
    async setPassword({ username }, change) {
      const password = await passwords.hash(change.password)
      await users.replace(username, (entry) => withPassword(entry, password, change))
      return 'set'
    },
    sources: [localId],
    keysFor: (username) => [localUserKey(username)]
  }
}

function userOf({ passwordHash: _, ...user }: LocalUser): User {
  return { ...user, directory: localId, userKey: localUserKey(user.username), canChangePassword: true }
}

/** An entry with another password. Sessions that go on are counted from where they were before. */
export function withPassword(entry: UserEntry, password: string, { atMs, endsSessions }: Pick<NewPassword, 'atMs' | 'endsSessions'>): UserEntry {
  const { mustChangePassword: _, sessionsValidFrom, passwordChangedAt, ...rest } = entry
  const now = Temporal.Instant.fromEpochMilliseconds(atMs).toString()
  const never = '1970-01-01T00:00:00Z'
  return { ...rest, password, passwordChangedAt: now, sessionsValidFrom: endsSessions ? now : (sessionsValidFrom ?? passwordChangedAt ?? never) }
}

/**
 * The people of a file. Looks at the file before each sign-in and reads it again when it changed; a change that can't
 * be read, or leaves nothing in the file, keeps the people known before and is told to `onProblem`.
 */
export async function openUserFile(path: string, onProblem: (error: unknown) => void): Promise<UserFile> {
  let state = await load(path)
  const current = async (): Promise<UserFileContent> => {
    try {
      const { mtimeMs, size, ino } = await stat(path)
      if (mtimeMs === state.mtimeMs && size === state.size && ino === state.ino) return state
      const changed = await load(path)
      // Somebody writes it just now, or had no room to.
      if (changed.mayStay === undefined && state.mayStay !== undefined) throw new CurfewError('CURFEW_CONFIG_USERS', { path, reason: 'empty' })
      state = changed
    } catch (error) {
      onProblem(error)
    }
    return state
  }
  return {
    find: async (username) => (await current()).users.get(canonicalName(username)),
    all: async () => [...(await current()).users.values()],
    mayStay: async () => (await current()).mayStay,
    replace: (username, change) => editUserFile(path, (users) => users.map((entry) => (isNamed(entry, username) ? change(entry) : entry)))
  }
}

interface UserFileState extends UserFileContent {
  readonly mtimeMs: number
  readonly size: number
  readonly ino: number
}

async function load(path: string): Promise<UserFileState> {
  const { mtimeMs, size, ino } = await stat(path)
  return { mtimeMs, size, ino, ...parseUserFile(await readFile(path, 'utf8'), path) }
}
