import type { AdminClient } from './client.ts'
import { clockText, summaryText } from './run-text.ts'
import { aligned } from './table.ts'
import type { Terminal } from './terminal.ts'

/** What the admin API knows of an identifier: the answer itself, and the same as lines. */
export interface KnownId {
  readonly answer: unknown
  readonly lines: readonly string[]
}

/** A run, in short. @throws ApiProblem where there is none */
export async function knownRun(client: Pick<AdminClient, 'run'>, id: string, terminal: Terminal): Promise<KnownId> {
  const run = await client.run(id)
  const lines = [
    `${terminal.style('bold', 'Run')} of ${run.user}, started by ${run.startedBy.replace(/^admin /, '')}`,
    ...aligned([
      ['Reason', run.reason],
      ['Session', run.session],
      ['Started', dayText(run.startedAtMs)]
    ]),
    `  ${summaryText(run, terminal)}`,
    `More: curfew runs show ${run.id}`
  ]
  return { answer: run, lines }
}

/** A session, in short. @throws ApiProblem where there is none */
export async function knownSession(client: Pick<AdminClient, 'session'>, id: string, terminal: Terminal): Promise<KnownId> {
  const session = await client.session(id)
  const { end } = session
  const lines = [
    `${terminal.style('bold', 'Session')} of ${session.user}, ${session.state}`,
    ...aligned([
      ['Since', dayText(session.createdAtMs)],
      ['Applications', session.applications.join(', ') || 'none'],
      ...(end === undefined ? [] : [['Ended', `${dayText(end.atMs)} ${end.reason}, by ${end.by}, ${end.run}`] as const])
    ]),
    `More: curfew sessions show ${session.id}`
  ]
  return { answer: session, lines }
}

/** A reference stands in the log of the process that gave the answer, and nowhere else. */
export function reference(id: string): KnownId {
  const lines = [
    'Reference of a page or an answer that said no',
    '  Why it did is a line of the log of the server, with this reference; the API does not keep it.',
    `More: grep ${id} in the log, such as: journalctl -u curfew | grep ${id}`
  ]
  return { answer: { reference: id, where: 'the log of the server' }, lines }
}

function dayText(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 10)} ${clockText(atMs)}`
}
