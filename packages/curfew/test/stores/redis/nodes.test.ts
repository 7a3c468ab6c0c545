import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createNodes, type NodeFacts } from '../../../src/stores/redis/nodes.ts'
import type { RedisContext } from '../../../src/stores/redis/redis-context.ts'
import { createFakeClock } from '../../support/fake-clock.ts'

const facts: NodeFacts = { id: 'one/1', address: '127.0.0.1', version: '1', tags: [], startedAtMs: 0 }

/** A process that takes a name which another one holds until `heldUntilMs`; `meanwhile` happens while it waits, the first time. */
function joining(meanwhile: (world: { nowMs: number; heldUntilMs: number }) => void): { readonly joined: Promise<void>; readonly world: { claims: number } } {
  const world = { nowMs: 10_000, heldUntilMs: 14_000, claims: 0 }
  const clock = {
    nowMs: () => world.nowMs,
    after: (delayMs: number, fn: () => void) => {
      // Renewals of a name that was taken are no part of this.
      if (world.claims === 0 || world.nowMs > world.heldUntilMs) return { cancel: () => undefined }
      world.nowMs += delayMs
      if (world.claims === 1) meanwhile(world)
      queueMicrotask(fn)
      return { cancel: () => undefined }
    }
  }
  const shards = {
    write: async (_bucket: unknown, _name: string, args: readonly string[]) => {
      world.claims += 1
      const reply = world.heldUntilMs > Number(args[2]) ? ['taken', String(world.heldUntilMs)] : ['claimed', '', '1']
      return { reply, durability: 'local', isRepeat: false }
    }
  }
  const context = { shards, keys: { common: {} } } as unknown as Pick<RedisContext, 'shards' | 'keys'>
  const nodes = createNodes(context, { clock, token: 'own', onLost: () => assert.fail('lost'), release: async () => undefined })
  return { joined: nodes.join(facts), world }
}

suite('The name of a process that was killed', () => {
  test('is waited for', async () => {
    const { joined, world } = joining(() => undefined)
    await joined
    assert.equal(world.claims, 2)
  })

  test('is waited for on, when the time was set right meanwhile', async () => {
    const { joined, world } = joining((there) => {
      there.nowMs -= 700
    })
    await joined
    assert.equal(world.claims, 3)
  })

  test('is not taken from one that renews it', async () => {
    const { joined } = joining((there) => {
      there.heldUntilMs += 2_000
    })
    await assert.rejects(joined, { code: 'CURFEW_STORE_NODE_TAKEN' })
  })
})

/** Two processes on one store: this one, and another that renews its name when the test says so. */
function two(): { readonly clock: ReturnType<typeof createFakeClock>; readonly world: { isAway: boolean; otherUntilMs: number; released: number } } {
  const clock = createFakeClock(0)
  const world = { isAway: false, otherUntilMs: 0, released: 0 }
  const shards = {
    write: async () => {
      if (world.isAway) throw new Error('the store is away')
      return { reply: ['claimed', '', '1'], durability: 'local', isRepeat: false }
    },
    read: async (_bucket: unknown, command: string) =>
      command === 'SMEMBERS' ? ['two/1'] : [String(world.otherUntilMs), JSON.stringify({ ...facts, id: 'two/1' })]
  }
  const context = { shards, keys: { common: {} } } as unknown as Pick<RedisContext, 'shards' | 'keys'>
  const release = async (): Promise<void> => void (world.released += 1)
  void createNodes(context, { clock, token: 'own', onLost: () => undefined, release }).join(facts)
  return { clock, world }
}

suite('The work of another process', () => {
  test('is taken over when its name has run out', async () => {
    const { clock, world } = two()
    world.otherUntilMs = 11_000
    await clock.advance(10_000)
    assert.equal(world.released, 0)
    await clock.advance(2_500)
    assert.equal(world.released, 1)
  })

  test('is left to it by a new process, until it had the time to renew its name: the store may have been away before', async () => {
    const { clock, world } = two()
    world.otherUntilMs = -1
    await clock.advance(5_500)
    assert.equal(world.released, 0)
    await clock.advance(2_500)
    assert.notEqual(world.released, 0)
  })

  test('is left to it after the store was away, until it had the time to renew its name', async () => {
    const { clock, world } = two()
    world.otherUntilMs = 25_000
    await clock.advance(20_500)
    world.isAway = true
    await clock.advance(10_000)
    world.isAway = false
    await clock.advance(5_000)
    assert.equal(world.released, 0)
    await clock.advance(4_000)
    assert.notEqual(world.released, 0)
  })
})
