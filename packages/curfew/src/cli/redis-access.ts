import { readFileSync } from 'node:fs'
import { CurfewError } from '@curfew/codecs'
import type { Config } from '../config/schema.ts'
import { type NodeAccess, type NodeAddress, parseNodeUrl } from '../stores/redis/node-address.ts'
import type { TopologyKind } from '../stores/redis/topology.ts'

type RedisConfig = NonNullable<Config['store']['redis']>
/** What it takes to reach servers, in the words of the configuration. */
export type RedisServers = Pick<RedisConfig, 'topology' | 'nodes' | 'master' | 'username' | 'password' | 'ca' | 'certificate' | 'key'>

export interface RedisAccess {
  readonly topology: TopologyKind
  readonly nodes: readonly NodeAddress[]
  readonly access: NodeAccess
}

/** @throws CURFEW_CONFIG_FILE */
export function redisAccess(redis: RedisServers): RedisAccess {
  const nodes = redis.nodes.map(parseNodeUrl)
  const access = nodes[0]?.access ?? {}
  const tls = access.tls === undefined ? {} : { tls: { ...pem('ca', redis.ca), ...pem('cert', redis.certificate), ...pem('key', redis.key) } }
  return {
    topology: redis.topology === 'sentinel' ? { kind: 'sentinel', master: redis.master } : { kind: redis.topology },
    nodes: nodes.map(({ address }) => address),
    access: {
      ...access,
      ...(redis.username === undefined ? {} : { username: redis.username }),
      ...(redis.password === undefined ? {} : { password: redis.password }),
      ...tls
    }
  }
}

function pem<Name extends string>(name: Name, path: string | undefined): { readonly [key in Name]?: string } {
  if (path === undefined) return {}
  try {
    return { [name]: readFileSync(path, 'utf8') } as { readonly [key in Name]?: string }
  } catch (cause) {
    throw new CurfewError('CURFEW_CONFIG_FILE', { path, why: 'it can not be read' }, { cause })
  }
}
