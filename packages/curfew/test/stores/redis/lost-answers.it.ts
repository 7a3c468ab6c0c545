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

  test('an id is fresh to the call that was the first with it, and to no other', async () => {
    const [store, other] = await both('replay:')
    await using _ = store
    await using __ = other
    const untilMs = t0 + 600_000
    relay.loseAnswerTo(Buffer.from('_replay'))
    assert.equal((await store.replaySeen('idp', 'assertion', untilMs, t0)).value, 'fresh')
    assert.equal((await store.replaySeen('idp', 'assertion', untilMs, t0)).value, 'seen')
    relay.loseAnswerTo(Buffer.from('_replay'))
    assert.equal((await store.replaySeen('idp', 'assertion', untilMs, t0)).value, 'seen', 'not to one that came later and lost its answer')
    assert.equal((await other.replaySeen('idp', 'assertion', untilMs + 1, t0)).value, 'seen')
    for (let n = 0; n < 20; n++) {
      relay.loseAnswerTo(Buffer.from('_replay'))
      const heard = await Promise.all([store, other, store, other].map((one) => one.replaySeen('idp', `at once ${n}`, untilMs, t0)))
      assert.deepEqual(heard.map(({ value }) => value).toSorted(), ['fresh', 'seen', 'seen', 'seen'])
    }
  })

  test('who was the first with an id is forgotten after a minute, and with what it was about', async () => {
    const [store, other] = await both('first:')
    await using _ = store
    await using __ = other
    const first = async (): Promise<readonly string[]> => (await server.command('ZRANGE', 'first:{0}yb', '0', '-1')) as readonly string[]
    await store.replaySeen('idp', 'long', t0 + 600_000, t0)
    await store.replaySeen('idp', 'short', t0 + 10, t0)
    assert.equal((await first()).length, 2)
    await store.purge(t0 + 10, 1, 10)
    assert.equal((await first()).length, 1)
    await store.replaySeen('idp', 'later', t0 + 600_000, t0 + 60_000)
    assert.equal((await first()).length, 1)
  })

  test('a code is used up by the call that was the first, and by no other', async () => {
    const [store, other] = await both('code:')
    await using _ = store
    await using __ = other
    const code = { kind: 'AuthorizationCode', untilMs: t0 + 600_000, value: { by: 'ana' } }
    await store.putArtifact({ ...code, id: 'one' })
    relay.loseAnswerTo(Buffer.from('artifact_consume'))
    assert.equal((await store.consumeArtifact(code.kind, 'one', t0)).value, 'consumed')
    assert.equal((await other.consumeArtifact(code.kind, 'one', t0)).value, 'already')
    relay.loseAnswerTo(Buffer.from('artifact_consume'))
    assert.equal((await store.consumeArtifact(code.kind, 'one', t0)).value, 'already')
    for (let n = 0; n < 20; n++) {
      await store.putArtifact({ ...code, id: `at once ${n}` })
      relay.loseAnswerTo(Buffer.from('artifact_consume'))
      const heard = await Promise.all([store, other, store, other].map((one) => one.consumeArtifact(code.kind, `at once ${n}`, t0)))
      assert.deepEqual(heard.map(({ value }) => value).toSorted(), ['already', 'already', 'already', 'consumed'])
    }
  })

  test('what may be made once is made by the call that was the first, and by no other', async () => {
    const [store, other] = await both('make:')
    await using _ = store
    await using __ = other
    relay.loseAnswerTo(Buffer.from('tx_create'))
    assert.equal((await store.txCreate('mark', true, t0 + 600_000)).value, 'created')
    assert.equal((await other.txCreate('mark', true, t0 + 600_000)).value, 'exists')
    assert.equal((await store.txCreate('mark', true, t0 + 600_000)).value, 'exists')
  })

  test('what a call dropped it says to have dropped', async () => {
    const [store, other] = await both('drop:')
    await using _ = store
    await using __ = other
    const token = { kind: 'AccessToken', grantId: 'grant', untilMs: t0 + 600_000, value: {} }
    for (const id of ['one', 'two']) await store.putArtifact({ ...token, id })
    relay.loseAnswerTo(Buffer.from('artifact_drop'))
    assert.equal((await store.dropArtifact(token.kind, 'one')).value, 'dropped')
    assert.equal((await store.dropArtifact(token.kind, 'one')).value, 'unknown')
    relay.loseAnswerTo(Buffer.from('artifact_drop'))
    assert.equal((await store.dropGrant('grant')).value, 1)
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
