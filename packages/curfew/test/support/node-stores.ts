import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { replicationOf } from '../../src/cli/replication-setup.ts'
import { cluster as clusterSchema } from '../../src/config/cluster-schema.ts'
import type { ClusterMode } from '../../src/config/groups.ts'
import { store as storeSchema } from '../../src/config/store-schema.ts'
import type { Group } from '../../src/core/group.ts'
import { steadyMs, systemClock } from '../../src/platform/clock.ts'
import type { Replication } from '../../src/stores/fact.ts'
import { openRedisStore } from '../../src/stores/redis/redis-store.ts'
import { openSqliteStore } from '../../src/stores/sqlite/sqlite-store.ts'
import type { Store } from '../../src/stores/store.ts'
import type { GroupServers, Setting } from './modes.ts'

/** The store as one node has it open, and the group that the node belongs to. */
export interface NodeStore {
  readonly store: Store
  readonly group?: Group
}

export interface NodeStores extends AsyncDisposable {
  /** One for each node. */
  readonly nodes: readonly NodeStore[]
  /** How the groups of the nodes work together; `shared` where there is one. */
  readonly groups: ClusterMode
}

/** Groups of the modes that have two. */
export const testGroups: readonly Group[] = [
  { id: 'berlin', letter: 'a', links: ['https://berlin-1.example:9041'] },
  { id: 'paris', letter: 'b', links: ['https://paris-1.example:9041'] }
]

/** Opens an empty store as the mode has it: once for each of its nodes, with connections of their own. */
export async function openNodeStores({ mode, groups }: Setting, capacity: number): Promise<NodeStores> {
  switch (mode) {
    case 'sqlite': {
      const folder = mkdtempSync(join(tmpdir(), 'curfew-mode-'))
      const store = await openSqliteStore({ file: join(folder, 'curfew.db'), capacity })
      return over([{ store }], 'shared', async () => rmSync(folder, { recursive: true, force: true }))
    }
    case 'shared':
    case 'state-servers':
    case 'adaptive': {
      const [servers] = groups
      if (servers === undefined) throw new Error('no servers were started for this mode')
      const prefix = newPrefix()
      const options = { servers, prefix, capacity }
      return over([{ store: await openShared(options) }, { store: await openShared(options) }], 'shared')
    }
    case 'subclusters':
    case 'regions': {
      const prefix = newPrefix()
      const nodes = await Promise.all(
        testGroups.map(async (group, i) => {
          const servers = groups[i]
          if (servers === undefined) throw new Error('servers were started for too few groups')
          return { group, store: await openShared({ servers, prefix, capacity, replication: replicationFor(mode, group) }) }
        })
      )
      return over(nodes, mode)
    }
  }
}

function over(nodes: readonly NodeStore[], groups: ClusterMode, afterwards: () => Promise<void> = async () => undefined): NodeStores {
  return {
    nodes,
    groups,
    async [Symbol.asyncDispose]() {
      for (const { store } of nodes) await store[Symbol.asyncDispose]()
      await afterwards()
    }
  }
}

function newPrefix(): string {
  return `${randomBytes(6).toString('hex')}:`
}

interface SharedOptions {
  readonly servers: GroupServers
  readonly prefix: string
  readonly capacity: number
  readonly replication?: Replication | undefined
}

/** On a machine that has much to do a server may need more than one try. */
async function openShared(options: SharedOptions, tries = 3): Promise<Store> {
  return tries === 1 ? openOnce(options) : openOnce(options).catch(() => openShared(options, tries - 1))
}

function openOnce({ servers, prefix, capacity, replication }: SharedOptions): Promise<Store> {
  const { topology, ports, copies } = servers
  return openRedisStore({
    topology: topology === 'sentinel' ? { kind: 'sentinel', master: 'curfew' } : { kind: topology },
    nodes: ports.map((port) => ({ host: '127.0.0.1', port })),
    access: {},
    clock: systemClock,
    steadyMs,
    capacity,
    prefix,
    buckets: 4,
    copies,
    copyWaitMs: 150,
    ack: 'degraded',
    isVolatile: false,
    auditMax: 0,
    label: 'test',
    token: randomBytes(12).toString('hex'),
    ...(replication === undefined ? {} : { replication })
  })
}

/** As the configuration of such a group has it. */
function replicationFor(mode: 'subclusters' | 'regions', { id }: Group): Replication | undefined {
  const groups = testGroups.map((group) => ({ id: group.id, links: [...group.links] }))
  return replicationOf({ cluster: clusterSchema.parse({ group: id, mode, groups, listen: ['127.0.0.1:9041'] }), store: storeSchema.parse({ kind: 'memory' }) })
}
