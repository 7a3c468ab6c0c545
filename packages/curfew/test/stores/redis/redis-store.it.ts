import { after, before, suite } from 'node:test'
import { steadyMs, systemClock } from '../../../src/platform/clock.ts'
import { storeConformance } from '../../../src/stores/conformance/store-conformance.ts'
import { openRedisStore, type RedisStoreOptions } from '../../../src/stores/redis/redis-store.ts'
import { type Server, skipReason, startCluster, startServer } from './servers.ts'

/** Every test gets keys of its own on the same servers. */
let round = 0

function conformance(name: string, start: () => Promise<readonly Server[]>, options: Pick<RedisStoreOptions, 'topology' | 'buckets' | 'copies'>): void {
  suite(name, { skip: skipReason }, () => {
    let servers: readonly Server[] = []
    before(async () => {
      servers = await start()
    })
    after(async () => {
      await Promise.all(servers.map((server) => server.stop()))
    })
    storeConformance(name, async (capacity, replication) => {
      round += 1
      let opened = 0
      const open = () => {
        opened += 1
        return openRedisStore({
          ...options,
          nodes: servers.map(({ port }) => ({ host: '127.0.0.1', port })),
          access: {},
          clock: systemClock,
          steadyMs,
          capacity,
          prefix: `t${round}:`,
          copyWaitMs: 150,
          ack: 'degraded',
          isVolatile: false,
          auditMax: 0,
          label: 'test',
          token: `token ${round} ${opened}`,
          ...(replication === undefined ? {} : { replication })
        })
      }
      let store = await open()
      return {
        store,
        async reopen() {
          await store[Symbol.asyncDispose]()
          store = await open()
          return store
        },
        close: () => store[Symbol.asyncDispose]()
      }
    })
  })
}

conformance('redis, one server', async () => [await startServer()], { topology: { kind: 'standalone' }, buckets: 1, copies: 0 })
conformance('redis, cluster of three with a copy each', () => startCluster(3, 1), { topology: { kind: 'cluster' }, buckets: 64, copies: 1 })
