import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { LogoutRun } from '../../packages/curfew/src/core/run.ts'
import { sampleDelivery, sampleEnd, sampleParticipant, sampleRun, sampleSession } from '../../packages/curfew/src/stores/conformance/samples.ts'
import { createMemoryStore, type MemoryStore } from '../../packages/curfew/src/stores/memory/memory-store.ts'
import type { Acknowledged, Fact } from '../events.ts'
import { missing } from '../judge.ts'

const yearMs = 366 * 86_400_000
const session = sampleSession(1)
const participants = ['wiki', 'chat'].map((id) => sampleParticipant(id, 1))

/** An end with this run, after both applications have joined. */
async function ended(run: LogoutRun): Promise<MemoryStore> {
  const store = createMemoryStore({ capacity: 10 })
  await store.openSession(session)
  for (const participant of participants) await store.addParticipant(session.id, participant)
  const { version } = (await store.getSession(session.id)) ?? session
  await store.endSession(sampleEnd(1, { ...session, version }, participants, { run, revokedUntilMs: Date.now() + yearMs }))
  return store
}

function fact(what: Fact, peerId?: string): Acknowledged {
  const { id, sri, tokenHash } = session
  return {
    kind: 'acknowledged',
    what,
    lane: 0,
    ticket: { id, sri, tokenHash },
    ...(peerId === undefined ? {} : { peerId }),
    durability: 'replicated',
    fromMs: 0,
    toMs: 1
  }
}

const facts = [fact('opened'), fact('added', 'wiki'), fact('added', 'chat'), fact('ended')]
const whatIsLost = async (store: MemoryStore, told = facts): Promise<readonly Fact[]> => (await missing(store, told)).map(({ what }) => what)

suite('faults: an end that was acknowledged', () => {
  test('is there when its run is done and has a delivery for everybody', async () => {
    await using store = await ended(sampleRun(1, session, participants, { state: 'done' }))
    assert.deepEqual(await whatIsLost(store), [])
  })

  test('is lost without its run, however much the session has ended', async () => {
    await using store = await ended(sampleRun(1, session, participants, { state: 'done' }))
    const without: MemoryStore = Object.assign(Object.create(store) as MemoryStore, { getRun: async () => undefined })
    assert.deepEqual(await whatIsLost(without), ['ended'])
  })

  test('is lost while its run is open', async () => {
    await using store = await ended(sampleRun(1, session, participants))
    assert.deepEqual(await whatIsLost(store), ['ended'])
  })

  test('is lost when an application that had joined has no delivery', async () => {
    const [wiki] = participants
    await using store = await ended(sampleRun(1, session, [], { state: 'done', deliveries: wiki === undefined ? [] : [sampleDelivery(wiki)] }))
    assert.deepEqual(await whatIsLost(store), ['ended'])
    const unnamed = [fact('opened'), fact('added'), fact('added'), fact('ended')]
    assert.deepEqual(await whatIsLost(store, unnamed), ['ended'], 'also where a former version did not say which')
    assert.deepEqual(await whatIsLost(store, [fact('added', 'wiki'), fact('ended')]), [], 'whoever was not acknowledged is not missed')
  })
})
