import { open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { CurfewError } from '@curfew/codecs'
import { parse, stringify } from 'yaml'
import { canonicalName } from './user-directory.ts'

/** One person as the file has it. */
export interface UserEntry {
  readonly username: string
  readonly password: string
  readonly attributes?: Readonly<Record<string, string | readonly string[]>>
  readonly disabled?: boolean
  readonly mustChangePassword?: boolean
  readonly passwordChangedAt?: string
  readonly sessionsValidFrom?: string
}

/** A lock that somebody left behind is taken over after so long. */
const lockMsMax = 10_000
const lockPauseMs = 20

export function isNamed(entry: UserEntry, username: string): boolean {
  return canonicalName(entry.username) === canonicalName(username)
}

/** Names of people whose sessions go on though they are disabled or gone. */
export type KeptNames = readonly string[]

/** The names without one. */
export function withoutName(names: KeptNames, username: string): KeptNames {
  return names.filter((name) => canonicalName(name) !== canonicalName(username))
}

/**
 * Rewrites the file of local users: whole, in one step, one writer at a time, whichever process it is. Only the owner
 * may read it afterwards.
 * @param keep - the people whose sessions go on though they are disabled or gone; absent: as they are
 * @throws CURFEW_USERS_UNWRITABLE
 */
export async function editUserFile(
  path: string,
  change: (users: readonly UserEntry[]) => readonly UserEntry[],
  keep: (names: KeptNames) => KeptNames = (names) => names
): Promise<void> {
  const lock = `${path}.lock`
  const temporary = `${path}.new`
  try {
    await takeLock(lock)
    try {
      const known = parse(await readOrEmpty(path)) as { readonly users?: readonly UserEntry[]; readonly keepSessionsOf?: KeptNames } | null
      const kept = keep(known?.keepSessionsOf ?? [])
      const file = { users: change(known?.users ?? []), ...(kept.length === 0 ? {} : { keepSessionsOf: kept }) }
      const text = `# Local users. Change them with: curfew users add|password|disable|enable|remove\n${stringify(file)}`
      await writeFile(temporary, text, { mode: 0o600, flush: true })
      await rename(temporary, path)
    } finally {
      await rm(temporary, { force: true })
      await rm(lock, { force: true })
    }
  } catch (cause) {
    throw new CurfewError('CURFEW_USERS_UNWRITABLE', { path, why: cause instanceof Error ? cause.message : '' }, { cause })
  }
}

async function readOrEmpty(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isCode(error, 'ENOENT')) return 'users: []\n'
    throw error
  }
}

/** Waits for the lock; one that stays the same for so long was left behind by a writer that is gone. */
async function takeLock(lock: string): Promise<void> {
  let seen: number | undefined
  let seenMs = 0
  for (;;) {
    try {
      await (await open(lock, 'wx', 0o600)).close()
      return
    } catch (error) {
      if (!isCode(error, 'EEXIST')) throw error
      const held = (await stat(lock).catch(() => undefined))?.ino
      seenMs = held === seen ? seenMs + lockPauseMs : 0
      seen = held
      if (seenMs >= lockMsMax) await rm(lock, { force: true })
      else await pause(lockPauseMs)
    }
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code
}
