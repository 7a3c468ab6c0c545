import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { t0 } from '../../../src/stores/conformance/samples.ts'
import type { RedisStore } from '../../../src/stores/redis/redis-store.ts'
import { startRelay, type TcpRelay } from '../../support/tcp-relay.ts'
import { openOn } from './opened.ts'
import { type Server, skipReason, startServer } from './servers.ts'

suite('redis: the answer of a server is lost after it did what it was asked', { skip: skipReason }, () => {
  let server: Server
  let relay: TcpRelay
  before(async () => {
    server = await startServer()
    relay = await startRelay(server.port)
  })
  after(async () => {
    await relay[Symbol.asyncDispose]()
    await server.stop()
  })

  /** A store whose answers may be lost, and one on the same keys that has a wire of its own. */
  async function both(prefix: string): Promise<readonly [RedisStore, RedisStore]> {
    const options = { prefix, buckets: 1 }
    return [await openOn([server], { ...options, nodes: [{ host: '127.0.0.1', port: relay.port }] }), await openOn([server], options)]
  }

  test('a transaction is given to the call that took it, and to no other', async () => {
    const [store, other] = await both('take:')
    await using _ = store
    await using __ = other
    const value = { signOn: 'in progress' }
    await store.txCreate('key', value, t0 + 600_000)
    relay.loseAnswerTo(Buffer.from('tx_take'))
    assert.deepEqual((await store.txTake('key', t0)).value, value)
    assert.equal((await store.txTake('key', t0)).value, undefined)
    assert.equal((await other.txTake('key', t0)).value, undefined)
  })

  test('of many that take it at once one gets it, whose answer is lost as well', async () => {
    const [store, other] = await both('race:')
    await using _ = store
    await using __ = other
    for (let n = 0; n < 20; n++) {
      await store.txCreate(`key ${n}`, n, t0 + 600_000)
      relay.loseAnswerTo(Buffer.from('tx_take'))
      const taken = await Promise.all([store, other, store, other].map((one) => one.txTake(`key ${n}`, t0)))
      assert.deepEqual(
        taken.map((one) => one.value).filter((one) => one !== undefined),
        [n]
      )
    }
  })

  test('one that was taken too late is not given, and who took one is forgotten after a minute', async () => {
    const [store, other] = await both('late:')
    await using _ = store
    await using __ = other
    await store.txCreate('late', 'value', t0 + 1)
    relay.loseAnswerTo(Buffer.from('tx_take'))
    assert.equal((await store.txTake('late', t0 + 1)).value, undefined)
    const kept = async (): Promise<readonly string[]> => ((await server.command('KEYS', 'late:*}tt*')) as readonly string[]).toSorted()
    assert.deepEqual(await kept(), ['late:{0}tt:late', 'late:{0}ttx'])
    await store.purge(t0 + 61_000, 1, 10)
    assert.deepEqual(await kept(), [])
  })
})
