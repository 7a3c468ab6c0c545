import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { EndCommit, Store } from '../../packages/curfew/src/stores/store.ts'
import type { Effect, LogoutRun } from '../../packages/curfew/src/core/run.ts'
import type { EngineDeps } from '../../packages/curfew/src/engine/deps.ts'
import type { Session } from '../../packages/curfew/src/core/session.ts'
import type { Engine } from '../../packages/curfew/src/engine/engine.ts'
import { simulate, type Spoil } from '../simulate.ts'

/**
 * What the first seed breaks that breaks a rule on something spoiled.
 * @param from - a little before that seed, where it is far, so that the test does not take long
 */
async function firstBroken(spoil: Spoil, from = 1): Promise<string> {
  for (let seed = from; seed < from + 300; seed++) {
    const { broken } = await simulate({ seed, spoil })
    if (broken !== undefined) return broken
  }
  return 'nothing found'
}

/** An engine with something else in the place of what it works with. */
function withDeps(change: (deps: EngineDeps) => Partial<EngineDeps>): Spoil {
  return { deps: (deps) => ({ ...deps, ...change(deps) }) }
}

function withEngine(change: (engine: Engine) => Partial<Engine>): Spoil {
  return { engine: (engine) => ({ ...engine, ...change(engine) }) }
}

/** A store that takes other runs than it is given. */
function withRuns(change: (run: LogoutRun) => LogoutRun): Spoil {
  return { store: (store) => spoiled(store, { commitRun: (commit) => store.commitRun({ ...commit, run: change(commit.run) }) }) }
}

/** The end of one session, by a run that is about another one. */
function endingOf({ id, version }: Session, run: LogoutRun): EndCommit {
  const { reason, startedBy: by } = run
  const other: LogoutRun = { ...run, id: `${run.id}x`, version: 1, sessionId: id, deliveries: [], state: 'done' }
  return {
    sessionId: id,
    expectedVersion: version,
    end: { atMs: run.startedAtMs, reason, by, runId: other.id },
    revokedUntilMs: run.startedAtMs + 600_000,
    keptUntilMs: run.startedAtMs + 600_000,
    run: other,
    effects: []
  }
}

/** All but the alarm for a browser that does not come. */
function isNoWake({ kind }: Effect): boolean {
  return kind !== 'wake'
}

function spoiled(store: Store, changes: Partial<Store>): Store {
  return new Proxy(store, { get: (target, name) => Reflect.get(changes, name) ?? (Reflect.get(target, name) as unknown) })
}

suite('Simulation of whole logouts', () => {
  test('the rules of the run hold for 150 seeds', async () => {
    for (let seed = 1; seed <= 150; seed++) {
      const { broken, trace } = await simulate({ seed })
      assert.equal(broken, undefined, `seed ${seed}: ${broken}\n${trace.join('\n')}`)
    }
  })

  test('one seed gives the same trace every time', async () => {
    const [first, second] = [await simulate({ seed: 77 }), await simulate({ seed: 77 })]
    assert.deepEqual(first, second)
  })

  test('a store that loses effects is found', async () => {
    const spoil: Spoil = { store: (store) => spoiled(store, { endSession: (commit) => store.endSession({ ...commit, effects: [] }) }) }
    assert.match(await firstBroken(spoil), /does not ask|never ended/)
  })

  test('a store that loses what is to be tried again is found', async () => {
    const spoil: Spoil = {
      store: (store) =>
        spoiled(store, { commitRun: (commit) => store.commitRun({ ...commit, effects: commit.effects.filter((e) => e.kind !== 'send' || e.attempt === 1) }) })
    }
    assert.match(await firstBroken(spoil), /does not go on with/)
  })

  test('a run that waits for a browser which has gone, although the server could be asked, is found', async () => {
    const spoil: Spoil = {
      store: (store) => spoiled(store, { commitRun: (commit) => store.commitRun({ ...commit, effects: commit.effects.filter(isNoWake) }) })
    }
    assert.match(await firstBroken(spoil, 85), /waits for a browser that has gone/)
  })

  test('a store that forgets a delivery is found', async () => {
    const spoil: Spoil = {
      store: (store) =>
        spoiled(store, { endSession: (commit) => store.endSession({ ...commit, run: { ...commit.run, deliveries: commit.run.deliveries.slice(1) } }) })
    }
    assert.match(await firstBroken(spoil), /exactly one delivery/)
  })

  test('an outcome that is better than the truth is found', async () => {
    const flatter = withRuns((run) => ({
      ...run,
      deliveries: run.deliveries.map((d) =>
        d.outcome?.kind === 'refused'
          ? { ...d, outcome: { kind: 'ended', proof: { kind: 'authenticated-2xx', hash: `answer to ${d.attempts.at(-1)?.messageId}` } } }
          : d
      )
    }))
    assert.match(await firstBroken(flatter), /its own journal says it is not/)
  })

  test('a frame or picture that is called signed out is found, even where the client did end its session', async () => {
    const flatter = withRuns((run) => ({
      ...run,
      deliveries: run.deliveries.map((d) =>
        d.outcome?.kind === 'unconfirmed' && d.channels.every(({ kind }) => kind === 'frame') && ['wiki', 'chat'].includes(d.peerId)
          ? { ...d, outcome: { kind: 'ended', proof: { kind: 'authenticated-2xx', hash: `answer to ${d.attempts.at(-1)?.messageId}` } } }
          : d
      )
    }))
    assert.match(await firstBroken(flatter), /only asked by a frame or a picture|its own journal says it is not/)
  })

  test('an outcome by the answer to another message is found', async () => {
    const mixUp = withRuns((run) => ({
      ...run,
      deliveries: run.deliveries.map((d) =>
        d.outcome !== undefined && 'proof' in d.outcome ? { ...d, outcome: { ...d.outcome, proof: { kind: 'authenticated-2xx', hash: 'of another' } } } : d
      )
    }))
    assert.match(await firstBroken(mixUp), /by a proof of something else/)
  })

  test('a final outcome that becomes another one without a proof is found', async () => {
    const spoil = withRuns((run) => ({
      ...run,
      deliveries: run.deliveries.map((d) =>
        run.receipt !== undefined && d.outcome?.kind === 'refused' ? { ...d, outcome: { kind: 'unconfirmed', code: 'CURFEW_SAML_ANSWER_NOT_SAML' } } : d
      )
    }))
    assert.match(await firstBroken(spoil), /was final and became/)
  })

  test('an end that leaves its SRI off the list of revocations is found', async () => {
    assert.match(await firstBroken(withDeps(() => ({ revokesOnLogout: false }))), /its SRI is not revoked/)
  })

  test('a receipt that leaves an application out is found', async () => {
    const spoil = withDeps(({ receipts }) => ({ receipts: { sign: (run) => receipts.sign({ ...run, deliveries: run.deliveries.slice(1) }) } }))
    assert.match(await firstBroken(spoil), /the receipt of .* says nothing of/)
  })

  test('a receipt that is not made anew when an outcome becomes better, or somebody tries again, is found', async () => {
    const known = new Map<string, string>()
    const once = withDeps(({ receipts }) => ({
      receipts: {
        sign: async (run) => {
          const receipt = known.get(run.id) ?? (await receipts.sign(run))
          known.set(run.id, receipt)
          return receipt
        }
      }
    }))
    assert.match(await firstBroken(once), /the receipt of/)
  })

  test('an application that hangs and holds up the others is found', async () => {
    assert.match(await firstBroken(withDeps(({ limits }) => ({ limits: { ...limits, concurrentMax: 1 } }))), /does not ask .* at once/)
  })

  test('a starter that is answered twice is found', async () => {
    const spoil = withEngine((engine) => ({
      apply: (runId, event) => (event.kind === 'starter-answered' ? engine.waitFor(runId, () => true, 0) : engine.apply(runId, event))
    }))
    assert.match(await firstBroken(spoil), /answers its starter twice/)
  })

  test('a starter that is answered before anything is known is found', async () => {
    const spoil = withEngine((engine) => ({ waitFor: (runId) => engine.waitFor(runId, () => true, 0) }))
    assert.match(await firstBroken(spoil), /before it knows anything/)
  })

  test('a starter that waits longer than its patience is found', async () => {
    const spoil = withEngine((engine) => ({ waitFor: (runId, _until, deadlineMs) => engine.waitFor(runId, () => false, deadlineMs + 10_000) }))
    assert.match(await firstBroken(spoil), /keeps its starter waiting/)
  })

  test('a plan that tells the starter as well is found', async () => {
    const spoil: Spoil = {
      store: (store) =>
        spoiled(store, {
          endSession: (commit) => {
            const { run } = commit
            const [first] = run.deliveries
            if (run.starter.kind !== 'participant' || first === undefined) return store.endSession(commit)
            const { participantId, peerId } = run.starter
            return store.endSession({ ...commit, run: { ...run, deliveries: [...run.deliveries, { ...first, id: `${first.id}s`, participantId, peerId }] } })
          }
        })
    }
    assert.match(await firstBroken(spoil), /which started it/)
  })

  test('sessions that outlive their limits are found', async () => {
    assert.match(await firstBroken({ store: (store) => spoiled(store, { dueSessions: async () => [] }) }), /outlived its limit/)
  })

  test('sessions that end before their limits are found', async () => {
    const early = (session: Session): Session => ({
      ...session,
      idleExpiresAtMs: session.idleExpiresAtMs - 4_000,
      expiresAtMs: session.expiresAtMs - 4_000
    })
    const spoil: Spoil = {
      store: (store) =>
        spoiled(store, {
          dueSessions: async (nowMs, max) => (await store.dueSessions(nowMs + 4_000, max)).map(early),
          getSession: async (id) => {
            const session = await store.getSession(id)
            return session === undefined ? undefined : early(session)
          }
        })
    }
    assert.match(await firstBroken(spoil), /before its limit/)
  })

  test('an end that is forgotten while an assertion can still be presented is found', async () => {
    const spoil: Spoil = {
      store: (store) => spoiled(store, { purge: (nowMs, keepRunsMs, max) => store.purge(nowMs + 60_000, keepRunsMs, max) })
    }
    assert.match(await firstBroken(spoil), /is forgotten while an assertion|left the list of revocations too early/)
  })

  test('an application that takes an assertion after the logout of its sign-in is found', async () => {
    const forgetful: Spoil = { registry: (registry) => ({ ...registry, isEnded: async () => false }) }
    assert.match(await firstBroken(forgetful), /its own journal says it is not|answers Success, and a session is left/)
  })

  test('a run that ends what its user signed in to after it began is found', async () => {
    const spoil: Spoil = {
      store: (store) =>
        spoiled(store, {
          commitRun: async (commit) => {
            const { run } = commit
            const newer = (await store.findByUser(run.userKey)).find(({ end, createdAtMs }) => end === undefined && createdAtMs > run.startedAtMs)
            if (newer !== undefined) await store.endSession(endingOf(newer, run))
            return store.commitRun(commit)
          }
        })
    }
    assert.match(await firstBroken(spoil), /was ended although nobody asked for it/)
  })

  test('an end of one session that becomes one of all of its user is found', async () => {
    const spoil = withEngine((engine) => ({
      endSessions: (request) => engine.endSessions(request.scope.kind === 'user' ? request : { ...request, scope: { kind: 'user', userKey: 'local:ana' } })
    }))
    assert.match(await firstBroken(spoil), /was ended although nobody asked for it/)
  })

  test('an end of all of a user that takes the session along which was to stay is found', async () => {
    const spoil = withEngine((engine) => ({
      endSessions: ({ scope, ...request }) =>
        engine.endSessions({ ...request, scope: scope.kind === 'user' ? { kind: 'user', userKey: scope.userKey } : scope })
    }))
    assert.match(await firstBroken(spoil), /was ended although nobody asked for it \(password-change\)/)
  })

  test('a message that names another session than the one that ended is found', async () => {
    const spoil = withDeps(({ senders, store }) => ({
      senders: senders.map((sender) => ({
        ...sender,
        send: async (request, signal) => {
          const { delivery, run } = request
          const others = (await store.findByUser(run.userKey)).filter(({ end }) => end === undefined)
          const known = (await Promise.all(others.map(({ id }) => store.getParticipants(id)))).flat().find(({ peerId }) => peerId === delivery.peerId)
          return sender.send({ ...request, delivery: { ...delivery, sessionIndex: known?.sessionIndex ?? delivery.sessionIndex } }, signal)
        }
      }))
    }))
    assert.match(await firstBroken(spoil), /ends its session from [\w-]+, which goes on/)
  })

  test('a message that names a session of nobody, and is answered as if that had ended, is found', async () => {
    const spoil = withDeps(({ senders }) => ({
      senders: senders.map((sender) => ({
        ...sender,
        send: async (request, signal) => sender.send({ ...request, delivery: { ...request.delivery, sessionIndex: 'of nobody' } }, signal)
      }))
    }))
    assert.match(await firstBroken(spoil), /its own journal says it is not/)
  })

  test('a message that names the user alone and ends a newer sign-in is found', async () => {
    const spoil: Spoil = { store: (store) => spoiled(store, { findByNameId: async () => [] }) }
    assert.match(await firstBroken(spoil, 95), /ends its session from [\w-]+, which goes on/)
  })

  test('an application that ends all sessions of a user where one was named is found', async () => {
    const careless: Spoil = {
      registry: (registry) => ({ ...registry, endBySubject: (subject, untilMs) => registry.endBySubject({ ...subject, sessionIndexes: [] }, untilMs) })
    }
    assert.match(await firstBroken(careless), /ends its session from [\w-]+, which goes on/)
  })

  test('an application that ends what was opened after a logout of the same user was sent is found', async () => {
    const careless: Spoil = {
      registry: (registry) => ({
        ...registry,
        endBySubject: ({ sparesIssuedAfterMs: _, ...subject }, untilMs) => registry.endBySubject(subject, untilMs)
      })
    }
    assert.match(await firstBroken(careless, 330), /ends its session from [\w-]+, which goes on/)
  })

  test('an application that refuses a newer sign-in for a logout before it is found', async () => {
    const strict: Spoil = {
      registry: (registry) => ({ ...registry, isEnded: (subject, nowMs) => registry.isEnded({ ...subject, issuedAtMs: 0 }, nowMs) })
    }
    assert.match(await firstBroken(strict), /refuses a sign-in from [\w-]+, which goes on/)
  })

  test('an answer that comes after its sender gave up and is thrown away is found', async () => {
    const deaf = withDeps(({ senders }) => ({
      senders: senders.map((sender) => ({
        ...sender,
        send: async (request, signal) => {
          const answer = await sender.send(request, signal)
          return signal.aborted ? { kind: 'failed', why: 'timed-out', code: 'CURFEW_RUN_PARTICIPANT_TIMEOUT', retryable: true } : answer
        }
      }))
    }))
    assert.match(await firstBroken(deaf), /has proved its end, and is called/)
  })

  test('a browser that comes back late with a proof, and is not listened to, is found', async () => {
    const spoil = withEngine((engine) => ({
      browserAnswered: async (peerId, messageId, answer) => (answer.kind === 'confirmed' ? undefined : engine.browserAnswered(peerId, messageId, answer))
    }))
    assert.match(await firstBroken(spoil), /has proved its end, and is called/)
  })

  test('an application that was to be tried again and is not is found', async () => {
    const spoil = withEngine((engine) => ({ retry: (runId) => engine.waitFor(runId, () => true, 0) }))
    assert.match(await firstBroken(spoil), /was to be tried again and has 0 repeats/)
  })

  test('messages with the same id are found, although the engine catches what a sender throws', async () => {
    const spoil = withDeps(({ senders }) => ({ senders: senders.map((sender) => ({ ...sender, newMessageId: () => '_same' })) }))
    assert.match(await firstBroken(spoil), /twice with _same/)
  })
})
