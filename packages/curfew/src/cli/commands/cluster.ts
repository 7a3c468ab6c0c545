import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterView, PlaceView } from '../../admin/schemas.ts'
import { systemClock } from '../../platform/clock.ts'
import { confirm } from '../confirm.ts'
import { connect } from '../connect.ts'
import { type CommandContext, printJson } from '../context.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { aligned, table } from '../table.ts'

/** `curfew cluster status` */
export async function clusterStatus(context: CommandContext): Promise<ExitCode> {
  const status = await connect(context).cluster()
  const { groups } = status
  const isHealthy = status.store.durability !== 'degraded' && status.nodes.every(({ isLive }) => isLive) && groups.others.every(({ state }) => state === 'up')
  if (printJson(context, status)) return isHealthy ? exitCode.done : exitCode.partial
  const { terminal } = context
  for (const line of aligned([
    ['Mode', status.mode],
    ['Store', `${status.store.kind} ${status.store.location}`],
    ['Writes', status.store.durability],
    ...(status.store.format === undefined ? [] : [['Format', String(status.store.format)] as const]),
    ...(groups.others.length === 0 ? [] : [['Group', `${groups.self.id}, letter ${groups.self.letter}`] as const, ['Groups', groups.mode] as const])
  ]))
    terminal.out(line)
  terminal.out('')
  for (const line of table(
    [
      { title: 'NODE', charactersMax: 40 },
      { title: 'STATE' },
      { title: 'ADDRESS' },
      { title: 'VERSION' },
      { title: 'INDEX' },
      { title: 'GROUP' },
      { title: 'SINCE' },
      { title: 'TAGS' }
    ],
    status.nodes.map((node) => [
      node.id === status.self ? `${node.id} (answers)` : node.id,
      stateOf(node),
      node.address,
      node.version,
      node.index === undefined ? '-' : String(node.index),
      node.group ?? '-',
      new Date(node.startedAtMs).toISOString().slice(0, 19).replace('T', ' '),
      node.tags.join(', ') || '-'
    ])
  ))
    terminal.out(line)
  if (groups.others.length > 0) for (const line of ['', ...groupTable(groups.others)]) terminal.out(line)
  return isHealthy ? exitCode.done : exitCode.partial
}

function groupTable(groups: ClusterView['groups']['others']): readonly string[] {
  return table(
    [{ title: 'OTHER GROUP', charactersMax: 36 }, { title: 'LETTER' }, { title: 'STATE' }, { title: 'SINCE' }, { title: 'ROUND TRIP' }, { title: 'WHY' }],
    groups.map(({ group, letter, state, sinceMs, roundTripMs, code, why }) => [
      group,
      letter,
      state,
      new Date(sinceMs).toISOString().slice(0, 19).replace('T', ' '),
      roundTripMs === undefined ? '-' : `${roundTripMs} ms`,
      [code, why].filter((word) => word !== undefined).join(' ') || '-'
    ])
  )
}

/** `curfew cluster forget <group>`: says first how this node sees the group. */
export async function clusterForget(context: CommandContext, group: string, options: { readonly yes?: boolean }): Promise<ExitCode> {
  const client = connect(context)
  const { others } = (await client.cluster()).groups
  const link = others.find((one) => one.group === group)
  if (link === undefined) {
    context.terminal.error(`There is no other group ${group} here. There are: ${others.map((one) => one.group).join(', ') || 'none'}.`)
    return exitCode.notFound
  }
  const since = new Date(link.sinceMs).toISOString().slice(0, 19)
  const what = `1 of ${others.length} other groups is concerned: ${group}, ${link.state} since ${since}Z. Its store is forgotten, and another one may take its place.`
  if (!(await confirm(context, what, options.yes === true))) return exitCode.needsInput
  const result = await client.forgetGroup(group)
  if (printJson(context, result)) return exitCode.done
  context.terminal.out(result.forgotten ? `Another store may now announce itself as ${group}` : `Nothing was known of ${group}`)
  return exitCode.done
}

function stateOf({ isLive, work }: ClusterView['nodes'][number]): string {
  return isLive ? (work ?? 'live') : 'gone'
}

/** How often the status is asked for while a node hands over. */
const lookMs = 250

/** `curfew cluster drain <node>`: waits until the node has nothing any more, or takes work again. */
export async function clusterDrain(context: CommandContext, node: string, options: { readonly undo?: boolean; readonly wait: number }): Promise<ExitCode> {
  const client = connect(context)
  const isUndone = options.undo === true
  await client.drain(node, isUndone ? 'undrain' : 'drain')
  const wanted = isUndone ? 'live' : 'drained'
  const untilMs = systemClock.nowMs() + options.wait * 1000
  let state = 'unknown'
  for (;;) {
    const found = (await client.cluster()).nodes.filter(({ id }) => id === node || id.startsWith(`${node}/`)).map(stateOf)
    state = found.find((one) => one !== wanted) ?? found[0] ?? 'gone'
    if (state === wanted || state === 'gone' || systemClock.nowMs() >= untilMs) break
    await sleep(lookMs)
  }
  if (!printJson(context, { node, state })) context.terminal.out(sentences[state] === undefined ? `${node} is ${state}` : `${node} ${sentences[state]}`)
  return state === wanted ? exitCode.done : exitCode.partial
}

const sentences: Readonly<Record<string, string>> = {
  live: 'takes work',
  draining: 'still hands over what it has; look again: curfew cluster status',
  drained: 'has nothing any more and can be stopped',
  gone: 'is gone'
}

/** `curfew cluster owner <session>` */
export async function clusterOwner(context: CommandContext, session: string): Promise<ExitCode> {
  const place = await connect(context).owner(session)
  if (printJson(context, place)) return exitCode.done
  for (const line of aligned([['Session', place.session], ...placeRows(place)])) context.terminal.out(line)
  return exitCode.done
}

function placeRows(place: PlaceView): readonly (readonly [string, string])[] {
  if ('group' in place) return [['Group', `${place.group}, which has a store of its own: ask one of its nodes`]]
  return [
    ['Bucket', `${place.bucket}, slot ${place.slot}`],
    ['Primary', place.primary],
    ['Copies', place.copies.join(', ') || 'none']
  ]
}
