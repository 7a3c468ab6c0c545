import { CurfewError } from '@curfew/codecs'
import type { UserKey } from '../../core/ids.ts'
import type { Attributes } from '../../core/session.ts'
import type { Clock } from '../../platform/clock.ts'
import { betweenFilter, namedFilter } from '../../platform/ldap/filter.ts'
import type { LdapLink, Refused } from '../../platform/ldap/ldap-link.ts'
import type { LdapPool } from '../../platform/ldap/ldap-pool.ts'
import { readTime, type TimeSyntax, writeTime } from '../../platform/ldap/time-value.ts'
import type { Random } from '../../platform/random.ts'
import type { AuthorityLogger } from '../context.ts'
import { canonicalName, type NewPassword, type User, type UserDirectory } from './user-directory.ts'

/** What one directory is like. */
export interface LdapDirectorySettings {
  readonly id: string
  /** Below it people are looked for. */
  readonly base: string
  /** Who may sign in, such as `(objectClass=person)`. */
  readonly filter: string
  /** Attributes that hold the name that people type; the first is the user name. */
  readonly loginAttributes: readonly string[]
  /** Attribute of the directory: attribute of the user. */
  readonly attributes: Readonly<Record<string, string>>
  /** How a password is changed. */
  readonly passwordChange: 'none' | 'extendedOperation'
  /** Where the directory says when a password was changed; absent: it does not. */
  readonly changed?: { readonly attribute: string; readonly syntax: TimeSyntax; readonly everyMs: number; readonly lookBackMs: number }
  /** Where the directory says, by `TRUE`, that a new password is needed. */
  readonly mustChangeAttribute?: string
}

export interface LdapDirectoryDeps {
  readonly pool: LdapPool
  readonly clock: Clock
  readonly random: Pick<Random, 'bytes'>
  readonly logger: AuthorityLogger
}

/** Entries of one answer: fewer than the limits that directories have by default. */
const answerMax = 250
/** The clock of the directory may be ahead of ours. */
const aheadMs = 86_400_000
/** A round looks a little further back than the last one ended: clocks of directories stand in whole seconds. */
const overlapMs = 5_000

type Entry = Readonly<Record<string, unknown>> & { readonly dn: string }

/**
 * People of an LDAP directory: found by the service account, checked by binding as they themselves. Nothing of what
 * people type can change the question, and no reference to another server is followed.
 * @throws CURFEW_CONFIG_DIRECTORY when the filter can't be read
 */
export function createLdapDirectory(settings: LdapDirectorySettings, deps: LdapDirectoryDeps): UserDirectory {
  const { id, base, filter, loginAttributes } = settings
  const { pool } = deps
  const asked = askedAttributes(settings)
  requireFilter(settings)
  const ask = <T>(work: () => Promise<T>): Promise<T> => orUnavailable(id, work)

  const find = async (username: string): Promise<User | undefined> => {
    const name = username.trim()
    if (name === '') return undefined
    const search = { filter: namedFilter(filter, loginAttributes, name), attributes: asked, entriesMax: 2 }
    const entries = (await ask(() => pool.asService((link) => link.search(base, search)))) as readonly Entry[]
    if (entries.length > 1) {
      deps.logger.error({ event: 'users.ambiguous', directory: id }, 'A name leads to several people of the directory: none of them can sign in by it')
      return undefined
    }
    return entries[0] === undefined ? undefined : userOf(settings, entries[0])
  }
  return {
    find,
    async verify(user, password) {
      // Nobody's entry takes about as long, and gets nothing that somebody typed.
      const [dn, secret] = user?.entry === undefined ? [`cn=${randomText(deps)},${base}`, randomText(deps)] : [user.entry, password]
      const bound = await ask(() => pool.asUser((link) => link.bind(dn, secret)))
      return user?.entry === undefined ? false : bound
    },
    changed: createChanges(settings, deps),
    async setPassword(user, change) {
      const { entry } = user
      if (entry === undefined || settings.passwordChange === 'none')
        throw new CurfewError('CURFEW_USERS_UNWRITABLE', { directory: id, why: 'passwords are not changed here' })
      const result = await modifySurely(pool, entry, change, ask)
      if (result === 'unanswered') return result
      if (result === 'not-allowed') throw new CurfewError('CURFEW_USERS_UNWRITABLE', { directory: id, why: 'it does not allow the change' })
      return result
    },
    sources: [id],
    keysFor: (username) => [userKeyIn(id, username)]
  }
}

function requireFilter({ id, filter }: LdapDirectorySettings): void {
  try {
    namedFilter(filter, ['uid'], 'x')
  } catch (cause) {
    throw new CurfewError('CURFEW_CONFIG_DIRECTORY', { directory: id, filter, why: cause instanceof Error ? cause.message : '' }, { cause })
  }
}

function userKeyIn(id: string, username: string): UserKey {
  return `${id}:${canonicalName(username)}`
}

type Modified = 'set' | Refused

/** Changes a password. Where the answer to that was lost, the new password says whether it is set. */
async function modifySurely(pool: LdapPool, dn: string, change: NewPassword, ask: <T>(work: () => Promise<T>) => Promise<T>): Promise<Modified | 'unanswered'> {
  let tries = 0
  let isAsked = false
  const modify = async (link: LdapLink): Promise<Modified> => {
    const { current, password } = change
    tries += 1
    // Whoever knows the password changes it; in a reset the service account does.
    if (current !== undefined && !(await link.bind(dn, current))) return 'not-allowed'
    isAsked = true
    return link.modifyPassword(current === undefined ? { dn, password } : { current, password })
  }
  const hasNow = async (): Promise<boolean> => (await pool.asUser((link) => link.bind(dn, change.password))) !== false
  try {
    const result = await ask(() => (change.current === undefined ? pool.asService(modify) : pool.asUser(modify)))
    return result !== 'set' && isAsked && tries > 1 && (await hasNow()) ? 'set' : result
  } catch (error) {
    if (!isAsked) throw error
    return hasNow().then(
      (isSet) => (isSet ? 'set' : 'unanswered'),
      () => 'unanswered'
    )
  }
}

function userOf(settings: LdapDirectorySettings, entry: Entry): User | undefined {
  const { id, loginAttributes, attributes, changed, mustChangeAttribute, passwordChange } = settings
  const [username] = valuesOf(entry, loginAttributes[0] ?? '')
  if (username === undefined) return undefined
  const mapped: Attributes = Object.fromEntries(
    Object.entries(attributes).flatMap(([from, to]) => {
      const values = valuesOf(entry, from)
      return values.length === 0 ? [] : [[to, values]]
    })
  )
  const changedAtMs = changed === undefined ? undefined : readTime(changed.syntax, valuesOf(entry, changed.attribute)[0] ?? '')
  const mustChange = mustChangeAttribute !== undefined && valuesOf(entry, mustChangeAttribute)[0]?.toUpperCase() === 'TRUE'
  return {
    userKey: userKeyIn(id, username),
    username,
    directory: id,
    entry: entry.dn,
    attributes: mapped,
    isDisabled: false,
    canChangePassword: passwordChange !== 'none',
    ...(mustChange ? { mustChangePassword: true } : {}),
    ...(changedAtMs === undefined ? {} : { passwordChangedAtMs: changedAtMs })
  }
}

function askedAttributes({ loginAttributes, attributes, changed, mustChangeAttribute }: LdapDirectorySettings): readonly string[] {
  const more = [changed?.attribute, mustChangeAttribute].filter((name) => name !== undefined)
  return [...new Set([...loginAttributes.slice(0, 1), ...Object.keys(attributes), ...more])]
}

/** The readable values of an attribute, whatever the case of its name. */
function valuesOf(entry: Entry, attribute: string): readonly string[] {
  const key = Object.keys(entry).find((name) => name.toLowerCase() === attribute.toLowerCase())
  return [key === undefined ? [] : entry[key]].flat().filter((value): value is string => typeof value === 'string')
}

/**
 * People whose password was changed, whoever changed it, in the time that sessions live. The directory is asked for
 * what is new since the last round, as often as configured; while it does not answer, what is known stays.
 */
function createChanges(settings: LdapDirectorySettings, { pool, clock, logger }: LdapDirectoryDeps): () => Promise<readonly User[]> {
  const { id, base, filter, changed } = settings
  if (changed === undefined) return async () => []
  const { attribute, syntax, everyMs, lookBackMs } = changed
  const known = new Map<UserKey, User>()
  let askedAtMs = Number.NEGATIVE_INFINITY
  let sinceMs: number | undefined
  let isDown = false
  /** An answer that is full may be cut: then both halves of the time are asked for. */
  const between = async (fromMs: number, toMs: number): Promise<readonly Entry[]> => {
    const wanted = betweenFilter(filter, attribute, writeTime(syntax, fromMs), writeTime(syntax, toMs))
    const search = { filter: wanted, attributes: askedAttributes(settings), entriesMax: answerMax }
    const entries = (await pool.asService((link) => link.search(base, search))) as readonly Entry[]
    if (entries.length < answerMax) return entries
    if (toMs - fromMs < 1_000) {
      logger.warn({ event: 'users.many-changes', directory: id }, 'More passwords were changed in one second than the directory can be asked for')
      return entries
    }
    const middleMs = Math.floor((fromMs + toMs) / 2)
    return [...(await between(fromMs, middleMs)), ...(await between(middleMs, toMs))]
  }
  const round = async (nowMs: number): Promise<void> => {
    const since = sinceMs ?? nowMs - lookBackMs
    const found = (await between(since, nowMs + aheadMs)).map((entry) => userOf(settings, entry))
    for (const user of found) if (user?.passwordChangedAtMs !== undefined) known.set(user.userKey, user)
    sinceMs = Math.max(since, ...found.map((user) => (user?.passwordChangedAtMs ?? 0) - overlapMs))
    for (const [key, user] of known) if ((user.passwordChangedAtMs ?? 0) < nowMs - lookBackMs) known.delete(key)
  }
  return async () => {
    const nowMs = clock.nowMs()
    if (nowMs - askedAtMs < everyMs) return [...known.values()]
    askedAtMs = nowMs
    try {
      await round(nowMs)
      if (isDown) logger.info({ event: 'users.directory-up', directory: id }, `The directory ${id} answers again`)
      isDown = false
    } catch (error) {
      if (!isDown) logger.error({ event: 'users.directory-down', directory: id, err: error }, `The directory ${id} can not be asked for changed passwords`)
      isDown = true
    }
    return [...known.values()]
  }
}

async function orUnavailable<T>(directory: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw new CurfewError('CURFEW_USERS_UNAVAILABLE', { directory, why: cause instanceof Error ? cause.message : '' }, { cause })
  }
}

function randomText({ random }: Pick<LdapDirectoryDeps, 'random'>): string {
  return Buffer.from(random.bytes(16)).toString('hex')
}
