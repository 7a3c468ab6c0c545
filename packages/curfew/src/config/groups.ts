import type { Group } from '../core/group.ts'
import { soleGroup } from '../platform/locator.ts'
import { letterAt } from './cluster-schema.ts'
import type { Config } from './schema.ts'

/** What the processes of an authority share. */
export type ClusterMode = 'shared' | 'subclusters' | 'regions'

/** The groups of the authority, as this node belongs to one of them. */
export interface ConfiguredGroups {
  readonly self: Group
  /** Without the own one; empty where there is one store only. */
  readonly others: readonly Group[]
  /** Id of the first group of the list, which keeps what there is once only for all; undefined: this one. */
  readonly home?: string
  /** `shared`: there is one store, whoever works on it. */
  readonly mode: ClusterMode
}

export function groupsOf({ cluster, store }: Pick<Config, 'cluster' | 'store'>): ConfiguredGroups {
  const all = cluster.groups.map((group, place): Group => ({ id: group.id, letter: letterAt(group, place), links: group.links }))
  const own = all.find(({ id }) => id === cluster.group)
  const self = own ?? { id: cluster.group ?? 'sole', letter: soleGroup, links: [] }
  const others = all.filter((group) => group !== own)
  if (others.length === 0) return { self, others, mode: 'shared' }
  const [first] = all
  const home = first === undefined || first === own ? {} : { home: first.id }
  return { self, others, ...home, mode: cluster.mode ?? (store.redis?.topology === 'cluster' ? 'regions' : 'subclusters') }
}
