import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import type { LogoutRun } from '../../../src/core/run.ts'
import { carry, factsOf, sampleReplication } from '../../../src/stores/conformance/carry.ts'
import { hourMs, sampleEnd, sampleParticipant, sampleSession, t0 } from '../../../src/stores/conformance/samples.ts'
import type { RedisStore } from '../../../src/stores/redis/redis-store.ts'
import { startNode } from './engine-node.ts'
import { openOn } from './opened.ts'
import { type Server, skipReason, startServer, until } from './servers.ts'

/** One bucket and two applications: what comes in which order is the same each time. */
const options = { buckets: 1 }
const applications = [sampleParticipant('payroll', 1), sampleParticipant('wiki', 1)]

/** Ends a session of these applications; returns what the node that claims its effects at once has then. */
async function end(store: RedisStore, n: number, among = applications) {
  await store.openSession(sampleSession(n))
  for (const one of among) await store.addParticipant(sampleSession(n).id, one)
  const session = await store.getSession(sampleSession(n).id)
  assert.ok(session !== undefined)
  const commit = sampleEnd(n, session, among)
  assert.deepEqual((await store.endSession(commit)).value, { kind: 'ended' })
  return { commit, claimed: await claim(store) }
}

/** Takes over at once what was claimed before. */
let nowMs = t0 + hourMs
function claim(store: RedisStore) {
  nowMs += 10
  return store.claimEffects({ owner: 'a', nowMs, leaseMs: 1, max: 10 })
}

suite('redis: a server takes over that does not have the last writes', { skip: skipReason }, () => {
  let server: Server
  before(async () => {
    server = await startServer(['--appendfsync', 'always'])
  })
  after(() => server.stop())

  test('AC-190 an effect that was claimed before settles nothing else of its run, which comes to its end', async () => {
    await using store = await openOn([server], options)
    const goBack = server.remember()
    const before = await end(store, 1)
    const second = before.claimed[1] ?? assert.fail('both were claimed')
    await goBack()
    // The end is sent again, after that of somebody else.
    await end(store, 2, applications.slice(0, 1))
    const { commit } = await end(store, 1)
    // The one who had claimed it before the server died is through with it only now.
    const run = { ...commit.run, version: commit.run.version + 1 }
    assert.equal((await store.commitRun({ run, effects: [], settled: [second.id] })).value, 'committed')
    const left = (await claim(store)).filter(({ runId }) => runId === run.id)
    assert.deepEqual(
      left.map(({ effect }) => effect),
      commit.effects
    )
  })

  test('AC-190 a run that another node has carried on since is not overwritten with what was lost, although the versions are the same', async () => {
    await using store = await openOn([server], options)
    const { commit, claimed } = await end(store, 1)
    const before = commit.run
    const goBack = server.remember()
    // One node begins with one application, in writes that no copy has.
    const lost: LogoutRun = { ...before, version: 2, browserSeenAtMs: t0 + 1 }
    assert.equal((await store.commitRun({ run: lost, before, effects: [], settled: [] })).value, 'committed')
    await goBack()
    // Its claim is lost, too: another node does the whole of the other application.
    const [{ id: settled } = assert.fail('both were claimed')] = claimed
    const kept: LogoutRun = { ...before, version: 2, browserSeenAtMs: t0 + 2 }
    assert.equal((await store.commitRun({ run: kept, before, effects: [], settled: [settled] })).value, 'committed')
    assert.equal((await store.commitRun({ run: { ...lost, version: 3 }, before: lost, effects: [], settled: [] })).value, 'changed')
    assert.deepEqual(await store.getRun(before.id), kept)
    assert.equal((await store.commitRun({ run: { ...kept, version: 3 }, before: kept, effects: [], settled: [] })).value, 'committed')
  })

  test('AC-190 what is told to other regions afterwards reaches a region that had read further', async () => {
    await using a = await openOn([server], { ...options, replication: sampleReplication('a') })
    await using b = await openOn([server], { ...options, replication: sampleReplication('b') })
    await a.replaySeen('idp', 'kept', t0 + hourMs, t0)
    const goBack = server.remember()
    await a.replaySeen('idp', 'lost', t0 + hourMs, t0)
    await carry(a, b)
    const cursor = await factsOf(b).cursorOf('a')
    await goBack()
    // The other region lives elsewhere: it knows how far it has read.
    await factsOf(b).apply({ source: 'a', cursor, facts: [], nowMs: t0 })
    await a.replaySeen('idp', 'new', t0 + hourMs, t0)
    await carry(a, b)
    assert.equal((await b.replaySeen('idp', 'new', t0 + hourMs, t0)).value, 'seen')
  })

  test('AC-190 what another region told, and too few copies had, is joined again although the cursor is past it', async () => {
    await using a = await openOn([server], { ...options, replication: sampleReplication('a') })
    // Nobody confirms anything: there is no copy.
    await using b = await openOn([server], { ...options, copies: 1, replication: sampleReplication('b') })
    const goBack = server.remember()
    await end(a, 3)
    await a.replaySeen('idp', 'told', t0 + hourMs, t0)
    await carry(a, b)
    const cursor = await factsOf(b).cursorOf('a')
    const { id } = sampleSession(3)
    assert.ok((await b.getSession(id))?.end !== undefined)
    await goBack()
    await factsOf(b).apply({ source: 'a', cursor, facts: [], nowMs: t0 })
    const copy = await startServer(['--replicaof', `127.0.0.1 ${server.port}`])
    try {
      await until(async () => (await b.getSession(id))?.end !== undefined && b.owed === 0)
      assert.equal((await b.getParticipants(id)).length, applications.length)
      assert.equal((await b.listRuns({ limit: 10, sessionId: id })).items.length, 1)
      assert.equal((await b.replaySeen('idp', 'told', t0 + hourMs, t0)).value, 'seen')
    } finally {
      await copy.stop()
    }
  })

  test('AC-172 an application that joins between the takeover and the end that is sent again is told as well', async () => {
    const shared = { prefix: 'joined:', buckets: 1 }
    await using other = await openOn([server], shared)
    const [payroll = assert.fail('an application'), wiki = assert.fail('an application')] = applications
    const { id } = sampleSession(1)
    await other.openSession(sampleSession(1))
    await other.addParticipant(id, payroll)
    const backToOne = server.remember()
    await other.addParticipant(id, wiki)
    const backToTwo = server.remember()
    // Nobody confirms anything, so this node owes what it writes.
    const node = await startNode([server], 'a', { options: { ...shared, copies: 1 }, limits: { lateIntervalMs: 50 } })
    await backToOne()
    const session = await node.store.getSession(id)
    assert.ok(session !== undefined)
    const commit = sampleEnd(1, session, [payroll])
    assert.deepEqual(await node.store.endSession(commit), { value: { kind: 'ended' }, durability: 'degraded' })
    await backToTwo()
    assert.equal((await other.getParticipants(id)).length, 2)
    try {
      await until(async () => (await other.getSession(id))?.end !== undefined)
      await node.engine.start()
      await until(async () => node.sender.sent.some(({ delivery }) => delivery.peerId === wiki.peerId))
      const runs = (await other.listRuns({ limit: 10, sessionId: id })).items
      assert.deepEqual(runs.map(({ deliveries }) => deliveries.map(({ peerId }) => peerId)).sort(), [[payroll.peerId], [wiki.peerId]])
      await until(async () => ((await other.late?.late(10)) ?? []).length === 0)
    } finally {
      await node.engine.stop()
      await node.store[Symbol.asyncDispose]()
    }
  })

  test('AC-190 a revocation afterwards reaches a gateway that had read further', async () => {
    await using store = await openOn([server], options)
    await store.revoke('kept', t0 + hourMs, t0)
    const goBack = server.remember()
    await store.revoke('lost', t0 + hourMs, t0)
    const read = (await store.revocationFeed(0, 10)).at(-1)?.cursor ?? 0
    await goBack()
    await store.revoke('new', t0 + hourMs, t0)
    assert.deepEqual(
      (await store.revocationFeed(read, 10)).map(({ sri }) => sri),
      ['new']
    )
  })

  test('numbers that were given by this very server, and lost, are not given again either', async () => {
    await using store = await openOn([server], { ...options, prefix: 'twice:' })
    await store.revoke('kept', t0 + hourMs, t0)
    const [key = assert.fail('no cursor')] = ((await server.command('SCAN', '0', 'MATCH', 'twice:*cursor', 'COUNT', '10000')) as [string, string[]])[1]
    const former = Number(await server.command('GET', key))
    await store.revoke('lost', t0 + hourMs, t0)
    await server.command('SET', key, String(former))
    await store.revoke('new', t0 + hourMs, t0)
    const [, lost, fresh] = (await store.revocationFeed(0, 10)).map(({ cursor }) => cursor)
    assert.ok(lost !== undefined && fresh !== undefined && fresh > lost)
  })
})
