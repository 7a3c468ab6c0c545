import { isCurfewError } from '@curfew/codecs'
import type { DryRunView } from '../../admin/schemas.ts'
import { hashedKey } from '../../authority/sign-on/hashed-keys.ts'
import { canonicalName } from '../../authority/sign-on/user-directory.ts'
import { editUserFile, isNamed, type UserEntry, withoutName } from '../../authority/sign-on/user-file.ts'
import { type LocalUser, localUserKey, parseUsers } from '../../authority/sign-on/users.ts'
import { ApiProblem } from '../api-problem.ts'
import { endInBatches } from '../bulk-logout.ts'
import type { AdminClient } from '../client.ts'
import { confirm } from '../confirm.ts'
import { connect } from '../connect.ts'
import type { CommandContext } from '../context.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { namesOf, readUsers, unknownUser, usersFile } from './users.ts'

export interface BarOptions {
  readonly yes?: boolean
  /** Sessions go on until they end by themselves. */
  readonly keepSessions?: boolean
}

/** `curfew users disable <name>`: who it is stays in the file, and nobody signs in with it. */
export async function disableUser(context: CommandContext, username: string, options: BarOptions): Promise<ExitCode> {
  const change = (users: readonly UserEntry[]): readonly UserEntry[] => users.map((user) => (isNamed(user, username) ? { ...user, disabled: true } : user))
  return bar(context, username, options, { change, done: 'is disabled' })
}

/** `curfew users remove <name>` */
export async function removeUser(context: CommandContext, username: string, options: BarOptions): Promise<ExitCode> {
  const change = (users: readonly UserEntry[]): readonly UserEntry[] => users.filter((user) => !isNamed(user, username))
  const barred = await bar(context, username, options, { change, done: 'is removed' })
  if (barred === exitCode.notFound || barred === exitCode.needsInput) return barred
  return (await removeLinksOf(context, username)) ? barred : exitCode.partial
}

/** `curfew users enable <name>` */
export async function enableUser(context: CommandContext, username: string): Promise<ExitCode> {
  const file = usersFile(context)
  if (!parseUsers(readUsers(file), file).has(canonicalName(username))) return unknownUser(context, username)
  const enabled = ({ disabled: _, ...entry }: UserEntry): UserEntry => entry
  await editUserFile(
    file,
    (users) => users.map((user) => (isNamed(user, username) ? enabled(user) : user)),
    (names) => withoutName(names, username)
  )
  context.terminal.out(`${username} can sign in again.`)
  return exitCode.done
}

interface Barring {
  readonly change: (users: readonly UserEntry[]) => readonly UserEntry[]
  /** What is said of the user afterwards. */
  readonly done: string
}

/** Nobody signs in with this name from here on; then the sessions end, unless they are to go on. */
async function bar(context: CommandContext, username: string, { yes, keepSessions }: BarOptions, { change, done }: Barring): Promise<ExitCode> {
  const file = usersFile(context)
  const user = parseUsers(readUsers(file), file).get(canonicalName(username))
  if (user === undefined) return unknownUser(context, username)
  const isKeeping = keepSessions === true
  const counted = isKeeping ? undefined : await asked(() => previewOf(connect(context), user))
  const sessions = counted !== undefined && 'answer' in counted ? counted.answer.sessions : 0
  const text = `${username} will not be able to sign in any more${sessions === 0 ? '' : `, and ${countOf(sessions)} will end`}.`
  if (!(await confirm(context, text, yes === true))) return exitCode.needsInput
  await editUserFile(file, change, (names) => [...withoutName(names, username), ...(isKeeping ? [canonicalName(username)] : [])])
  context.terminal.out(`${username} ${done}.`)
  if (!isKeeping) return endSessionsOf(context, user)
  context.terminal.out(`Sessions go on until they end: curfew logout --user ${username}`)
  return exitCode.done
}

function previewOf(client: AdminClient, { username }: LocalUser): Promise<DryRunView> {
  return client.logout({ user: username, userKeys: keysOf(username), dryRun: true }) as Promise<DryRunView>
}

/** As an administrator's logout of the local user. A server that can't be asked does it by itself when it reads the file. */
async function endSessionsOf(context: CommandContext, { username }: LocalUser): Promise<ExitCode> {
  const { terminal } = context
  const result = await asked(() => {
    const client = connect(context)
    const body = { user: username, userKeys: keysOf(username), endOfflineGrants: true, reason: 'users file' }
    return endInBatches(context, client, body, { expected: 1, stop: new AbortController().signal })
  })
  if ('why' in result) {
    terminal.error(`${result.why}: sessions of ${username} end when a server that uses this file reads it.`)
    return exitCode.done
  }
  const { ended, unreached = [] } = result.answer
  if (ended.length > 0) terminal.out(`${countOf(ended.length)} ended. The applications are being told.`)
  for (const { run } of ended.slice(0, 10)) terminal.out(`  npx curfew runs show ${run}`)
  for (const group of unreached) terminal.error(`Group ${group} does not answer: sessions there end when it does.`)
  return exitCode.done
}

/** Of the local user alone. Sessions from before `sessions.hashUserKeys` was switched have the other key. */
function keysOf(username: string): string[] {
  const key = localUserKey(username)
  return [key, hashedKey(key)]
}

function countOf(sessions: number): string {
  return `${sessions.toLocaleString('en')} ${sessions === 1 ? 'session' : 'sessions'}`
}

/**
 * Whoever gets the name later must not get the accounts elsewhere. The server keeps them, so it has to run and to
 * permit it; returns whether they are gone.
 */
async function removeLinksOf(context: CommandContext, username: string): Promise<boolean> {
  const result = await asked(async () => {
    const client = connect(context)
    const links = await client.accountLinks(username)
    for (const { id } of links) await client.removeAccountLink(username, id)
    return links
  })
  if ('why' in result) {
    context.terminal.error(
      `${result.why}: accounts elsewhere stay linked to the name, for whoever gets it next. Finish it with: curfew users unlink ${username}`
    )
    return false
  }
  if (result.answer.length > 0) context.terminal.out(`Unlinked: ${namesOf(result.answer)}.`)
  return true
}

/** What the server answered, or why it did not. */
async function asked<T>(ask: () => Promise<T>): Promise<{ readonly answer: T } | { readonly why: string }> {
  try {
    return { answer: await ask() }
  } catch (error) {
    if (error instanceof ApiProblem) return { why: `The server refused (${error.problem.code})` }
    if (isCurfewError(error)) return { why: `The server could not be asked (${error.code})` }
    throw error
  }
}
