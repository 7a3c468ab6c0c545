import { setTimeout as pause } from 'node:timers/promises'
import type { LogoutRun } from '../packages/curfew/src/core/run.ts'
import type { Store } from '../packages/curfew/src/stores/store.ts'
import { until } from '../packages/curfew/test/stores/redis/servers.ts'
import { type Cut, type Operation, violations } from '../sim/revocation-history.ts'
import { type Node, startNode } from './crew.ts'
import { type Acknowledged, type Event, nowMs, type Ticket } from './events.ts'
import type { Journal } from './journal.ts'
import { counted, missing, print, runsOf, settled, ticketsIn, type Verdict, wordsOf } from './judge.ts'
import type { Host, Net } from './net.ts'
import { type StoreServer, startServer } from './redis.ts'
import { outboundTo, type Setup } from './setup.ts'
import { createRoster, longestWait, type Shift } from './roster.ts'
import { judgeTold, onItsWayMs } from './told.ts'
import { buckets, lanes, openForJudge, patiently, pauseMs, watch } from './world.ts'

/**
 * How long two regions have to be joined until one refuses what the other has ended. A call that was under way when the
 * link came back is given up after three seconds, and after many failures the next one follows within five.
 */
export const boundMs = 10_000
const names = ['berlin', 'paris'] as const
const linkPort = 9_041
const settleMs = 60_000

/** A group of one node with a store of its own, on machines of its own. */
interface Region {
  readonly name: (typeof names)[number]
  readonly host: Host
  readonly server: StoreServer
  readonly config: string
  readonly store: Store
  node: Node
}

/** Two regions that replicate, and the link between them. */
export interface Regions {
  readonly berlin: Region
  readonly paris: Region
  cut(): void
  heal(): void
  /** All machines of a region are gone, and nobody is told. */
  lose(region: Region): Promise<void>
  /** They are started again, with what is on their disks. */
  restore(region: Region): Promise<void>
  round(strike: (regions: Regions) => Promise<void>): Promise<Verdict>
  close(): Promise<void>
}

export async function createRegions({ net, setup }: { readonly net: Net; readonly setup: Setup }): Promise<Regions> {
  const machines = names.map((name) => ({ name, host: net.host(name), storeHost: net.host(`${name}Store`) }))
  const addresses = Object.fromEntries(machines.map(({ name, host }) => [name, host.address]))
  const make = async ({ name, host, storeHost }: (typeof machines)[number]): Promise<Region> => {
    const server = await startServer(storeHost, ['--appendfsync', 'always'])
    const config = setup.configFor(name, {
      cluster: {
        node: `${name}1`,
        group: name,
        mode: 'regions',
        groups: names.map((id) => ({ id, links: [`http://${id}.localhost:${linkPort}`] })),
        listen: [`0.0.0.0:${linkPort}`]
      },
      outbound: outboundTo(addresses),
      store: { kind: 'redis', redis: { copies: 0, nodes: [server.url], buckets } }
    })
    const node = await patiently(() => startNode({ name, config, prefix: host.prefix }))
    return { name, host, server, config, node, store: await openForJudge(config) }
  }
  const [berlin, paris] = await Promise.all([make(machines[0] as (typeof machines)[number]), make(machines[1] as (typeof machines)[number])])
  const both = [berlin, paris]
  const cuts: { fromMs: number; toMs: number }[] = []
  const load = { lanes: lanes / 2, pauseMs: pauseMs * 4 }
  /** A node has the name of its region. */
  const roster = createRoster(load.lanes)
  const begin = (): void => void cuts.push({ fromMs: nowMs(), toMs: Number.POSITIVE_INFINITY })
  const over = (): void => {
    const last = cuts.at(-1)
    if (last !== undefined) last.toMs = nowMs()
  }
  const regions: Regions = {
    berlin,
    paris,
    cut() {
      begin()
      for (const { host } of both) host.isolate(true)
    },
    heal() {
      for (const { host } of both) host.isolate(false)
      over()
    },
    async lose(region) {
      begin()
      region.host.cut()
      region.server.host.cut()
      await Promise.all([region.node.kill(), region.server.kill('SIGKILL')])
    },
    async restore(region) {
      region.host.heal()
      region.server.host.heal()
      await region.server.restart('kept')
      region.node = await patiently(() => startNode({ name: region.name, config: region.config, prefix: region.host.prefix }))
      roster.came(region.node)
      await region.node.order({ what: 'load', ...load })
      over()
    },
    async round(strike) {
      cuts.length = 0
      roster.clear()
      for (const { node } of both) roster.came(node)
      await Promise.all(both.map(({ node }) => node.order({ what: 'load', ...load })))
      const watcher = watch(
        () => both.map(({ node }) => node),
        () => roster.events()
      )
      try {
        await until(async () => both.every(({ node }) => roster.eventsOf(node).length > 60))
        await strike(regions)
        // Checks go on for as long as the bound says, and a little longer.
        await pause(boundMs + 1_000)
      } finally {
        await watcher.stop()
      }
      for (const { name } of both) roster.left(name)
      await Promise.all(both.map(({ node }) => node.order({ what: 'idle' })))
      return judgeRegions(both, setup.journal, roster.shifts(), cuts)
    },
    async close() {
      await Promise.all(both.map(({ node }) => node.kill()))
      await Promise.all(both.map(({ store }) => store[Symbol.asyncDispose]()))
      await Promise.all(both.map(({ server }) => server.kill('SIGKILL')))
    }
  }
  return regions
}

async function judgeRegions(regions: readonly Region[], journal: Journal, shifts: readonly Shift[], cuts: readonly Cut[]): Promise<Verdict> {
  const all = shifts.flatMap(({ events }) => events)
  const facts = all.filter((event) => event.kind === 'acknowledged')
  const history = shifts.flatMap(({ name, events }) => events.flatMap((event) => operationOf(event, name)))
  const openRuns = await Promise.all(regions.map(({ store }) => settled(store)))
  let lost: readonly Acknowledged[] = []
  // What one region acknowledged the other one has as well, in the end.
  await until(async () => {
    const gone = await Promise.all(regions.map(({ store }) => missing(store, facts)))
    lost = [...new Set(gone.flat())]
    return lost.length === 0
  }, settleMs).catch(() => undefined)
  await pause(onItsWayMs)
  const broken = violations(history, { boundMs, cuts })
  const { told, faults } = judgeTold(await runsOfAll(regions, ticketsIn(all)), journal)
  print([...broken, ...lost.map(wordsOf), ...faults])
  return {
    acknowledged: facts.length,
    lost: lost.length,
    degraded: 0,
    degradedLost: 0,
    accepted: broken.length,
    degradedAccepted: 0,
    openRuns: openRuns.reduce((sum, open) => sum + open, 0),
    waitMs: Math.max(0, ...shifts.map(longestWait)),
    refused: counted(all.flatMap((event) => (event.kind === 'refused' ? [event.code] : []))),
    told
  }
}

/** Runs as both regions know them. */
async function runsOfAll(regions: readonly Region[], tickets: readonly Ticket[]): Promise<readonly LogoutRun[]> {
  const found = await Promise.all(regions.map(({ store }) => runsOf(store, tickets)))
  const inOrder = found.flat().sort((a, b) => a.version - b.version)
  return [...new Map(inOrder.map((run) => [run.id, run])).values()]
}

function operationOf(event: Event, region: string): readonly Operation[] {
  if (event.kind === 'acknowledged' && event.what === 'ended')
    return [{ kind: 'revoked', key: event.ticket.id, region, fromMs: event.fromMs, toMs: event.toMs }]
  if (event.kind !== 'checked') return []
  const answer = event.answer === 'accepted' ? 'accepted' : event.answer === 'ended' ? 'revoked' : 'unknown'
  return [{ kind: 'checked', key: event.ticket.id, region, answer, fromMs: event.fromMs, toMs: event.toMs }]
}
