import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { newestPosition, type Position, readPosition } from '../../src/admin/event-log.ts'
import { openEventStream } from '../../src/admin/event-stream.ts'
import { byAdmin, createEngineKit, required, signIn } from '../support/engine-kit.ts'
import { createSeededRandom } from '../support/seeded-random.ts'
import { until } from '../support/until.ts'
import { startNode } from '../stores/redis/engine-node.ts'
import { openOn } from '../stores/redis/opened.ts'
import { skipReason, startServer } from '../stores/redis/servers.ts'
import { names, type Told, told } from './told.ts'

const all = { filter: {}, attemptsSinceMs: 0, isNew: false, isFollowing: true } as const

suite('events of several nodes on one Redis', { skip: skipReason, timeout: 120_000 }, () => {
  test('each node tells what all of them do, and goes on where another one stopped telling', async () => {
    const server = await startServer()
    try {
      const [here, there] = [
        await startNode([server], 'here', { options: { prefix: 'ev:' } }),
        await startNode([server], 'there', { options: { prefix: 'ev:' } })
      ]
      await using _here = here.store
      await using _there = there.store
      there.sender.script('legacy', () => ({ kind: 'failed', why: 'unreachable', code: 'CURFEW_OUTBOUND_UNREACHABLE', retryable: true }))
      const clock = here.store.clock
      const endAt = async (peerIds: readonly string[], seed: number): Promise<void> => {
        const session = await signIn({ store: there.store, clock, random: createSeededRandom(seed) }, peerIds)
        await there.engine.endSessions(byAdmin(session.id))
      }
      await there.engine.start()
      const first = told(openEventStream({ store: here.store, engine: here.engine, clock }, { ...all, from: await newestPosition(here.store) }))
      await endAt(['payroll', 'legacy'], 1)
      await until('a run of the other node is told to its end', () => names(first).includes('run.finished'))
      assert.equal(names(first).filter((name) => name === 'attempt.sent').length, 5, 'one to payroll, four to legacy')
      assert.equal(names(first).filter((name) => name === 'attempt.failed').length, 3)
      first.stream.destroy()
      await endAt(['payroll'], 2)
      const position = required(readPosition(first.positions.at(-1) ?? ''), 'a position')
      const second = told(openEventStream({ store: there.store, engine: there.engine, clock }, { ...all, from: position }))
      await until('the next run is told at the other node', () => names(second).includes('run.finished'))
      assert.deepEqual(second.gaps, [])
      const fresh = second.events.filter(({ id }) => !first.events.some((known) => known.id === id))
      assert.deepEqual(names({ events: fresh }), ['session.ended', 'attempt.sent', 'delivery.final', 'run.finished'])
      second.stream.destroy()
      await there.engine.stop()
    } finally {
      await server.stop()
    }
  })

  test('says that lines behind a position were trimmed away, and nothing of the kind where none were', async () => {
    const server = await startServer()
    try {
      await using store = await openOn([server], { auditMax: 100 })
      let written = 0
      const append = async (count: number): Promise<void> => {
        for (let n = 0; n < count; n++) {
          written += 1
          await store.appendAudit({ atMs: store.clock.nowMs(), event: `line.${written}`, actor: { kind: 'system', id: 'test' } })
        }
      }
      const kit = createEngineKit()
      const read = async (from: Position): Promise<Told> => {
        const one = told(openEventStream({ store, engine: kit.engine, clock: store.clock }, { ...all, from }))
        await until('the newest line is told', () => names(one).includes(`line.${written}`))
        one.stream.destroy()
        return one
      }
      await append(50)
      const from = await newestPosition(store)
      const young = await read({ id: 0, atMs: 0 })
      assert.deepEqual([young.gaps, young.events.length], [[], 50])
      await append(20)
      assert.deepEqual((await read(from)).gaps, [])
      await append(330)
      const late = await read(from)
      assert.deepEqual(
        late.gaps.map(({ why }) => why),
        ['trimmed']
      )
      assert.equal(late.events.length, (await store.listAudit({ limit: 1_000 })).length)
    } finally {
      await server.stop()
    }
  })
})
