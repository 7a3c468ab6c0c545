import { after, before, suite } from 'node:test'
import { steadyMs, systemClock } from '../../../src/platform/clock.ts'
import { storeConformance } from '../../../src/stores/conformance/store-conformance.ts'
import { openRedisStore, type RedisStoreOptions } from '../../../src/stores/redis/redis-store.ts'
import { type Server, skipReason, startCluster, startSentinels, startServer, until } from './servers.ts'

/** Every test gets keys of its own on the same servers. */
let round = 0

/** What a store needs: servers, and where it looks for them. */
interface Started {
  readonly doors: readonly Pick<Server, 'port'>[]
  readonly running: readonly Pick<Server, 'stop'>[]
}

async function startWatched(): Promise<Started> {
  const primary = await startServer()
  const replica = await startServer(['--replicaof', `127.0.0.1 ${primary.port}`])
  await until(async () => String(await primary.command('INFO', 'replication')).includes('state=online'))
  const doors = await startSentinels(3, primary, [replica])
  return { doors, running: [...doors, primary, replica] }
}

const only = (servers: readonly Server[]): Started => ({ doors: servers, running: servers })

function conformance(name: string, start: () => Promise<Started>, options: Pick<RedisStoreOptions, 'topology' | 'buckets' | 'copies'>): void {
  suite(name, { skip: skipReason }, () => {
    let servers: Started = only([])
    before(async () => {
      servers = await start()
    })
    after(async () => {
      await Promise.all(servers.running.map((server) => server.stop()))
    })
    storeConformance(name, async (capacity, replication) => {
      round += 1
      let opened = 0
      const open = () => {
        opened += 1
        return openRedisStore({
          ...options,
          nodes: servers.doors.map(({ port }) => ({ host: '127.0.0.1', port })),
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

conformance('redis, one server', async () => only([await startServer()]), { topology: { kind: 'standalone' }, buckets: 1, copies: 0 })
conformance('redis, a pair that Sentinel watches', startWatched, { topology: { kind: 'sentinel', master: 'curfew' }, buckets: 4, copies: 1 })
conformance('redis, cluster of three with a copy each', async () => only(await startCluster(3, 1)), { topology: { kind: 'cluster' }, buckets: 64, copies: 1 })
