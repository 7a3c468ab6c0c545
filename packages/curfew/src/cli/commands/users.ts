import { existsSync, readFileSync } from 'node:fs'
import { CurfewError } from '@curfew/codecs'
import type { AccountLinkView } from '../../admin/schemas.ts'
import { canonicalName } from '../../authority/sign-on/user-directory.ts'
import { editUserFile, isNamed, withoutName } from '../../authority/sign-on/user-file.ts'
import { parseUsers, withPassword } from '../../authority/sign-on/users.ts'
import { requireConfig } from '../../config/load.ts'
import { systemClock } from '../../platform/clock.ts'
import { hashPassword } from '../../platform/password.ts'
import { systemRandom } from '../../platform/random.ts'
import { confirm } from '../confirm.ts'
import { connect } from '../connect.ts'
import { type CommandContext, configPath, printJson } from '../context.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { table } from '../table.ts'

export interface UserAddOptions {
  readonly password?: string
  readonly passwordStdin?: boolean
  readonly attribute?: readonly string[]
  readonly mustChange?: boolean
}

/** `curfew users list` */
export async function listUsers(context: CommandContext): Promise<ExitCode> {
  const file = usersFile(context)
  const users = [...parseUsers(readUsers(file), file).values()]
  if (
    printJson(
      context,
      users.map(({ passwordHash: _, ...user }) => user)
    )
  )
    return exitCode.done
  if (users.length === 0) context.terminal.note('No users yet. Add one: curfew users add <name>')
  const rows = users.map((user) => [
    user.username,
    user.isDisabled ? 'disabled' : 'enabled',
    Object.entries(user.attributes)
      .map(([name, values]) => `${name}=${values.join('|')}`)
      .join(' ')
  ])
  if (rows.length > 0)
    for (const line of table([{ title: 'USER' }, { title: 'STATE' }, { title: 'ATTRIBUTES', charactersMax: 80 }], rows)) context.terminal.out(line)
  return exitCode.done
}

/** `curfew users add <name>`: the password comes from a prompt or from standard input, never from the history. */
export async function addUser(context: CommandContext, username: string, options: UserAddOptions): Promise<ExitCode> {
  const file = usersFile(context)
  if (parseUsers(readUsers(file), file).has(canonicalName(username))) {
    context.terminal.error(`${username} is there already. Change the password with: curfew users password ${username}`)
    return exitCode.failed
  }
  const password = await askPassword(context, options)
  if (password === undefined) return exitCode.needsInput
  const attributes = Object.fromEntries((options.attribute ?? []).map(attributeOf))
  const entry = {
    username,
    password: await hashPassword(password, systemRandom),
    ...(Object.keys(attributes).length === 0 ? {} : { attributes }),
    ...demand(options)
  }
  // Whoever had the name before is somebody else.
  await editUserFile(
    file,
    (users) => [...users, entry],
    (names) => withoutName(names, username)
  )
  context.terminal.out(`${username} can sign in now.`)
  return exitCode.done
}

/** `curfew users password <name>` */
export async function changePassword(context: CommandContext, username: string, options: UserAddOptions): Promise<ExitCode> {
  const file = usersFile(context)
  if (!parseUsers(readUsers(file), file).has(canonicalName(username))) return unknownUser(context, username)
  const password = await askPassword(context, options)
  if (password === undefined) return exitCode.needsInput
  const hash = await hashPassword(password, systemRandom)
  const change = { atMs: systemClock.nowMs() - (await clockAheadMs(context)), endsSessions: true }
  await editUserFile(file, (users) => users.map((user) => (isNamed(user, username) ? { ...withPassword(user, hash, change), ...demand(options) } : user)))
  context.terminal.out(`The password of ${username} is changed. Sessions opened with the old one end, unless signOn.passwordChangeEndsSessions is false.`)
  return exitCode.done
}

/** Sessions are dated by the time of a store that nodes share, and so is what ends them; 0 where no server runs to say it. */
async function clockAheadMs(context: CommandContext): Promise<number> {
  try {
    return (await connect(context).health()).store.clockAheadMs ?? 0
  } catch {
    return 0
  }
}

/** `curfew users reset <name>`: a link for one person and one use; whoever has it chooses the new password. */
export async function resetPassword(context: CommandContext, username: string): Promise<ExitCode> {
  const reset = await connect(context).resetPassword(username)
  if (printJson(context, reset)) return exitCode.done
  context.terminal.out(reset.url)
  const until = new Date(reset.untilMs).toISOString().replace(/:\d\d\.\d{3}Z$/, 'Z')
  context.terminal.note(`Give this link to ${reset.user} and to nobody else. It is good once, until ${until}, and while the password stays as it is.`)
  return exitCode.done
}

/** `curfew users links <name>`: the accounts elsewhere that belong to this one. */
export async function listAccountLinks(context: CommandContext, username: string): Promise<ExitCode> {
  const links = await connect(context).accountLinks(username)
  if (printJson(context, links)) return exitCode.done
  if (links.length === 0) context.terminal.note(`No account elsewhere is linked to ${username}.`)
  const rows = links.map(({ id, provider, role, providerUser, linkedAtMs }) => [
    provider,
    role === 'upstream' ? 'opens this account' : 'is opened by it',
    providerUser,
    new Date(linkedAtMs).toISOString().slice(0, 10),
    id
  ])
  const columns = [{ title: 'WHERE' }, { title: 'HOW' }, { title: 'USER THERE', charactersMax: 60 }, { title: 'SINCE' }, { title: 'LINK' }]
  if (rows.length > 0) for (const line of table(columns, rows)) context.terminal.out(line)
  return exitCode.done
}

/** `curfew users unlink <name> [link]`: one of them, or all. */
export async function unlinkAccount(
  context: CommandContext,
  username: string,
  link: string | undefined,
  options: { readonly yes?: boolean }
): Promise<ExitCode> {
  const client = connect(context)
  const wanted = (await client.accountLinks(username)).filter(({ id }) => link === undefined || id === link)
  if (wanted.length === 0) {
    context.terminal.error(`There is no such link. The list: curfew users links ${username}`)
    return exitCode.notFound
  }
  const names = namesOf(wanted)
  if (!(await confirm(context, `The link of ${username} to ${names} is gone then.`, options.yes === true))) return exitCode.needsInput
  for (const { id } of wanted) await client.removeAccountLink(username, id)
  context.terminal.out(`Unlinked: ${names}. Sessions go on until they end: curfew logout --user ${username}`)
  return exitCode.done
}

export function namesOf(links: readonly AccountLinkView[]): string {
  return links.map(({ provider, providerUser }) => `${providerUser} at ${provider}`).join(', ')
}

function demand({ mustChange }: UserAddOptions): { readonly mustChangePassword?: true } {
  return mustChange === true ? { mustChangePassword: true } : {}
}

export function unknownUser({ terminal }: CommandContext, username: string): ExitCode {
  terminal.error(`There is no user ${username}. The list: curfew users list`)
  return exitCode.notFound
}

export function usersFile(context: CommandContext): string {
  const { config, file } = requireConfig(configPath(context), { environment: context.environment })
  if (config.signOn.users === undefined) throw new CurfewError('CURFEW_CONFIG_USERS', { path: file, reason: 'signOn.users names no file' })
  return config.signOn.users
}

export function readUsers(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : 'users: []\n'
}

function attributeOf(text: string): readonly [string, string] {
  const at = text.indexOf('=')
  if (at < 1) throw new CurfewError('CURFEW_CONFIG_USERS', { why: `${text} is not name=value` })
  return [text.slice(0, at), text.slice(at + 1)]
}

async function askPassword({ terminal }: CommandContext, options: UserAddOptions): Promise<string | undefined> {
  if (options.passwordStdin === true) {
    let text = ''
    for await (const chunk of process.stdin.setEncoding('utf8') as AsyncIterable<string>) text += chunk
    const password = text.replace(/\r?\n$/, '')
    if (password !== '') return password
    terminal.error('Standard input holds no password; an empty one would let anybody in. Nothing was changed.')
    return undefined
  }
  if (!terminal.isInteractive) {
    terminal.error('A password is needed. Give it on standard input with --password-stdin.')
    return undefined
  }
  const { password: ask, isCancel } = await import('@clack/prompts')
  const answer = await ask({ message: 'Password', validate: (value) => ((value ?? '').length < 1 ? 'Write a password.' : undefined) })
  return isCancel(answer) ? undefined : answer
}
