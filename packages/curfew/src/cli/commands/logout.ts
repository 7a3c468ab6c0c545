import type { DryRunView } from '../../admin/schemas.ts'
import { endInBatches } from '../bulk-logout.ts'
import { connect } from '../connect.ts'
import { type CommandContext, printJson } from '../context.ts'
import { confirm } from '../confirm.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { aligned } from '../table.ts'
import { watchBulk } from '../watch-bulk.ts'
import { watchRun, watchRuns } from '../watch-run.ts'

export interface LogoutOptions {
  readonly user?: string
  readonly all?: boolean
  readonly app?: string
  /** The authentication source. */
  readonly idp?: string
  readonly reason?: string
  readonly endOffline?: boolean
  readonly watch?: boolean
  readonly dryRun?: boolean
  readonly yes?: boolean
}

/** More sessions than this are asked about first. */
const askAbove = 1
/** More runs than this are not watched one by one. */
const oneByOneMax = 20

/** `curfew logout --user <name>`, `curfew logout --all --app <id> --dry-run` */
export async function logout(context: CommandContext, options: LogoutOptions): Promise<ExitCode> {
  const { terminal } = context
  if ((options.user === undefined) === (options.all !== true)) {
    terminal.error('Say whose sessions: --user <name>, or --all.')
    return exitCode.usage
  }
  const client = connect(context)
  const scope = {
    ...(options.user === undefined ? { all: true } : { user: options.user }),
    ...(options.app === undefined ? {} : { app: options.app }),
    ...(options.idp === undefined ? {} : { idp: options.idp })
  }
  const preview = (await client.logout({ ...scope, dryRun: true })) as DryRunView
  if (options.dryRun === true) return showPreview(context, preview)
  if (preview.sessions === 0 && preview.unreached === undefined) {
    terminal.error(nobody(options))
    return exitCode.notFound
  }
  const mustAsk = options.all === true || preview.sessions > askAbove
  if (mustAsk && !(await confirm(context, `${countOf(preview)} will end.`, options.yes === true))) return exitCode.needsInput
  const more = { ...(options.reason === undefined ? {} : { reason: options.reason }), ...(options.endOffline === true ? { endOfflineGrants: true } : {}) }
  const stop = new AbortController()
  const onStop = (): void => stop.abort()
  process.once('SIGINT', onStop)
  const body = { ...scope, ...more, beforeMs: preview.atMs + 1 }
  const { isStopped, ...result } = await endInBatches(context, client, body, { expected: preview.sessions, stop: stop.signal })
  process.removeListener('SIGINT', onStop)
  if (isStopped) terminal.error('Stopped. Sessions may be left; the same command ends them.')
  const isAll = sayUnreached(context, result.unreached) && !isStopped
  const [first, ...others] = result.ended
  if (options.watch === true && first !== undefined) {
    const runs = result.ended.map(({ run }) => run)
    const watched = await (others.length === 0
      ? watchRun(context, client, first.run)
      : runs.length > oneByOneMax
        ? watchBulk(context, client, runs, preview.atMs)
        : watchRuns(context, client, runs))
    return isAll || watched !== exitCode.done ? watched : exitCode.partial
  }
  const done = isAll ? exitCode.done : exitCode.partial
  if (printJson(context, result)) return done
  terminal.out(
    `${result.ended.length.toLocaleString('en')} ${result.ended.length === 1 ? 'session has' : 'sessions have'} ended. The applications are being told.`
  )
  for (const { run } of result.ended.slice(0, 10)) terminal.out(`  npx curfew runs show ${run}`)
  return done
}

function nobody({ user, app, idp }: LogoutOptions): string {
  if (app !== undefined || idp !== undefined) return 'There is no such session.'
  return user === undefined ? 'Nobody is signed in.' : `${user} is not signed in.`
}

/** Says which groups may have more sessions; returns whether there is none. */
function sayUnreached({ terminal }: CommandContext, groups: readonly string[] = []): boolean {
  for (const group of groups) terminal.error(`Group ${group} does not answer: sessions there go on. Run this again when it does.`)
  return groups.length === 0
}

/** `1 session of 1 user`. */
function countOf({ sessions, users }: DryRunView): string {
  return `${sessions.toLocaleString('en')} ${sessions === 1 ? 'session' : 'sessions'} of ${users.toLocaleString('en')} ${users === 1 ? 'user' : 'users'}`
}

function showPreview(context: CommandContext, preview: DryRunView): ExitCode {
  const done = sayUnreached(context, preview.unreached) ? exitCode.done : exitCode.partial
  if (printJson(context, preview)) return done
  const { terminal } = context
  terminal.out(`Would end ${countOf(preview)}. Nothing was done.`)
  const applications = Object.entries(preview.applications).toSorted(([a], [b]) => a.localeCompare(b))
  for (const line of aligned(applications.map(([app, count]) => [app, `${count.toLocaleString('en')} would be told`]))) terminal.out(line)
  return done
}
