import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Store } from '../../packages/curfew/src/stores/store.ts'
import type { Effect, LogoutRun } from '../../packages/curfew/src/core/run.ts'
import type { EngineDeps } from '../../packages/curfew/src/engine/deps.ts'
import type { Engine } from '../../packages/curfew/src/engine/engine.ts'
import { simulate, type Spoil } from '../simulate.ts'

/** What the first of these seeds breaks that breaks a rule on something spoiled. */
async function firstBroken(spoil: Spoil, seeds = 300): Promise<string> {
  for (let seed = 1; seed <= seeds; seed++) {
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
    assert.match(await firstBroken(spoil), /waits for a browser that has gone/)
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
    const spoil = withDeps(({ clock }) => ({ clock: { ...clock, nowMs: () => clock.nowMs() + 4_000 } }))
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

  test('an application that was to be tried again and is not is found', async () => {
    const spoil = withEngine((engine) => ({ retry: (runId) => engine.waitFor(runId, () => true, 0) }))
    assert.match(await firstBroken(spoil), /was to be tried again and has 0 repeats/)
  })

  test('messages with the same id are found, although the engine catches what a sender throws', async () => {
    const spoil = withDeps(({ senders }) => ({ senders: senders.map((sender) => ({ ...sender, newMessageId: () => '_same' })) }))
    assert.match(await firstBroken(spoil), /twice with _same/)
  })
})
