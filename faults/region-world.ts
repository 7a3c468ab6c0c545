import { setTimeout as pause } from 'node:timers/promises'
import type { Store } from '../packages/curfew/src/stores/store.ts'
import { until } from '../packages/curfew/test/stores/redis/servers.ts'
import { answerTo } from './callers.ts'
import { type Node, startNode } from './crew.ts'
import { nowMs } from './events.ts'
import { missing, type Verdict } from './judge.ts'
import type { Host, Net } from './net.ts'
import { type StoreServer, startServer } from './redis.ts'
import { outboundTo, type Setup } from './setup.ts'
import { acknowledgedIn, boundMs, judgeRegions, leftOpen, type RegionLoss } from './region-judge.ts'
import { createRoster } from './roster.ts'
import { buckets, lanes, openForJudge, patiently, pauseMs, watch } from './world.ts'

const names = ['berlin', 'paris'] as const
const linkPort = 9_041

/** How many sessions of a region that is gone the other one ends. */
const abandonedMax = 20
const storedMs = 500

/** A group of one node with a store of its own, on machines of its own. */
export interface Region {
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
  /** The other region ends sessions of the one that is gone. @throws when it can not */
  endAbandoned(lost: Region): Promise<void>
  /** They are started again, with what is on their disks, or with empty ones: then it gets what the other region knows, after that was told to forget the former one. */
  restore(region: Region, disk: 'kept' | 'empty'): Promise<void>
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
  /** Of whom nothing is left but what the other region has read. */
  const losses: RegionLoss[] = []
  let latest: RegionLoss | undefined
  const otherThan = (region: Region): Region => (region === paris ? berlin : paris)
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
      const atMs = nowMs()
      await Promise.all([region.node.kill(), region.server.kill('SIGKILL')])
      // What the other one has read by then it has stored as well.
      await pause(storedMs)
      latest = { region: region.name, atMs, unread: await missing(otherThan(region).store, acknowledgedIn(roster.eventsOf(region.node))) }
    },
    async endAbandoned(lost) {
      const other = otherThan(lost)
      const unread = new Set(latest?.unread.map(({ ticket }) => ticket.id))
      const known = leftOpen(roster.eventsOf(lost.node)).filter(({ id }) => !unread.has(id))
      // Some were ended in the moment before it was lost: nobody heard so, and the other one has read it.
      const stillOpen = await Promise.all(known.map(async (ticket) => (await answerTo(other.store, ticket, Date.now())) !== 'ended'))
      const tickets = known.filter((_, i) => stillOpen[i]).slice(-abandonedMax)
      if (tickets.length === 0) throw new Error(`${lost.name} has left no session that ${other.name} knows`)
      const from = other.node.events.length
      await Promise.all(tickets.map((ticket) => other.node.order({ what: 'end', ticket })))
      const answers = other.node.events.slice(from).filter((event) => 'what' in event && event.what === 'ended' && event.lane < 0)
      const refused = answers.flatMap((event) => (event.kind === 'refused' ? [event.code] : []))
      if (answers.length < tickets.length || refused.length > 0)
        throw new Error(`${other.name} ended ${answers.length - refused.length} of ${tickets.length} sessions of ${lost.name}: ${refused.join(', ')}`)
    },
    async restore(region, disk) {
      if (disk === 'empty' && latest !== undefined) losses.push(latest)
      region.host.heal()
      region.server.host.heal()
      await region.server.restart(disk)
      if (disk === 'empty') await otherThan(region).node.order({ what: 'forget', group: region.name })
      region.node = await patiently(() => startNode({ name: region.name, config: region.config, prefix: region.host.prefix }))
      roster.came(region.node)
      await region.node.order({ what: 'load', ...load })
      over()
    },
    async round(strike) {
      cuts.length = 0
      losses.length = 0
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
      return judgeRegions(both, { journal: setup.journal, outages: net.outages, shifts: roster.shifts(), cuts, losses })
    },
    async close() {
      await Promise.all(both.map(({ node }) => node.kill()))
      await Promise.all(both.map(({ store }) => store[Symbol.asyncDispose]()))
      await Promise.all(both.map(({ server }) => server.kill('SIGKILL')))
    }
  }
  return regions
}
