import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { steadyMs } from '../../../src/platform/clock.ts'
import { factsOf, sampleReplication } from '../../../src/stores/conformance/carry.ts'
import { signedOn } from '../../../src/stores/conformance/harness.ts'
import { hourMs, sampleAttempt, sampleDelivery, sampleEnd, sampleParticipant, sampleRun, sampleSession, t0 } from '../../../src/stores/conformance/samples.ts'
import { goneMs, looksMax } from '../../../src/stores/redis/entry-sweep.ts'
import type { Store } from '../../../src/stores/store.ts'
import { openOn } from './opened.ts'
import { type Server, skipReason, startCluster, startSentinel, startServer, until } from './servers.ts'

suite('redis: what leads to runs', { skip: skipReason }, () => {
  let server: Server
  before(async () => {
    server = await startServer()
  })
  after(() => server.stop())

  const keysLike = async (pattern: string): Promise<readonly string[]> => (await server.command('KEYS', pattern)) as readonly string[]
  /** How many entries of each kind lead to runs. */
  const entries = async (prefix: string): Promise<Readonly<Record<string, number>>> => {
    const sum = async (kind: string, command: string): Promise<number> => {
      const counts = await Promise.all((await keysLike(`${prefix}*}${kind}:*`)).map(async (key) => Number(await server.command(command, key))))
      return counts.reduce((a, b) => a + b, 0)
    }
    return { j: (await keysLike(`${prefix}*}j:*`)).length, jk: await sum('jk', 'SCARD'), jn: await sum('jn', 'ZCARD') }
  }
  const ten = Array.from({ length: 10 }, (_, n) => n + 1)

  test('of several nodes that end a session at once, only the run of the first leaves entries', async () => {
    const shared = { prefix: 'ended:', buckets: 1 }
    await using a = await openOn([server], shared)
    await using b = await openOn([server], shared)
    for (const n of ten) {
      const session = await signedOn(a, sampleSession(n, { username: 'bo' }), [])
      const ending = (store: Store, id: string) => store.endSession(sampleEnd(n, session, [], { run: sampleRun(n, session, [], { id: `run_${id}${n}` }) }))
      const kinds = (await Promise.all([ending(a, 'a'), ending(b, 'b')])).map(({ value }) => value.kind)
      assert.equal(kinds.filter((kind) => kind === 'ended').length, 1)
    }
    assert.deepEqual(await entries('ended:'), { j: 10, jk: 10, jn: 10 })
    assert.equal((await a.listRuns({ limit: 20, username: 'bo' })).items.length, 10)
  })

  test('a partial logout whose plan comes too late leaves no entries', async () => {
    const shared = { prefix: 'opened:', buckets: 1 }
    await using a = await openOn([server], shared)
    await using b = await openOn([server], shared)
    for (const n of ten) {
      const session = await signedOn(a, sampleSession(n), [])
      const run = sampleRun(n, session, [])
      const opening = { sessionId: session.id, expectedVersion: session.version, run, effects: [] }
      await Promise.all([b.addParticipant(session.id, sampleParticipant('wiki', n)), a.openRun(opening)])
    }
    const opened = (await a.listRuns({ limit: 20 })).items.length
    assert.deepEqual(await entries('opened:'), { j: opened, jk: opened, jn: opened })
  })

  test('of several nodes that tell a late application at once, only the run of the first leaves entries; all go with their time', async () => {
    const shared = { prefix: 'late:', buckets: 1, replication: sampleReplication('b') }
    await using a = await openOn([server], shared)
    await using b = await openOn([server], shared)
    const one = sampleParticipant('wiki', 1)
    for (const n of ten) {
      const session = await signedOn(a, sampleSession(n), [one])
      const end = { atMs: t0 + 5_000, reason: 'user', by: { kind: 'user', id: 'ana' }, runId: `run_there${n}` } as const
      const ended = { kind: 'ended', service: 'sessions', sessionId: session.id, group: 'a', end, keptUntilMs: t0 + hourMs, known: [] } as const
      await factsOf(a).apply({ source: 'a', facts: [ended], nowMs: t0 })
      // The last one stays late.
      if (n === 10) continue
      const telling = (store: Store, id: string) =>
        factsOf(store).openLateRun({ sessionId: session.id, participantIds: [one.id], run: sampleRun(n, session, [one], { id: `run_${id}${n}` }), effects: [] })
      const words = (await Promise.all([telling(a, 'a'), telling(b, 'b')])).map(({ value }) => value).sort()
      assert.deepEqual(words, ['nothing', 'opened'])
    }
    assert.deepEqual(await entries('late:'), { j: 9, jk: 9, jn: 9 })
    assert.equal((await factsOf(a).late(20)).length, 1)
    await a.purge(t0 + 30 * 24 * hourMs, 0, 1_000)
    assert.deepEqual(await factsOf(a).late(20), [])
    assert.deepEqual(await keysLike('late:*}late*'), [])
  })

  test('what a former version left of a late application goes with the next look', async () => {
    await using store = await openOn([server], { prefix: 'left:', buckets: 1 })
    const session = await signedOn(store, sampleSession(1), [])
    const [key = assert.fail('a session')] = await keysLike(`left:*}s:${session.id}`)
    const bucket = key.slice(0, key.indexOf('}') + 1)
    await server.command('SADD', `${bucket}late`, 'ses_gone')
    await server.command('SADD', `${bucket}late:ses_gone`, 'wiki:0')
    assert.deepEqual(await store.late?.late(10), [])
    assert.deepEqual(await keysLike('left:*}late*'), [])
  })
})

/** Servers of one shape: those that take writes, and where a store looks for them. */
interface Shape {
  readonly primaries: readonly Server[]
  readonly doors: readonly Pick<Server, 'port'>[]
  stop(): Promise<unknown>
}

const shapeOf = (primaries: readonly Server[]): Shape => ({
  primaries,
  doors: primaries,
  stop: () => Promise.all(primaries.map((server) => server.stop()))
})

async function startWatched(): Promise<Shape> {
  const primary = await startServer()
  const replica = await startServer(['--replicaof', `127.0.0.1 ${primary.port}`])
  await until(async () => String(await primary.command('INFO', 'replication')).includes('state=online'))
  const sentinel = await startSentinel(primary, [replica])
  return { primaries: [primary], doors: [sentinel], stop: () => Promise.all([sentinel, primary, replica].map((one) => one.stop())) }
}

/** Keys like this, on whichever server. */
async function keysOn({ primaries }: Shape, pattern: string): Promise<readonly (readonly [Server, string])[]> {
  const lists = await Promise.all(primaries.map(async (server) => [server, (await server.command('KEYS', pattern)) as readonly string[]] as const))
  return lists.flatMap(([server, keys]) => keys.map((key) => [server, key] as const))
}

async function dropKeys(shape: Shape, ...patterns: readonly string[]): Promise<void> {
  for (const pattern of patterns) for (const [server, key] of await keysOn(shape, pattern)) await server.command('DEL', key)
}

/** Every entry that leads to a fact of another bucket, as its key and what stands there. */
async function everyEntry(shape: Shape): Promise<readonly string[]> {
  const commands: Readonly<Record<string, readonly [command: string, ...args: string[]]>> = { set: ['SMEMBERS'], zset: ['ZRANGE', '0', '-1'], string: ['GET'] }
  const lists = await Promise.all(
    (await keysOn(shape, 'swept:*}[ijm]*:*')).map(async ([server, key]) => {
      const [command, ...args] = commands[String(await server.command('TYPE', key))] ?? assert.fail(key)
      return [await server.command(command, key, ...args)].flat().map((member) => `${key} ${String(member)}`)
    })
  )
  return lists.flat().sort()
}

/** Signs somebody in, asks an application, starts the logout: whatever writes entries. */
async function leave(store: Store, n: number, isEnded: boolean): Promise<void> {
  const application = sampleParticipant('wiki', n)
  const session = await signedOn(store, sampleSession(n, { persistentTokenHash: `persistent-${n}`, username: `user-${n}` }), [application])
  await store.putArtifact({ kind: 'Grant', id: `${n}`, grantId: `grant-${n}`, sessionId: session.id, untilMs: t0 + 100 * hourMs, value: {} })
  if (!isEnded) return
  const delivery = sampleDelivery(application, [sampleAttempt(1, `message-${n}`)])
  const run = sampleRun(n, session, [], { deliveries: [delivery] })
  await store.endSession(sampleEnd(n, session, [], { run }))
}

/** As a process leaves it that is killed before the fact. */
async function forget(shape: Shape, n: number): Promise<void> {
  const { id } = sampleSession(n)
  await dropKeys(shape, `swept:*}s:${id}`, `swept:*}p:${id}`, `swept:*}r:run_${n}`, `swept:*}a:5:Grant${n}`)
}

suite('redis: entries that lead nowhere', { skip: skipReason }, () => {
  const shapes = [
    ['one server', { topology: { kind: 'standalone' }, copies: 0 }, async () => shapeOf([await startServer()])],
    ['a pair that Sentinel watches', { topology: { kind: 'sentinel', master: 'curfew' }, copies: 1 }, startWatched],
    ['a cluster of two', { topology: { kind: 'cluster' }, copies: 0 }, async () => shapeOf(await startCluster(2, 0))]
  ] as const

  for (const [name, options, start] of shapes) {
    test(`of a process that was killed before the fact are dropped after a while, and no others: ${name}`, async () => {
      const shape = await start()
      let aheadMs = 0
      const nodes = shape.doors.map(({ port }) => ({ host: '127.0.0.1', port }))
      const shared = { ...options, nodes, prefix: 'swept:', buckets: 8, steadyMs: () => steadyMs() + aheadMs }
      const [store, other] = [await openOn([], shared), await openOn([], shared)]
      /** Goes through all of them, and drops what is due. */
      const sweep = async (): Promise<void> => {
        while ((await store.sweep.round()) < 10_000);
      }
      try {
        await leave(store, 1, false)
        await leave(store, 2, true)
        const leading = await everyEntry(shape)
        await leave(store, 3, true)
        await forget(shape, 3)
        const lost = (await everyEntry(shape)).filter((entry) => !leading.includes(entry))
        const kinds = new Set(lost.map((entry) => /\}(\w+):/.exec(entry)?.[1]))
        assert.deepEqual([...kinds].sort(), ['ia', 'ig', 'ik', 'im', 'in', 'ip', 'ir', 'is', 'iu', 'ix', 'j', 'jk', 'jn', 'm'])
        await leave(store, 4, false)
        await forget(shape, 4)

        await sweep()
        assert.deepEqual([await other.sweep.round(), store.sweep.dropped, other.sweep.dropped], [10_000, 0, 0])
        // What is being opened has its entries first: one of them is there by now.
        await leave(store, 4, false)
        const all = await everyEntry(shape)
        aheadMs += goneMs - 60_000
        await sweep()
        assert.deepEqual(await everyEntry(shape), all)
        aheadMs += 60_000
        await sweep()
        assert.deepEqual(
          await everyEntry(shape),
          all.filter((entry) => !lost.includes(entry))
        )
        assert.deepEqual([store.sweep.dropped, (await store.describe()).sweptEntries], [lost.length, lost.length])
        assert.equal((await store.findSessionByToken(sampleSession(4).tokenHash))?.id, sampleSession(4).id)
      } finally {
        await store[Symbol.asyncDispose]()
        await other[Symbol.asyncDispose]()
        await shape.stop()
      }
    })
  }

  test('are looked at so many a second, by one node at a time; another one goes on when it leaves', async () => {
    const server = await startServer()
    let aheadMs = 0
    const shared = { prefix: 'many:', buckets: 4, steadyMs: () => steadyMs() + aheadMs }
    const [store, other] = [await openOn([server], shared), await openOn([server], shared)]
    try {
      const members = Array.from({ length: 10_000 }, (_, n) => `ses_0a7${String(n).padStart(22, '0')}`)
      await server.command('SADD', 'many:{0}iu:form:ana', ...members)
      const rounds = async (one: typeof store): Promise<number> => {
        for (let count = 1; ; count += 1) if ((await one.sweep.round()) === 10_000) return count
      }
      const count = await rounds(store)
      assert.ok(count >= 10_000 / looksMax && count < 10, `${count} rounds`)
      await store[Symbol.asyncDispose]()
      const [notes = assert.fail('the lease stands there')] = (await server.command('KEYS', 'many:*}notes')) as readonly string[]
      await server.command('HDEL', notes, 'swept')
      assert.ok((await rounds(other)) < 10, 'nobody holds the lease any more')
      aheadMs += goneMs
      assert.ok((await rounds(other)) >= 10_000 / looksMax)
      assert.deepEqual([other.sweep.dropped, await server.command('EXISTS', 'many:{0}iu:form:ana')], [10_000, 0])
    } finally {
      await store[Symbol.asyncDispose]()
      await other[Symbol.asyncDispose]()
      await server.stop()
    }
  })

  test('a run whose place nobody knows any more goes with its time, and stands in the way of no other', async () => {
    const server = await startServer()
    const store = await openOn([server], { prefix: 'done:', buckets: 1 })
    try {
      for (const n of [1, 2]) {
        const session = await signedOn(store, sampleSession(n), [])
        await store.endSession(sampleEnd(n, session, [], { run: sampleRun(n, session, [], { state: 'done', finishedAtMs: t0 + n }) }))
      }
      await server.command('DEL', 'done:{0}j:run_1')
      assert.equal(await server.command('ZCARD', 'done:{0}done'), 2)
      // One at a time: the older one is the one without a place.
      await store.purge(t0 + hourMs, 0, 1)
      await store.purge(t0 + hourMs, 0, 1)
      assert.deepEqual(await server.command('KEYS', 'done:*}done'), [])
      assert.deepEqual(await server.command('KEYS', 'done:*}r:*'), [])
      assert.deepEqual(await server.command('KEYS', 'done:*}runs'), [])
    } finally {
      await store[Symbol.asyncDispose]()
      await server.stop()
    }
  })
})
