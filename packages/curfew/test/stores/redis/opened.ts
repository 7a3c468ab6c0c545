import { steadyMs, systemClock } from '../../../src/platform/clock.ts'
import { openRedisStore, type RedisStore, type RedisStoreOptions } from '../../../src/stores/redis/redis-store.ts'
import type { Server } from './servers.ts'

let round = 0

/** A store of its own on these servers. */
export function openOn(servers: readonly Server[], options: Partial<RedisStoreOptions> = {}): Promise<RedisStore> {
  round += 1
  return openRedisStore({
    topology: { kind: 'standalone' },
    nodes: servers.map(({ port }) => ({ host: '127.0.0.1', port })),
    access: {},
    clock: systemClock,
    steadyMs,
    capacity: 100_000,
    prefix: `t${round}:`,
    buckets: 16,
    copies: 0,
    copyWaitMs: 150,
    ack: 'degraded',
    isVolatile: false,
    auditMax: 0,
    label: 'test',
    token: `token ${round}`,
    ...options
  })
}
