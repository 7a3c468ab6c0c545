import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { LogoutRun } from '../../src/core/run.ts'
import { createEngine } from '../../src/engine/engine.ts'
import { createEngineKit } from '../support/engine-kit.ts'
import { hangs } from '../support/scripted-sender.ts'

suite('engine: waiting for a run', () => {
  test('resolves as soon as this process stored the change', async () => {
    const kit = createEngineKit()
    const runId = await kit.end((await kit.signIn(['payroll'])).id)
    const waiting = kit.engine.waitFor(runId, (run) => run.state === 'done', kit.clock.nowMs() + 10_000)
    await kit.engine.start()
    assert.equal((await waiting)?.state, 'done')
    await kit.engine.stop()
  })

  test('sees what another process stored', async () => {
    const kit = createEngineKit()
    const other = createEngine({ ...kit.deps, owner: 'node-2' })
    const runId = await kit.end((await kit.signIn(['payroll'])).id)
    const waiting = kit.engine.waitFor(runId, (run) => run.state === 'done', kit.clock.nowMs() + 10_000)
    await other.start()
    await kit.clock.advance(250)
    assert.equal((await waiting)?.state, 'done')
    await other.stop()
  })

  test('gives the run as it is at the deadline, and leaves nothing behind', async () => {
    const kit = createEngineKit()
    kit.sender.script('payroll', hangs)
    const runId = await kit.end((await kit.signIn(['payroll'])).id)
    const waiting = kit.engine.waitFor(runId, (run) => run.state === 'done', kit.clock.nowMs() + 1_000)
    await kit.clock.advance(1_000)
    assert.equal((await waiting)?.state, 'open')
    assert.equal(kit.clock.pendingTimers(), 0)
  })

  test('an unknown run is not waited for', async () => {
    const kit = createEngineKit()
    assert.equal(await kit.engine.waitFor('run_unknown', () => true, kit.clock.nowMs() + 1_000), undefined)
  })
})

suite('engine: listeners', () => {
  test('hear of every stored change until they unsubscribe; one that throws disturbs nobody', async () => {
    const kit = createEngineKit()
    const heard: LogoutRun[] = []
    kit.engine.subscribe(() => {
      throw new Error('a broken listener')
    })
    const unsubscribe = kit.engine.subscribe((run) => heard.push(run))
    await kit.engine.start()
    const runId = await kit.end((await kit.signIn(['payroll'])).id)
    await kit.clock.settle()
    assert.deepEqual(
      heard.map((run) => [run.id, run.state, run.deliveries[0]?.state]),
      [
        [runId, 'open', 'pending'],
        [runId, 'open', 'sent'],
        [runId, 'done', 'final'],
        [runId, 'done', 'final']
      ]
    )
    unsubscribe()
    await kit.end((await kit.signIn(['payroll'])).id)
    assert.equal(heard.length, 4)
    await kit.engine.stop()
  })
})

suite('engine: one event by hand', () => {
  test('is applied to the stored run; an unknown run stays unknown', async () => {
    const kit = createEngineKit()
    const runId = await kit.end((await kit.signIn(['payroll'])).id)
    const run = await kit.engine.apply(runId, { kind: 'starter-answered', atMs: kit.clock.nowMs() })
    assert.equal(run?.starterAnsweredAtMs, kit.clock.nowMs())
    assert.equal(await kit.engine.apply('run_unknown', { kind: 'starter-answered', atMs: 0 }), undefined)
  })

  test('many at once from two processes are all kept', async () => {
    const kit = createEngineKit()
    const other = createEngine({ ...kit.deps, owner: 'node-2' })
    const runId = await kit.end((await kit.signIn(['payroll', 'intranet', 'legacy'])).id)
    const deliveries = (await kit.run(runId)).deliveries
    const engines = [kit.engine, other]
    await Promise.all(
      deliveries.map((delivery, i) =>
        engines[i % 2]?.apply(runId, { kind: 'attempt-started', atMs: kit.clock.nowMs(), deliveryId: delivery.id, attempt: 1, messageId: `_m${i}` })
      )
    )
    assert.deepEqual(
      (await kit.run(runId)).deliveries.map((delivery) => delivery.attempts.length),
      [1, 1, 1]
    )
  })
})
