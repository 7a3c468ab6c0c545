import assert from 'node:assert/strict'
import { suite } from 'node:test'
import type { Store } from '../store.ts'
import { signedOn, stored, type StoreTest } from './harness.ts'
import { hourMs, sampleAttempt, sampleDelivery, sampleEnd, sampleParticipant, sampleRun, sampleSession, t0 } from './samples.ts'

export function lifetimeTests(test: StoreTest): void {
  suite('lifetime', () => {
    test('describes itself', async (store) => {
      const session = await signedOn(store, sampleSession(1))
      await signedOn(store, sampleSession(2))
      await store.endSession(sampleEnd(1, session, [sampleParticipant('payroll', 1)]))
      const { liveSessions, openRuns, pendingEffects, durability } = await store.describe()
      assert.deepEqual({ liveSessions, openRuns, pendingEffects }, { liveSessions: 1, openRuns: 1, pendingEffects: 1 })
      assert.equal((await store.touch(session.id, t0, t0)).durability, durability)
    })

    test('refuses every call after it is closed', async (store) => {
      await store[Symbol.asyncDispose]()
      await assert.rejects(store.getSession('ses_1'), { code: 'CURFEW_STORE_CLOSED' })
      await assert.rejects(store.openSession(sampleSession(1)), { code: 'CURFEW_STORE_CLOSED' })
      await store[Symbol.asyncDispose]()
    })

    test('keeps what was asked for before it was closed', async (store, { reopen }) => {
      const adding = Array.from({ length: 300 }, (_, n) => store.openSession(sampleSession(n)))
      if (reopen === undefined) {
        await Promise.all(adding)
        return
      }
      const again = await reopen()
      for (const { value } of await Promise.all(adding)) assert.equal(value, 'opened')
      assert.equal(await again.countLiveSessions(), 300)
    })

    test('knows after reopening everything it knew before, and the same limits hold', async (store, { reopen }) => {
      if (reopen === undefined) return
      await fill(store)
      const before = await everything(store)
      const again = await reopen()
      assert.deepEqual(await everything(again), before)
      assert.equal((await again.replaySeen('idp', 'id', t0 + hourMs, t0)).value, 'seen')
      assert.equal((await again.txTake('key', t0)).value, 'value')
      const known = (await again.revocationFeed(0, 10)).at(-1)?.cursor ?? 0
      await again.revoke('sri-new', t0 + 1, t0)
      assert.deepEqual((await again.revocationFeed(known, 10)).length, 1)
    })

    test('hands effects that were under lease when it was closed to the next owner at once', async (store, { reopen }) => {
      if (reopen === undefined) return
      await fill(store)
      const claim = { nowMs: t0 + hourMs, leaseMs: hourMs, max: 10 }
      const held = await store.claimEffects({ ...claim, owner: 'a' })
      assert.equal(held.length, 1)
      assert.deepEqual(await (await reopen()).claimEffects({ ...claim, owner: 'b' }), held)
    })
  })
}

async function fill(store: Store): Promise<void> {
  const participant = sampleParticipant('payroll', 1)
  const session = await signedOn(store, sampleSession(1), [participant])
  await signedOn(store, sampleSession(2), [sampleParticipant('wiki', 2)])
  await store.touch(sampleSession(2).id, t0 + 2000, t0 + 2000 + hourMs)
  const run = sampleRun(1, session, [], {
    deliveries: [sampleDelivery(participant, [sampleAttempt(1, 'msg-1')])]
  })
  await store.endSession(sampleEnd(1, session, [participant], { run }))
  await store.commitRun({ run: { ...run, version: 2, browserSeenAtMs: t0 }, effects: [], settled: [] })
  await store.replaySeen('idp', 'id', t0 + hourMs, t0)
  await store.lockBump('form:ana', t0, hourMs)
  await store.txCreate('key', 'value', t0 + hourMs)
  await store.appendAudit({ atMs: t0, event: 'e', actor: { kind: 'system', id: 'timer' } })
}

async function everything(store: Store): Promise<unknown> {
  // Where it is depends on the process, and how far its clock is from this one is measured anew.
  const { location: _location, clockAheadMs: _clockAheadMs, sweptEntries: _sweptEntries, ...description } = await store.describe()
  return {
    description,
    sessions: await store.listSessions({ limit: 100, nowMs: t0 }),
    first: await stored(store, sampleSession(1)),
    participants: [await store.getParticipants(sampleSession(1).id), await store.getParticipants(sampleSession(2).id)],
    runs: await store.listRuns({ limit: 100 }),
    message: await store.findByMessage('payroll', 'msg-1'),
    feed: await store.revocationFeed(0, 100),
    locks: await store.lockRead('form:ana', t0, hourMs),
    tx: await store.txGet('key', t0),
    audit: await store.listAudit({ limit: 100 }),
    next: await store.nextEffectAtMs()
  }
}
