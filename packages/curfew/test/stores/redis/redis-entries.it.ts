import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { factsOf, sampleReplication } from '../../../src/stores/conformance/carry.ts'
import { signedOn } from '../../../src/stores/conformance/harness.ts'
import { hourMs, sampleEnd, sampleParticipant, sampleRun, sampleSession, t0 } from '../../../src/stores/conformance/samples.ts'
import type { Store } from '../../../src/stores/store.ts'
import { openOn } from './opened.ts'
import { type Server, skipReason, startServer } from './servers.ts'

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
