import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type Clock, systemClock } from '../../../src/platform/clock.ts'
import { isLive, type Session } from '../../../src/core/session.ts'
import { hourMs, sampleParticipant, sampleSession } from '../../../src/stores/conformance/samples.ts'
import { byAdmin } from '../../support/engine-kit.ts'
import { hangs, isDown } from '../../support/scripted-sender.ts'
import { leaseMs, type Node, startNode } from './engine-node.ts'
import { skipReason, startServer, until } from './servers.ts'

/** A machine whose clock is wrong by so much, and can be set while it runs. */
function machineAhead(ms: number): Clock & { aheadMs: number } {
  const machine = { aheadMs: ms, nowMs: () => systemClock.nowMs() + machine.aheadMs, after: systemClock.after }
  return machine
}

const minutes5 = 300_000
/** Signed in at this node, by the time that it goes by. */
async function signIn({ store }: Node, n: number, idleMs = hourMs): Promise<Session> {
  const nowMs = store.clock.nowMs()
  const times = { createdAtMs: nowMs, authenticatedAtMs: nowMs, lastActivityAtMs: nowMs, idleExpiresAtMs: nowMs + idleMs, expiresAtMs: nowMs + 8 * hourMs }
  const session = sampleSession(n, { ...times, idleTimeoutMs: idleMs })
  await store.openSession(session)
  await store.addParticipant(session.id, sampleParticipant('payroll', n))
  return session
}

/** Two nodes on one server: the clock of one is right, that of the other is not. */
async function withNodes(aheadMs: number, work: (right: Node, skewed: Node, machine: { aheadMs: number }) => Promise<void>): Promise<void> {
  const server = await startServer()
  const machine = machineAhead(aheadMs)
  const right = await startNode([server], 'right', { options: { prefix: 'skew:' } })
  const skewed = await startNode([server], 'skewed', { options: { clock: machine, prefix: 'skew:' } })
  try {
    await work(right, skewed, machine)
  } finally {
    await Promise.all([right, skewed].map(({ store }) => store[Symbol.asyncDispose]()))
    await server.stop()
  }
}

suite('redis: nodes whose clocks differ', { skip: skipReason }, () => {
  for (const aheadMs of [minutes5, -minutes5]) {
    const how = aheadMs > 0 ? 'ahead' : 'behind'

    test(`what a node had begun that was five minutes ${how} when it died goes on at another as soon as its lease is over`, () =>
      withNodes(aheadMs, async (right, skewed) => {
        const session = await signIn(skewed, 1)
        skewed.sender.script('payroll', () => {
          skewed.die()
          return hangs()
        })
        await skewed.engine.start()
        const { ended } = await skewed.engine.endSessions(byAdmin(session.id))
        await until(async () => skewed.sender.sent.length > 0)
        const claim = { owner: 'right', nowMs: right.store.clock.nowMs(), leaseMs, max: 10 }
        assert.deepEqual(await right.store.claimEffects(claim), [], 'under the lease of the other one')
        await right.engine.start()
        const run = await right.engine.waitFor(ended[0]?.runId ?? 'run_0', ({ state }) => state === 'done', right.store.clock.nowMs() + 60_000)
        assert.equal(run?.state, 'done')
        await right.engine.stop()
      }))

    test(`what a node schedules that is five minutes ${how} is due for the others when it should be`, () =>
      withNodes(aheadMs, async (right, skewed) => {
        const session = await signIn(skewed, 1)
        skewed.sender.script('payroll', isDown)
        await skewed.engine.start()
        const { ended } = await skewed.engine.endSessions(byAdmin(session.id))
        await until(async () => skewed.sender.sent.length > 0)
        await skewed.engine.stop()
        await right.engine.start()
        const run = await right.engine.waitFor(ended[0]?.runId ?? 'run_0', ({ state }) => state === 'done', right.store.clock.nowMs() + 60_000)
        assert.equal(run?.state, 'done')
        await right.engine.stop()
      }))

    test(`limits of sessions pass at the same moment for a node that is five minutes ${how}`, () =>
      withNodes(aheadMs, async (right, skewed) => {
        const long = await signIn(skewed, 1, 120_000)
        const short = await signIn(skewed, 2, 1_000)
        await until(async () => (await right.engine.endExpired()) === 1)
        assert.equal((await right.store.getSession(short.id))?.end?.reason, 'idle-timeout')
        assert.ok(!isLive(short, skewed.store.clock.nowMs()))
        for (const { store } of [right, skewed]) assert.ok(isLive(long, store.clock.nowMs()))
        assert.equal(await skewed.engine.endExpired(), 0)
      }))
  }

  test('a node whose clock jumps while it runs keeps its name and stays with the time of the others', () =>
    withNodes(0, async (right, skewed, machine) => {
      machine.aheadMs = minutes5
      assert.ok(Math.abs(skewed.store.clock.nowMs() - right.store.clock.nowMs()) < 5_000)
      assert.ok(((await skewed.store.describe()).clockAheadMs ?? 0) > minutes5 - 5_000)
      const nodes = await right.store.nodes.list()
      assert.deepEqual(
        nodes.map(({ id, isLive: live }) => [id, live]),
        [
          ['right', true],
          ['skewed', true]
        ]
      )
    }))
})
