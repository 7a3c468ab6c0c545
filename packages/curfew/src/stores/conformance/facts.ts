import assert from 'node:assert/strict'
import { suite, test as plainTest } from 'node:test'
import type { Participant } from '../../core/participant.ts'
import type { LogoutRun } from '../../core/run.ts'
import type { Session } from '../../core/session.ts'
import type { Fact, ReplicatedService } from '../fact.ts'
import type { Artifact, Store } from '../store.ts'
import { carry, exported, factsOf, known, sampleReplication } from './carry.ts'
import { factOrderTests } from './fact-order.ts'
import { type OpenStore, signedOn, stored } from './harness.ts'
import { hourMs, sampleEnd, sampleParticipant, sampleRun, sampleSession, t0 } from './samples.ts'

/** Two regions, `a` and `b`, each with an empty store. */
type RegionTest = (name: string, body: (a: Store, b: Store) => Promise<void>, off?: Partial<Record<ReplicatedService, boolean>>) => void

/** What a store does for other regions. */
export function factTests(open: OpenStore): void {
  const test: RegionTest = (name, body, off) => {
    plainTest(name, async () => {
      const [a, b] = [await open(1000, sampleReplication('a', off)), await open(1000, sampleReplication('b', off))]
      try {
        await body(a.store, b.store)
      } finally {
        await Promise.all([a.close(), b.close()])
      }
    })
  }
  suite('facts for other regions', () => {
    plainTest('a store that was not opened for them has none', async () => {
      const { store, close } = await open(1000)
      assert.equal(store.facts, undefined)
      await close()
    })
    sessionFactTests(test)
    lateTests(test)
    serviceFactTests(test)
    switchTests(test)
    streamTests(test)
    factOrderTests(open)
  })
}

const token = (id: string, more: Partial<Artifact> = {}): Artifact => ({ kind: 'token', id, untilMs: t0 + hourMs, value: { of: id }, ...more })

function sessionFactTests(test: RegionTest): void {
  test('AC-008 AC-174 a session, its participants and its end reach the other region, and reads there are local', async (a, b) => {
    const participant = sampleParticipant('payroll', 1)
    const session = await signedOn(a, sampleSession(1), [participant])
    await carry(a, b)
    const { version: _, ...arrived } = await stored(b, session)
    const { version: __, ...opened } = session
    assert.deepEqual(arrived, opened)
    assert.deepEqual(await b.getParticipants(session.id), [{ ...participant, group: 'a' }])
    assert.equal((await b.findSessionByToken(session.tokenHash))?.id, session.id)
    assert.equal((await b.findByIndex('payroll', participant.sessionIndex))?.session.id, session.id)
    assert.equal((await b.findByNameId('payroll', participant.nameId.value)).length, 1)
    assert.equal((await b.findByUser(session.userKey)).length, 1)
    assert.equal(await b.countLiveSessions(), 1)

    assert.equal((await a.endSession(sampleEnd(1, session, [participant]))).value.kind, 'ended')
    await carry(a, b)
    assert.deepEqual((await stored(b, session)).end, (await stored(a, session)).end)
    assert.equal(await b.countLiveSessions(), 0)
    assert.equal(await b.isRevoked(session.sri, t0 + 6000), true)
    assert.equal((await b.addParticipant(session.id, sampleParticipant('wiki', 1))).value, 'ended')
    assert.equal(await b.nextEffectAtMs(), undefined, 'the run stays with the region that ended the session')
  })

  test('the run of another region is there to look at, and nobody changes it', async (a, b) => {
    const session = await signedOn(a, sampleSession(1))
    await a.endSession(sampleEnd(1, session))
    await carry(a, b)
    const run = await b.getRun('run_1')
    assert.ok(run !== undefined)
    assert.equal((await b.commitRun({ run: { ...run, version: 2, state: 'done', finishedAtMs: t0 }, effects: [], settled: [] })).value, 'unknown')
    assert.deepEqual(await b.findOpenRunByToken(run.tokenHash), run, 'a browser that comes here finds the logout it was lost from')
    assert.equal((await b.describe()).openRuns, 0)
    const done: LogoutRun = { ...run, version: 2, state: 'done', finishedAtMs: t0 + 9000 }
    await a.commitRun({ run: done, effects: [], settled: [] })
    await carry(a, b)
    assert.deepEqual(await b.getRun('run_1'), done)
    assert.equal(await b.findOpenRunByToken(run.tokenHash), undefined)
    assert.deepEqual((await b.listRuns({ limit: 5 })).items, [done])
  })

  test('what was joined is not told again', async (a, b) => {
    const session = await signedOn(a, sampleSession(1), [sampleParticipant('payroll', 1)])
    await carry(b, a)
    const before = await factsOf(b).head()
    await a.endSession(sampleEnd(1, session, [sampleParticipant('payroll', 1)]))
    await a.replaySeen('idp', 'x', t0 + hourMs, t0)
    await carry(a, b)
    assert.equal(await factsOf(b).head(), before)
    assert.equal(await carry(b, a), 0)
  })

  test('activity is told when a quarter of the idle time has passed, not before', async (a, b) => {
    const session = await signedOn(a, sampleSession(1))
    await carry(a, b)
    await a.touch(session.id, session.createdAtMs + hourMs / 4 - 1, session.idleExpiresAtMs + 5)
    assert.equal(await carry(a, b), 0)
    await a.touch(session.id, session.createdAtMs + hourMs / 4, session.idleExpiresAtMs + hourMs / 4)
    assert.equal(await carry(a, b), 1)
    assert.equal((await stored(b, session)).idleExpiresAtMs, session.idleExpiresAtMs + hourMs / 4)
    await a.touch(session.id, session.createdAtMs + hourMs / 4 + 1, session.idleExpiresAtMs + hourMs / 4)
    assert.equal(await carry(a, b), 0)
  })

  test('new cookies of a session reach the other region, and the former ones find nothing there any more', async (a, b) => {
    const session = await signedOn(a, sampleSession(1))
    await carry(a, b)
    await a.renewSession(session.id, { tokenHash: 'new', persistent: false, authenticatedAtMs: session.authenticatedAtMs + 1 })
    await carry(a, b)
    assert.equal((await b.findSessionByToken('new'))?.id, session.id)
    assert.equal(await b.findSessionByToken(session.tokenHash), undefined)
  })

  test('a session of another region is left to it when its limit passes, and taken over when that region does not act', async (a, b) => {
    const own = sampleSession(1, { id: `ses_a${'0'.repeat(24)}` })
    await signedOn(a, own)
    await carry(a, b)
    const dueAtMs = own.idleExpiresAtMs
    assert.equal((await a.dueSessions(dueAtMs, 10)).length, 1)
    assert.equal((await b.dueSessions(dueAtMs + hourMs / 4 + 14_999, 10)).length, 0)
    assert.equal((await b.dueSessions(dueAtMs + hourMs / 4 + 15_000, 10)).length, 1)
  })

  test('an end and a participant may come before the session, which is refused from its first moment then', async (a, b) => {
    const participant = sampleParticipant('payroll', 1)
    const session = await signedOn(a, sampleSession(1), [participant])
    await a.endSession(sampleEnd(1, session, [participant]))
    const [opened, ...rest] = await factsOf(a).ofSession(session.id)
    assert.ok(opened?.kind === 'opened')
    await factsOf(b).apply({ source: 'a', facts: rest, nowMs: t0 })
    assert.equal(await b.getSession(session.id), undefined)
    await factsOf(b).apply({ source: 'a', facts: [opened], nowMs: t0 })
    assert.equal((await stored(b, session)).end?.runId, 'run_1')
    assert.equal((await b.getParticipants(session.id)).length, 1)
    assert.equal(await b.countLiveSessions(), 0)
  })

  test('what waits for a session that never comes is forgotten after an hour', async (a, b) => {
    const session = await signedOn(a, sampleSession(1))
    await a.endSession(sampleEnd(1, session))
    const [opened, ...rest] = await factsOf(a).ofSession(session.id)
    await factsOf(b).apply({ source: 'a', facts: rest, nowMs: t0 })
    assert.equal(await b.purge(t0 + hourMs - 1, hourMs, 10), 0)
    assert.equal(await b.purge(t0 + hourMs, hourMs, 10), 1)
    assert.ok(opened !== undefined)
    await factsOf(b).apply({ source: 'a', facts: [opened], nowMs: t0 })
    assert.equal((await stored(b, session)).end, undefined)
  })
}

/** A participant that `b` adds while `a` ends the session. */
async function addedWhileEnded(a: Store, b: Store): Promise<{ readonly session: Session; readonly late: Participant }> {
  const session = await signedOn(a, sampleSession(1), [sampleParticipant('payroll', 1)])
  await carry(a, b)
  const late = sampleParticipant('wiki', 1)
  assert.equal((await b.addParticipant(session.id, late)).value, 'added')
  await a.endSession(sampleEnd(1, session, [sampleParticipant('payroll', 1)]))
  await carry(b, a)
  await carry(a, b)
  return { session, late }
}

function lateTests(test: RegionTest): void {
  test('added in one region while ended in the other: the region that issued it owes exactly one logout', async (a, b) => {
    const { session, late } = await addedWhileEnded(a, b)
    assert.deepEqual(await factsOf(a).late(10), [])
    const [owed, ...others] = await factsOf(b).late(10)
    assert.deepEqual(others, [])
    assert.deepEqual(
      owed?.participants.map(({ id }) => id),
      [late.id]
    )
    await carry(a, b)
    assert.equal((await factsOf(b).late(10)).length, 1, 'the same fact again owes nothing again')
    const run = sampleRun(2, session, [late])
    const opening = { sessionId: session.id, participantIds: [late.id], run, effects: [{ kind: 'wake', dueAtMs: t0 } as const] }
    const answers = await Promise.all([1, 2, 3].map((n) => factsOf(b).openLateRun({ ...opening, run: { ...run, id: `run_late${n}` } })))
    assert.deepEqual(answers.map(({ value }) => value).sort(), ['nothing', 'nothing', 'opened'])
    assert.deepEqual(await factsOf(b).late(10), [])
    assert.equal((await b.describe()).openRuns, 1)
    assert.equal((await stored(b, session)).end?.runId, 'run_1')
  })

  test('nothing is late where the region had ended the session itself before', async (a, b) => {
    const session = await signedOn(a, sampleSession(1))
    await carry(a, b)
    await b.addParticipant(session.id, sampleParticipant('wiki', 1))
    const there = await stored(b, session)
    await b.endSession(sampleEnd(2, there, [sampleParticipant('wiki', 1)]))
    await a.endSession(sampleEnd(1, session))
    await carry(a, b)
    await carry(b, a)
    assert.deepEqual(await factsOf(b).late(10), [])
    assert.deepEqual(await factsOf(a).late(10), [])
    assert.deepEqual((await stored(a, session)).end, (await stored(b, session)).end)
    assert.equal((await stored(a, session)).end?.runId, 'run_1', 'the earlier end counts')
  })

  test('an assertion issued once more to a known participant after its region was told is late as well', async (a, b) => {
    const participant = sampleParticipant('payroll', 1)
    const session = await signedOn(a, sampleSession(1), [participant])
    await carry(a, b)
    await b.addParticipant(session.id, { ...participant, lastIssuedAtMs: participant.lastIssuedAtMs + 1 })
    await a.endSession(sampleEnd(1, session, [participant]))
    await carry(a, b)
    assert.equal((await factsOf(b).late(10)).length, 1)
  })
}

function serviceFactTests(test: RegionTest): void {
  test('AC-182 an assertion seen in one region is a replay in the other', async (a, b) => {
    assert.equal((await a.replaySeen('idp', 'x', t0 + hourMs, t0)).value, 'fresh')
    await carry(a, b)
    assert.equal((await b.replaySeen('idp', 'x', t0 + hourMs, t0)).value, 'seen')
    assert.equal((await b.replaySeen('idp', 'y', t0 + hourMs, t0)).value, 'fresh')
  })

  test('AC-183 failed sign-ins count over both regions, and a good one clears both', async (a, b) => {
    for (const n of [1, 2]) await a.lockBump('form:ana', t0 + n, hourMs)
    await b.lockBump('form:ana', t0 + 3, hourMs)
    await carry(a, b)
    await carry(b, a)
    await carry(a, b)
    for (const store of [a, b]) assert.equal(await store.lockRead('form:ana', t0 + 10, hourMs), 3)
    await b.lockClear('form:ana')
    await a.lockBump('form:ana', t0 + 4, hourMs)
    await carry(b, a)
    await carry(a, b)
    for (const store of [a, b]) assert.equal(await store.lockRead('form:ana', t0 + 10, hourMs), 1, 'only what came after the clearing')
  })

  test('AC-181 a reference token is good in the other region, used up and revoked in both', async (a, b) => {
    await a.putArtifact(token('t', { grantId: 'g', sessionId: 'ses_1' }))
    await a.putArtifact(token('u'))
    await carry(a, b)
    assert.deepEqual(await b.getArtifact('token', 't', t0), token('t', { grantId: 'g', sessionId: 'ses_1' }))
    assert.equal((await b.artifactsOf('ses_1', 'token', t0, 5)).length, 1)
    await b.consumeArtifact('token', 'u', t0 + 1)
    await b.dropGrant('g')
    await carry(b, a)
    assert.equal(await a.getArtifact('token', 't', t0), undefined)
    assert.equal((await a.consumeArtifact('token', 'u', t0 + 2)).value, 'already')
    await a.dropArtifact('token', 'u')
    await carry(a, b)
    assert.equal(await b.getArtifact('token', 'u', t0), undefined)
  })

  test('a token put once more replaces the former one everywhere', async (a, b) => {
    await a.putArtifact(token('t', { value: 'z' }))
    await a.putArtifact(token('t', { value: 'a' }))
    await carry(a, b)
    assert.equal((await b.getArtifact('token', 't', t0))?.value, 'a')
    await b.putArtifact(token('t', { value: 'c' }))
    await carry(b, a)
    assert.equal((await a.getArtifact('token', 't', t0))?.value, 'c')
  })

  test('a transaction is shared where that is on, and gone everywhere once it is taken', async (a, b) => {
    await a.txCreate('k', { n: 1 }, t0 + hourMs)
    await carry(a, b)
    assert.deepEqual(await b.txGet('k', t0), { n: 1 })
    assert.deepEqual((await b.txTake('k', t0)).value, { n: 1 })
    await carry(b, a)
    assert.equal((await a.txTake('k', t0)).value, undefined)
    await carry(a, b)
    assert.equal(await b.txGet('k', t0), undefined)
  })

  test('AC-193 after a split both regions hold the union of what either revoked', async (a, b) => {
    for (const n of [1, 2, 3]) await a.revoke(`a${n}`, t0 + hourMs, t0)
    for (const n of [1, 2]) await b.revoke(`b${n}`, t0 + hourMs, t0)
    await carry(a, b)
    await carry(b, a)
    const list = async (store: Store) => (await store.revocationFeed(0, 100)).map(({ sri }) => sri).sort()
    assert.deepEqual(await list(a), ['a1', 'a2', 'a3', 'b1', 'b2'])
    assert.deepEqual(await list(b), await list(a))
  })
}

/** One change of every service. */
async function changeAll(store: Store): Promise<void> {
  await signedOn(store, sampleSession(1), [sampleParticipant('payroll', 1)])
  await store.replaySeen('idp', 'x', t0 + hourMs, t0)
  await store.lockBump('form:ana', t0, hourMs)
  await store.putArtifact(token('t'))
  await store.txCreate('k', 1, t0 + hourMs)
  await store.putArtifact({ ...token('c'), kind: 'code' })
  await store.putArtifact({ ...token('r'), kind: 'client' })
  await store.revoke('sri', t0 + hourMs, t0)
}

function switchTests(test: RegionTest): void {
  const services: readonly ReplicatedService[] = ['sessions', 'assertionReplay', 'accountLocking', 'referenceTokens', 'transactions', 'registeredClients']
  const seen = async (b: Store): Promise<readonly string[]> => {
    const found = {
      sessions: (await b.getSession(sampleSession(1).id)) !== undefined,
      assertionReplay: (await b.replaySeen('idp', 'x', t0 + hourMs, t0)).value === 'seen',
      accountLocking: (await b.lockRead('form:ana', t0, hourMs)) === 1,
      referenceTokens: (await b.getArtifact('token', 't', t0)) !== undefined,
      transactions: (await b.txGet('k', t0)) === 1 && (await b.getArtifact('code', 'c', t0)) !== undefined,
      registeredClients: (await b.getArtifact('client', 'r', t0)) !== undefined
    }
    assert.equal(await b.isRevoked('sri', t0), true, 'revocations go everywhere')
    return services.filter((service) => found[service])
  }
  for (const off of services) {
    const rows = { sessions: 'AC-009 ', referenceTokens: 'AC-180 ', assertionReplay: '', accountLocking: '', transactions: '', registeredClients: '' }[off]
    test(
      `${rows}AC-178 AC-179 with ${off} off that stays in its region, and all else goes on`,
      async (a, b) => {
        await carry(a, b)
        await changeAll(a)
        await carry(a, b)
        assert.deepEqual(
          await seen(b),
          services.filter((service) => service !== off)
        )
      },
      { [off]: false }
    )
    test(
      `AC-179 with ${off} off it stays in its region also when everything is read once`,
      async (a, b) => {
        await changeAll(a)
        await carry(a, b)
        assert.deepEqual(
          await seen(b),
          services.filter((service) => service !== off)
        )
      },
      { [off]: false }
    )
  }
}

function streamTests(test: RegionTest): void {
  const limits = { nowMs: t0, groups: ['b'], ageMsMax: hourMs, factsMax: 1_000 }

  test('a reader that knows nothing is told so, reads everything once and goes on from there', async (a, b) => {
    await changeAll(a)
    assert.equal((await factsOf(a).read('', 10)).kind, 'behind')
    await carry(a, b)
    assert.deepEqual(await known(b), await known(a))
    await a.replaySeen('idp', 'later', t0 + hourMs, t0)
    assert.equal(await carry(a, b), 1)
  })

  test('keeps what the slowest reader has not read, and drops what all have', async (a, b) => {
    await carry(a, b)
    for (const n of [1, 2, 3]) await a.replaySeen('idp', `x${n}`, t0 + hourMs, t0)
    assert.equal(await factsOf(a).backlog(['b']), 3)
    await factsOf(a).trim(limits)
    assert.equal(await carry(a, b), 3)
    assert.equal(await factsOf(a).backlog(['b']), 0)
    const before = await factsOf(b).cursorOf('a')
    await factsOf(a).trim(limits)
    assert.deepEqual(await factsOf(a).read(before, 10), { kind: 'facts', facts: [], cursor: before })
  })

  test('a reader behind what was dropped for its size or age is told so, and a full merge repairs it', async (a, b) => {
    await carry(a, b)
    for (let n = 0; n < 300; n += 1) await a.replaySeen('idp', `x${n}`, t0 + hourMs, t0)
    await factsOf(a).trim({ ...limits, factsMax: 2 })
    assert.equal((await factsOf(a).read(await factsOf(b).cursorOf('a'), 10)).kind, 'behind')
    assert.ok((await carry(a, b)) >= 300)
    assert.deepEqual(await known(b), await known(a))
    await a.replaySeen('idp', 'y', t0 + hourMs, t0)
    await factsOf(a).trim({ ...limits, nowMs: t0 + hourMs / 2 })
    await factsOf(a).trim({ ...limits, nowMs: t0 + 2 * hourMs })
    assert.equal((await factsOf(a).read(await factsOf(b).cursorOf('a'), 10)).kind, 'behind')
  })

  test('a second full merge changes nothing', async (a, b) => {
    await changeAll(a)
    const session = await stored(a, sampleSession(1))
    await a.endSession(sampleEnd(1, session, [sampleParticipant('payroll', 1)]))
    await carry(a, b)
    const before = await known(b)
    await factsOf(b).apply({ source: 'a', facts: await exported(factsOf(a)), nowMs: t0 })
    assert.deepEqual(await known(b), before)
    assert.deepEqual(before, await known(a))
  })

  test('a killed replicator repeats what it had not kept a cursor for, and that changes nothing', async (a, b) => {
    await carry(a, b)
    await changeAll(a)
    const page = await factsOf(a).read(await factsOf(b).cursorOf('a'), 100)
    assert.ok(page.kind === 'facts')
    const facts: readonly Fact[] = page.facts
    for (let n = 0; n <= facts.length; n += 1) await factsOf(b).apply({ source: 'a', facts: facts.slice(0, n), nowMs: t0 })
    const before = await known(b)
    await carry(a, b)
    assert.deepEqual(
      (await known(b)).filter((fact) => !fact.includes('"revoked"')),
      before
    )
    assert.equal(await b.lockRead('form:ana', t0, hourMs), 1)
  })

  test('one at a time has a lease, until its time is over or it gives it up', async (a) => {
    const facts = factsOf(a)
    assert.equal(await facts.lease('b', 'node 1', t0, t0 + 1000), true)
    assert.equal(await facts.lease('b', 'node 2', t0 + 999, t0 + 2000), false)
    assert.equal(await facts.lease('b', 'node 1', t0 + 500, t0 + 1500), true)
    assert.equal(await facts.lease('c', 'node 2', t0, t0 + 1000), true)
    assert.equal(await facts.lease('b', 'node 2', t0 + 1500, t0 + 2500), true)
  })
}
