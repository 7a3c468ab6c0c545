import { writeFileSync } from 'node:fs'
import type { RunView } from '../../admin/schemas.ts'
import { systemClock } from '../../platform/clock.ts'
import { connect } from '../connect.ts'
import { type CommandContext, printJson } from '../context.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { listed, type ListPage, type PageOptions } from '../listed.ts'
import { lastInstantOf, readRunFile } from '../run-file.ts'
import { runText, standing, summaryText, whyText } from '../run-text.ts'
import { table } from '../table.ts'
import { watchRun } from '../watch-run.ts'

export interface RunsListOptions extends PageOptions {
  readonly user?: string
  readonly app?: string
  readonly open?: boolean
  readonly since?: number
}

/** `curfew runs list` */
export async function listRuns(context: CommandContext, options: RunsListOptions): Promise<ExitCode> {
  const client = connect(context)
  const query = { user: options.user, app: options.app, state: options.open === true ? 'open' : undefined, sinceMs: options.since?.toString() }
  return listed(
    context,
    options,
    (page) => client.runs({ ...query, ...page }),
    (page) => printRuns(context, page)
  )
}

function printRuns({ terminal }: CommandContext, page: ListPage<RunView>): void {
  const rows = page.items.map((run) => [
    run.id,
    run.user,
    run.reason,
    new Date(run.startedAtMs).toISOString().slice(0, 19).replace('T', ' '),
    run.verdict,
    `${standing(run).filter((d) => d.outcome === 'ended' || d.outcome === 'already-ended').length} of ${standing(run).length}`
  ])
  if (rows.length === 0) terminal.note('No runs yet. Start one: curfew logout --user <name>')
  else
    for (const line of table(
      [{ title: 'RUN' }, { title: 'USER' }, { title: 'REASON' }, { title: 'STARTED' }, { title: 'VERDICT' }, { title: 'CONFIRMED' }],
      rows
    ))
      terminal.out(line)
  if (page.nextCursor !== undefined) terminal.note(`More: curfew runs list --cursor ${page.nextCursor}`)
}

/** `curfew runs show <id> [--why]` */
export async function showRun(context: CommandContext, id: string, options: { readonly why?: boolean }): Promise<ExitCode> {
  const run = await connect(context).run(id)
  if (printJson(context, run)) return exitCode.done
  const { terminal } = context
  for (const line of options.why === true ? whyText(run, terminal) : runText(run, terminal, systemClock.nowMs())) terminal.out(line)
  if (options.why !== true && run.verdict !== 'all-ended') terminal.note(`Why: curfew runs show ${run.id} --why`)
  return exitCode.done
}

/** `curfew runs open <file> [--why]`: what `show` prints, of a run that was exported; no server is asked. */
export function openRun(context: CommandContext, path: string, options: { readonly why?: boolean }): ExitCode {
  const run = readRunFile(path)
  if (printJson(context, run)) return exitCode.done
  const { terminal } = context
  for (const line of options.why === true ? whyText(run, terminal) : runText(run, terminal, lastInstantOf(run))) terminal.out(line)
  if (options.why !== true && run.verdict !== 'all-ended') terminal.note(`Why: curfew runs open ${path} --why`)
  return exitCode.done
}

/** `curfew runs watch <id>` */
export async function watchOne(context: CommandContext, id: string): Promise<ExitCode> {
  return watchRun(context, connect(context), id)
}

/** `curfew runs retry <run> [delivery]`: one delivery, or all that were not confirmed. */
export async function retryRun(context: CommandContext, id: string, deliveryId: string | undefined): Promise<ExitCode> {
  const client = connect(context)
  const run = await client.run(id)
  const failed = standing(run).filter((d) => d.state === 'final' && d.channels.length > 0 && d.outcome !== 'ended' && d.outcome !== 'already-ended')
  const chosen = deliveryId === undefined ? failed.map((d) => d.id) : [deliveryId]
  if (chosen.length === 0) {
    context.terminal.note('Nothing to repeat: every application confirmed, or is still being asked.')
    return exitCode.done
  }
  let latest = run
  for (const delivery of chosen) latest = await client.retry(id, delivery)
  if (!printJson(context, latest)) context.terminal.out(summaryText(latest, context.terminal))
  return exitCode.done
}

/** `curfew runs export <id> [--receipt] [--out file]` */
export async function exportRun(context: CommandContext, id: string, options: { readonly receipt?: boolean; readonly out?: string }): Promise<ExitCode> {
  const client = connect(context)
  const text = options.receipt === true ? await client.receipt(id) : JSON.stringify(await client.run(id), null, 2)
  if (options.out === undefined) context.terminal.out(text)
  else {
    writeFileSync(options.out, `${text}\n`, { mode: 0o600 })
    context.terminal.note(`Written: ${options.out}`)
  }
  return exitCode.done
}
