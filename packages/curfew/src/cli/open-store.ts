import { hostname } from 'node:os'
import { type CurfewError, isCurfewError } from '@curfew/codecs'
import type { AdminCluster } from '../admin/context.ts'
import { copiesOf } from '../config/redis-schema.ts'
import type { Config } from '../config/schema.ts'
import { type Clock, steadyMs, systemClock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import { systemRandom } from '../platform/random.ts'
import { createMemoryStore } from '../stores/memory/memory-store.ts'
import { openSqliteStore } from '../stores/sqlite/sqlite-store.ts'
import type { Drained, NodeFacts } from '../stores/redis/nodes.ts'
import type { RedisStore } from '../stores/redis/redis-store.ts'
import type { Store } from '../stores/store.ts'
import { clockText } from './clock-text.ts'
import { replicationOf } from './replication-setup.ts'
import { version } from './version.ts'

/** The store, and what this process is among those that share it. */
export interface OpenedStore {
  readonly store: Store
  /** The same, where several processes share it. */
  readonly shared?: RedisStore
  /** Resolves when this process may not serve any more: newer programs have written the store, or another process has its name. */
  readonly unfit?: Promise<CurfewError>
  /** The time that everything in the store goes by: that of the store where several machines share it. */
  readonly clock: Clock
}

/** Opens the store that the configuration names. @throws CURFEW_STORE_UNREACHABLE, CURFEW_STORE_REFUSED, CURFEW_STORE_UNSUITABLE, CURFEW_CONFIG_FILE */
export async function openStore(config: Config, logger: Logger): Promise<OpenedStore> {
  const { kind, file, capacity, redis } = config.store
  const replication = replicationOf(config)
  const options = { capacity, ...(replication === undefined ? {} : { replication }) }
  if (kind === 'memory')
    return { store: createMemoryStore({ ...options, listId: Buffer.from(systemRandom.bytes(16)).toString('base64url') }), clock: systemClock }
  if (kind === 'sqlite' || redis === undefined) return { store: await openSqliteStore({ file, ...options }), clock: systemClock }
  const { promise: unfit, resolve } = Promise.withResolvers<CurfewError>()
  const shared = await openShared(config, redis, logger, (error) => {
    if (isCurfewError(error) && unfitCodes.includes(error.code)) resolve(error)
  })
  return { store: shared, shared, unfit, clock: shared.clock }
}

/** Else the store did not answer, and the name is renewed when it does. */
const unfitCodes: readonly string[] = ['CURFEW_STORE_SCHEMA_NEWER', 'CURFEW_STORE_NODE_TAKEN']

/** Loaded only where it is used: the client of the servers takes its time. */
async function openShared(
  config: Config,
  redis: NonNullable<Config['store']['redis']>,
  logger: Logger,
  onNameLost: (error: unknown) => void
): Promise<RedisStore> {
  const { openRedisStore } = await import('../stores/redis/redis-store.ts')
  const { redisAccess } = await import('./redis-access.ts')
  const replication = replicationOf(config)
  return openRedisStore({
    ...redisAccess(redis),
    clock: systemClock,
    steadyMs,
    capacity: config.store.capacity,
    ...(replication === undefined ? {} : { replication }),
    prefix: redis.prefix,
    buckets: redis.buckets,
    copies: copiesOf(redis),
    copyWaitMs: redis.copyWaitMs,
    ack: redis.ack,
    isVolatile: redis.volatile,
    auditMax: redis.auditLines,
    label: `curfew-${nodeName(config).replace(/[^\w.:-]/g, '_')}`,
    token: Buffer.from(systemRandom.bytes(16)).toString('base64url'),
    onWarning: ({ server, what, fix }) => logger.warn({ event: 'store.setting', server }, `${server}: ${what}; ${fix}`),
    onCopiesMissing: ({ server, have, wanted }) =>
      logger.warn(
        { event: 'store.copies-missing', server, have, wanted },
        `${server}: ${have} of ${wanted} copies are there: writes are degraded; add replicas, or lower store.redis.copies`
      ),
    onCopiesBack: (server) => logger.info({ event: 'store.copies-back', server }, `${server} has its copies again`),
    onConfirmed(isConfirmed) {
      if (isConfirmed) logger.info({ event: 'store.confirmed' }, 'a majority of the sentinels confirms the primary again')
      else
        logger.error(
          { event: 'store.unconfirmed', code: 'CURFEW_STORE_UNCONFIRMED' },
          'no majority of the sentinels confirms the primary: within a second nothing is read from it any more'
        )
    },
    onSweepFailed: (error) =>
      logger.warn(
        { event: 'store.sweep-failed', err: error },
        'the look for entries that lead nowhere was broken off; it begins again, until it comes to its end'
      ),
    onClockApart: (aheadMs) => logger.warn({ event: 'store.clock-apart', code: 'CURFEW_STORE_CLOCK_APART', aheadMs }, `${clockText(aheadMs)}; set both by NTP`),
    onClockTogether: () => logger.info({ event: 'store.clock-together' }, 'the clock of this machine and the time of the store are together again'),
    onNameLost(error) {
      logger.error({ event: 'cluster.name-lost', err: error }, 'this node could not keep its name')
      onNameLost(error)
    }
  })
}

/** The name of this process among those that share the store. */
export function nodeName(config: Pick<Config, 'cluster' | 'server'>): string {
  return config.cluster.node ?? `${hostname()}@${config.server.listen[0] ?? ''}`
}

/** Takes the name of this node. @throws CURFEW_STORE_NODE_TAKEN */
export async function joinNodes({ shared, clock }: OpenedStore, config: Config): Promise<void> {
  await shared?.nodes.join(factsOf(config, clock.nowMs()))
}

function factsOf(config: Config, startedAtMs: number): NodeFacts {
  const { index, group, tags } = config.cluster
  return { id: nodeName(config), address: config.server.listen.join(' '), version, index, ...(group === undefined ? {} : { group }), tags, startedAtMs }
}

/** A node that is several workers is drained with all of them, or not at all. */
async function drainNode({ nodes }: RedisStore, node: string, isAsked: boolean): Promise<Drained> {
  const workers = (await nodes.list()).filter(({ id, isLive }) => isLive && id.startsWith(`${node}/`)).map(({ id }) => id)
  if (workers.length === 0) return nodes.drain(node, isAsked)
  for (const worker of workers) {
    const word = await nodes.drain(worker, isAsked)
    if (word !== 'last') continue
    for (const one of workers) await nodes.drain(one, false)
    return word
  }
  return 'done'
}

/** The nodes as the admin API shows them. */
export function clusterOf({ shared }: OpenedStore, config: Config): Omit<AdminCluster, 'groups'> {
  const self = nodeName(config)
  if (shared === undefined) {
    const alone = { ...factsOf(config, systemClock.nowMs()), tags: [...config.cluster.tags], isLive: true }
    return {
      self,
      mode: 'single',
      nodes: () => Promise.resolve([alone]),
      format: () => undefined,
      drain: (node) => Promise.resolve(node === self ? 'last' : 'unknown'),
      whereIs: () => Promise.resolve(undefined)
    }
  }
  return {
    self,
    mode: config.store.redis?.topology === 'cluster' ? 'adaptive' : 'stateServers',
    format: () => shared.nodes.format,
    drain: (node, isAsked) => drainNode(shared, node, isAsked),
    nodes: async () => (await shared.nodes.list()).map((node) => ({ ...node, tags: [...node.tags] })),
    whereIs: async (session) => {
      const place = await shared.whereIs(session)
      return { ...place, copies: [...place.copies] }
    }
  }
}
