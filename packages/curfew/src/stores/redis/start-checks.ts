import { storeError } from '../store-error.ts'
import type { Reply } from './link.ts'
import type { Primary } from './primary.ts'
import { storeErrorNewer, storeFormat } from './format.ts'
import { createKeys } from './keys.ts'
import { texts } from './redis-context.ts'
import type { RedisStoreOptions } from './redis-store.ts'
import { sentinelFindings } from './sentinel-checks.ts'
import { slotOfTag } from './slots.ts'
import type { Topology } from './topology.ts'

/** Something about the servers that an operator should know. */
export interface Finding {
  readonly server: string
  readonly what: string
  readonly fix: string
}

type Checked = Pick<RedisStoreOptions, 'onWarning' | 'prefix' | 'buckets' | 'topology' | 'nodes' | 'ack' | 'copies' | 'copyWaitMs' | 'isVolatile'>

/**
 * Looks at every primary before the first write.
 * @throws CURFEW_STORE_UNSUITABLE
 */
export async function checkServers(topology: Topology, options: Checked): Promise<void> {
  for (const primary of topology.primaries()) await checkServer(primary, options)
  const listed = topology.sentinels === undefined ? [] : await sentinelFindings(topology.sentinels, options.nodes, 'store.redis.nodes')
  for (const finding of listed) options.onWarning?.(finding)
  await checkMaking(topology, options)
}

async function checkServer(primary: Primary, { onWarning, topology, ...options }: Checked): Promise<void> {
  const warn = (what: string, fix: string): void => onWarning?.({ server: primary.name, what, fix })
  const refuse = (why: string): never => {
    throw storeError('CURFEW_STORE_UNSUITABLE', { server: primary.name, why })
  }
  const setting = settingsOf(primary)
  /** Fewer copies are `degraded` here, and there they are no write at all. */
  const checkReplicas = async (): Promise<void> => {
    const wanted = Number((await setting('min-replicas-to-write')) ?? 0)
    if (wanted === 0 || (await setting('min-replicas-max-lag')) === '0') return
    const what = `min-replicas-to-write is ${wanted}: with fewer replicas it refuses every write, signing out, too`
    const there = Number(/^min_slaves_good_slaves:(\d+)/m.exec(String(await primary.read(['INFO', 'replication'])))?.[1] ?? wanted)
    if (there < wanted) refuse(`${what}, and ${there} follow; set min-replicas-to-write 0`)
    if (options.ack !== 'degraded' && wanted > options.copies)
      refuse(`${what}, and store.redis.copies takes ${options.copies} for enough; set min-replicas-to-write 0`)
    warn(what, 'set min-replicas-to-write 0: store.redis.copies waits for copies, and store.redis.ack says what happens without them')
  }
  const { isValkey, major, minor } = versionOf(String(await primary.read(['INFO', 'server'])))
  if (isValkey ? major < 7 || (major === 7 && minor < 2) : major < 7) refuse(`version ${major}.${minor}: Redis 7.0 or Valkey 7.2 is the oldest that works`)
  const policy = await setting('maxmemory-policy')
  if (policy !== undefined && policy !== 'noeviction') refuse(`maxmemory-policy is ${policy}: sessions would be forgotten; set noeviction`)
  const isOnDisk = (await setting('appendonly')) !== 'no'
  if (!isOnDisk && !options.isVolatile)
    refuse('appendonly is no: a server that is restarted has forgotten everything; set appendonly yes, or say that it may with store.redis.volatile: true')
  const sync = await setting('appendfsync')
  if (isOnDisk && sync === 'no') warn('appendfsync is no: a machine that dies loses up to half a minute', 'set appendfsync everysec')
  if (options.ack === 'fsync') {
    if (!isOnDisk || sync === 'no') refuse('store.redis.ack is fsync, and it does not write to disk in time; set appendonly yes, appendfsync always')
    if (sync === 'everysec' && options.copyWaitMs < everySecondMs)
      refuse(`store.redis.ack is fsync, and it writes to disk every second; set appendfsync always, or store.redis.copyWaitMs to ${everySecondMs} at least`)
    if (!isValkey && major === 7 && minor < 2)
      refuse(`store.redis.ack is fsync, which version ${major}.${minor} does not know: Redis 7.2 is the oldest that does`)
  }
  await checkReplicas()
  const packed = Number((await setting('hash-max-listpack-value')) ?? packedBytes)
  if (packed < packedBytes) warn(`hash-max-listpack-value is ${packed}: sessions take more memory than they need`, `set hash-max-listpack-value ${packedBytes}`)
  if (topology.kind !== 'cluster') return
  if ((await setting('cluster-require-full-coverage')) === 'yes')
    warn('cluster-require-full-coverage is yes: one lost shard stops all', 'set cluster-require-full-coverage no')
  const timeoutMs = Number(await setting('cluster-node-timeout'))
  if (timeoutMs > 2_000) warn(`cluster-node-timeout is ${timeoutMs} ms: so long nobody takes over`, 'set cluster-node-timeout to 1000-2000')
}

/** With `appendfsync everysec` a write is on the disk after a second and what that takes. */
const everySecondMs = 1_100
/** Values of a hash up to this long are kept together with it. */
const packedBytes = 512

/** Program and version, of what a server says about itself; not a number where it does not say. */
export function versionOf(info: string): { readonly isValkey: boolean; readonly major: number; readonly minor: number } {
  const isValkey = /^valkey_version:/m.test(info)
  const version = (isValkey ? /^valkey_version:(\d+)\.(\d+)/m : /^redis_version:(\d+)\.(\d+)/m).exec(info)
  return { isValkey, major: Number(version?.[1]), minor: Number(version?.[2]) }
}

/** Settings by name; undefined where the server does not tell. */
export function settingsOf(primary: Primary): (name: string) => Promise<string | undefined> {
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
  let made: Reply = await primary.read(['GET', key])
  if (made === null) {
    await primary.write(['SET', key, String(buckets), 'NX'])
    made = await primary.read(['GET', key])
  }
  if (Number(made) !== buckets) {
    throw storeError('CURFEW_STORE_UNSUITABLE', { server: primary.name, why: `the store was made with ${String(made)} buckets, not ${buckets}` })
  }
}
