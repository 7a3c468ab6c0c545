import assert from 'node:assert/strict'
import { suite } from 'node:test'
import type { Effect, LogoutRun } from '../../core/run.ts'
import type { EffectClaim, RunQuery, Store } from '../store.ts'
import { signedOn, type StoreTest } from './harness.ts'
import { sampleAttempt, sampleDelivery, sampleEnd, sampleParticipant, sampleRun, sampleSession, t0 } from './samples.ts'

export function runTests(test: StoreTest): void {
  commitTests(test)
  listTests(test)
  effectTests(test)
}

function commitTests(test: StoreTest): void {
  suite('runs', () => {
    test('commits the next version of a run with its effects and settles the executed ones', async (store) => {
      const run = await openRun(store, 1, [wake(100)])
      const [claimed] = await store.claimEffects(claimOf('a', 100))
      assert.ok(claimed !== undefined)
      const next: LogoutRun = { ...run, version: 2, browserSeenAtMs: t0 + 100 }
      assert.equal((await store.commitRun({ run: next, effects: [wake(500), wake(300)], settled: [claimed.id] })).value, 'committed')
      assert.deepEqual(await store.getRun(run.id), next)
      assert.equal(await store.nextEffectAtMs(), t0 + 300)
      assert.deepEqual(await dues(store, claimOf('a', 1000)), [300, 500])
      assert.equal((await store.describe()).pendingEffects, 2)
    })

    test('answers `changed` unless the version is the next one, and settles nothing then', async (store) => {
      const run = await openRun(store, 1, [wake(100)])
      const [claimed] = await store.claimEffects(claimOf('a', 100))
      for (const version of [0, 1, 3]) {
        const commit = {
          run: { ...run, version, state: 'done' as const },
          effects: [wake(200)],
          settled: [claimed?.id ?? 0]
        }
        assert.equal((await store.commitRun(commit)).value, 'changed')
      }
      assert.deepEqual(await store.getRun(run.id), run)
      assert.equal((await store.describe()).pendingEffects, 1)
      assert.equal((await store.commitRun({ run: { ...run, id: 'run_other', version: 2 }, effects: [], settled: [] })).value, 'unknown')
    })

    test('of many commits of one version at once exactly one is written', async (store) => {
      const run = await openRun(store, 1)
      const results = await Promise.all(
        [1, 2, 3, 4].map((n) =>
          store.commitRun({
            run: { ...run, version: 2, browserSeenAtMs: n },
            effects: [wake(n)],
            settled: []
          })
        )
      )
      assert.deepEqual(results.map(({ value }) => value).sort(), ['changed', 'changed', 'changed', 'committed'])
      assert.equal((await store.describe()).pendingEffects, 1)
    })

    test('settles only effects of the run that is committed', async (store) => {
      const run = await openRun(store, 1)
      await openRun(store, 2, [wake(100)])
      const [other] = await store.claimEffects(claimOf('a', 100))
      await store.commitRun({ run: { ...run, version: 2 }, effects: [], settled: [other?.id ?? 0] })
      assert.equal((await store.describe()).pendingEffects, 1)
    })

    test('finds the delivery of every message id it was ever sent with, by peer', async (store) => {
      const participant = sampleParticipant('payroll', 1)
      const run = await openRun(store, 1, [], [sampleDelivery(participant, [sampleAttempt(1, 'msg-a')])])
      const delivery = sampleDelivery(participant, [sampleAttempt(1, 'msg-a'), sampleAttempt(2, 'msg-b')])
      await store.commitRun({ run: { ...run, version: 2, deliveries: [delivery] }, effects: [], settled: [] })
      const expected = { runId: run.id, deliveryId: delivery.id }
      assert.deepEqual(await store.findByMessage('payroll', 'msg-a'), expected)
      assert.deepEqual(await store.findByMessage('payroll', 'msg-b'), expected)
      assert.equal(await store.findByMessage('wiki', 'msg-a'), undefined)
      assert.equal(await store.findByMessage('payroll', 'msg-c'), undefined)
    })

    test('finds the open run of a cookie, and none when it is done', async (store) => {
      const run = await openRun(store, 1)
      assert.deepEqual(await store.findOpenRunByToken(run.tokenHash), run)
      await store.commitRun({
        run: { ...run, version: 2, state: 'done', finishedAtMs: t0 },
        effects: [],
        settled: []
      })
      assert.equal(await store.findOpenRunByToken(run.tokenHash), undefined)
      assert.equal(await store.findOpenRunByToken('other'), undefined)
    })
  })
}

function listTests(test: StoreTest): void {
  suite('list of runs', () => {
    test('gives pages newest first, each run once', async (store) => {
      for (let n = 1; n <= 5; n += 1) await openRun(store, n)
      const first = await store.listRuns({ limit: 3 })
      assert.deepEqual(idsOf(first.items), ['run_5', 'run_4', 'run_3'])
      const second = await store.listRuns({ limit: 3, cursor: first.nextCursor ?? 'missing' })
      assert.deepEqual(idsOf(second.items), ['run_2', 'run_1'])
      assert.equal(second.nextCursor, undefined)
    })

    test('filters by name, session, peer, state, reason and time, alone and together', async (store) => {
      const payroll = sampleDelivery(sampleParticipant('payroll', 1))
      const wiki = sampleDelivery(sampleParticipant('wiki', 1))
      const first = await openRun(store, 1, [], [payroll, wiki])
      await openRun(store, 2, [], [wiki], { username: 'ben', reason: 'admin' })
      const starter = {
        kind: 'participant',
        participantId: 'payroll:0',
        peerId: 'payroll',
        binding: 'post',
        requestId: 'r',
        wantsResponse: true
      } as const
      await openRun(store, 3, [], [wiki], { reason: 'idle-timeout', starter })
      await store.commitRun({
        run: { ...first, version: 2, state: 'done', finishedAtMs: t0 },
        effects: [],
        settled: []
      })
      const list = async (filter: Omit<RunQuery, 'limit'>) => idsOf((await store.listRuns({ limit: 10, ...filter })).items)
      assert.deepEqual(await list({ username: 'ana' }), ['run_3', 'run_1'])
      assert.deepEqual(await list({ sessionId: sampleSession(2).id }), ['run_2'])
      assert.deepEqual(await list({ peerId: 'payroll' }), ['run_1'])
      assert.deepEqual(await list({ state: 'open' }), ['run_3', 'run_2'])
      assert.deepEqual(await list({ state: 'done' }), ['run_1'])
      assert.deepEqual(await list({ reason: 'admin' }), ['run_2'])
      assert.deepEqual(await list({ sinceMs: t0 + 5002 }), ['run_3', 'run_2'])
      assert.deepEqual(await list({ peerId: 'wiki', state: 'open', username: 'ana' }), ['run_3'])
    })
  })
}

function effectTests(test: StoreTest): void {
  suite('effects', () => {
    test('hands out what is due, the longest due first, at most as many as asked for', async (store) => {
      await openRun(store, 1, [wake(300), wake(100), wake(200), wake(101)])
      assert.deepEqual(await dues(store, claimOf('a', 99)), [])
      assert.deepEqual(await dues(store, { ...claimOf('a', 200), max: 2 }), [100, 101])
      assert.deepEqual(await dues(store, { ...claimOf('a', 200), max: 2 }), [200])
      assert.deepEqual(await dues(store, claimOf('a', 200)), [])
    })

    test('hands an effect under lease to nobody and after the lease to whoever asks', async (store) => {
      await openRun(store, 1, [wake(100)])
      assert.deepEqual(await dues(store, claimOf('a', 100)), [100])
      assert.equal(await store.nextEffectAtMs(), t0 + 100 + leaseMs)
      for (const owner of ['a', 'b']) assert.deepEqual(await dues(store, claimOf(owner, 100 + leaseMs - 1)), [])
      assert.deepEqual(await dues(store, claimOf('b', 100 + leaseMs)), [100])
      assert.deepEqual(await dues(store, claimOf('a', 100 + leaseMs)), [])
    })

    test('gives a run one owner at a time', async (store) => {
      const run = await openRun(store, 1, [wake(100), wake(200)])
      await openRun(store, 2, [wake(150)])
      const [claimed] = await store.claimEffects(claimOf('a', 100))
      assert.deepEqual(await dues(store, claimOf('b', 300)), [150])
      assert.deepEqual(await dues(store, claimOf('a', 300)), [200])
      const rest = await store.commitRun({
        run: { ...run, version: 2 },
        effects: [wake(250)],
        settled: [claimed?.id ?? 0]
      })
      assert.equal(rest.value, 'committed')
      assert.deepEqual(await dues(store, claimOf('b', 300)), [])
      assert.deepEqual(await dues(store, claimOf('b', 300 + leaseMs)), [250, 200, 150])
      assert.deepEqual(await dues(store, claimOf('a', 300 + leaseMs)), [])
    })

    test('lets a run go with the settling of the last effect its owner held', async (store) => {
      const run = await openRun(store, 1, [wake(100), wake(200)])
      const [claimed] = await store.claimEffects(claimOf('a', 100))
      await store.commitRun({ run: { ...run, version: 2 }, effects: [], settled: [claimed?.id ?? 0] })
      assert.deepEqual(await dues(store, claimOf('b', 200)), [200])
    })

    test('takes leases back from an owner that stops', async (store) => {
      await openRun(store, 1, [wake(100), wake(200)])
      await openRun(store, 2, [wake(150)])
      assert.deepEqual(await dues(store, { ...claimOf('a', 300), max: 1 }), [100])
      assert.deepEqual(await dues(store, claimOf('b', 300)), [150])
      assert.equal((await store.releaseEffects('a')).value, 1)
      assert.equal((await store.releaseEffects('a')).value, 0)
      assert.equal(await store.nextEffectAtMs(), t0 + 100)
      assert.deepEqual(await dues(store, claimOf('c', 300)), [100, 200])
    })

    test('hands every effect to exactly one of many owners that ask at once', async (store) => {
      for (let n = 1; n <= 6; n += 1) await openRun(store, n, [wake(100 + n), wake(200 + n), wake(300 + n)])
      const claims = await Promise.all(['a', 'b', 'c'].map((owner) => store.claimEffects({ ...claimOf(owner, 1000), max: 8 })))
      const ids = claims.flat().map(({ id }) => id)
      assert.equal(new Set(ids).size, ids.length)
      const owners = claims.map((claimed) => new Set(claimed.map(({ runId }) => runId)))
      for (const [i, runs] of owners.entries()) for (const other of owners.slice(i + 1)) assert.equal(runs.intersection(other).size, 0)
    })
  })
}

const leaseMs = 1000

/** Effect `n` milliseconds after the start. */
function wake(n: number): Effect {
  return { kind: 'wake', dueAtMs: t0 + n }
}

function claimOf(owner: string, n: number): EffectClaim {
  return { owner, nowMs: t0 + n, leaseMs, max: 100 }
}

async function dues(store: Store, claim: EffectClaim): Promise<readonly number[]> {
  return (await store.claimEffects(claim)).map(({ effect }) => effect.dueAtMs - t0)
}

async function openRun(
  store: Store,
  n: number,
  effects: readonly Effect[] = [],
  deliveries: LogoutRun['deliveries'] = [],
  change: Partial<LogoutRun> = {}
): Promise<LogoutRun> {
  const session = await signedOn(store, sampleSession(n))
  const run = sampleRun(n, session, [], { deliveries, ...change })
  assert.deepEqual((await store.endSession(sampleEnd(n, session, [], { run, effects }))).value, {
    kind: 'ended'
  })
  return run
}

function idsOf(runs: readonly LogoutRun[]): readonly string[] {
  return runs.map(({ id }) => id)
}
