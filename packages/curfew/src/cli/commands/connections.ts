import { connect } from '../connect.ts'
import { type CommandContext, printJson } from '../context.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import type { PeerView } from '../../admin/schemas.ts'
import { timeText } from '../doctor-drift.ts'
import { aligned, table } from '../table.ts'

/** `curfew connections list` */
export async function listConnections(context: CommandContext): Promise<ExitCode> {
  const peers = await connect(context).peers()
  if (printJson(context, peers)) return exitCode.done
  if (peers.length === 0) context.terminal.note('No connections yet. Add one to curfew.yaml under connections.')
  const rows = peers.map((peer) => [peer.id, peer.protocol, peer.channels.map((c) => `${c.kind}/${c.binding}`).join(' ') || 'none', peer.entityId])
  if (rows.length > 0)
    for (const line of table([{ title: 'CONNECTION' }, { title: 'PROTOCOL' }, { title: 'LOGOUT BY' }, { title: 'ENTITY ID', charactersMax: 70 }], rows))
      context.terminal.out(line)
  return exitCode.done
}

/** `curfew connections show <id>` */
export async function showConnection(context: CommandContext, id: string): Promise<ExitCode> {
  const peer = (await connect(context).peers()).find((candidate) => candidate.id === id)
  if (peer === undefined) {
    context.terminal.error(`There is no connection ${id}. The list: curfew connections list`)
    return exitCode.notFound
  }
  if (printJson(context, peer)) return exitCode.done
  const pairs: (readonly [string, string])[] = [
    ['Connection', `${peer.id} (${peer.name})`],
    ['Entity ID', peer.entityId],
    ['Is asked', peer.mayBeAsked ? 'yes' : 'no: profiles.idpInitiatedSlo is off'],
    ...peer.channels.map((c): readonly [string, string] => ['Logout by', `${c.kind} ${c.binding} ${c.url}`]),
    ...peer.certificates.map((c): readonly [string, string] => [
      'Certificate',
      `${c.fingerprint.slice(0, 23)}... valid to ${c.notAfterMs === undefined ? 'unknown' : new Date(c.notAfterMs).toISOString().slice(0, 10)}`
    ]),
    ...metadataPairs(peer.metadata)
  ]
  for (const line of aligned(pairs)) context.terminal.out(line)
  return exitCode.done
}

/** When its metadata was read, and what had changed. */
function metadataPairs(metadata: PeerView['metadata']): readonly (readonly [string, string])[] {
  if (metadata === undefined) return []
  const { readAtMs, validUntilMs, problem, changes } = metadata
  const until = validUntilMs === undefined ? '' : `, valid to ${timeText(validUntilMs)}`
  return [
    ...(readAtMs === undefined ? [] : [['Metadata', `read ${timeText(readAtMs)}${until}`] as const]),
    ...(problem === undefined ? [] : [['Not read', `${timeText(problem.atMs)} ${problem.code} ${problem.why}`] as const]),
    ...changes.map(
      ({ atMs, what, change, value, breaks }) =>
        ['Changed', `${timeText(atMs)} ${what} ${change} ${value}${breaks ? ' (breaks what was agreed)' : ''}`] as const
    )
  ]
}
