import type { EngineDeps } from '../../packages/curfew/src/engine/deps.ts'
import { createEngine, type Engine } from '../../packages/curfew/src/engine/engine.ts'
import type { Clock } from '../../packages/curfew/src/platform/clock.ts'
import type { Replication } from '../../packages/curfew/src/stores/fact.ts'
import { openRedisStore, type RedisStore } from '../../packages/curfew/src/stores/redis/redis-store.ts'
import type { Store } from '../../packages/curfew/src/stores/store.ts'
import type { SimCluster } from '../redis/cluster.ts'
import { dialer } from '../redis/server.ts'

/** One process of Curfew: the store that the product ships, on simulated servers, and an engine. */
export interface Node {
  readonly host: string
  /** The store as the product opened it. */
  readonly store: RedisStore
  readonly engine: Engine
  readonly isAlive: () => boolean
  /** As `kill -9`: nothing it began comes back to it, what is on its way arrives. */
  kill(): void
}

/** What an engine works with, beside the store, its clock and the name of the node. */
export type NodeParts = Omit<EngineDeps, 'store' | 'clock' | 'owner'>

export interface NodeOptions {
  readonly host: string
  /** Its name among the nodes: another process may have had it. */
  readonly name: string
  readonly token: string
  readonly clock: Clock
  readonly cluster: SimCluster
  readonly copies: number
  readonly buckets: number
  readonly replication?: Replication
  /** What the engine works with, beside the store and its clock. */
  readonly deps: (node: Pick<Node, 'isAlive'>) => NodeParts
  /** Looks at what the engine commits. */
  readonly watched: (store: Store) => Store
}

/** Starts a process, as `curfew start` puts it together; waits for a name that is still held. */
export async function startNode(options: NodeOptions): Promise<Node> {
  const { host, name, cluster, clock: machine } = options
  let alive = true
  const isAlive = (): boolean => alive
  const clock: Clock = { nowMs: () => machine.nowMs(), after: (delayMs, fn) => machine.after(delayMs, () => (alive ? fn() : undefined)) }
  const store = await openRedisStore({
    topology: { kind: 'cluster' },
    nodes: cluster.addresses,
    access: {},
    dial: dialer(cluster.servers, host, isAlive),
    clock,
    steadyMs: () => machine.nowMs(),
    capacity: 10_000,
    prefix: '',
    buckets: options.buckets,
    copies: options.copies,
    copyWaitMs: 150,
    ack: 'degraded',
    isVolatile: false,
    auditMax: 0,
    label: name,
    token: options.token,
    ...(options.replication === undefined ? {} : { replication: options.replication })
  })
  await store.nodes.join({ id: name, address: host, version: '0', tags: [], startedAtMs: machine.nowMs() })
  const engine = createEngine({ ...options.deps({ isAlive }), store: options.watched(store), clock: store.clock, owner: name })
  await engine.start()
  return {
    host,
    store,
    engine,
    isAlive,
    kill() {
      alive = false
    }
  }
}
