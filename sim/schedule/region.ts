import { createReplicator } from '../../packages/curfew/src/cluster/replicator.ts'
import { withForeignState } from '../../packages/curfew/src/cluster/foreign-state.ts'
import type { Group } from '../../packages/curfew/src/core/group.ts'
import type { Delivery, LogoutRun } from '../../packages/curfew/src/core/run.ts'
import type { Clock } from '../../packages/curfew/src/platform/clock.ts'
import { silentLogger } from '../../packages/curfew/src/platform/logger.ts'
import type { Random } from '../../packages/curfew/src/platform/random.ts'
import { sampleReplication } from '../../packages/curfew/src/stores/conformance/carry.ts'
import type { Store } from '../../packages/curfew/src/stores/store.ts'
import { engineParts } from '../failover/engine-parts.ts'
import { type Node, startNode } from '../failover/node.ts'
import type { Partners } from '../failover/partners.ts'
import { SimCluster } from '../redis/cluster.ts'
import type { Network } from '../redis/network.ts'
import type { Spoil } from '../redis/server.ts'
import { createLinks, type LinkEnd } from './links.ts'

/** One node of a region, and the store as its surfaces see it. */
export interface RegionNode extends Node {
  readonly seen: Store
}

export interface RegionOptions {
  readonly group: Group
  readonly others: readonly Group[]
  readonly clock: Clock
  readonly network: Network
  readonly random: Random
  readonly partners: Partners
  readonly nodesOf: (group: string) => readonly LinkEnd[]
  readonly onSend: (asked: { readonly run: LogoutRun; readonly delivery: Delivery; readonly messageId: string }) => void
  readonly tell: (what: string) => void
  readonly onLoss: () => void
  readonly spoil?: Spoil
  /** Puts another store under the replication of each node. */
  readonly spoilStore?: (store: Store) => Store
}

const buckets = 2
const copies = 1
const silent = (): void => undefined

/** A region: servers of its own with a copy of each, nodes that read what the other regions tell. */
export class Region {
  readonly group: Group
  readonly cluster: SimCluster
  readonly #options: RegionOptions
  readonly #nodes = new Map<string, { readonly node: RegionNode; readonly end: LinkEnd }>()
  #started = 0

  constructor(options: RegionOptions) {
    const { group, clock, network, random, tell, onLoss, spoil } = options
    this.#options = options
    this.group = group
    this.cluster = new SimCluster({
      clock,
      network,
      fraction: () => random.fraction(),
      shards: 1,
      copies,
      name: `${group.id}store`,
      tell,
      onLoss,
      ...(spoil === undefined ? {} : { spoil })
    })
  }

  get nodes(): readonly RegionNode[] {
    return [...this.#nodes.values()].map(({ node }) => node)
  }

  get ends(): readonly LinkEnd[] {
    return [...this.#nodes.values()].map(({ end }) => end)
  }

  /** All machines of the region, as the network knows them. */
  get hosts(): readonly string[] {
    return [...this.cluster.servers.map(({ name }) => name), this.cluster.majority, ...this.#nodes.keys()]
  }

  /** Starts a process, as `curfew start` puts it together in a cluster of regions. */
  async boot(host: string, name: string): Promise<void> {
    const { group, others, clock, network, random, partners, nodesOf, onSend, tell, spoilStore } = this.#options
    const fraction = (): number => random.fraction()
    this.#started += 1
    const node = await startNode({
      host,
      name,
      token: `${group.id}-${this.#started}`,
      clock,
      cluster: this.cluster,
      copies,
      buckets,
      replication: sampleReplication(group.letter),
      deps: ({ isAlive }) => engineParts({ random, partners, group: group.letter, onSend }, isAlive),
      watched: (store) => store
    })
    const { isAlive } = node
    const store = spoilStore?.(node.store) ?? node.store
    const { facts } = store
    if (facts === undefined) throw new RangeError('the store was opened without replication')
    const ownClock: Clock = { nowMs: () => node.store.clock.nowMs(), after: (delayMs, fn) => clock.after(delayMs, () => (isAlive() ? fn() : undefined)) }
    const { links, end } = createLinks({ clock: ownClock, network, fraction, self: group, others, host, isAlive, nodesOf })
    const replicator = createReplicator({
      store,
      facts,
      links,
      node: name,
      clock: ownClock,
      fraction,
      figures: { joined: silent, upToDate: silent, revocationsUpToDate: silent, readAll: silent, backlog: silent },
      logger: silentLogger,
      logOutLate: (late) => node.engine.logOutLate(late),
      handsOver: true,
      limits: { revocationsMs: 2_000, ageMsMax: 3_600_000, factsMax: 10_000, backlogAlert: 10_000 }
    })
    await replicator.catchUp()
    replicator.start()
    const seen = withForeignState(store, {
      links,
      facts,
      clock: ownClock,
      logger: silentLogger,
      fetchesSessions: true,
      fetchesTransactions: true,
      fetchesArtifacts: true
    })
    this.#nodes.set(host, { end, node: { ...node, store: node.store, seen } })
    tell(`${host} is there as ${name}`)
  }
}
