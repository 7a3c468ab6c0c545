import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createNodes, type NodeFacts } from '../../../src/stores/redis/nodes.ts'
import type { RedisContext } from '../../../src/stores/redis/redis-context.ts'

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
