import type { SessionView } from '../../admin/schemas.ts'
import { confirm } from '../confirm.ts'
import { connect } from '../connect.ts'
import { type CommandContext, printJson } from '../context.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { listed, type ListPage, type PageOptions } from '../listed.ts'
import { clockText } from '../run-text.ts'
import { aligned, table } from '../table.ts'

export interface SessionsListOptions extends PageOptions {
  readonly user?: string
  readonly app?: string
  /** The authentication source. */
  readonly idp?: string
  readonly since?: number
  readonly all?: boolean
}

/** `curfew sessions list` */
export async function listSessions(context: CommandContext, options: SessionsListOptions): Promise<ExitCode> {
  const client = connect(context)
  const { user, app, idp, since } = options
  const query = { user, app, idp, sinceMs: since?.toString(), state: options.all === true ? undefined : 'live' }
  return listed(
    context,
    options,
    (page) => client.sessions({ ...query, ...page }),
    (page) => printSessions(context, options, page)
  )
}

function printSessions({ terminal }: CommandContext, options: SessionsListOptions, page: ListPage<SessionView>): void {
  const isNarrowed = options.app !== undefined || options.idp !== undefined || options.since !== undefined
  if (page.items.length === 0)
    terminal.note(isNarrowed ? 'There is no such session.' : options.user === undefined ? 'Nobody is signed in.' : `${options.user} is not signed in.`)
  else
    for (const line of table(
      [{ title: 'SESSION', charactersMax: 32 }, { title: 'USER' }, { title: 'STATE' }, { title: 'SINCE' }, { title: 'APPLICATIONS' }],
      page.items.map(row)
    ))
      terminal.out(line)
  if (page.nextCursor !== undefined) terminal.note(`More: curfew sessions list --cursor ${page.nextCursor}`)
}

function row(session: SessionView): readonly string[] {
  return [
    session.id,
    session.user,
    session.state,
    new Date(session.createdAtMs).toISOString().slice(0, 19).replace('T', ' '),
    session.applications.join(', ') || '-'
  ]
}

/** `curfew sessions show <id>` */
export async function showSession(context: CommandContext, id: string): Promise<ExitCode> {
  const session = await connect(context).session(id)
  if (printJson(context, session)) return exitCode.done
  const { terminal } = context
  const ended =
    session.end === undefined
      ? []
      : ([
          ['Ended', `${new Date(session.end.atMs).toISOString()} ${session.end.reason}, by ${session.end.by}`],
          ['Run', session.end.run]
        ] as const)
  for (const line of aligned([
    ['Session', session.id],
    ['User', session.user],
    ['State', session.state],
    ['Since', new Date(session.createdAtMs).toISOString()],
    ['Idle until', new Date(session.idleExpiresAtMs).toISOString()],
    ['From', session.address ?? 'unknown'],
    ['Browser', session.userAgent ?? 'unknown'],
    ...ended
  ])) {
    terminal.out(line)
  }
  const rows = session.participants.map((p) => [p.grant === undefined ? p.peer : `${p.peer} (offline grant)`, p.nameId, clockText(p.addedAtMs)])
  if (rows.length > 0) for (const line of table([{ title: 'APPLICATION' }, { title: 'KNOWN AS' }, { title: 'SINCE' }], rows)) terminal.out(`  ${line}`)
  return exitCode.done
}

/** `curfew sessions revoke <id>`: says first whose session it is and how many applications will be told. */
export async function revokeSession(
  context: CommandContext,
  id: string,
  options: { readonly endOffline?: boolean; readonly yes?: boolean }
): Promise<ExitCode> {
  const client = connect(context)
  const session = await client.session(id)
  const { length: count } = session.applications
  const what = `1 session of ${session.user} will end, and ${count} ${count === 1 ? 'application' : 'applications'} will be told.`
  if (session.end === undefined && !(await confirm(context, what, options.yes === true))) return exitCode.needsInput
  const result = await client.endSession(id, options.endOffline === true)
  if (printJson(context, result)) return exitCode.done
  const run = result.ended[0] ?? result.already[0]
  context.terminal.out(
    result.ended.length > 0 ? `The session has ended. Its applications are being told: ${run?.run ?? ''}` : `The session had ended already: ${run?.run ?? ''}`
  )
  return exitCode.done
}
