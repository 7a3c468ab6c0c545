import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import type { LogoutRun } from '../../../src/core/run.ts'
import { carry, exported, factsOf, sampleReplication } from '../../../src/stores/conformance/carry.ts'
import { hourMs, sampleEnd, sampleParticipant, sampleSession, t0 } from '../../../src/stores/conformance/samples.ts'
import type { Fact } from '../../../src/stores/fact.ts'
import type { RedisStore } from '../../../src/stores/redis/redis-store.ts'
import { startNode } from './engine-node.ts'
import { openOn } from './opened.ts'
import { type Server, skipReason, startServer, until } from './servers.ts'

/** One bucket and two applications: what comes in which order is the same each time. */
const options = { buckets: 1 }
const applications = [sampleParticipant('payroll', 1), sampleParticipant('wiki', 1)]

/** Ten thousand facts take their time on a machine that has much to do. */
const manyMs = 120_000

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

  test('AC-190 a token that was revoked stays revoked, and a code that was used stays used', async () => {
    await using store = await openOn([server], { ...options, copies: 1, replication: sampleReplication('a') })
    const token = { kind: 'token', id: 'one', grantId: 'grant', untilMs: t0 + hourMs, value: { of: 'ana' } }
    await store.putArtifact(token)
    await store.putArtifact({ ...token, id: 'two' })
    await store.txCreate('code', 'good once', t0 + hourMs)
    const goBack = server.remember()
    assert.deepEqual(await store.dropArtifact('token', 'one'), { value: 'dropped', durability: 'degraded' })
    assert.deepEqual(await store.dropGrant('grant'), { value: 1, durability: 'degraded' })
    assert.deepEqual(await store.txTake('code', t0), { value: 'good once', durability: 'degraded' })
    await goBack()
    const copy = await startServer(['--replicaof', `127.0.0.1 ${server.port}`])
    try {
      await until(async () => store.owed === 0)
      for (const id of ['one', 'two']) assert.equal(await store.getArtifact('token', id, t0), undefined)
      assert.equal((await store.txTake('code', t0)).value, undefined)
      // The other regions are told, too.
      const told = (await exported(factsOf(store))).map(({ kind }) => kind)
      assert.ok(told.includes('grant-dropped'))
    } finally {
      await copy.stop()
    }
  })

  test('AC-190 a transaction that comes back under a key that was taken stays', async () => {
    await using store = await openOn([server], { ...options, copies: 1 })
    await store.txCreate('key', 'first', t0 + hourMs)
    assert.deepEqual(await store.txTake('key', t0), { value: 'first', durability: 'degraded' })
    await store.txCreate('key', 'second', t0 + hourMs + 1)
    const copy = await startServer(['--replicaof', `127.0.0.1 ${server.port}`])
    try {
      await until(async () => store.owed === 0)
      assert.equal(await store.txGet('key', t0), 'second')
    } finally {
      await copy.stop()
    }
  })

  test('AC-190 what was put in the place of something that was dropped stays', async () => {
    await using store = await openOn([server], { ...options, copies: 1 })
    const grant = { kind: 'grant', id: 'same', grantId: 'same', untilMs: t0 + hourMs, value: { scope: 'openid' } }
    await store.putArtifact(grant)
    await store.dropGrant('same')
    await store.putArtifact(grant)
    const copy = await startServer(['--replicaof', `127.0.0.1 ${server.port}`])
    try {
      await until(async () => store.owed === 0)
      assert.deepEqual(await store.getArtifact('grant', 'same', t0), grant)
    } finally {
      await copy.stop()
    }
  })

  test('AC-190 what says by being put that something ended is put again, with what other regions are told', async () => {
    await using store = await openOn([server], { ...options, copies: 1, replication: sampleReplication('a') })
    const link = { kind: 'token', id: 'link', untilMs: t0 + hourMs, value: { of: 'ana' } as unknown }
    await store.putArtifact(link)
    for (const id of ['again', 'before']) await store.putArtifact({ ...link, id })
    const goBack = server.remember()
    for (const id of ['again', 'before']) await store.putArtifact({ ...link, id, value: null }, { isEnding: true })
    // The copy is two puts behind, and never had the mark.
    await store.putArtifact({ ...link, value: { of: 'ben' } })
    assert.deepEqual(await store.putArtifact({ ...link, value: null }, { isEnding: true }), { value: 'stored', durability: 'degraded' })
    await store.putArtifact({ ...link, id: 'mark', value: {} }, { isEnding: true })
    await goBack()
    // Another region had heard of the one, and not of the other.
    const told = (id: string, version: number): Fact => ({
      kind: 'artifact',
      service: 'referenceTokens',
      artifact: { ...link, id, value: { of: 'eve' } },
      version
    })
    await factsOf(store).apply({ source: 'b', facts: [told('again', 3), told('before', 2)], nowMs: t0 })
    const copy = await startServer(['--replicaof', `127.0.0.1 ${server.port}`])
    try {
      await until(async () => store.owed === 0)
      assert.deepEqual(await store.getArtifact('token', 'link', t0), { ...link, value: null })
      assert.deepEqual((await store.getArtifact('token', 'mark', t0))?.value, {})
      const known = (await exported(factsOf(store))).flatMap((fact) =>
        fact.kind === 'artifact' ? [[fact.artifact.id, fact.artifact.value, fact.version]] : []
      )
      assert.deepEqual(known.sort(), [
        ['again', { of: 'eve' }, 3],
        ['before', null, 3],
        ['link', null, 3],
        ['mark', {}, 1]
      ])
    } finally {
      await copy.stop()
    }
  })

  for (const isLost of [true, false])
    test(`AC-190 what was put since in the place of that stays, where its copies come back${isLost ? ' without it' : ''}`, async () => {
      const prefix = `ends-${isLost}:`
      await using store = await openOn([server], { ...options, prefix, copies: 1 })
      await using other = await openOn([server], { ...options, prefix })
      const link = (id: string, value: unknown) => ({ kind: 'link', id, untilMs: t0 + hourMs, value })
      // Programs before this one do not say when they put something.
      const putByFormer = async (id: string, value: unknown): Promise<void> => {
        await other.putArtifact(link(id, value))
        const keys = ((await server.command('SCAN', '0', 'MATCH', `${prefix}*}a:*${id}`, 'COUNT', '10000')) as [string, string[]])[1]
        assert.equal(await server.command('HDEL', keys[0] ?? assert.fail('it is there'), 'w'), 1)
      }
      await store.putArtifact(link('later', 'first'))
      for (const id of ['former', 'nothing']) await putByFormer(id, 'first')
      const goBack = server.remember()
      for (const id of ['later', 'former', 'nothing']) await store.putArtifact(link(id, null), { isEnding: true })
      if (isLost) await goBack()
      await other.putArtifact(link('later', 'second'))
      await putByFormer('former', 'second')
      assert.equal(store.owed, 3)
      const copy = await startServer(['--replicaof', `127.0.0.1 ${server.port}`])
      try {
        await until(async () => store.owed === 0)
        const values = await Promise.all(['later', 'former', 'nothing'].map(async (id) => (await store.getArtifact('link', id, t0))?.value))
        assert.deepEqual(values, ['second', 'second', null])
      } finally {
        await copy.stop()
      }
    })

  for (const isAlone of [true, false])
    test(`AC-190 what a former node had put, and what was put anew since and ended, is ${isAlone ? 'ended' : 'left as it is while one may be there'} where a copy without both takes over`, async () => {
      const prefix = `anew-${isAlone}:`
      await using store = await openOn([server], { ...options, prefix, copies: 1 })
      const link = (value: unknown) => ({ kind: 'link', id: 'anew', untilMs: t0 + hourMs, value })
      if (isAlone) await store.nodes.join({ id: 'a', address: '127.0.0.1:1', version: '1', tags: [], startedAtMs: t0 })
      await store.putArtifact(link('former'))
      const keys = ((await server.command('SCAN', '0', 'MATCH', `${prefix}*}a:*anew`, 'COUNT', '10000')) as [string, string[]])[1]
      assert.equal(await server.command('HDEL', keys[0] ?? assert.fail('it is there'), 'w'), 1)
      const goBack = server.remember()
      await store.putArtifact(link('anew'))
      await store.putArtifact(link(null), { isEnding: true })
      await goBack()
      assert.equal((await store.getArtifact('link', 'anew', t0))?.value, 'former')
      const copy = await startServer(['--replicaof', `127.0.0.1 ${server.port}`])
      try {
        await until(async () => store.owed === 0)
        assert.equal((await store.getArtifact('link', 'anew', t0))?.value, isAlone ? null : 'former')
      } finally {
        await copy.stop()
      }
    })

  test('an ending by a put is not refused for want of copies', async () => {
    await using store = await openOn([server], { ...options, copies: 1, ack: 'strict' })
    const mark = { kind: 'mark', id: 'one', untilMs: t0 + hourMs, value: null }
    await assert.rejects(store.putArtifact(mark), { code: 'CURFEW_STORE_NOT_REPLICATED' })
    assert.equal((await store.putArtifact(mark, { isEnding: true })).durability, 'degraded')
  })

  test('AC-190 a run in a session that goes on, and how far it was, are there again', async () => {
    await using store = await openOn([server], { ...options, copies: 1 })
    const [payroll = assert.fail('an application')] = applications
    await store.openSession(sampleSession(1))
    await store.addParticipant(sampleSession(1).id, payroll)
    const session = await store.getSession(sampleSession(1).id)
    assert.ok(session !== undefined)
    const { run, effects } = sampleEnd(1, session, [payroll])
    const goBack = server.remember()
    const opening = { sessionId: session.id, expectedVersion: session.version, run, effects }
    assert.deepEqual(await store.openRun(opening), { value: 'opened', durability: 'degraded' })
    const claimed = await claim(store)
    const next: LogoutRun = { ...run, version: 2, browserSeenAtMs: t0 + 2 }
    const settled = claimed.map(({ id }) => id)
    assert.equal((await store.commitRun({ run: next, before: run, effects: [], settled })).value, 'committed')
    await goBack()
    const copy = await startServer(['--replicaof', `127.0.0.1 ${server.port}`])
    try {
      await until(async () => store.owed === 0)
      assert.deepEqual(await store.getRun(run.id), next)
      assert.equal((await store.listRuns({ limit: 10, sessionId: session.id })).items.length, 1)
    } finally {
      await copy.stop()
    }
  })

  test('AC-190 an effect that was carried out is not carried out again', async () => {
    await using store = await openOn([server], { ...options, copies: 1 })
    const { commit, claimed } = await end(store, 1)
    const goBack = server.remember()
    const next: LogoutRun = { ...commit.run, version: 2, browserSeenAtMs: t0 + 2 }
    await store.commitRun({ run: next, before: commit.run, effects: [], settled: claimed.map(({ id }) => id) })
    await goBack()
    const copy = await startServer(['--replicaof', `127.0.0.1 ${server.port}`])
    try {
      await until(async () => store.owed === 0)
      assert.deepEqual(await store.getRun(commit.run.id), next)
      assert.deepEqual(await claim(store), [])
    } finally {
      await copy.stop()
    }
  })

  test('AC-190 what another region tells is not called read where it is more than a node remembers', async () => {
    await using store = await openOn([server], { ...options, copies: 1, copyWaitMs: 10, replication: sampleReplication('b') })
    const told = Array.from(
      { length: 10_001 },
      (_, n): Fact => ({ kind: 'replay', service: 'assertionReplay', issuer: 'idp', id: `_${n}`, untilMs: t0 + hourMs })
    )
    const batch = { source: 'a', cursor: 'read', facts: told, nowMs: t0 }
    assert.equal((await factsOf(store).apply(batch)).value, 'held')
    assert.equal(await factsOf(store).cursorOf('a'), '')
    const page = { source: 'a', facts: told.slice(0, 1), nowMs: t0 }
    assert.equal((await factsOf(store).apply(page)).value, 'held')
    const revoked = [{ kind: 'revoked', service: 'revocations', sri: 'told', untilMs: t0 + hourMs, atMs: t0 }] as const
    assert.equal((await factsOf(store).apply({ source: 'revocations:a', cursor: 'list 1', facts: revoked, nowMs: t0 })).value, 'held')
    assert.ok(await store.isRevoked('told', t0))
    // What happens here is remembered all the same.
    await store.revoke('own', t0 + hourMs, t0)
    assert.equal(store.owed, 10_002)
    const copy = await startServer(['--replicaof', `127.0.0.1 ${server.port}`])
    try {
      await until(async () => store.owed === 0, manyMs)
      assert.equal((await factsOf(store).apply(batch)).value, 'applied')
      assert.equal(await factsOf(store).cursorOf('a'), 'read')
    } finally {
      await copy.stop()
    }
  })

  test('AC-190 what leads to a session that another region told is written again when that comes again to another node', async () => {
    const prefix = 'again:'
    const here = { ...options, prefix, replication: sampleReplication('b') }
    await using a = await openOn([server], { ...options, replication: sampleReplication('a') })
    await using one = await openOn([server], here)
    await using other = await openOn([server], here)
    const [payroll = assert.fail('an application'), wiki = assert.fail('an application')] = applications
    const { id, tokenHash } = sampleSession(1)
    await a.openSession(sampleSession(1))
    await a.addParticipant(id, payroll)
    const first = await exported(factsOf(a))
    await factsOf(one).apply({ source: 'a', facts: first, nowMs: t0 })
    // The node that joined it is gone, and remembered none of this; it lay in another bucket than the session.
    const forget = async (): Promise<void> => {
      const keys = (await server.command('KEYS', `${prefix}*}i*`)) as string[]
      assert.ok(Number(await server.command('DEL', ...keys)) >= 6)
    }
    await forget()
    await factsOf(other).apply({ source: 'a', facts: first, nowMs: t0 })
    assert.equal((await other.findSessionByToken(tokenHash))?.id, id)
    assert.equal((await other.findByNameId(payroll.peerId, payroll.nameId.value)).length, 1)
    // The same where more came meanwhile.
    await forget()
    await a.addParticipant(id, wiki)
    await factsOf(other).apply({ source: 'a', facts: await exported(factsOf(a)), nowMs: t0 })
    assert.equal((await other.findSessionByToken(tokenHash))?.id, id)
    for (const { peerId, nameId } of applications) assert.equal((await other.findByNameId(peerId, nameId.value)).length, 1)
  })

  test('AC-172 an application that joins between the takeover and the end that is sent again is told as well', async () => {
    const shared = { prefix: 'joined:', buckets: 1 }
    await using other = await openOn([server], shared)
    const [payroll = assert.fail('an application'), wiki = assert.fail('an application')] = applications
    // Not past keeping, so that no purge takes it away.
    const untilMs = Temporal.Now.instant().epochMilliseconds + hourMs
    const opened = { ...sampleSession(1), idleExpiresAtMs: untilMs, expiresAtMs: untilMs }
    const { id } = opened
    await other.openSession(opened)
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

  test('numbers that were given by a server that followed another one since are not given again', async () => {
    const other = await startServer(['--replicaof', `127.0.0.1 ${server.port}`])
    const follows = (one: Server): Promise<void> => until(async () => String(await one.command('INFO', 'replication')).includes('master_link_status:up'))
    try {
      await using store = await openOn([server], options)
      await store.revoke('kept', t0 + hourMs, t0)
      await follows(other)
      await until(async () => String(await server.command('WAIT', '1', '1000')) === '1')
      // From here on the copy does not hear what is written; it has the place of the other, and gives no number.
      await other.command('REPLICAOF', 'NO', 'ONE')
      await store.revoke('lost', t0 + hourMs, t0)
      const read = (await store.revocationFeed(0, 10)).at(-1)?.cursor ?? 0
      await server.command('REPLICAOF', '127.0.0.1', String(other.port))
      await follows(server)
      await server.command('REPLICAOF', 'NO', 'ONE')
      assert.deepEqual(
        (await store.revocationFeed(0, 10)).map(({ sri }) => sri),
        ['kept']
      )
      await store.revoke('new', t0 + hourMs, t0)
      assert.deepEqual(
        (await store.revocationFeed(read, 10)).map(({ sri }) => sri),
        ['new']
      )
    } finally {
      await server.command('REPLICAOF', 'NO', 'ONE')
      await other.stop()
    }
  })
})
