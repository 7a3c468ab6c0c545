import { readFile, stat } from 'node:fs/promises'
import { CurfewError } from '@curfew/codecs'
import { parse } from 'yaml'
import { z } from 'zod'
import type { Attributes } from '../../core/session.ts'

/** One person of the local users file. */
export interface LocalUser {
  /** As written in the file; sign-in ignores case. */
  readonly username: string
  /** Argon2id in PHC string form. */
  readonly passwordHash: string
  readonly attributes: Attributes
  readonly isDisabled: boolean
  /** When the password was last changed or reset; absent: never since it was given. */
  readonly passwordChangedAtMs?: number
}

/** Where the sign-in form looks people up. */
export interface UserDirectory {
  find(username: string): Promise<LocalUser | undefined>
  /** People whose password was changed or reset, as the source knows them now. */
  changed(): Promise<readonly LocalUser[]>
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
      passwordChangedAt: z.iso.datetime().optional()
    })
  )
})

/**
 * Reads a users file.
 * @throws CURFEW_CONFIG_USERS when the text has another shape or names a person twice
 */
export function parseUsers(text: string, path: string): ReadonlyMap<string, LocalUser> {
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
  for (const { username, password, attributes, disabled, passwordChangedAt } of read.data.users) {
    const key = canonicalName(username)
    if (users.has(key)) throw new CurfewError('CURFEW_CONFIG_USERS', { path, username, reason: 'named twice' })
    const changed = passwordChangedAt === undefined ? {} : { passwordChangedAtMs: Temporal.Instant.from(passwordChangedAt).epochMilliseconds }
    users.set(key, { username, passwordHash: password, attributes, isDisabled: disabled, ...changed })
  }
  return users
}

/** The form of a user name that look-ups, locking and the user key use. */
export function canonicalName(username: string): string {
  return username.trim().normalize('NFC').toLowerCase()
}

/**
 * The people of a file. Looks at the file before each sign-in and reads it again when it changed; a change that can't
 * be read keeps the people known before and is told to `onProblem`.
 */
export async function openUserFile(path: string, onProblem: (error: unknown) => void): Promise<UserDirectory> {
  let state = await load(path)
  const current = async (): Promise<ReadonlyMap<string, LocalUser>> => {
    try {
      const { mtimeMs, size } = await stat(path)
      if (mtimeMs !== state.mtimeMs || size !== state.size) state = await load(path)
    } catch (error) {
      onProblem(error)
    }
    return state.users
  }
  return {
    find: async (username) => (await current()).get(canonicalName(username)),
    changed: async () => [...(await current()).values()].filter(({ passwordChangedAtMs }) => passwordChangedAtMs !== undefined)
  }
}

interface UserFileState {
  readonly mtimeMs: number
  readonly size: number
  readonly users: ReadonlyMap<string, LocalUser>
}

async function load(path: string): Promise<UserFileState> {
  const { mtimeMs, size } = await stat(path)
  return { mtimeMs, size, users: parseUsers(await readFile(path, 'utf8'), path) }
}
