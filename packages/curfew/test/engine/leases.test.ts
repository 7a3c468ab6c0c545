import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { RunId } from '../../src/core/ids.ts'
import { createEngine } from '../../src/engine/engine.ts'
import { createMemoryStore } from '../../src/stores/memory/memory-store.ts'
import type { Store } from '../../src/stores/store.ts'
import { createEngineKit, hopPeer, leaseMs, policy, soapPeer } from '../support/engine-kit.ts'
import { confirms, hangs } from '../support/scripted-sender.ts'

/** As of a node that finds no store any more once it has work. */
function claimsOnce(store: Store): Store['claimEffects'] {
  let hasWork = false
  return async (claim) => {
    const claimed = hasWork ? [] : await store.claimEffects(claim)
    hasWork ||= claimed.length > 0
    return claimed
  }
}

suite('engine: leases', () => {
  test('two nodes on one store send every message once', async () => {
    const kit = createEngineKit()
    const other = createEngine({ ...kit.deps, owner: 'node-2' })
    await kit.engine.start()
    await other.start()
    const runs: RunId[] = []
    for (let i = 0; i < 20; i++) runs.push(await kit.end((await kit.signIn(['payroll', 'intranet'])).id))
    await kit.clock.advance(5_000)
    for (const runId of runs) assert.deepEqual(await kit.outcomes(runId), { payroll: 'ended', intranet: 'ended' })
    assert.equal(kit.sender.sent.length, 40)
    await kit.engine.stop()
    await other.stop()
  })

  test('a slow exchange is not taken over while its lease holds', async () => {
    const kit = createEngineKit()
    const answer = Promise.withResolvers<void>()
    kit.sender.script('payroll', async (request) => {
      await answer.promise
      return confirms(request)
    })
    const other = createEngine({ ...kit.deps, owner: 'node-2' })
    await kit.engine.start()
    const runId = await kit.end((await kit.signIn(['payroll'])).id)
    await kit.clock.settle()
    await other.start()
    await kit.clock.advance(policy.sendTimeoutMs - 1)
    answer.resolve()
    await kit.clock.settle()
    assert.deepEqual(await kit.outcomes(runId), { payroll: 'ended' })
    assert.equal(kit.sender.sent.length, 1)
    await kit.engine.stop()
    await other.stop()
  })

  for (const call of ['claimEffects', 'commitRun'] as const) {
    test(`a node sends nothing when the answer to ${call} came so late that its lease is nearly over`, async () => {
      const kit = createEngineKit()
      let isLate = true
      const late = async <T>(answer: T): Promise<T> => {
        const { promise, resolve } = Promise.withResolvers<T>()
        kit.clock.after(isLate ? leaseMs * 0.8 : 0, () => resolve(answer))
        return promise
      }
      const store: Store = {
        ...kit.store,
        claimEffects: async (claim) => (call === 'claimEffects' ? late(await kit.store.claimEffects(claim)) : kit.store.claimEffects(claim)),
        commitRun: async (commit) => (call === 'commitRun' ? late(await kit.store.commitRun(commit)) : kit.store.commitRun(commit))
      }
      const slow = createEngine({ ...kit.deps, store })
      const runId = await kit.end((await kit.signIn(['payroll'])).id)
      await slow.start()
      await kit.clock.advance(leaseMs * 0.8)
      isLate = false
      assert.equal(kit.sender.sent.length, 0)
      const other = createEngine({ ...kit.deps, owner: 'node-2' })
      await other.start()
      await kit.clock.advance(2 * leaseMs)
      assert.deepEqual(await kit.outcomes(runId), { payroll: 'ended' })
      assert.equal(kit.sender.sent.length, 1)
      await slow.stop()
      await other.stop()
    })
  }

  test('a wake does what it was due for although the clock has gone back since it was claimed', async () => {
    const kit = createEngineKit({ peers: [hopPeer('payroll')], deps: { policy: { ...policy, deadlineMs: 60_000 } } })
    let backMs = 0
    const claimEffects: Store['claimEffects'] = async (claim) => {
      const claimed = await kit.store.claimEffects(claim)
      if (claimed.some(({ effect }) => effect.kind === 'wake')) backMs = 5
      return claimed
    }
    const clock = { ...kit.clock, nowMs: () => kit.clock.nowMs() - backMs }
    const engine = createEngine({ ...kit.deps, clock, store: { ...kit.store, claimEffects } })
    await engine.start()
    const runId = await kit.end((await kit.signIn(['payroll'])).id)
    await kit.clock.advance(120_000)
    assert.equal(backMs, 5)
    assert.deepEqual(await kit.outcomes(runId), { payroll: 'timed-out' })
    await engine.stop()
  })

  test('a message that took long to record does not leave when another node had the answer to an earlier one meanwhile', async () => {
    const kit = createEngineKit()
    const answer = Promise.withResolvers<void>()
    kit.sender.script('payroll', async (request) => {
      await answer.promise
      return confirms(request)
    })
    await kit.engine.start()
    const runId = await kit.end((await kit.signIn(['payroll'])).id)
    await kit.clock.advance(policy.sendTimeoutMs)
    await kit.engine.stop()
    const store: Store = {
      ...kit.store,
      commitRun: async (commit) => {
        const stored = await kit.store.commitRun(commit)
        if (commit.run.deliveries[0]?.attempts.length === 2) answer.resolve()
        await new Promise<void>((resolve) => void kit.clock.after(200, resolve))
        return stored
      }
    }
    const other = createEngine({ ...kit.deps, store, owner: 'node-2' })
    await other.start()
    await kit.clock.advance(2 * leaseMs)
    assert.deepEqual(await kit.outcomes(runId), { payroll: 'ended' })
    assert.equal((await kit.run(runId)).deliveries[0]?.attempts.length, 2)
    assert.equal(kit.sender.sent.length, 1)
    await other.stop()
  })

  for (const recordMs of [0, 50, 200, 900]) {
    test(`nobody is asked after the outcome when a node stores its answer while another one takes ${recordMs} ms to record a further attempt`, async () => {
      const kit = createEngineKit()
      const isBack = Promise.withResolvers<void>()
      const after: unknown[] = []
      const outcomeOf = async (id: RunId) => (await kit.run(id)).deliveries[0]?.outcome?.kind
      // The first node has an answer and no store, until the second one has recorded its attempt.
      const first = createEngine({
        ...kit.deps,
        store: {
          ...kit.store,
          claimEffects: claimsOnce(kit.store),
          commitRun: async (commit) => {
            const attempts = commit.run.deliveries[0]?.attempts ?? []
            if (attempts[0]?.endedAtMs !== undefined) await isBack.promise
            return kit.store.commitRun(commit)
          }
        }
      })
      kit.sender.script('payroll', async (request) => {
        after.push(await outcomeOf(request.run.id))
        return confirms(request)
      })
      await first.start()
      const runId = await kit.end((await kit.signIn(['payroll'])).id)
      await kit.clock.advance(leaseMs)
      const second = createEngine({
        ...kit.deps,
        owner: 'node-2',
        store: {
          ...kit.store,
          commitRun: async (commit) => {
            const answer = await kit.store.commitRun(commit)
            const last = commit.run.deliveries[0]?.attempts[1]
            if (last === undefined || last.endedAtMs !== undefined || commit.run.state === 'done') return answer
            isBack.resolve()
            await new Promise<void>((resolve) => void kit.clock.after(recordMs, resolve))
            return answer
          }
        }
      })
      await second.start()
      await kit.clock.advance(policy.retryBaseMs + 2 * policy.sendTimeoutMs)
      assert.equal(await outcomeOf(runId), 'ended')
      assert.equal((await kit.run(runId)).state, 'done')
      assert.deepEqual(
        after.filter((outcome) => outcome !== undefined),
        []
      )
      assert.equal(kit.sender.sent.length, recordMs > 100 ? 1 : 2)
      await first.stop()
      await second.stop()
    })
  }

  test('a message does not leave when recording it took longer than an exchange may', async () => {
    const kit = createEngineKit()
    let isSlow = true
    const slow = createEngine({
      ...kit.deps,
      store: {
        ...kit.store,
        commitRun: async (commit) => {
          const answer = await kit.store.commitRun(commit)
          if (isSlow) await new Promise<void>((resolve) => void kit.clock.after(policy.sendTimeoutMs, resolve))
          isSlow = false
          return answer
        }
      }
    })
    const runId = await kit.end((await kit.signIn(['payroll'])).id)
    await slow.start()
    await kit.clock.advance(policy.sendTimeoutMs)
    assert.equal(kit.sender.sent.length, 0)
    await kit.clock.advance(2 * policy.sendTimeoutMs + policy.retryCapMs)
    assert.deepEqual(await kit.outcomes(runId), { payroll: 'ended' })
    assert.equal((await kit.run(runId)).deliveries[0]?.attempts.length, 2)
    await slow.stop()
  })

  for (const [why, isLost, lookMs] of [
    ['the store has lost again', true, 0],
    ['was looked at once more too long ago', false, 1_100]
  ] as const) {
    test(`a message does not leave whose attempt ${why}`, async () => {
      const kit = createEngineKit()
      let hasFault = true
      const pause = (ms: number): Promise<void> => new Promise((resolve) => void kit.clock.after(ms, resolve))
      let isLook = false
      const node = createEngine({
        ...kit.deps,
        store: {
          ...kit.store,
          commitRun: async (commit) => {
            if (!hasFault) return kit.store.commitRun(commit)
            // A primary that is lost with what no copy had.
            const answer = isLost ? ({ value: 'committed', durability: 'degraded' } as const) : await kit.store.commitRun(commit)
            isLook = true
            await pause(200)
            hasFault = false
            return answer
          },
          getRun: async (id) => {
            const run = await kit.store.getRun(id)
            if (isLook) await pause(lookMs)
            isLook = false
            return run
          }
        }
      })
      const runId = await kit.end((await kit.signIn(['payroll'])).id)
      await node.start()
      await kit.clock.advance(5_000)
      assert.equal(kit.sender.sent.length, 0)
      await kit.clock.advance(leaseMs)
      assert.deepEqual(await kit.outcomes(runId), { payroll: 'ended' })
      assert.equal(kit.sender.sent.length, 1)
      await node.stop()
    })
  }

  test('a message that was recorded right before the deadline does not leave after it: what is open is final then', async () => {
    const kit = createEngineKit()
    const runId = await kit.end((await kit.signIn(['payroll'])).id)
    await kit.clock.advance(policy.deadlineMs - 20)
    const late = createEngine({
      ...kit.deps,
      store: {
        ...kit.store,
        commitRun: async (commit) => {
          const answer = await kit.store.commitRun(commit)
          await new Promise<void>((resolve) => void kit.clock.after(50, resolve))
          return answer
        }
      }
    })
    await late.start()
    await kit.clock.advance(20)
    await kit.engine.apply(runId, { kind: 'tick', atMs: kit.clock.nowMs(), jitter: 0 })
    await kit.clock.advance(1_000)
    assert.deepEqual(await kit.outcomes(runId), { payroll: 'timed-out' })
    assert.equal((await kit.run(runId)).deliveries[0]?.attempts.length, 1)
    assert.equal(kit.sender.sent.length, 0)
    await late.stop()
  })

  test('an attempt is recorded by whoever has the lease, not by who had it when it began', async () => {
    const kit = createEngineKit()
    const isBack = Promise.withResolvers<void>()
    const late = createEngine({
      ...kit.deps,
      store: {
        ...kit.store,
        claimEffects: claimsOnce(kit.store),
        commitRun: async (commit) => {
          await isBack.promise
          return kit.store.commitRun(commit)
        }
      }
    })
    const runId = await kit.end((await kit.signIn(['payroll'])).id)
    await late.start()
    await kit.clock.advance(leaseMs)
    kit.sender.script('payroll', async (request) => {
      isBack.resolve()
      await new Promise<void>((resolve) => void kit.clock.after(100, resolve))
      return confirms(request)
    })
    const other = createEngine({ ...kit.deps, owner: 'node-2' })
    await other.start()
    await kit.clock.advance(2_000)
    const [delivery] = (await kit.run(runId)).deliveries
    assert.deepEqual([delivery?.outcome?.kind, delivery?.attempts.length], ['ended', 1])
    await late.stop()
    await other.stop()
  })

  test('a lease shorter than the exchanges need is refused', () => {
    assert.throws(() => createEngineKit({ deps: { leaseMs: 4 * policy.sendTimeoutMs - 1 } }), RangeError)
  })
})

suite('engine: an orderly stop', () => {
  test('waits for the exchange under way and records its result', async () => {
    const kit = createEngineKit()
    const answer = Promise.withResolvers<void>()
    kit.sender.script('payroll', async (request) => {
      await answer.promise
      return confirms(request)
    })
    await kit.engine.start()
    const runId = await kit.end((await kit.signIn(['payroll'])).id)
    await kit.clock.settle()
    let isStopped = false
    const stopped = kit.engine.stop().then(() => {
      isStopped = true
    })
    await kit.clock.settle()
    assert.equal(isStopped, false)
    answer.resolve()
    await stopped
    assert.deepEqual(await kit.outcomes(runId), { payroll: 'ended' })
  })

  test('ends within the time of one exchange when a peer hangs, and gives back what it had not begun', async () => {
    const kit = createEngineKit({ deps: { limits: { perPeerMax: 1 } } })
    kit.sender.script('legacy', hangs)
    await kit.engine.start()
    for (let i = 0; i < 5; i++) await kit.end((await kit.signIn(['legacy'])).id)
    await kit.clock.settle()
    const stopped = kit.engine.stop()
    await kit.clock.advance(policy.sendTimeoutMs)
    await stopped
    assert.equal(kit.sender.sent.length, 1)
    kit.sender.script('legacy', confirms)
    const other = createEngine({ ...kit.deps, owner: 'node-2' })
    await other.start()
    await kit.clock.advance(policy.retryBaseMs)
    assert.equal(kit.sender.sent.length, 6)
    await other.stop()
    assert.equal(kit.clock.pendingTimers(), 0)
  })

  test('a session that ends while the node is stopped is told by the next one', async () => {
    const kit = createEngineKit()
    await kit.engine.start()
    await kit.engine.stop()
    const runId = await kit.end((await kit.signIn(['payroll'])).id)
    await kit.clock.advance(leaseMs)
    assert.equal(kit.sender.sent.length, 0)
    const other = createEngine(kit.deps)
    await other.start()
    await kit.clock.settle()
    assert.deepEqual(await kit.outcomes(runId), { payroll: 'ended' })
    await other.stop()
  })
})

suite('engine: a store that fails for a while', () => {
  test('writes that fail before or after they took effect are made good once the store is back', async () => {
    for (const call of ['commitRun', 'claimEffects', 'appendAudit'] as const) {
      for (const phase of ['before', 'after'] as const) {
        let isFailing = false
        const store = createMemoryStore({
          capacity: 10,
          fault: (at, when) => (isFailing && at === call && when === phase ? new Error('disk full') : undefined)
        })
        const kit = createEngineKit({ store })
        const session = await kit.signIn(['payroll', 'intranet'])
        await kit.engine.start()
        isFailing = true
        const runId = await kit.end(session.id)
        await kit.clock.advance(2_000)
        isFailing = false
        await kit.clock.advance(2 * leaseMs)
        assert.deepEqual(await kit.outcomes(runId), { payroll: 'ended', intranet: 'ended' }, `${phase} ${call}`)
        assert.equal((await kit.run(runId)).state, 'done')
        await kit.engine.stop()
      }
    }
  })

  test('an ending whose acknowledgement got lost is carried out', async () => {
    let isFailing = true
    const store = createMemoryStore({
      capacity: 10,
      fault: (at, when) => (isFailing && at === 'endSession' && when === 'after' ? new Error('gone') : undefined)
    })
    const kit = createEngineKit({ store })
    const session = await kit.signIn(['payroll'])
    await kit.engine.start()
    await assert.rejects(kit.end(session.id))
    isFailing = false
    await kit.clock.settle()
    const runId = (await store.getSession(session.id))?.end?.runId
    assert.deepEqual(await kit.outcomes(runId ?? 'run_'), { payroll: 'ended' })
    await kit.engine.stop()
  })
})

suite('engine: a store that goes back to before an attempt', () => {
  test('the application is told again, and the run ends: the effect is not given up for a message that nobody remembers', async () => {
    const kit = createEngineKit({ peers: [soapPeer('payroll')] })
    const answers: PromiseWithResolvers<void>[] = []
    kit.sender.script('payroll', async (request, nth) => {
      if (nth > 1) return confirms(request)
      const answer = Promise.withResolvers<void>()
      answers.push(answer)
      await answer.promise
      return confirms(request)
    })
    const session = await kit.signIn(['payroll'])
    const runId = await kit.end(session.id)
    // What a copy has that took over before the attempt was recorded.
    const behind = kit.store.snapshot()
    await kit.engine.start()
    await kit.clock.settle()
    assert.equal(kit.sender.sent.length, 1)
    kit.store.restore(behind)
    await kit.clock.advance(2_000)
    answers[0]?.resolve()
    await kit.clock.advance(2 * leaseMs)
    assert.equal(kit.sender.sent.length, 2)
    assert.deepEqual(await kit.outcomes(runId), { payroll: 'ended' })
    await kit.engine.stop()
  })
})
