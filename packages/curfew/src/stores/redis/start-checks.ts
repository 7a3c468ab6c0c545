import { storeError } from '../store-error.ts'
import type { Reply } from './link.ts'
import type { Primary } from './primary.ts'
import { storeErrorNewer, storeFormat } from './format.ts'
import { createKeys } from './keys.ts'
import { texts } from './redis-context.ts'
import type { RedisStoreOptions } from './redis-store.ts'
import { slotOfTag } from './slots.ts'
import type { Topology } from './topology.ts'

/** Something about the servers that an operator should know. */
export interface Finding {
  readonly server: string
  readonly what: string
  readonly fix: string
}

type Checked = Pick<RedisStoreOptions, 'onWarning' | 'prefix' | 'buckets' | 'topology'>

/**
 * Looks at every primary before the first write.
 * @throws CURFEW_STORE_UNSUITABLE
 */
export async function checkServers(topology: Topology, options: Checked): Promise<void> {
  for (const primary of topology.primaries()) await checkServer(primary, options)
  await checkMaking(topology, options)
}

async function checkServer(primary: Primary, { onWarning, topology }: Checked): Promise<void> {
  const warn = (what: string, fix: string): void => onWarning?.({ server: primary.name, what, fix })
  const refuse = (why: string): never => {
    throw storeError('CURFEW_STORE_UNSUITABLE', { server: primary.name, why })
  }
  const info = String(await primary.read(['INFO', 'server']))
  const isValkey = /^valkey_version:/m.test(info)
  const version = (isValkey ? /^valkey_version:(\d+)\.(\d+)/m : /^redis_version:(\d+)\.(\d+)/m).exec(info)
  const [major, minor] = [Number(version?.[1]), Number(version?.[2])]
  if (isValkey ? major < 7 || (major === 7 && minor < 2) : major < 7) refuse(`version ${major}.${minor}: Redis 7.0 or Valkey 7.2 is the oldest that works`)
  const setting = settingsOf(primary)
  const policy = await setting('maxmemory-policy')
  if (policy !== undefined && policy !== 'noeviction') refuse(`maxmemory-policy is ${policy}: sessions would be forgotten; set noeviction`)
  if ((await setting('appendonly')) === 'no')
    warn('appendonly is no: a server that is restarted has forgotten everything', 'set appendonly yes, appendfsync everysec')
  if (topology.kind !== 'cluster') return
  if ((await setting('cluster-require-full-coverage')) === 'yes')
    warn('cluster-require-full-coverage is yes: one lost shard stops all', 'set cluster-require-full-coverage no')
  const timeoutMs = Number(await setting('cluster-node-timeout'))
  if (timeoutMs > 2_000) warn(`cluster-node-timeout is ${timeoutMs} ms: so long nobody takes over`, 'set cluster-node-timeout to 1000-2000')
}

/** Settings by name; undefined where the server does not tell. */
function settingsOf(primary: Primary): (name: string) => Promise<string | undefined> {
  return async (name) => {
    try {
      return texts(await primary.read(['CONFIG', 'GET', name]))[1]
    } catch {
      return undefined
    }
  }
}

/** The number of buckets is written down with the first start; another number would not find what is there. */
async function checkMaking(topology: Topology, { prefix, buckets }: Checked): Promise<void> {
  const key = `${prefix}{0}made`
  const primary = topology.primaryOf(slotOfTag('0'))
  // Before anything is written. A store that was made before formats were counted has the first.
  const { common } = createKeys(prefix, buckets)
  const format = Number((await topology.primaryOf(slotOfTag(common.tag)).read(['GET', `${common.prefix}format`])) ?? 1)
  if (format > storeFormat) throw storeErrorNewer(format)
  await primary.write(['SET', key, String(buckets), 'NX'])
  const made: Reply = await primary.read(['GET', key])
  if (Number(made) !== buckets) {
    throw storeError('CURFEW_STORE_UNSUITABLE', { server: primary.name, why: `the store was made with ${String(made)} buckets, not ${buckets}` })
  }
}
