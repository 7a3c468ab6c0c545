import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import type { GroupLinks } from '../../../src/cluster/group-links.ts'
import { pullFacts } from '../../../src/cluster/pull-facts.ts'
import type { ReplicationFigures } from '../../../src/cluster/replication-figures.ts'
import { serveReplication } from '../../../src/cluster/serve-replication.ts'
import type { Caller } from '../../../src/cluster/call.ts'
import { steadyMs, systemClock } from '../../../src/platform/clock.ts'
import { factsOf, sampleReplication } from '../../../src/stores/conformance/carry.ts'
import { sampleSession, t0 } from '../../../src/stores/conformance/samples.ts'
import { storeFormat } from '../../../src/stores/redis/format.ts'
import type { NodeFacts } from '../../../src/stores/redis/nodes.ts'
import type { RedisStore } from '../../../src/stores/redis/redis-store.ts'
import { berlin, paris } from '../../cluster/link-kit.ts'
import { openOn } from './opened.ts'
import { type Server, skipReason, startServer, until } from './servers.ts'

/** How programs took a name before formats were counted, as they did. */
const formerClaim = String.raw`#!lua name=former
redis.register_function('former_claim', function(keys, a)
  local P = keys[1]
  redis.call('HSET', P .. 'node:' .. a[1], 't', a[2], 'u', a[4], 'd', a[5])
  redis.call('SADD', P .. 'nodes', a[1])
  return {'claimed'}
end)`

/** How programs of format 2 told a fact, one number after the other, and dropped facts. */
const formerTelling = String.raw`#!lua name=formerTelling
redis.register_function('former_tell', function(keys, a)
  local n = redis.call('INCR', keys[1] .. 'on')
  redis.call('XADD', keys[1] .. 'ob', string.format('%.0f-0', n), 'd', a[1])
  return n
end)
redis.register_function('former_drop_facts', function(keys, a)
  redis.call('SET', keys[1] .. 'of', a[1])
  return redis.call('XTRIM', keys[1] .. 'ob', 'MINID', string.format('%.0f-0', tonumber(a[1]) + 1))
end)`

const dayMs = 86_400_000

const facts = (id: string): NodeFacts => ({ id, address: '127.0.0.1:1', version: '1', tags: [], startedAtMs: t0 })

/** Facts that are kept for other regions, as it comes. */
const factsMax = 1_000_000

/** One region that reads from another, by what the product asks and answers; every call goes through. */
function readingFrom(source: RedisStore, target: RedisStore): { readonly pull: () => Promise<unknown>; readonly counts: string[] } {
  const counts: string[] = []
  const handlers = new Map<string, (body: unknown, from: Caller) => Promise<unknown>>()
  const serve: GroupLinks['serve'] = (name, schema, handler) => void handlers.set(name, async (body, from) => handler(schema.parse(body), from))
  serveReplication({ links: { serve }, store: source, facts: factsOf(source), clock: systemClock, handsOver: false })
  const call: GroupLinks['call'] = async (_group, name, body, { answer }) =>
    answer.parse(JSON.parse(JSON.stringify(await (handlers.get(name) ?? assert.fail(name))(body, { group: paris, deadlineMs: Date.now() + 1_000 }))))
  const figures: ReplicationFigures = {
    joined: (_group, facts) => void (facts > 0 && counts.at(-1) !== 'everything' && counts.push(`${facts} fact`)),
    readAll: () => void counts.push('everything'),
    upToDate: () => undefined,
    revocationsUpToDate: () => undefined,
    backlog: () => undefined
  }
  return { pull: () => pullFacts({ links: { call }, facts: factsOf(target), clock: systemClock, figures, node: 'paris-1' }, berlin), counts }
}

suite('The format of what is stored', { skip: skipReason }, () => {
  let server: Server
  before(async () => {
    server = await startServer()
    for (const code of [formerClaim, formerTelling]) await server.command('FUNCTION', 'LOAD', code)
  })
  after(() => server.stop())

  /** What a node of a former version does every two seconds. */
  const formerNode = (prefix: string, id: string, untilMs: number): Promise<unknown> =>
    server.command('FCALL', 'former_claim', '1', prefix, id, `former ${id}`, String(Date.now()), String(untilMs), JSON.stringify(facts(id)))

  /** The common bucket, where the number is. */
  const prefixOf = async (start: string): Promise<string> => {
    const [, keys] = (await server.command('SCAN', '0', 'MATCH', `${start}*}nodes`, 'COUNT', '10000')) as [string, readonly string[]]
    return String(keys[0] ?? assert.fail('no node was there')).replace(/nodes$/, '')
  }

  const entryOf = async (start: string): Promise<string> => {
    const [, keys] = (await server.command('SCAN', '0', 'MATCH', `${start}*ia:ana@example.org*`, 'COUNT', '10000')) as [string, readonly string[]]
    return keys[0] ?? assert.fail('no entry')
  }
  /** As a former node leaves a session. */
  const dropEntry = async (start: string): Promise<unknown> => server.command('DEL', await entryOf(start))
  /** When the first and the last pass over sessions without entries began. */
  const passes = async (prefix: string): Promise<readonly number[]> =>
    String(await server.command('HGET', `${prefix}notes`, 'addresses'))
      .split(' ')
      .map(Number)

  test('while a former node lives the former format is written, then the new one; no session is lost, and what needs the new one is refused until then', async () => {
    const first = await openOn([server], { prefix: 'roll:' })
    const old = sampleSession(1)
    await first.openSession(old)
    // The number of a store from before the count is not there.
    await first.nodes.join(facts('new-1'))
    const prefix = await prefixOf('roll:')
    await first[Symbol.asyncDispose]()
    await server.command('DEL', `${prefix}format`)
    await formerNode(prefix, 'old-1', Date.now() + 3_000)

    await using next = await openOn([server], { prefix: 'roll:' })
    await next.nodes.join(facts('new-2'))
    await using other = await openOn([server], { prefix: 'roll:' })
    await other.nodes.join(facts('new-3'))
    assert.equal(next.nodes.format, 1)
    assert.equal(await next.nodes.drain('new-3', true), 'older')
    assert.equal((await next.getSession(old.id))?.username, old.username)
    const young = sampleSession(2)
    await next.openSession(young)

    // The former node is stopped; nobody says so, its time passes.
    await until(async () => next.nodes.format === storeFormat && other.nodes.format === storeFormat, 15_000)
    for (const { id } of [old, young]) assert.equal((await other.getSession(id))?.id, id)
    assert.equal(await next.nodes.drain('new-3', true), 'done')
  })

  test('a session that a former node opened is found by its address, and one look-up after the last of them makes the entries complete', async () => {
    await using store = await openOn([server], { prefix: 'mail:' })
    await store.nodes.join(facts('new'))
    const prefix = await prefixOf('mail:')
    const old = sampleSession(1)
    await store.openSession(old)
    const keysLike = async (part: string) => ((await server.command('SCAN', '0', 'MATCH', `mail:*${part}*`, 'COUNT', '10000')) as [string, string[]])[1]
    const [entry = assert.fail('no entry')] = await keysLike('ia:ana@example.org')
    // As a former node leaves it.
    await server.command('DEL', entry)
    await server.command('SET', `${prefix}format`, '2')
    const found = async () => (await store.findByAddress('ana@example.org')).map(({ id }) => id)
    assert.deepEqual(await found(), [old.id])
    assert.equal(await server.command('HGET', `${prefix}notes`, 'addresses'), null, 'a former node may still open sessions')
    await server.command('DEL', entry)
    await server.command('SET', `${prefix}format`, String(storeFormat))
    assert.deepEqual(await found(), [old.id])
    const [first = 0, last = 0] = await passes(prefix)
    assert.ok(first > t0 && last === first)
    await server.command('DEL', entry)
    assert.deepEqual(await found(), [], 'from then on those that came since are looked at, and the entries of the others')
  })

  test('a session that a former node writes later, because it was away and nobody counts it, is found as well, for a day', async () => {
    let aheadMs = 0
    await using store = await openOn([server], { prefix: 'away:', steadyMs: () => steadyMs() + aheadMs })
    await store.nodes.join(facts('new'))
    const prefix = await prefixOf('away:')
    const found = async () => (await store.findByAddress('ana@example.org')).map(({ id }) => id)
    assert.deepEqual(await found(), [])
    const late = sampleSession(1, { createdAtMs: Date.now() })
    await store.openSession(late)
    const drop = (): Promise<unknown> => dropEntry('away:')
    await drop()
    assert.deepEqual(await found(), [late.id])
    // The time of the store is that of its servers again within two seconds.
    await until(async () => {
      aheadMs += 2 * dayMs
      await found()
      const [first = 0, last = 0] = await passes(prefix)
      return last - first >= dayMs
    })
    await drop()
    assert.deepEqual(await found(), [], 'the last pass was made')
  })

  test('an entry of an address that a former node left behind when it forgot the session goes, and not at once', async () => {
    let aheadMs = 0
    await using store = await openOn([server], { prefix: 'left:', steadyMs: () => steadyMs() + aheadMs })
    await store.openSession(sampleSession(1))
    const entry = await entryOf('left:')
    await server.command('SADD', entry, 'ses_forgotten')
    const isThere = async (): Promise<boolean> => Number(await server.command('SISMEMBER', entry, 'ses_forgotten')) === 1
    const found = async () => (await store.findByAddress('ana@example.org')).map(({ id }) => id)
    assert.deepEqual([await found(), await found(), await isThere()], [[sampleSession(1).id], [sampleSession(1).id], true])
    await until(async () => {
      aheadMs += dayMs
      await found()
      return !(await isThere())
    })
    assert.deepEqual(await found(), [sampleSession(1).id])
  })

  test('facts that a former node drops before another region has read them, because a new one has begun to tell: that region reads everything, once', async () => {
    await using there = await openOn([server], { prefix: 'berlin:', buckets: 1, replication: sampleReplication('a') })
    await using here = await openOn([server], { prefix: 'paris:', buckets: 1, replication: sampleReplication('b') })
    const { pull, counts } = readingFrom(there, here)
    const bucket = 'berlin:{0}'
    await pull()
    assert.deepEqual(counts.splice(0), ['everything'], 'at first')
    const session = sampleSession(1, { id: `ses_a${'1'.repeat(24)}` })
    await there.openSession(session)
    // As if a former node had opened it: the number that it told it by is the next one.
    const told = JSON.stringify({ kind: 'opened', service: 'sessions', session })
    for (const key of ['ob', 'on', 'lives']) await server.command('DEL', bucket + key)
    assert.equal(await server.command('FCALL', 'former_tell', '1', bucket, told), 1)
    // A new node tells by numbers that begin with the date, and a former one takes them for that many facts.
    const next = sampleSession(2, { id: `ses_a${'2'.repeat(24)}` })
    await there.openSession(next)
    const head = Number(await server.command('GET', `${bucket}on`))
    assert.ok(head > t0)
    await server.command('FCALL', 'former_drop_facts', '1', bucket, String(head - factsMax))
    assert.equal(await server.command('XLEN', `${bucket}ob`), 1, 'what was told before is gone')
    assert.equal(await here.getSession(session.id), undefined)

    await pull()
    assert.deepEqual(counts.splice(0), ['everything'])
    for (const { id } of [session, next]) assert.equal((await here.getSession(id))?.id, id)
    const later = sampleSession(3, { id: `ses_a${'3'.repeat(24)}` })
    await there.openSession(later)
    await pull()
    assert.deepEqual(counts.splice(0), ['1 fact'], 'from then on what is new')
    assert.equal((await here.getSession(later.id))?.id, later.id)
  })

  test('a new store has the newest format at once', async () => {
    await using store = await openOn([server], { prefix: 'fresh:' })
    await store.nodes.join(facts('only'))
    assert.equal(store.nodes.format, storeFormat)
  })

  test('a format that this program does not read is refused at the start, and when it came in between; nothing is written', async () => {
    await using store = await openOn([server], { prefix: 'far:' })
    await store.nodes.join(facts('here'))
    const prefix = await prefixOf('far:')
    await using late = await openOn([server], { prefix: 'far:' })
    await server.command('SET', `${prefix}format`, String(storeFormat + 1))
    await assert.rejects(late.nodes.join(facts('late')), { code: 'CURFEW_STORE_SCHEMA_NEWER' })
    const before = await server.command('DBSIZE')
    await assert.rejects(openOn([server], { prefix: 'far:' }), { code: 'CURFEW_STORE_SCHEMA_NEWER' })
    assert.equal(await server.command('DBSIZE'), before)
    assert.deepEqual(
      (await store.nodes.list()).map(({ id }) => id),
      ['here']
    )
  })
})
