import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { sampleEnd, sampleParticipant, sampleSession } from '../../src/stores/conformance/samples.ts'
import { storeConformance } from '../../src/stores/conformance/store-conformance.ts'
import { createMemoryStore, type MemoryStore } from '../../src/stores/memory/memory-store.ts'

storeConformance('memory', async (capacity, replication) => {
  const store = createMemoryStore({ capacity, ...(replication === undefined ? {} : { replication }) })
  return { store, close: async () => store[Symbol.asyncDispose]() }
})

suite('memory store', () => {
  test('restores a snapshot whatever happened since', async () => {
    const store = createMemoryStore({ capacity: 10 })
    await store.openSession(sampleSession(1))
    const snapshot = store.snapshot()
    await store.addParticipant(sampleSession(1).id, sampleParticipant('payroll', 1))
    await store.openSession(sampleSession(2))
    await store[Symbol.asyncDispose]()
    store.restore(snapshot)
    assert.deepEqual(await store.getSession(sampleSession(1).id), sampleSession(1))
    assert.deepEqual(await store.getParticipants(sampleSession(1).id), [])
    assert.equal(await store.countLiveSessions(), 1)
    await store.openSession(sampleSession(3))
    store.restore(snapshot)
    assert.equal(await store.countLiveSessions(), 1)
  })

  test('fails before the commit without a trace, after it with the write kept', async () => {
    let fault: 'before' | 'after' | undefined = 'before'
    const failure = new Error('power cut')
    const store: MemoryStore = createMemoryStore({
      capacity: 10,
      fault: (call, phase) => (call === 'endSession' && phase === fault ? failure : undefined)
    })
    await store.openSession(sampleSession(1))
    await assert.rejects(store.endSession(sampleEnd(1, sampleSession(1))), failure)
    assert.equal((await store.getSession(sampleSession(1).id))?.end, undefined)
    fault = 'after'
    await assert.rejects(store.endSession(sampleEnd(1, sampleSession(1))), failure)
    assert.equal((await store.getSession(sampleSession(1).id))?.end?.runId, 'run_1')
    fault = undefined
    assert.deepEqual((await store.endSession(sampleEnd(2, sampleSession(1)))).value, {
      kind: 'already',
      runId: 'run_1'
    })
  })
})
