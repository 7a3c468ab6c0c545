import type { UserKey } from '../../core/ids.ts'
import type { AuthorityContext } from '../context.ts'
import { sessionsValidFrom, type User } from './user-directory.ts'

/**
 * What is remembered of the last change of a password that was made here. A directory tells when a password was
 * changed, by its own clock, and nothing of what the person wanted for the other sessions.
 */
export interface PasswordNote {
  /** By our clock. */
  readonly atMs: number
  /** Sessions that were opened before end. */
  readonly validFromMs: number
  /** The same, and what the directory said of the time, before the change. */
  readonly before: { readonly validFromMs: number; readonly changedAtMs?: number }
  /** What the directory says of the time since; absent: not seen yet. */
  readonly changedAtMs?: number
}

export type PasswordNoteDeps = Pick<AuthorityContext, 'store' | 'clock'>

/** A change that is about to be made. */
export interface NotedChange {
  /** Nothing came of it: what was known before counts again. */
  withdraw(): Promise<void>
  /** Takes what the directory says of the user since. */
  settle(user: User): Promise<void>
}

const kind = 'PasswordNote'
/** Longer than any session lasts that has an end. */
const keptMs = 1_100 * 86_400_000
/**
 * A time that was not read right after the change counts as that of the change, should it lie no farther from it than this.
 * Whoever else resets the password meanwhile is taken for the person, so it is as short as clocks of two servers allow.
 */
const apartMsMax = 120_000
/** Directories write whole seconds. */
const stepMs = 1_000

/**
 * Remembers a change before it is made: who looks for changed passwords meanwhile, at whichever node, takes it for what it is.
 * @param endsSessions - those that were opened before `atMs` are to end; else each counts from where it did
 */
export async function noteChange(deps: PasswordNoteDeps, user: User, { atMs, endsSessions }: NoteWish): Promise<NotedChange> {
  const { userKey, passwordChangedAtMs } = user
  const former = await noteOf(deps, userKey)
  const validFromMs = await validFrom(deps, user)
  const before = { validFromMs, ...(passwordChangedAtMs === undefined ? {} : { changedAtMs: passwordChangedAtMs }) }
  const withdraw = async (): Promise<void> => {
    // Not dropped: another group that heard of the drop would take no later note of this user.
    if (former === undefined) await deps.store.putArtifact({ kind, id: userKey, untilMs: atMs + keptMs, value: null }, { isEnding: true })
    else await put(deps, userKey, former)
  }
  try {
    await put(deps, userKey, { atMs, validFromMs: endsSessions ? atMs : validFromMs, before })
  } catch (error) {
    // A store may say no and have it all the same. What it says of the withdrawal is no better known.
    await withdraw().catch(() => undefined)
    throw error
  }
  return {
    withdraw,
    async settle({ passwordChangedAtMs: changedAtMs }) {
      const note = await noteOf(deps, userKey)
      if (note?.atMs !== atMs || changedAtMs === undefined) return
      if (changedAtMs !== before.changedAtMs || isSince(changedAtMs, atMs)) await put(deps, userKey, { ...note, changedAtMs })
    }
  }
}

/** Of two changes in one second a directory says the same. */
function isSince(changedAtMs: number, atMs: number): boolean {
  return changedAtMs >= atMs - (atMs % stepMs)
}

export interface NoteWish {
  readonly atMs: number
  readonly endsSessions: boolean
}

/** Since when the sessions of somebody count: as the person, or we, wanted it at the last change, where that was made here. */
export async function validFrom(deps: PasswordNoteDeps, user: User): Promise<number> {
  const saidMs = sessionsValidFrom(user)
  const note = user.sessionsValidFromMs === undefined ? await noteOf(deps, user.userKey) : undefined
  if (note === undefined) return saidMs
  const { passwordChangedAtMs: changedAtMs } = user
  if (changedAtMs === note.changedAtMs && changedAtMs !== undefined) return note.validFromMs
  // A copy of the directory may be behind, and one that tells no time tells nothing new.
  if (changedAtMs === note.before.changedAtMs) {
    const isSameSecond = note.changedAtMs === undefined && changedAtMs !== undefined && isSince(changedAtMs, note.atMs)
    return isSameSecond ? note.validFromMs : note.before.validFromMs
  }
  if (changedAtMs === undefined || note.changedAtMs !== undefined || Math.abs(changedAtMs - note.atMs) > apartMsMax) return saidMs
  await put(deps, user.userKey, { ...note, changedAtMs })
  return note.validFromMs
}

/** The last change that was made here; undefined: nothing is remembered. */
export async function noteOf({ store, clock }: PasswordNoteDeps, userKey: UserKey): Promise<PasswordNote | undefined> {
  const found = (await store.getArtifact(kind, userKey, clock.nowMs()))?.value as PasswordNote | null | undefined
  return found ?? undefined
}

/** By a note sessions end; taken back it is as safe, or it would come again. */
async function put({ store }: PasswordNoteDeps, userKey: UserKey, note: PasswordNote): Promise<void> {
  await store.putArtifact({ kind, id: userKey, untilMs: note.atMs + keptMs, value: note }, { isEnding: true })
}
