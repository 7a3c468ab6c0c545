import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { RunId } from '../../src/core/ids.ts'
import { byAdmin, createEngineKit, policy, required, soapPeer } from '../support/engine-kit.ts'
import { confirms, hangs, isDown } from '../support/scripted-sender.ts'

suite('engine: deliveries from server to server', () => {
  test('asks every participant and closes the run with a receipt', async () => {
    const kit = createEngineKit()
    const session = await kit.signIn(['payroll', 'intranet'])
    await kit.engine.start()
    const runId = await kit.end(session.id)
    await kit.clock.settle()
    assert.deepEqual(await kit.outcomes(runId), { payroll: 'ended', intranet: 'ended' })
    const run = await kit.run(runId)
    assert.equal(run.state, 'done')
    assert.equal(run.receipt, `receipt of ${runId}`)
    await kit.engine.stop()
  })

  test('stores the message id before the message leaves', async () => {
    const kit = createEngineKit()
    const session = await kit.signIn(['payroll'])
    const known: boolean[] = []
    kit.sender.script('payroll', async (request) => {
      known.push((await kit.store.findByMessage('payroll', request.messageId))?.deliveryId === request.delivery.id)
      return confirms(request)
    })
    await kit.engine.start()
    await kit.end(session.id)
    await kit.clock.settle()
    assert.deepEqual(known, [true])
    await kit.engine.stop()
  })

  test('tries again with fresh message ids and a growing, jittered pause until it is confirmed', async () => {
    const kit = createEngineKit()
    const session = await kit.signIn(['payroll'])
    kit.sender.script('payroll', (request, nth) => (nth < 3 ? isDown() : confirms(request)))
    await kit.engine.start()
    const runId = await kit.end(session.id)
    await kit.clock.settle()
    assert.equal((await kit.run(runId)).deliveries[0]?.state, 'retrying')
    await kit.clock.advance(policy.retryBaseMs * 3)
    assert.deepEqual(await kit.outcomes(runId), { payroll: 'ended' })
    assert.equal(new Set(kit.sender.sent.map((request) => request.messageId)).size, 3)
    await kit.engine.stop()
  })

  test('leaves a dead letter, counted, when every attempt failed; a retry is a new delivery in the same run', async () => {
    const kit = createEngineKit()
    const session = await kit.signIn(['payroll'])
    kit.sender.script('payroll', isDown)
    await kit.engine.start()
    const runId = await kit.end(session.id)
    await kit.clock.advance(3_600_000)
    assert.deepEqual(await kit.outcomes(runId), { payroll: 'unreachable' })
    assert.equal(kit.sender.sent.length, policy.attemptsMax)
    assert.match(await kit.metrics.registry.metrics(), /curfew_dead_letters_total\{peer="payroll",outcome="unreachable"\} 1/)
    const first = required((await kit.run(runId)).deliveries[0], 'the delivery')
    kit.sender.script('payroll', confirms)
    await kit.engine.retry(runId, first.id, { kind: 'admin', id: 'ops' })
    await kit.clock.settle()
    const run = await kit.run(runId)
    assert.deepEqual(
      run.deliveries.map((d) => [d.retryOf, d.outcome?.kind]),
      [
        [undefined, 'unreachable'],
        [first.id, 'ended']
      ]
    )
    assert.equal(run.receipt, `receipt of ${runId}`)
    await kit.engine.stop()
  })

  test('gives an exchange up after its time although the sender does not listen', async () => {
    const kit = createEngineKit({ deps: { policy: { ...policy, attemptsMax: 1 } } })
    const session = await kit.signIn(['payroll'])
    kit.sender.script('payroll', hangs)
    await kit.engine.start()
    const runId = await kit.end(session.id)
    await kit.clock.advance(policy.sendTimeoutMs)
    assert.deepEqual(await kit.outcomes(runId), { payroll: 'timed-out' })
    await kit.engine.stop()
  })

  test('counts a proof that comes after the attempt was given up', async () => {
    const kit = createEngineKit({ deps: { policy: { ...policy, attemptsMax: 1 } } })
    const session = await kit.signIn(['payroll'])
    const answer = Promise.withResolvers<void>()
    kit.sender.script('payroll', async (request) => {
      await answer.promise
      return confirms(request)
    })
    await kit.engine.start()
    const runId = await kit.end(session.id)
    await kit.clock.advance(policy.sendTimeoutMs)
    assert.deepEqual(await kit.outcomes(runId), { payroll: 'timed-out' })
    answer.resolve()
    await kit.clock.settle()
    assert.deepEqual(await kit.outcomes(runId), { payroll: 'ended' })
    const events = (await kit.store.listAudit({ limit: 100 })).map((record) => record.event)
    assert.deepEqual(events, ['session.ended', 'delivery.final', 'run.finished', 'delivery.improved', 'run.improved'])
    await kit.engine.stop()
  })

  test('turns a sender that throws into a failed attempt', async () => {
    const kit = createEngineKit({ deps: { policy: { ...policy, attemptsMax: 1 } } })
    const session = await kit.signIn(['payroll'])
    kit.sender.script('payroll', () => {
      throw new Error('no key')
    })
    await kit.engine.start()
    const runId = await kit.end(session.id)
    await kit.clock.settle()
    const [delivery] = (await kit.run(runId)).deliveries
    assert.deepEqual(delivery?.outcome, { kind: 'unreachable', code: 'CURFEW_RUN_SENDER_FAILED', attempts: 1 })
    await kit.engine.stop()
  })

  test('confirms all 500 participants of one session in a handful of commits', async () => {
    const peers = Array.from({ length: 500 }, (_, i) => soapPeer(`app${i}`))
    const commits: string[] = []
    const kit = createEngineKit({ peers })
    const { commitRun } = kit.store
    const counting = createEngineKit({
      peers,
      store: Object.assign(kit.store, { commitRun: (commit: Parameters<typeof commitRun>[0]) => (commits.push('commit'), commitRun(commit)) }),
      clock: kit.clock,
      deps: { limits: { claimMax: 1_000 } }
    })
    const session = await counting.signIn(peers.map((peer) => peer.id))
    await counting.engine.start()
    const runId = await counting.end(session.id)
    await counting.clock.advance(1_000)
    assert.equal((await counting.run(runId)).state, 'done')
    assert.equal(
      Object.values(await counting.outcomes(runId)).every((outcome) => outcome === 'ended'),
      true
    )
    assert.ok(commits.length < 20, `${commits.length} commits`)
    await counting.engine.stop()
  })
})

suite('engine: one hung peer delays nobody', () => {
  test('a hundred deliveries to a peer that hangs do not hold back the others', async () => {
    const kit = createEngineKit({ deps: { limits: { perPeerMax: 2, perPeerQueuedMax: 10, concurrentMax: 8, claimMax: 16 } } })
    kit.sender.script('legacy', hangs)
    await kit.engine.start()
    for (let i = 0; i < 100; i++) {
      const session = await kit.signIn(['legacy'])
      await kit.end(session.id)
    }
    await kit.clock.settle()
    const session = await kit.signIn(['payroll', 'legacy'])
    const runId = await kit.end(session.id)
    await kit.clock.settle()
    assert.equal((await kit.outcomes(runId))['payroll'], 'ended')
    assert.equal(kit.sender.sent.filter(({ delivery }) => delivery.peerId === 'legacy').length, 2)
    const stopped = kit.engine.stop()
    await kit.clock.advance(policy.sendTimeoutMs)
    await stopped
  })

  test('a peer that comes back gets everything that waited', async () => {
    const kit = createEngineKit({ deps: { limits: { perPeerMax: 2, perPeerQueuedMax: 3, claimMax: 16 } } })
    const answer = Promise.withResolvers<void>()
    kit.sender.script('legacy', async (request) => {
      await answer.promise
      return confirms(request)
    })
    await kit.engine.start()
    const runs: RunId[] = []
    for (let i = 0; i < 20; i++) runs.push(await kit.end((await kit.signIn(['legacy'])).id))
    await kit.clock.settle()
    answer.resolve()
    await kit.clock.advance(10 * 60_000)
    for (const runId of runs) assert.deepEqual(await kit.outcomes(runId), { legacy: 'ended' })
    await kit.engine.stop()
  })
})

suite('engine: what ends is written down', () => {
  test('the audit log holds every ending and outcome with stable event names', async () => {
    const kit = createEngineKit()
    const session = await kit.signIn(['payroll', 'intranet'])
    kit.sender.script('intranet', () => ({ kind: 'refused', statusCode: 'urn:oasis:names:tc:SAML:2.0:status:Responder', code: 'CURFEW_SAML_LOGOUT_REFUSED' }))
    await kit.engine.start()
    const runId = await kit.end(session.id)
    await kit.clock.settle()
    const records = await kit.store.listAudit({ limit: 100 })
    assert.deepEqual(
      records.map(({ event, peerId, code }) => [event, peerId, code]),
      [
        ['session.ended', undefined, undefined],
        ['delivery.final', 'intranet', 'CURFEW_SAML_LOGOUT_REFUSED'],
        ['delivery.final', 'payroll', undefined],
        ['run.finished', undefined, undefined]
      ]
    )
    assert.deepEqual(records[0]?.actor, { kind: 'admin', id: 'ops' })
    // The last line alone says all of it: those before are lost when a process dies between a commit and its line.
    const { outcomes, ...last } = records.at(-1)?.detail ?? {}
    assert.deepEqual(last, { verdict: 'partial', ended: 1, refused: 1, reason: 'admin', by: 'admin:ops', startedAtMs: records[0]?.atMs ?? 0 })
    assert.deepEqual(String(outcomes).split(' ').sort(), ['intranet=refused', 'payroll=ended'])
    assert.equal(
      records.every((record) => record.runId === runId && record.sessionId === session.id && record.userKey === 'local:ana'),
      true
    )
    await kit.engine.stop()
  })

  test('figures count runs, deliveries and attempts by outcome', async () => {
    const kit = createEngineKit()
    const session = await kit.signIn(['payroll'])
    await kit.engine.start()
    await kit.end(session.id)
    await kit.clock.settle()
    const text = await kit.metrics.registry.metrics()
    assert.match(text, /curfew_runs_started_total\{reason="admin"\} 1/)
    assert.match(text, /curfew_runs_finished_total\{reason="admin",verdict="all-ended"\} 1/)
    assert.match(text, /curfew_deliveries_total\{peer="payroll",channel="server",outcome="ended"\} 1/)
    assert.match(text, /curfew_attempt_seconds_count\{peer="payroll",channel="server"\} 1/)
    assert.match(text, /curfew_store_write_seconds_count\{call="endSession"\} 1/)
    await kit.engine.stop()
  })

  test('a session that ended before is named with the run that did it', async () => {
    const kit = createEngineKit()
    const session = await kit.signIn(['payroll'])
    const runId = await kit.end(session.id)
    assert.deepEqual(await kit.engine.endSessions(byAdmin(session.id)), { ended: [], already: [{ sessionId: session.id, runId }], unknown: [] })
  })
})
