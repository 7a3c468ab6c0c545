import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type EventStreamOptions, openEventStream } from '../../src/admin/event-stream.ts'
import { newestPosition, readPosition } from '../../src/admin/event-log.ts'
import { createEngineKit, type EngineKit, required } from '../support/engine-kit.ts'
import { confirms, type Script } from '../support/scripted-sender.ts'
import { names, type Told, told } from './told.ts'

async function follow(kit: EngineKit, options: Partial<EventStreamOptions> = {}): Promise<Told> {
  const beginning = { from: await newestPosition(kit.store), attemptsSinceMs: kit.clock.nowMs(), isNew: true }
  return told(openEventStream(kit, { filter: {}, ...beginning, isFollowing: true, ...options }))
}

const noAnswer: Script = () => ({ kind: 'failed', why: 'timed-out', code: 'CURFEW_OUTBOUND_TIMEOUT', retryable: true })
const answersLater: Script = (request, nth, signal) => (nth === 1 ? noAnswer : confirms)(request, nth, signal)

suite('the event stream of the admin API', () => {
  test('tells a logout from its beginning to its end: messages, failures with what follows, outcomes', async () => {
    const kit = createEngineKit()
    kit.sender.script('legacy', answersLater)
    await kit.engine.start()
    const session = await kit.signIn(['payroll', 'legacy'])
    const live = await follow(kit)
    const run = await kit.end(session.id)
    await kit.clock.advance(60_000)
    assert.deepEqual(names(live).slice(0, 1), ['session.ended'])
    assert.deepEqual(
      live.events.filter(({ peer }) => peer === 'payroll').map(({ event, outcome, channel }) => [event, outcome, channel]),
      [
        ['attempt.sent', undefined, 'server/soap'],
        ['delivery.final', 'ended', 'server/soap']
      ]
    )
    const legacy = live.events.filter(({ peer }) => peer === 'legacy')
    assert.deepEqual(
      legacy.map(({ event, code, outcome }) => [event, code ?? outcome]),
      [
        ['attempt.sent', undefined],
        ['attempt.failed', 'CURFEW_OUTBOUND_TIMEOUT'],
        ['attempt.sent', undefined],
        ['delivery.final', 'ended']
      ]
    )
    assert.equal(typeof legacy[1]?.detail?.['nextAttemptAtMs'], 'number')
    assert.equal(names(live).at(-1), 'run.finished')
    for (const event of live.events) assert.deepEqual([event.user, event.run, event.session], ['ana', run, session.id])
    assert.equal(new Set(live.events.map(({ id }) => id)).size, live.events.length)
    live.stream.destroy()
    await kit.engine.stop()
  })

  test('tells nothing of what was before, and with a time everything since', async () => {
    const kit = createEngineKit()
    await kit.engine.start()
    await kit.end((await kit.signIn(['payroll'])).id)
    await kit.clock.advance(60_000)
    const sinceMs = kit.clock.nowMs()
    await kit.end((await kit.signIn(['payroll'], { username: 'ben', userKey: 'local:ben' })).id)
    await kit.clock.advance(60_000)
    const now = await follow(kit)
    const since = await follow(kit, { from: { id: 0, atMs: 0 }, linesSinceMs: sinceMs, attemptsSinceMs: sinceMs, isNew: false, isFollowing: false })
    await kit.clock.advance(5_000)
    assert.deepEqual(names(now), [])
    assert.deepEqual(names(since), ['session.ended', 'attempt.sent', 'delivery.final', 'run.finished'])
    assert.deepEqual(new Set(since.events.map(({ user }) => user)), new Set(['ben']))
    assert.ok(since.stream.destroyed, 'it ends with the newest event')
    now.stream.destroy()
    await kit.engine.stop()
  })

  test('whoever broke off after any event gets the rest, and what comes again has the same id', async () => {
    const kit = createEngineKit()
    kit.sender.script('legacy', answersLater)
    await kit.engine.start()
    const live = await follow(kit)
    await kit.end((await kit.signIn(['payroll', 'legacy'])).id)
    await kit.clock.advance(60_000)
    const all = live.events.map(({ id }) => id)
    assert.ok(all.length >= 8, String(all.length))
    for (const [n, { position }] of live.events.entries()) {
      const from = required(readPosition(position), 'a position')
      const again = await follow(kit, { from, attemptsSinceMs: from.atMs - 15_000, isNew: false, isFollowing: false })
      await kit.clock.advance(1_000)
      const rest = again.events.map(({ id }) => id)
      assert.deepEqual([...new Set([...all.slice(0, n + 1), ...rest])].sort(), [...all].sort(), `after event ${n + 1}`)
      assert.deepEqual(again.gaps, [])
    }
    live.stream.destroy()
    await kit.engine.stop()
  })

  test('tells what another process of the same store sends, before it comes to an outcome', async () => {
    const here = createEngineKit()
    const there = createEngineKit({ store: here.store, clock: here.clock, deps: { owner: 'node-2' } })
    there.sender.script('legacy', noAnswer)
    const live = await follow(here)
    await there.engine.start()
    await there.end((await there.signIn(['legacy'])).id)
    await here.clock.advance(1_100)
    const first = names(live)
    assert.deepEqual(first.slice(0, 3), ['session.ended', 'attempt.sent', 'attempt.failed'])
    await here.clock.advance(6_000)
    // No line of the log leads to these.
    assert.ok(names(live).length > first.length)
    assert.ok(!names(live).includes('delivery.final'))
    live.stream.destroy()
    await there.engine.stop()
  })

  test('whoever breaks off behind a gap before nothing is told of it once', async () => {
    const kit = createEngineKit()
    await kit.store.appendAudit({ atMs: kit.clock.nowMs(), event: 'e1', actor: { kind: 'system', id: 'timer' } })
    const live = await follow(kit, { from: { id: 10, atMs: 10 } })
    await kit.clock.advance(100)
    assert.deepEqual([live.gaps.map(({ why }) => why), live.events], [['store-went-back'], []])
    const from = required(readPosition(live.positions.at(-1) ?? ''), 'a position')
    live.stream.destroy()
    const again = await follow(kit, { from, isFollowing: false })
    await kit.clock.advance(100)
    assert.deepEqual([again.gaps, again.events], [[], []])
  })

  test('a reader that takes nothing keeps nothing waiting in memory, and gets everything later', async () => {
    const kit = createEngineKit()
    for (let n = 1; n <= 5_000; n++) await kit.store.appendAudit({ atMs: kit.clock.nowMs(), event: `e${n}`, actor: { kind: 'system', id: 'timer' } })
    const stream = openEventStream(kit, { filter: {}, from: { id: 0, atMs: 0 }, attemptsSinceMs: 0, isNew: false, isFollowing: true })
    await kit.clock.advance(60_000)
    const waiting = stream.readableLength + stream.writableLength
    assert.ok(waiting < 200_000, `${waiting} bytes wait`)
    const late = told(stream)
    for (let n = 0; n < 100 && late.events.length < 5_000; n++) await kit.clock.advance(10)
    assert.deepEqual(
      late.events.map(({ event }) => event),
      Array.from({ length: 5_000 }, (_, n) => `e${n + 1}`)
    )
    stream.destroy()
  })

  test('says where it stands though nothing fits the filter, and asks no more once its reader is gone', async () => {
    const kit = createEngineKit()
    await kit.engine.start()
    const live = await follow(kit, { filter: { user: ['zoe'] } })
    await kit.end((await kit.signIn(['payroll'])).id)
    await kit.clock.advance(30_000)
    assert.deepEqual(live.events, [])
    const newest = await newestPosition(kit.store)
    assert.ok(newest.id > 0)
    assert.equal(live.positions.at(-1), `${newest.id}-${newest.atMs}`)
    const timers = kit.clock.pendingTimers()
    live.stream.destroy()
    await kit.clock.settle()
    assert.equal(kit.clock.pendingTimers(), timers - 1)
    await kit.engine.stop()
  })
})
