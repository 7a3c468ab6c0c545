import { type CommandContext, connect, printJson } from '../context.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { aligned, table } from '../table.ts'

/** `curfew cluster status` */
export async function clusterStatus(context: CommandContext): Promise<ExitCode> {
  const status = await connect(context).cluster()
  const isHealthy = status.store.durability !== 'degraded' && status.nodes.every(({ isLive }) => isLive)
  if (printJson(context, status)) return isHealthy ? exitCode.done : exitCode.partial
  const { terminal } = context
  for (const line of aligned([
    ['Mode', status.mode],
    ['Store', `${status.store.kind} ${status.store.location}`],
    ['Writes', status.store.durability]
  ]))
    terminal.out(line)
  terminal.out('')
  for (const line of table(
    [
      { title: 'NODE', charactersMax: 40 },
      { title: 'STATE' },
      { title: 'ADDRESS' },
      { title: 'VERSION' },
      { title: 'GROUP' },
      { title: 'SINCE' },
      { title: 'TAGS' }
    ],
    status.nodes.map((node) => [
      node.id === status.self ? `${node.id} (answers)` : node.id,
      node.isLive ? 'live' : 'gone',
      node.address,
      node.version,
      node.group ?? '-',
      new Date(node.startedAtMs).toISOString().slice(0, 19).replace('T', ' '),
      node.tags.join(', ') || '-'
    ])
  ))
    terminal.out(line)
  return isHealthy ? exitCode.done : exitCode.partial
}

/** `curfew cluster owner <session>` */
export async function clusterOwner(context: CommandContext, session: string): Promise<ExitCode> {
  const place = await connect(context).owner(session)
  if (printJson(context, place)) return exitCode.done
  for (const line of aligned([
    ['Session', place.session],
    ['Bucket', `${place.bucket}, slot ${place.slot}`],
    ['Primary', place.primary],
    ['Copies', place.copies.join(', ') || 'none']
  ]))
    context.terminal.out(line)
  return exitCode.done
}
