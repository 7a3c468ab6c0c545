import type { StreamView } from '../../admin/schemas.ts'
import { connect } from '../connect.ts'
import { type CommandContext, printJson } from '../context.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { aligned, table } from '../table.ts'

/** `curfew streams list` */
export async function listStreams(context: CommandContext): Promise<ExitCode> {
  const streams = await connect(context).streams()
  if (printJson(context, streams)) return exitCode.done
  const { terminal } = context
  if (streams.length === 0) terminal.note('No client has made a stream of shared signals.')
  const rows = streams.map((one) => [one.connection, one.status, one.delivery, String(one.owed), String(one.accepted), String(one.refused), String(one.lost)])
  const columns = [
    { title: 'CONNECTION' },
    { title: 'STATUS' },
    { title: 'BY' },
    { title: 'OWED' },
    { title: 'TAKEN' },
    { title: 'REFUSED' },
    { title: 'LOST' }
  ]
  if (rows.length > 0) for (const line of table(columns, rows)) terminal.out(line)
  return exitCode.done
}

/** `curfew streams show <connection>` */
export async function showStream(context: CommandContext, connection: string): Promise<ExitCode> {
  const stream = (await connect(context).streams()).find((one) => one.connection === connection)
  if (stream === undefined) {
    context.terminal.error(`${connection} has no stream. The list: curfew streams list`)
    return exitCode.notFound
  }
  if (printJson(context, stream)) return exitCode.done
  const { lastError, failures = 0, failingSinceMs } = stream
  for (const line of aligned([
    ['Stream', `${stream.id} of ${stream.connection}`],
    ['Status', stream.reason === undefined ? stream.status : `${stream.status}: ${stream.reason}`],
    ['Sent by', stream.url === undefined ? stream.delivery : `${stream.delivery} to ${stream.url}`],
    ['Owed', stream.isFull ? `${stream.owed}: full, the next are lost` : String(stream.owed)],
    ['Taken', String(stream.accepted)],
    ['Refused', String(stream.refused)],
    ['Lost', String(stream.lost)],
    ...(failingSinceMs === undefined ? [] : ([['Failing', `since ${new Date(failingSinceMs).toISOString()}, ${failures} pushes`]] as const)),
    ...(lastError === undefined ? [] : ([['Last error', `${new Date(lastError.atMs).toISOString()} ${lastError.code}`]] as const))
  ]))
    context.terminal.out(line)
  return exitCode.done
}

/** `curfew streams pause|resume <connection>` */
export async function setStreamStatus(
  context: CommandContext,
  connection: string,
  status: StreamView['status'],
  options: { readonly reason?: string }
): Promise<ExitCode> {
  const stream = await connect(context).setStreamStatus(connection, status, options.reason)
  if (!printJson(context, stream)) context.terminal.out(`The stream of ${connection} is ${stream.status}. Owed: ${stream.owed}`)
  return exitCode.done
}

/** `curfew streams verify <connection>`: whether the receiver took the token is seen with `show`. */
export async function verifyStream(context: CommandContext, connection: string): Promise<ExitCode> {
  const result = await connect(context).verifyStream(connection)
  if (!printJson(context, result)) context.terminal.out(`A verification is owed to ${connection}. See what becomes of it: curfew streams show ${connection}`)
  return exitCode.done
}
