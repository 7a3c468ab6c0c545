import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { RunId, SessionId } from '../../src/core/ids.ts'
import { createEngine } from '../../src/engine/engine.ts'
import { byAdmin, createEngineKit, type EngineKit, leaseMs, policy } from '../support/engine-kit.ts'
import { createMortal, type Death, type Mortal } from '../support/mortal.ts'
import { confirms, isDown } from '../support/scripted-sender.ts'

const peerIds = ['payroll', 'intranet', 'legacy']

/** A node that ends one session with three participants, of which one is down at the first attempt, and dies. */
async function live(death: Death | undefined): Promise<{ readonly kit: EngineKit; readonly mortal: Mortal; readonly sessionId: SessionId }> {
  const kit = createEngineKit()
  kit.sender.script('legacy', (request, nth) => (nth === 1 ? isDown() : confirms(request)))
  const session = await kit.signIn(peerIds)
  const mortal = createMortal(kit.deps, death)
  const engine = createEngine(mortal.deps)
  void engine.start().then(() => engine.endSessions(byAdmin(session.id)))
  await kit.clock.advance(policy.retryBaseMs)
  return { kit, mortal, sessionId: session.id }
}

/** What holds after any crash once another process has had its time. */
async function checkNothingLost(kit: EngineKit, sessionId: SessionId): Promise<void> {
  const session = await kit.store.getSession(sessionId)
  if (session?.end === undefined) {
    // The node died before the session ended: nobody was told that it had, and nothing was sent.
    assert.deepEqual(kit.sender.sent, [])
    return
  }
  const runId: RunId = session.end.runId
  assert.deepEqual(await kit.outcomes(runId), { payroll: 'ended', intranet: 'ended', legacy: 'ended' })
  const run = await kit.run(runId)
  assert.equal(run.state, 'done')
  assert.equal(run.receipt, `receipt of ${runId}`)
  for (const peerId of peerIds) assert.ok(kit.sender.sent.some(({ delivery }) => delivery.peerId === peerId))
  assert.equal(new Set(kit.sender.sent.map(({ messageId }) => messageId)).size, kit.sender.sent.length, 'every message has its own id')
  assert.equal(
    (await kit.store.listAudit({ limit: 100 })).some(({ event }) => event === 'run.finished'),
    true
  )
}

/** Every call that the life above makes; a crash can come before and after each. */
const whole = await live(undefined)

suite('engine: a crash at any point loses no delivery', () => {
  test('the points include those between the end of the session and the first delivery, and after', async () => {
    const calls = new Set(whole.mortal.calls)
    for (const name of ['endSession', 'claimEffects', 'commitRun', 'send to payroll', 'send to legacy', 'sign receipt', 'appendAudit'])
      assert.ok(calls.has(name), name)
    assert.ok(whole.mortal.calls.length >= 20, `${whole.mortal.calls.length} points`)
    await checkNothingLost(whole.kit, whole.sessionId)
  })

  for (const [i, name] of whole.mortal.calls.entries()) {
    for (const phase of ['before', 'after'] as const) {
      test(`the same node starts again after it died ${phase} call ${i + 1} (${name})`, async () => {
        const { kit, mortal, sessionId } = await live({ atCall: i + 1, phase })
        assert.equal(mortal.isDead(), true)
        await kit.engine.start()
        // Without waiting for a lease: only retries and timeouts of the run itself take time.
        await kit.clock.advance(policy.retryBaseMs * 2 + 2 * policy.sendTimeoutMs)
        await checkNothingLost(kit, sessionId)
        await kit.engine.stop()
      })

      test(`another node takes over after the first died ${phase} call ${i + 1} (${name})`, async () => {
        const { kit, mortal, sessionId } = await live({ atCall: i + 1, phase })
        assert.equal(mortal.isDead(), true)
        const other = createEngine({ ...kit.deps, owner: 'node-2' })
        await other.start()
        await kit.clock.advance(leaseMs + policy.retryBaseMs * 2 + 2 * policy.sendTimeoutMs)
        await checkNothingLost(kit, sessionId)
        await other.stop()
      })
    }
  }

  test('a node that is killed between two of its calls does nothing more, and another one goes on', async () => {
    const kit = createEngineKit()
    kit.sender.script('legacy', (request, nth) => (nth === 1 ? isDown() : confirms(request)))
    const session = await kit.signIn(peerIds)
    const mortal = createMortal(kit.deps, undefined)
    const engine = createEngine(mortal.deps)
    await engine.start()
    const { ended } = await engine.endSessions(byAdmin(session.id))
    await kit.clock.settle()
    mortal.kill()
    const sent = kit.sender.sent.length
    // Whatever it had set out to do is due by now: the second attempt at legacy, the look at the outbox, housekeeping.
    await kit.clock.advance(policy.retryBaseMs + leaseMs)
    assert.equal(kit.sender.sent.length, sent)
    assert.equal((await kit.run(ended[0]?.runId ?? 'run_')).state, 'open')
    const other = createEngine({ ...kit.deps, owner: 'node-2' })
    await other.start()
    await kit.clock.advance(policy.retryBaseMs * 2 + 2 * policy.sendTimeoutMs)
    await checkNothingLost(kit, session.id)
    await other.stop()
  })

  test('a node that dies while it sends the last attempt allowed makes another one', async () => {
    const kit = createEngineKit({ deps: { policy: { ...policy, attemptsMax: 1 } } })
    const session = await kit.signIn(['payroll'])
    const mortal = createMortal(kit.deps, undefined)
    const calls = mortal.calls
    const engine = createEngine({ ...mortal.deps, senders: [{ ...kit.sender, send: () => new Promise(() => {}) }] })
    await engine.start()
    const { ended } = await engine.endSessions(byAdmin(session.id))
    await kit.clock.settle()
    assert.ok(calls.includes('commitRun'))
    await kit.engine.start()
    await kit.clock.settle()
    const run = await kit.run(ended[0]?.runId ?? 'run_')
    assert.deepEqual(
      run.deliveries.map((d) => [d.outcome?.kind, d.attempts.length]),
      [['ended', 2]]
    )
    await kit.engine.stop()
  })
})
