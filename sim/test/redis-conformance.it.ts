import { suite } from 'node:test'
import { steadyMs, systemClock } from '../../packages/curfew/src/platform/clock.ts'
import { storeConformance } from '../../packages/curfew/src/stores/conformance/store-conformance.ts'
import { openRedisStore } from '../../packages/curfew/src/stores/redis/redis-store.ts'
import { createSeededRandom } from '../../packages/curfew/test/support/seeded-random.ts'
import { SimCluster } from '../redis/cluster.ts'
import { createNetwork } from '../redis/network.ts'
import { dialer } from '../redis/server.ts'

let round = 0

/** Simulated servers do what real ones do, as far as the store can see. */
function conformance(name: string, shape: { readonly shards: number; readonly copies: number; readonly buckets: number }): void {
  suite(name, () => {
    const { fraction } = createSeededRandom(1)
    // Nothing is late here: the suite runs on the clock of the machine.
    const network = createNetwork({ clock: { nowMs: () => 0, after: (_, fn) => ({ cancel: clearImmediate.bind(undefined, setImmediate(fn)) }) }, fraction })
    storeConformance(name, async (capacity, replication) => {
      round += 1
      const cluster = new SimCluster({ ...shape, clock: systemClock, network, fraction, name: `server-${round}-`, tell: () => undefined })
      let opened = 0
      const open = () => {
        opened += 1
        return openRedisStore({
          topology: { kind: 'cluster' },
          nodes: cluster.addresses,
          access: {},
          dial: dialer(cluster.servers, 'node', () => true),
          clock: systemClock,
          steadyMs,
          capacity,
          prefix: '',
          buckets: shape.buckets,
          copies: shape.copies,
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
        async close() {
          await store[Symbol.asyncDispose]()
          cluster.close()
        }
      }
    })
  })
}

conformance('simulated servers, one', { shards: 1, copies: 0, buckets: 1 })
conformance('simulated servers, two with a copy each', { shards: 2, copies: 1, buckets: 8 })
