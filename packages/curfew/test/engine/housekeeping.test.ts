import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Session } from '../../src/core/session.ts'
import { createEngine } from '../../src/engine/engine.ts'
import { createMemoryStore } from '../../src/stores/memory/memory-store.ts'
import { createEngineKit, type EngineKit } from '../support/engine-kit.ts'

const minuteMs = 60_000

suite('engine: sessions end by themselves', () => {
  test('a session without activity ends by a run with reason idle-timeout', async () => {
    const kit = createEngineKit()
    const session = await kit.signIn(['payroll'])
    await kit.engine.start()
    await kit.clock.advance(59 * minuteMs)
    assert.equal((await kit.store.getSession(session.id))?.end, undefined)
    await kit.clock.advance(2 * minuteMs)
    const end = (await kit.store.getSession(session.id))?.end
    assert.equal(end?.reason, 'idle-timeout')
    assert.deepEqual(end?.by, { kind: 'system', id: 'timer' })
    assert.deepEqual(await kit.outcomes(end?.runId ?? 'run_'), { payroll: 'ended' })
    assert.equal(await kit.store.isRevoked(session.sri, kit.clock.nowMs()), true)
    await kit.engine.stop()
  })

  test('a session that is used all the time ends at its maximum with reason max-timeout', async () => {
    const kit = createEngineKit()
    const nowMs = kit.clock.nowMs()
    const session = await kit.signIn(['payroll'], { expiresAtMs: nowMs + 90 * minuteMs })
    await kit.engine.start()
    for (let i = 0; i < 4; i++) {
      await kit.store.touch(session.id, kit.clock.nowMs(), kit.clock.nowMs() + session.idleTimeoutMs)
      await kit.clock.advance(20 * minuteMs)
    }
    assert.equal((await kit.store.getSession(session.id))?.end, undefined)
    await kit.store.touch(session.id, kit.clock.nowMs(), kit.clock.nowMs() + session.idleTimeoutMs)
    await kit.clock.advance(11 * minuteMs)
    assert.equal((await kit.store.getSession(session.id))?.end?.reason, 'max-timeout')
    await kit.engine.stop()
  })

  test('AC-127 expired sessions end by normal runs in small batches, each by one node', async () => {
    const store = createMemoryStore({ capacity: 100 })
    const { dueSessions } = store
    const batches: number[] = []
    store.dueSessions = async (nowMs, max) => {
      const due = await dueSessions(nowMs, max)
      batches.push(due.length)
      return due
    }
    const kit = createEngineKit({ store, deps: { limits: { expiryBatchMax: 10 } } })
    const other = createEngine({ ...kit.deps, owner: 'node-2' })
    const sessions: Session[] = []
    for (let i = 0; i < 35; i++) sessions.push(await kit.signIn(['payroll'], { userKey: `local:u${i}` }))
    await kit.engine.start()
    await other.start()
    await kit.clock.advance(61 * minuteMs)
    const runs = new Set<string>()
    for (const session of sessions) runs.add((await kit.store.getSession(session.id))?.end?.runId ?? 'none')
    assert.equal(runs.size, 35)
    assert.equal((await kit.store.listRuns({ limit: 100 })).items.length, 35)
    assert.equal(kit.sender.sent.length, 35)
    assert.equal(Math.max(...batches), 10, 'a full batch, and none above it')
    await kit.engine.stop()
    await other.stop()
  })

  test('late applications that nobody is left to tell of, or that fail, hold nobody up and are not read over and over', async () => {
    const sample = createEngineKit()
    const gone = await sample.signIn([])
    const owed = await sample.signIn(['payroll'])
    await sample.end(owed.id)
    const ended = await sample.store.getSession(owed.id)
    const participants = await sample.store.getParticipants(owed.id)
    assert.ok(ended)
    let reads = 0
    const opened: string[] = []
    const late = {
      late: async () => {
        reads += 1
        return [...Array.from({ length: 49 }, () => ({ session: gone, participants: [] })), ...[ended, ended].map((session) => ({ session, participants }))]
      },
      openLateRun: async ({ run }: { readonly run: { readonly id: string } }) => {
        opened.push(run.id)
        if (opened.length === 1) throw new Error('the store is away')
        return { value: 'opened', durability: 'local' } as const
      }
    }
    const store = new Proxy(sample.store, {
      get(target, name) {
        if (name === 'late') return late
        if (name === 'facts') return undefined
        return Reflect.get(target, name) as unknown
      }
    })
    const kit = createEngineKit({ store, clock: sample.clock })
    await kit.engine.start()
    await kit.clock.advance(5 * minuteMs)
    assert.ok(opened.length >= 2, 'the one after the failure was told')
    assert.ok(reads <= 60, `${reads} looks in five minutes`)
    await kit.engine.stop()
  })

  test('a session that can not be ended now keeps no other one back', async () => {
    let blocked: string | undefined
    const store = createMemoryStore({ capacity: 100 })
    const { endSession } = store
    store.endSession = async (commit) => {
      if (commit.sessionId === blocked) throw new Error('not now')
      return endSession(commit)
    }
    const kit = createEngineKit({ store })
    const [first, second] = [await kit.signIn(['payroll']), await kit.signIn(['payroll'])]
    blocked = first.id
    await kit.engine.start()
    await kit.clock.advance(62 * minuteMs)
    assert.equal((await store.getSession(second.id))?.end?.reason, 'idle-timeout')
    assert.equal((await store.getSession(first.id))?.end, undefined)
    blocked = undefined
    await kit.clock.advance(minuteMs)
    assert.equal((await store.getSession(first.id))?.end?.reason, 'idle-timeout')
    await kit.engine.stop()
  })

  test('what is past keeping is removed, finished runs after their time', async () => {
    const kit = createEngineKit()
    const session = await kit.signIn(['payroll'])
    await kit.engine.start()
    const runId = await kit.end(session.id)
    await kit.clock.advance(23 * 3_600_000)
    assert.equal(await kit.store.getSession(session.id), undefined)
    assert.notEqual(await kit.store.getRun(runId), undefined)
    await kit.clock.advance(2 * 3_600_000)
    assert.equal(await kit.store.getRun(runId), undefined)
    await kit.engine.stop()
  })

  test('figures of the store are read now and then', async () => {
    const kit = createEngineKit()
    await kit.signIn(['payroll'])
    await kit.engine.start()
    await kit.clock.advance(10_000)
    assert.match(await kit.metrics.registry.metrics(), /curfew_sessions_live 1/)
    await kit.engine.stop()
  })
})

suite('engine: sessions per user', () => {
  const oldestFirst = async (kit: EngineKit, count: number): Promise<readonly Session[]> => {
    const sessions: Session[] = []
    for (let i = 0; i < count; i++) {
      sessions.push(await kit.signIn(['payroll']))
      await kit.clock.advance(1_000)
    }
    return sessions
  }

  test('AC-016 the oldest session beyond the maximum ends by a normal run: it is notified and revoked', async () => {
    const kit = createEngineKit({ deps: { sessionsPerUserMax: 3 } })
    const sessions = await oldestFirst(kit, 5)
    await kit.engine.start()
    assert.equal(await kit.engine.enforceSessionLimit('local:ana'), 2)
    await kit.clock.settle()
    const ends = await Promise.all(sessions.map(async (session) => (await kit.store.getSession(session.id))?.end))
    assert.deepEqual(
      ends.map((end) => end?.reason),
      ['session-limit', 'session-limit', undefined, undefined, undefined]
    )
    for (const [i, end] of ends.slice(0, 2).entries()) {
      assert.deepEqual(await kit.outcomes(end?.runId ?? 'run_'), { payroll: 'ended' })
      assert.equal(await kit.store.isRevoked(sessions[i]?.sri ?? '', kit.clock.nowMs()), true)
    }
    assert.deepEqual(
      (await kit.store.findByUser('local:ana')).map(({ id }) => id),
      sessions.slice(2).map(({ id }) => id)
    )
    await kit.engine.stop()
  })

  test('AC-126 a hundred sessions stay, the oldest of a hundred and one ends; other users are not touched', async () => {
    const kit = createEngineKit()
    const other = await kit.signIn(['payroll'], { userKey: 'local:ben' })
    const sessions = await oldestFirst(kit, 100)
    assert.equal(await kit.engine.enforceSessionLimit('local:ana'), 0)
    await kit.signIn(['payroll'])
    assert.equal(await kit.engine.enforceSessionLimit('local:ana'), 1)
    assert.equal((await kit.store.getSession(sessions[0]?.id ?? 'ses_'))?.end?.reason, 'session-limit')
    assert.equal((await kit.store.getSession(other.id))?.end, undefined)
  })

  test('no limit ends nothing; a limit of none keeps the newest', async () => {
    const unlimited = createEngineKit({ deps: { sessionsPerUserMax: -1 } })
    await oldestFirst(unlimited, 3)
    assert.equal(await unlimited.engine.enforceSessionLimit('local:ana'), 0)
    const none = createEngineKit({ deps: { sessionsPerUserMax: 0 } })
    await oldestFirst(none, 3)
    assert.equal(await none.engine.enforceSessionLimit('local:ana'), 2)
  })
})
