import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { SessionId } from '../../../src/core/ids.ts'
import { createKeys } from '../../../src/stores/redis/keys.ts'
import type { Reply } from '../../../src/stores/redis/link.ts'
import { createFeed } from '../../../src/stores/redis/redis-feed.ts'
import type { Answer, Shards } from '../../../src/stores/redis/shards.ts'

const session = 'ses_1' as SessionId

/** A feed on servers of which the copies may be away. */
function feedOn() {
  const state = { durability: 'degraded' as Answer['durability'], nowMs: 0, left: ['ses_1', 'sri 9000 1'] as readonly Reply[] }
  const wrote: string[] = []
  const shards: Pick<Shards, 'write' | 'read' | 'readFunction'> = {
    async write(_bucket, name, _args, promise) {
      wrote.push(promise?.again === undefined ? name : `${name}, owed`)
      if (name === 'revoked') state.left = []
      return { reply: ['revoked', '1', '9000'], durability: state.durability, isRepeat: false }
    },
    read: async (_bucket, command) => (command === 'HGETALL' ? state.left : null),
    readFunction: async () => []
  }
  const feed = createFeed({ shards: shards as Shards, keys: createKeys('t:', 1) }, 'token', () => state.nowMs)
  return { state, wrote, feed }
}

suite('redis: a revocation that too few copies have', () => {
  test('stays with its session until they have it, and is owed to them once', async () => {
    const { state, wrote, feed } = feedOn()
    await feed.publish({ sessionId: session, sri: 'sri', untilMs: 9_000, atMs: 1 })
    assert.deepEqual(wrote.splice(0), ['revoke, owed', 'feed, owed'])
    await feed.settle()
    assert.deepEqual(wrote.splice(0), [], 'a moment later nothing is done')
    state.nowMs += 5_000
    await feed.settle()
    assert.deepEqual(wrote.splice(0), ['revoke', 'feed'])
    Object.assign(state, { nowMs: 10_000, durability: 'replicated' })
    await feed.settle()
    assert.deepEqual(wrote.splice(0), ['revoke', 'feed', 'revoked'])
  })

  test('is forgotten here once another process has put it on the list', async () => {
    const { state, wrote, feed } = feedOn()
    await feed.publish({ sessionId: session, sri: 'sri', untilMs: 9_000, atMs: 1 })
    Object.assign(state, { nowMs: 1, left: [] })
    await feed.settle()
    Object.assign(state, { nowMs: 2, left: ['ses_1', 'sri 9000 1'] })
    await feed.settle()
    assert.deepEqual(wrote, ['revoke, owed', 'feed, owed', 'revoke, owed', 'feed, owed'])
  })

  test('leaves a session at once where a thousand others wait', async () => {
    const { wrote, feed } = feedOn()
    for (let i = 0; i < 1_000; i++) await feed.publish({ sessionId: `ses_${i}` as SessionId, sri: `sri${i}`, untilMs: 9_000, atMs: 1 })
    assert.ok(!wrote.includes('revoked'))
    await feed.publish({ sessionId: 'ses_more' as SessionId, sri: 'more', untilMs: 9_000, atMs: 1 })
    assert.equal(wrote.at(-1), 'revoked')
  })
})
