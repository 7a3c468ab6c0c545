import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterMode } from '../../src/config/groups.ts'
import type { ConfigInput } from '../../src/config/schema.ts'
import type { Store } from '../../src/stores/store.ts'
import { type GroupServers, testSetting } from './modes.ts'
import { testGroups } from './node-stores.ts'
import { freeRange } from './ports.ts'

/** What stands in the configuration of one node and not in that of the others. */
export interface RealNode {
  readonly listen: string
  readonly store: NonNullable<ConfigInput['store']>
  readonly cluster?: ConfigInput['cluster']
}

export interface RealNodes {
  readonly nodes: readonly RealNode[]
  /** How the groups of the nodes work together; `shared` where there is one. */
  readonly groups: ClusterMode
}

const settleEveryMs = 50
const settleMsMax = 10_000

/** Waits until each group has read what the others tell, as the test finds it in their stores. */
export async function settle(stores: readonly Store[]): Promise<void> {
  const letters = testGroups.map(({ letter }) => letter)
  const isBehind = async ({ facts }: Store): Promise<boolean> =>
    facts !== undefined && (await facts.backlog(letters.filter((letter) => letter !== facts.group))) > 0
  const untilMs = performance.now() + settleMsMax
  while ((await Promise.all(stores.map(isBehind))).some(Boolean) && performance.now() < untilMs) await sleep(settleEveryMs)
}

/** The nodes of the mode of this run, as an operator would write them down; without a mode one process with its state in memory. */
export async function realNodes(port: number, folder: string): Promise<RealNodes> {
  const one = (store: RealNode['store']): RealNodes => ({ nodes: [{ listen: `127.0.0.1:${port}`, store }], groups: 'shared' })
  if (testSetting === undefined) return one({ kind: 'memory' })
  const { mode, groups } = testSetting
  const [first] = groups
  const prefix = `${randomBytes(6).toString('hex')}:`
  switch (mode) {
    case 'sqlite':
      return one({ kind: 'sqlite', file: join(folder, 'curfew.db') })
    case 'shared':
    case 'state-servers':
    case 'adaptive': {
      if (first === undefined) throw new Error('no servers were started for this mode')
      const ports = await freeRange(2)
      const nodes = ['test-1', 'test-2'].map((node, i) => ({ listen: `127.0.0.1:${ports + i}`, store: storeAt(first, prefix), cluster: { node } }))
      return { nodes, groups: 'shared' }
    }
    case 'subclusters':
    case 'regions': {
      const ports = await freeRange(4)
      const known = testGroups.map(({ id }, i) => ({ id, links: [`http://127.0.0.1:${ports + 2 + i}`] }))
      const nodes = testGroups.map(({ id }, i): RealNode => {
        const servers = groups[i]
        if (servers === undefined) throw new Error('servers were started for too few groups')
        const cluster = { node: `test-${i + 1}`, group: id, mode, groups: known, listen: [`127.0.0.1:${ports + 2 + i}`] }
        return { listen: `127.0.0.1:${ports + i}`, store: storeAt(servers, prefix), cluster }
      })
      return { nodes, groups: mode }
    }
  }
}

function storeAt({ topology, ports, copies }: GroupServers, prefix: string): RealNode['store'] {
  return {
    kind: 'redis',
    capacity: 1_000,
    redis: { topology, nodes: ports.map((port) => `redis://127.0.0.1:${port}`), prefix, buckets: 4, copies }
  }
}
