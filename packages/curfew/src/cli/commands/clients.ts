import { connect } from '../connect.ts'
import { type CommandContext, printJson } from '../context.ts'
import { confirm } from '../confirm.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { table } from '../table.ts'

/** `curfew clients list` */
export async function listClients(context: CommandContext): Promise<ExitCode> {
  const clients = await connect(context).clients()
  if (printJson(context, clients)) return exitCode.done
  const { terminal } = context
  if (clients.length === 0) terminal.note('No client has registered itself. Those of curfew.yaml: curfew connections list')
  const rows = clients.map((client) => [
    client.id,
    client.name ?? '-',
    new Date(client.registeredAtMs).toISOString().slice(0, 19).replace('T', ' '),
    client.registeredWith,
    client.redirectUris[0] ?? ''
  ])
  const columns = [{ title: 'CLIENT' }, { title: 'NAME', charactersMax: 30 }, { title: 'SINCE' }, { title: 'WITH' }, { title: 'REDIRECT', charactersMax: 60 }]
  if (rows.length > 0) for (const line of table(columns, rows)) terminal.out(line)
  return exitCode.done
}

/** `curfew clients remove <id>`: it gets nothing more; sessions that it took part in still tell it of their end. */
export async function removeClient(context: CommandContext, id: string, options: { readonly yes?: boolean }): Promise<ExitCode> {
  if (!(await confirm(context, `Client ${id} will be removed, and every token that it has is worth nothing then.`, options.yes === true)))
    return exitCode.needsInput
  const result = await connect(context).removeClient(id)
  if (!printJson(context, result)) context.terminal.out(`Client ${result.removed} is removed.`)
  return exitCode.done
}
