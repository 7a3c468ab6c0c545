import { setTimeout as pause } from 'node:timers/promises'
import { openStore } from '../packages/curfew/src/cli/open-store.ts'
import { loadConfig } from '../packages/curfew/src/config/load.ts'
import { silentLogger } from '../packages/curfew/src/platform/logger.ts'
import type { Store } from '../packages/curfew/src/stores/store.ts'
import { until } from '../packages/curfew/test/stores/redis/servers.ts'
import { type Node, type NodeStart, startNode } from './crew.ts'
import type { Event, Ticket } from './events.ts'
import { judge, type Verdict } from './judge.ts'
import type { Host, Net } from './net.ts'
import { type StoreCluster, type StoreServer, startCluster, startServer } from './redis.ts'
import { startWatchedSet, type WatchedSet } from './sentinels.ts'
import { createRoster } from './roster.ts'
import { outboundTo, type Setup } from './setup.ts'

/** Callers on each node, and how long each of them waits between two people. */
export const lanes = 6
export const pauseMs = 15
/** Parts of the store: enough that every primary has some, few enough that looking at all of them is cheap. */
export const buckets = 16
const checkEveryMs = 150

/** Where a fault happens: a store, nodes on it, and people who come and go. */
export interface World {
  readonly net: Net
  /** For files that a fault needs. */
  readonly folder: string
  /** Servers with copies, however they are watched. */
  readonly cluster: StoreCluster | undefined
  /** The same, where sentinels watch them. */
  readonly watched: WatchedSet | undefined
  readonly server: StoreServer
  /** Nodes that are under load. */
  readonly nodes: Map<string, Node>
  /** Starts a node, under load when the round is under way. */
  start(name: string, more?: Partial<NodeStart>): Promise<Node>
  /** Takes a node out of the world and sends its callers away; resolves when each has its answer. It lives on. */
  retire(name: string): Promise<Node>
  hostOf(name: string): Host
  /** The store, looked at from the machine that drives the run. */
  readonly store: Store
  /** One round: load, the fault until it is over, recovery, and what is there afterwards. */
  round(strike: (world: World) => Promise<void>): Promise<Verdict>
  close(): Promise<void>
}

export interface WorldOptions {
  readonly net: Net
  readonly setup: Setup
  /** A cluster of three primaries with a copy each, a server with two copies that sentinels watch, or one server alone. */
  readonly store: 'cluster' | 'watched' | 'single'
}

export async function createWorld({ net, setup, store: kind }: WorldOptions): Promise<World> {
  const watched = kind === 'watched' ? await startWatchedSet(net) : undefined
  const cluster = kind === 'cluster' ? await startCluster(net, 3) : watched
  const server = cluster?.servers[0] ?? (await startServer(net.host('store0')))
  const urls = (watched?.sentinels ?? cluster?.servers ?? [server]).map(({ url }) => url)
  const topology = ({ cluster: 'cluster', watched: 'sentinel', single: 'standalone' } as const)[kind]
  const copies = cluster === undefined ? 0 : 1
  const hosts = new Map<string, Host>()
  const nodes = new Map<string, Node>()
  const roster = createRoster(lanes)
  let isLoaded = false

  const hostOf = (name: string): Host => {
    const host = hosts.get(name) ?? net.host(name)
    hosts.set(name, host)
    return host
  }
  const configFor = (name: string): string =>
    setup.configFor(name, {
      cluster: { node: name, group: 'here' },
      outbound: outboundTo(),
      store: { kind: 'redis', redis: { topology, copies, nodes: urls, buckets } }
    })
  const start = async (name: string, more: Partial<NodeStart> = {}): Promise<Node> => {
    const config = configFor(name)
    const node = await patiently(() => startNode({ name, config, prefix: hostOf(name).prefix, ...more }))
    nodes.set(name, node)
    roster.came(node)
    if (isLoaded) await node.order({ what: 'load', lanes, pauseMs })
    return node
  }
  const retire = async (name: string): Promise<Node> => {
    const node = nodes.get(name)
    if (node === undefined) throw new TypeError(`node ${name} is there`)
    nodes.delete(name)
    roster.left(name)
    await node.order({ what: 'idle' })
    return node
  }
  const store = await openForJudge(configFor('judge'))
  const everybody = (): readonly Node[] => [...nodes.values()]
  const successes = (node: Node): number => roster.eventsOf(node).filter(({ kind: what }) => what === 'acknowledged').length
  const world: World = {
    net,
    folder: setup.folder,
    cluster,
    watched,
    server,
    nodes,
    start,
    retire,
    hostOf,
    store,
    async round(strike) {
      roster.clear()
      for (const node of everybody()) roster.came(node)
      isLoaded = true
      await Promise.all(everybody().map((node) => node.order({ what: 'load', lanes, pauseMs })))
      const watcher = watch(everybody, () => roster.events())
      try {
        await until(async () => everybody().every((node) => successes(node) > 30))
        await strike(world)
        const before = new Map(everybody().map((node) => [node, successes(node)]))
        await until(async () => everybody().every((node) => successes(node) > (before.get(node) ?? 0) + 30), 60_000)
      } finally {
        isLoaded = false
        await watcher.stop()
      }
      for (const { name } of everybody()) roster.left(name)
      await Promise.all(everybody().map((node) => node.order({ what: 'idle' })))
      await cluster?.whole()
      return judge(store, { journal: setup.journal, outages: net.outages, shifts: roster.shifts() })
    },
    async close() {
      await Promise.all(everybody().map((node) => node.kill()))
      await store[Symbol.asyncDispose]()
      await Promise.all((cluster?.servers ?? [server]).map((one) => one.kill('SIGKILL')))
      for (const sentinel of watched?.sentinels ?? []) sentinel.stop()
    }
  }
  return world
}

/** The store of a node as nobody under load sees it. */
export async function openForJudge(config: string): Promise<Store> {
  const result = loadConfig(config, { environment: {} })
  if (!result.ok) throw new Error(result.findings.map(({ path, what }) => `${path}: ${what}`).join('\n'))
  return patiently(async () => (await openStore(result.loaded.config, silentLogger)).store)
}

/** On a machine that has much to do a server may need more than one try; the fault has not begun. */
export async function patiently<T>(work: () => Promise<T>, tries = 5): Promise<T> {
  return tries === 1 ? work() : work().catch(() => patiently(work, tries - 1))
}

/** Asks every node, again and again, whether it lets in who was signed out by any of them just now. */
export function watch(nodes: () => readonly Node[], events: () => readonly Event[]): { stop(): Promise<void> } {
  let isOver = false
  const look = async (): Promise<void> => {
    while (!isOver) {
      const tickets = recentlyEnded(events())
      await Promise.race([Promise.allSettled(nodes().map((node) => node.order({ what: 'check', tickets }))), pause(1_000)])
      await pause(checkEveryMs)
    }
  }
  const looking = look()
  return {
    async stop() {
      isOver = true
      await looking
    }
  }
}

const checkedAtOnce = 6
const recentEvents = 400

function recentlyEnded(events: readonly Event[]): readonly Ticket[] {
  const ended = events.slice(-recentEvents).flatMap((event) => (event.kind === 'acknowledged' && event.what === 'ended' ? [event.ticket] : []))
  return Array.from({ length: Math.min(checkedAtOnce, ended.length) }, () => ended[Math.floor(Math.random() * ended.length)]).filter((one) => one !== undefined)
}
