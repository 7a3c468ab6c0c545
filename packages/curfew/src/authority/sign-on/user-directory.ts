import type { UserKey } from '../../core/ids.ts'
import type { Attributes } from '../../core/session.ts'
import type { RefusedPassword } from '../../platform/ldap/ldap-link.ts'

/** Somebody who may sign in at the form. */
export interface User {
  /** The name of this person over all sessions: where the person is known, and by which name. */
  readonly userKey: UserKey
  /** As the directory writes it; sign-in ignores case. */
  readonly username: string
  /** Which directory knows this person. */
  readonly directory: string
  /** What that directory itself calls the person, where it is something else (LDAP: the distinguished name). */
  readonly entry?: string
  readonly attributes: Attributes
  readonly isDisabled: boolean
  /** The directory takes a new password from here. */
  readonly canChangePassword: boolean
  /** Before the next sign-in a new password has to be chosen. */
  readonly mustChangePassword?: boolean
  /** When the password was last changed or reset; absent: never since it was given, or the directory does not say. */
  readonly passwordChangedAtMs?: number
  /** Sessions that were opened before end; absent: the same as {@link passwordChangedAtMs}. */
  readonly sessionsValidFromMs?: number
}

/** A password that takes the place of another. */
export interface NewPassword {
  readonly password: string
  /** The one before, where the person knows it; absent in a reset. */
  readonly current?: string
  readonly atMs: number
  /** Sessions that were opened before end. */
  readonly endsSessions: boolean
}

/** Where the sign-in form looks people up, and who knows their passwords. */
export interface UserDirectory {
  /** @throws CURFEW_USERS_UNAVAILABLE when the directory does not answer */
  find(username: string): Promise<User | undefined>
  /**
   * Whether this is the password of that user. Takes about as long for nobody. `must-change`: it is, and the directory
   * wants another one first. `in-grace`: it is past its time, and lets them in a few times more.
   * @throws CURFEW_USERS_UNAVAILABLE when the directory does not answer
   */
  verify(user: User | undefined, password: string): Promise<boolean | 'must-change' | 'in-grace'>
  /** People whose password was changed or reset, as the directory knows them now. */
  changed(): Promise<readonly User[]>
  /**
   * Puts a new password in the place of the former one, unless a rule of the directory is against it. `unanswered`: it
   * was asked, and went away before it said whether it did so.
   * @throws CURFEW_USERS_UNAVAILABLE when the directory could not be asked, CURFEW_USERS_UNWRITABLE when it takes no changes
   */
  setPassword(user: User, change: NewPassword): Promise<'set' | 'unanswered' | RefusedPassword>
  /** What keys of people here begin with, before the colon. */
  readonly sources: readonly string[]
  /** Under which keys sessions of this name may be found. */
  keysFor(username: string): readonly UserKey[]
}

/** The form of a user name that look-ups, locking and the user key use. */
export function canonicalName(username: string): string {
  return username.trim().normalize('NFC').toLowerCase()
}

/** Since when the sessions of somebody count. */
export function sessionsValidFrom({ sessionsValidFromMs, passwordChangedAtMs }: User): number {
  return sessionsValidFromMs ?? passwordChangedAtMs ?? 0
}
