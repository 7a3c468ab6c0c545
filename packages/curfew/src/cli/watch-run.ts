import type { RunView } from '../admin/schemas.ts'
import type { AdminClient } from './client.ts'
import type { CommandContext } from './context.ts'
import { type ExitCode, exitCode } from './exit-code.ts'
import { summaryText } from './run-text.ts'
import { changeLines } from './watch-text.ts'

/** How long `--watch` stays when only the browser or a later retry can bring something new. */
const quietMsMax = 3_000

/** Prints every change of a run until it is done, or nothing more comes without the browser or a later retry. */
export async function watchRun(context: CommandContext, client: AdminClient, id: string): Promise<ExitCode> {
  const last = await follow(context, client, id)
  if (last === undefined) return exitCode.notFound
  if (context.options.json === true) context.terminal.out(JSON.stringify(last, null, 2))
  return exitCodeOf(last)
}

/** Watches runs of one logout, one after the other; they go on side by side. As JSON: one array of how they stood at last. */
export async function watchRuns(context: CommandContext, client: AdminClient, ids: readonly string[]): Promise<ExitCode> {
  const runs: RunView[] = []
  for (const id of ids) {
    if (runs.length > 0 && isText(context)) context.terminal.out('')
    const last = await follow(context, client, id)
    if (last !== undefined) runs.push(last)
  }
  if (context.options.json === true) context.terminal.out(JSON.stringify(runs, null, 2))
  return runs.every((run) => exitCodeOf(run) === exitCode.done) ? exitCode.done : exitCode.partial
}

function exitCodeOf(run: RunView): ExitCode {
  return run.verdict === 'all-ended' ? exitCode.done : exitCode.partial
}

function isText({ options }: CommandContext): boolean {
  return options.ndjson !== true && options.json !== true
}

async function follow(context: CommandContext, client: AdminClient, id: string): Promise<RunView | undefined> {
  const { terminal, options } = context
  const abort = new AbortController()
  let last: RunView | undefined
  let timer: NodeJS.Timeout | undefined
  for await (const run of client.watch(id, abort.signal)) {
    if (last === undefined && isText(context))
      terminal.out(`${terminal.style('bold', run.id)}  ${run.user}  started by ${run.startedBy.replace(/^admin /, '')}`)
    if (options.ndjson === true) terminal.out(JSON.stringify(run))
    else if (isText(context)) for (const line of changeLines(last, run, terminal)) terminal.out(line)
    last = run
    clearTimeout(timer)
    const isQuiet = run.deliveries.every((d) => d.state === 'final' || d.state === 'waiting-for-browser' || d.state === 'retrying')
    timer = isQuiet && run.state !== 'done' ? setTimeout(() => abort.abort(), quietMsMax) : undefined
  }
  clearTimeout(timer)
  if (last !== undefined && isText(context)) terminal.out(`${summaryText(last, terminal)}            npx curfew runs show ${last.id}`)
  return last
}
