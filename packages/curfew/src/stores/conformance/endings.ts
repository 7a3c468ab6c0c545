import assert from 'node:assert/strict'
import { suite } from 'node:test'
import type { Store } from '../store.ts'
import { signedOn, stored, type StoreTest } from './harness.ts'
import { hourMs, sampleAttempt, sampleDelivery, sampleEnd, sampleParticipant, sampleRun, sampleSession, t0 } from './samples.ts'

export function endingTests(test: StoreTest): void {
  endTests(test)
  concurrencyTests(test)
  purgeTests(test)
  partialTests(test)
}

function endTests(test: StoreTest): void {
  suite('endSession', () => {
    test('ends the session, revokes its SRI and stores run, deliveries, messages and effects together', async (store) => {
      const participants = [sampleParticipant('payroll', 1), sampleParticipant('wiki', 1)]
      const session = await signedOn(store, sampleSession(1), participants)
      const run = sampleRun(1, session, participants, {
        deliveries: participants.map((participant) => sampleDelivery(participant, [sampleAttempt(1, `msg-${participant.peerId}`)]))
      })
      const commit = sampleEnd(1, session, participants, { run })
      assert.deepEqual((await store.endSession(commit)).value, { kind: 'ended' })
      assert.deepEqual(await store.getSession(session.id), {
        ...session,
        version: session.version + 1,
        end: commit.end
      })
      assert.deepEqual(await store.getRun(run.id), run)
      assert.equal(await store.isRevoked(session.sri, t0 + 6000), true)
      assert.deepEqual(await store.findByMessage('wiki', 'msg-wiki'), {
        runId: run.id,
        deliveryId: 'dlv_wiki:0'
      })
      assert.equal(await store.nextEffectAtMs(), run.startedAtMs)
      const claimed = await store.claimEffects({ owner: 'a', nowMs: run.startedAtMs, leaseMs: 1000, max: 10 })
      assert.deepEqual(
        claimed.map(({ effect }) => effect),
        commit.effects
      )
      assert.equal(await store.countLiveSessions(), 0)
    })

    test('AC-109 keeps an ending off the revocation list and out of the feed where it is told so', async (store) => {
      const session = await signedOn(store, sampleSession(1))
      const { revokedUntilMs: _until, ...commit } = sampleEnd(1, session)
      assert.deepEqual((await store.endSession(commit)).value, { kind: 'ended' })
      assert.equal(await store.isRevoked(session.sri, t0 + 6000), false)
      assert.deepEqual(await store.revocationFeed(0, 10), [])
      assert.deepEqual((await stored(store, session)).end, commit.end)
      await store.revoke(session.sri, t0 + hourMs, t0 + 6000)
      assert.equal(await store.isRevoked(session.sri, t0 + 6000), true)
    })

    test('answers `changed` to a plan that is out of date and writes nothing of it', async (store) => {
      const session = await signedOn(store, sampleSession(1))
      await store.addParticipant(session.id, sampleParticipant('payroll', 1))
      assert.deepEqual((await store.endSession(sampleEnd(1, session))).value, { kind: 'changed' })
      assert.equal((await stored(store, session)).end, undefined)
      assert.equal(await store.getRun('run_1'), undefined)
      assert.equal(await store.isRevoked(session.sri, t0), false)
      assert.equal(await store.nextEffectAtMs(), undefined)
      assert.equal(await store.countLiveSessions(), 1)
    })

    test('answers a second ending with the first run and writes nothing of it', async (store) => {
      const session = await signedOn(store, sampleSession(1))
      await store.endSession(sampleEnd(1, session))
      const ended = await stored(store, session)
      for (const expectedVersion of [session.version, ended.version]) {
        const second = await store.endSession(sampleEnd(2, session, [], { expectedVersion }))
        assert.deepEqual(second.value, { kind: 'already', runId: 'run_1' })
      }
      assert.deepEqual(await stored(store, session), ended)
      assert.equal(await store.getRun('run_2'), undefined)
      assert.equal(await store.countLiveSessions(), 0)
    })

    test('answers `unknown` for a session that it does not know', async (store) => {
      assert.deepEqual((await store.endSession(sampleEnd(1, sampleSession(1)))).value, { kind: 'unknown' })
      assert.equal(await store.getRun('run_1'), undefined)
      assert.equal(await store.isRevoked(sampleSession(1).sri, t0), false)
    })

    test('undoes an ending whole when the id of its run is taken', async (store) => {
      const first = await signedOn(store, sampleSession(1))
      const second = await signedOn(store, sampleSession(2))
      await store.endSession(sampleEnd(1, first))
      const attempts = [
        store.endSession(sampleEnd(1, second)),
        store.openSession(sampleSession(3)),
        store.addParticipant(second.id, sampleParticipant('payroll', 2))
      ] as const
      await assert.rejects(attempts[0], { code: 'CURFEW_STORE_RUN_EXISTS' })
      assert.equal((await attempts[1]).value, 'opened')
      assert.equal((await attempts[2]).value, 'added')
      assert.equal((await stored(store, second)).end, undefined)
      assert.equal(await store.isRevoked(second.sri, t0), false)
      assert.equal((await store.getRun('run_1'))?.sessionId, first.id)
      assert.equal(await store.countLiveSessions(), 2)
    })

    test('never makes an ended session live again', async (store) => {
      const session = await signedOn(store, sampleSession(1))
      await store.endSession(sampleEnd(1, session))
      const ended = await stored(store, session)
      assert.equal((await store.openSession(session)).value, 'exists')
      await store.touch(session.id, t0 + hourMs, t0 + 2 * hourMs)
      await store.addParticipant(session.id, sampleParticipant('payroll', 1))
      assert.deepEqual(await stored(store, session), ended)
      assert.equal(await store.countLiveSessions(), 0)
      assert.deepEqual(await store.findByUser(session.userKey), [])
    })
  })
}

function concurrencyTests(test: StoreTest): void {
  suite('additions during an ending', () => {
    test('every acknowledged participant is in the plan of the ending or was answered `ended`', async (store) => {
      for (let round = 1; round <= 10; round += 1) {
        const session = await signedOn(store, sampleSession(round))
        const adding = Array.from({ length: 12 }, async (_, i) => {
          for (let turn = 0; turn < i % 4; turn += 1) await store.getSession(session.id)
          const id = `p${i}`
          return { id, value: (await store.addParticipant(session.id, sampleParticipant(id, round))).value }
        })
        await endWhenPossible(store, round, session.id)
        const planned = (await store.getRun(`run_${round}`))?.deliveries.map(({ peerId }) => peerId) ?? []
        for (const { id, value } of await Promise.all(adding)) {
          assert.ok(value === 'added' || value === 'ended', value)
          assert.equal(planned.includes(id), value === 'added', `${id} was answered ${value}`)
        }
      }
    })

    test('of many endings at once exactly one comes first and all name its run', async (store) => {
      const session = await signedOn(store, sampleSession(1))
      const results = await Promise.all([1, 2, 3, 4, 5].map((n) => store.endSession(sampleEnd(n, session))))
      assert.equal(results.filter(({ value }) => value.kind === 'ended').length, 1)
      const runId = (await stored(store, session)).end?.runId
      for (const { value } of results) if (value.kind !== 'ended') assert.deepEqual(value, { kind: 'already', runId })
      assert.equal((await store.listRuns({ limit: 10 })).items.length, 1)
    })
  })
}

function purgeTests(test: StoreTest): void {
  suite('purge', () => {
    test('keeps an ended session until its original expiry, so that late facts find it', async (store) => {
      const participant = sampleParticipant('payroll', 1)
      const session = await signedOn(store, sampleSession(1), [participant])
      await signedOn(store, sampleSession(2))
      await store.endSession(sampleEnd(1, session, [participant]))
      assert.equal(await store.purge(session.expiresAtMs - 1, 100 * hourMs, 100), 0)
      assert.equal((await store.addParticipant(session.id, participant)).value, 'ended')
      assert.equal(await store.purge(session.expiresAtMs, 100 * hourMs, 100), 2)
      assert.equal(await store.getSession(session.id), undefined)
      assert.deepEqual(await store.getParticipants(session.id), [])
      assert.equal(await store.findByIndex('payroll', participant.sessionIndex), undefined)
      assert.deepEqual((await store.revocationFeed(0, 10)).length, 0)
      assert.ok((await store.getRun('run_1')) !== undefined)
    })

    test('never removes a live session, however long its limits have passed', async (store) => {
      const session = await signedOn(store, sampleSession(1), [sampleParticipant('payroll', 1)])
      assert.equal(await store.purge(t0 + 1000 * hourMs, 0, 100), 0)
      assert.deepEqual(await store.getSession(session.id), session)
      assert.equal((await store.getParticipants(session.id)).length, 1)
    })

    test('keeps an ended session without absolute limit as long as anything issued in it is good', async (store) => {
      const participant = sampleParticipant('payroll', 1, { assertionNotOnOrAfterMs: t0 + 3 * hourMs })
      const session = await signedOn(store, sampleSession(1, { expiresAtMs: Number.MAX_SAFE_INTEGER }), [participant])
      await store.endSession(sampleEnd(1, session, [participant], { revokedUntilMs: t0 + hourMs }))
      await store.purge(t0 + 3 * hourMs - 1, 100 * hourMs, 100)
      assert.ok((await store.getSession(session.id)) !== undefined)
      await store.purge(t0 + 3 * hourMs, 100 * hourMs, 100)
      assert.equal(await store.getSession(session.id), undefined)
    })

    test('removes finished runs past retention with their messages, and no open one', async (store) => {
      const runs = [1, 2, 3].map(async (n) => {
        const participant = sampleParticipant('payroll', n)
        const session = await signedOn(store, sampleSession(n), [participant])
        const run = sampleRun(n, session, [], {
          deliveries: [sampleDelivery(participant, [sampleAttempt(1, `msg-${n}`)])]
        })
        await store.endSession(sampleEnd(n, session, [], { run, effects: [] }))
        return run
      })
      const [first, second] = await Promise.all(runs)
      assert.ok(first !== undefined && second !== undefined)
      for (const [run, at] of [
        [first, t0 + 10_000],
        [second, t0 + 20_000]
      ] as const) {
        await store.commitRun({
          run: { ...run, version: 2, state: 'done', finishedAtMs: at },
          effects: [{ kind: 'receipt', dueAtMs: at }],
          settled: []
        })
      }
      assert.equal(await store.purge(t0 + 10_999, 1000, 100), 0)
      assert.equal(await store.purge(t0 + 11_000, 1000, 100), 1)
      assert.equal(await store.getRun('run_1'), undefined)
      assert.equal(await store.findByMessage('payroll', 'msg-1'), undefined)
      assert.equal((await store.describe()).pendingEffects, 1)
      assert.ok((await store.getRun('run_2')) !== undefined)
      assert.ok((await store.getRun('run_3')) !== undefined)
      assert.deepEqual(await store.findByMessage('payroll', 'msg-2'), {
        runId: 'run_2',
        deliveryId: 'dlv_payroll:0'
      })
    })

    test('removes at most as much as it is asked to, and comes to an end', async (store) => {
      for (let n = 0; n < 70; n += 1) await store.replaySeen('idp', `id-${n}`, t0 + 100, t0)
      for (let n = 0; n < 70; n += 1) await store.txCreate(`key-${n}`, n, t0 + 100)
      for (let n = 0; n < 5; n += 1) await store.lockBump('form:ana', t0, 100)
      assert.equal(await store.purge(t0 + 99, 0, 1000), 0)
      assert.equal(await store.purge(t0 + 100, 0, 60), 60)
      assert.equal(await store.purge(t0 + 100, 0, 60), 60)
      assert.equal(await store.purge(t0 + 100, 0, 60), 25)
      assert.equal(await store.purge(t0 + 100, 0, 60), 0)
    })
  })
}

/** Plans and commits until the plan is of the session as it is: what the caller of a store does. */
async function endWhenPossible(store: Store, n: number, sessionId: `ses_${string}`): Promise<void> {
  for (;;) {
    const session = await store.getSession(sessionId)
    assert.ok(session !== undefined)
    const participants = await store.getParticipants(sessionId)
    const { value } = await store.endSession(sampleEnd(n, session, participants))
    if (value.kind === 'ended') return
    assert.equal(value.kind, 'changed')
  }
}

function partialTests(test: StoreTest): void {
  suite('openRun', () => {
    test('stores a run with its effects and leaves the session as it is', async (store) => {
      const participants = [sampleParticipant('payroll', 1), sampleParticipant('wiki', 1)]
      const session = await signedOn(store, sampleSession(1), participants)
      const { run, effects } = sampleEnd(1, session, participants)
      const opening = { sessionId: session.id, expectedVersion: session.version, run: { ...run, isPartial: true as const }, effects }
      assert.equal((await store.openRun(opening)).value, 'opened')
      assert.deepEqual(await store.getRun(run.id), opening.run)
      assert.deepEqual(await stored(store, session), session)
      assert.equal(await store.isRevoked(session.sri, t0), false)
      assert.equal(await store.countLiveSessions(), 1)
      const claimed = await store.claimEffects({ owner: 'a', nowMs: run.startedAtMs, leaseMs: 1000, max: 10 })
      assert.deepEqual(
        claimed.map(({ effect }) => effect),
        effects
      )
      assert.equal((await store.endSession(sampleEnd(2, session, participants))).value.kind, 'ended')
      assert.deepEqual(await store.getRun(run.id), opening.run)
    })

    test('writes nothing for a plan that is out of date, an ended session, an unknown one, or a taken id', async (store) => {
      const session = await signedOn(store, sampleSession(1))
      const { run, effects } = sampleEnd(1, session)
      const opening = { sessionId: session.id, expectedVersion: session.version, run, effects }
      assert.equal((await store.openRun({ ...opening, expectedVersion: session.version + 1 })).value, 'changed')
      assert.equal((await store.openRun({ ...opening, sessionId: 'ses_unknown' })).value, 'unknown')
      assert.equal(await store.getRun(run.id), undefined)
      assert.equal((await store.openRun(opening)).value, 'opened')
      await assert.rejects(store.openRun(opening), { code: 'CURFEW_STORE_RUN_EXISTS' })
      await store.endSession(sampleEnd(2, session))
      const late = sampleEnd(3, session)
      assert.equal((await store.openRun({ ...opening, run: late.run })).value, 'ended')
      assert.equal(await store.getRun(late.run.id), undefined)
    })
  })
}
