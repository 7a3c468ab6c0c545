import { setTimeout as pause } from 'node:timers/promises'
import type { Store } from '../packages/curfew/src/stores/store.ts'
import { until } from '../packages/curfew/test/stores/redis/servers.ts'
import { type Cut, type Operation, violations } from '../sim/revocation-history.ts'
import { type Node, startNode } from './crew.ts'
import { type Event, nowMs } from './events.ts'
import { counted, longestWait, missing, settled, type Verdict } from './judge.ts'
import type { Host, Net } from './net.ts'
import { type StoreServer, startServer } from './redis.ts'
import { outboundTo, type Setup } from './setup.ts'
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
  /** Every node since the round began, with its region and the events it had then. */
  const seen = new Map<Node, { readonly region: Region; readonly from: number }>()
  const eventsOf = (node: Node): readonly Event[] => node.events.slice(seen.get(node)?.from ?? 0)
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
      seen.set(region.node, { region, from: 0 })
      await region.node.order({ what: 'load', lanes, pauseMs })
      over()
    },
    async round(strike) {
      cuts.length = 0
      seen.clear()
      for (const region of both) seen.set(region.node, { region, from: region.node.events.length })
      await Promise.all(both.map(({ node }) => node.order({ what: 'load', lanes: lanes / 2, pauseMs: pauseMs * 4 })))
      const watcher = watch(
        () => both.map(({ node }) => node),
        () => [...seen.keys()].flatMap(eventsOf)
      )
      try {
        await until(async () => both.every(({ node }) => eventsOf(node).length > 60))
        await strike(regions)
        // Checks go on for as long as the bound says, and a little longer.
        await pause(boundMs + 1_000)
      } finally {
        await watcher.stop()
      }
      await Promise.all(both.map(({ node }) => node.order({ what: 'idle' })))
      return judgeRegions(both, seen, eventsOf, cuts)
    },
    async close() {
      await Promise.all(both.map(({ node }) => node.kill()))
      await Promise.all(both.map(({ store }) => store[Symbol.asyncDispose]()))
      await Promise.all(both.map(({ server }) => server.kill('SIGKILL')))
    }
  }
  return regions
}

async function judgeRegions(
  regions: readonly Region[],
  seen: ReadonlyMap<Node, { readonly region: Region }>,
  eventsOf: (node: Node) => readonly Event[],
  cuts: readonly Cut[]
): Promise<Verdict> {
  const nodes = [...seen.keys()]
  const all = nodes.flatMap(eventsOf)
  const facts = all.filter((event) => event.kind === 'acknowledged')
  const history = nodes.flatMap((node) => eventsOf(node).flatMap((event) => operationOf(event, seen.get(node)?.region.name ?? '')))
  const openRuns = await Promise.all(regions.map(({ store }) => settled(store)))
  let lost = 0
  // What one region acknowledged the other one has as well, in the end.
  await until(async () => {
    const gone = await Promise.all(regions.map(({ store }) => missing(store, facts)))
    lost = new Set(gone.flat()).size
    return lost === 0
  }, settleMs).catch(() => undefined)
  const broken = violations(history, { boundMs, cuts })
  for (const line of broken.slice(0, 5)) console.log(`  ${line}`)
  return {
    acknowledged: facts.length,
    lost,
    degraded: 0,
    degradedLost: 0,
    accepted: broken.length,
    degradedAccepted: 0,
    openRuns: openRuns.reduce((sum, open) => sum + open, 0),
    waitMs: Math.max(0, ...nodes.map((node) => longestWait(eventsOf(node)))),
    refused: counted(all.flatMap((event) => (event.kind === 'refused' ? [event.code] : [])))
  }
}

function operationOf(event: Event, region: string): readonly Operation[] {
  if (event.kind === 'acknowledged' && event.what === 'ended')
    return [{ kind: 'revoked', key: event.ticket.id, region, fromMs: event.fromMs, toMs: event.toMs }]
  if (event.kind !== 'checked') return []
  const answer = event.answer === 'accepted' ? 'accepted' : event.answer === 'ended' ? 'revoked' : 'unknown'
  return [{ kind: 'checked', key: event.ticket.id, region, answer, fromMs: event.fromMs, toMs: event.toMs }]
}
