import type { DeliveryView, RunView } from '../admin/schemas.ts'
import type { AdminClient } from './client.ts'
import type { CommandContext } from './context.ts'
import { type ExitCode, exitCode } from './exit-code.ts'
import { createProgress } from './progress.ts'
import { isConfirmed, peerText, standing } from './run-text.ts'
import { table } from './table.ts'

/** Between two looks at the runs that still have an application to ask. */
const lookMs = 1_000
/** Looks after the last one that brought news: what is left then hangs, and is tried again without us. */
const quietLooksMax = 10
const pageSize = 500

const columns = ['confirmed', 'needs the browser', 'trying again', 'not confirmed'] as const
type Column = (typeof columns)[number]

/** What became of the runs of a bulk logout, application by application. */
export interface BulkTally {
  readonly runs: number
  readonly complete: number
  readonly applications: Readonly<Record<string, Readonly<Record<Column, number>>>>
}

/**
 * Waits until the applications of all these runs were asked, shows how far it is, and prints what came of it. Runs that
 * wait for a browser or try again go on without this command.
 * @param sinceMs - no run is older
 */
export async function watchBulk(
  context: CommandContext,
  client: Pick<AdminClient, 'runs' | 'run'>,
  ids: readonly string[],
  sinceMs: number
): Promise<ExitCode> {
  const progress = createProgress(context.terminal)
  const runs = new Map<string, RunView>()
  const open = new Set(ids)
  const take = (run: RunView): void => {
    if (!open.has(run.id)) return
    runs.set(run.id, run)
    if (isAsked(run)) open.delete(run.id)
  }
  const show = (): void => progress.show(ids.length - open.size, ids.length, 'sign-outs passed on')
  let cursor: string | undefined
  do {
    const page = await client.runs({ sinceMs: String(sinceMs), limit: String(pageSize), cursor })
    for (const run of page.items) take(run)
    show()
    cursor = page.nextCursor
  } while (cursor !== undefined)
  for (let quietLooks = 0, last = open.size; open.size > 0 && quietLooks < quietLooksMax; quietLooks = open.size < last ? 0 : quietLooks + 1) {
    last = open.size
    await new Promise((resolve) => setTimeout(resolve, lookMs))
    for (const id of [...open].slice(0, pageSize)) take(await client.run(id))
    show()
  }
  progress.done()
  const tally = tallyOf([...runs.values()])
  print(context, tally)
  return tally.complete === ids.length ? exitCode.done : exitCode.partial
}

function isAsked(run: RunView): boolean {
  return run.deliveries.every(({ state }) => state !== 'pending' && state !== 'sent')
}

export function tallyOf(runs: readonly RunView[]): BulkTally {
  const applications: Record<string, Record<Column, number>> = {}
  for (const run of runs) {
    for (const delivery of standing(run)) {
      const counts = (applications[peerText(delivery)] ??= { confirmed: 0, 'needs the browser': 0, 'trying again': 0, 'not confirmed': 0 })
      counts[columnOf(delivery)] += 1
    }
  }
  return { runs: runs.length, complete: runs.filter(({ verdict }) => verdict === 'all-ended').length, applications }
}

function columnOf(delivery: DeliveryView): Column {
  if (delivery.state === 'waiting-for-browser') return 'needs the browser'
  if (delivery.state !== 'final') return 'trying again'
  return isConfirmed(delivery) ? 'confirmed' : 'not confirmed'
}

function print({ terminal, options }: CommandContext, tally: BulkTally): void {
  if (options.json === true || options.ndjson === true) {
    terminal.out(JSON.stringify(tally, null, options.json === true ? 2 : undefined))
    return
  }
  const rows = Object.entries(tally.applications)
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([application, counts]) => [application, ...columns.map((column) => counts[column].toLocaleString('en'))])
  for (const line of table([{ title: 'APPLICATION' }, ...columns.map((title) => ({ title: title.toUpperCase() }))], rows)) terminal.out(line)
  const isComplete = tally.complete === tally.runs
  terminal.out(
    `${isComplete ? terminal.style('green', 'complete') : terminal.style('yellow', 'partial')}  ${tally.complete.toLocaleString('en')} of ${tally.runs.toLocaleString('en')} sign-outs are confirmed by every application`
  )
  if (!isComplete) terminal.out('  npx curfew runs list --open')
}
