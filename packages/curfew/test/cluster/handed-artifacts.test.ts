import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { handedBefore, handOut } from '../../src/cluster/handed-artifacts.ts'
import { createMemoryStore } from '../../src/stores/memory/memory-store.ts'

const name = { kind: 'Interaction', id: 'hash' } as const
const handed = { untilMs: 3_600_000, value: { of: 'ana' }, grantId: 'grant' }

suite('artifacts that were handed to another group', () => {
  test('the group that it was handed to may have it once more for ten seconds, no other one', async () => {
    const store = createMemoryStore({ capacity: 10 })
    await store.putArtifact({ ...name, ...handed })
    assert.deepEqual(await handOut(store, name, 'b', 1_000), handed)
    assert.equal(await handOut(store, name, 'c', 1_000), undefined)
    assert.equal(await handedBefore(store, name, 'c', 1_000), undefined)
    assert.deepEqual(await handedBefore(store, name, 'b', 10_900), handed)
    assert.equal(await handedBefore(store, name, 'b', 11_000), undefined)
  })

  test('the last group that it was handed to counts', async () => {
    const store = createMemoryStore({ capacity: 10 })
    for (const to of ['b', 'c'] as const) {
      await store.putArtifact({ ...name, ...handed })
      assert.deepEqual(await handOut(store, name, to, 1_000), handed)
    }
    assert.equal(await handedBefore(store, name, 'b', 1_000), undefined)
    assert.deepEqual(await handedBefore(store, name, 'c', 1_000), handed)
  })
})
