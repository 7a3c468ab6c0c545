import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import fc from 'fast-check'
import type { Effect } from '../../src/core/run.ts'
import { hourMs, sampleAttempt, sampleDelivery, sampleEnd, sampleParticipant, sampleRun, sampleSession, t0 } from '../../src/stores/conformance/samples.ts'
import { steadyMs, systemClock } from '../../src/platform/clock.ts'
import { createMemoryStore } from '../../src/stores/memory/memory-store.ts'
import { createKeys } from '../../src/stores/redis/keys.ts'
import { openRedisStore } from '../../src/stores/redis/redis-store.ts'
import { openSqliteStore } from '../../src/stores/sqlite/sqlite-store.ts'
import type { Store } from '../../src/stores/store.ts'
import { skipReason, startServer } from './redis/servers.ts'

/** One call of a random sequence; it sees only the store and what its numbers say. */
type Call = (store: Store) => Promise<unknown>

const capacity = 5
/** Calls of one sequence: enough for runs to be claimed, committed, done and purged. */
const callsPerSequence = { minLength: 120, maxLength: 200, size: 'max' } as const
const small = fc.nat(7)
/** Instants close together, so that ties, limits and overlaps happen. */
const instant = fc.nat(12).map((n) => t0 + n * 1000)
const peer = fc.constantFrom('payroll', 'wiki')

function idOf(n: number): `ses_${string}` {
  return sampleSession(n).id
}

const sessionCalls: fc.Arbitrary<Call>[] = [
  fc.tuple(small, instant, instant, fc.boolean()).map(
    ([n, at, until, endless]): Call =>
      (store) =>
        store.openSession(
          sampleSession(n, {
            username: `user-${n % 2}`,
            createdAtMs: at,
            idleExpiresAtMs: until,
            expiresAtMs: endless ? Number.MAX_SAFE_INTEGER : until + 2000,
            tokenHash: `token-${n % 3}`,
            ...(n % 2 === 0 && { persistentTokenHash: `keep-${n % 4}` })
          })
        )
  ),
  fc.tuple(small, peer, instant, small).map(
    ([n, peerId, at, who]): Call =>
      (store) =>
        store.addParticipant(
          idOf(n),
          sampleParticipant(peerId, n % 3, {
            id: `${peerId}:${who % 2}`,
            nameId: { value: `name-${who % 2}` },
            addedAtMs: at,
            lastIssuedAtMs: at,
            assertionNotOnOrAfterMs: at + 3000
          })
        )
  ),
  fc.tuple(small, instant, instant).map(
    ([n, at, until]): Call =>
      (store) =>
        store.touch(idOf(n), at, until)
  ),
  fc.tuple(small, small, instant, fc.boolean()).map(
    ([n, cookie, at, lasts]): Call =>
      (store) =>
        store.renewSession(idOf(n), {
          tokenHash: `renewed-${cookie}`,
          authenticatedAtMs: at,
          persistent: lasts,
          ...(lasts ? { persistentTokenHash: `lasting-${cookie}` } : {})
        })
  ),
  fc.tuple(small, small, instant, fc.nat(4), instant).map(
    ([n, runNumber, at, stale, until]): Call =>
      async (store) => {
        const session = await store.getSession(idOf(n))
        if (session === undefined) return store.endSession(sampleEnd(runNumber, sampleSession(n)))
        const participants = await store.getParticipants(session.id)
        const deliveries = participants.map((p) => sampleDelivery(p, [sampleAttempt(1, `msg-${runNumber % 3}-${p.id}`)]))
        const run = sampleRun(runNumber, session, [], { startedAtMs: at, deliveries })
        return store.endSession(
          sampleEnd(runNumber, session, participants, {
            run,
            revokedUntilMs: until,
            expectedVersion: session.version - (stale === 0 ? 1 : 0)
          })
        )
      }
  )
]

const runCalls: fc.Arbitrary<Call>[] = [
  fc.tuple(small, fc.array(instant, { maxLength: 2 }), fc.nat(3), fc.nat(4), fc.array(fc.nat(12), { maxLength: 3 })).map(
    ([n, dues, done, stale, settled]): Call =>
      async (store) => {
        const run = await store.getRun(`run_${n}`)
        if (run === undefined) return 'no run'
        const end = done === 0 ? ({ state: 'done', finishedAtMs: t0 + n * 1000 } as const) : {}
        const effects = dues.map((dueAtMs): Effect => ({ kind: 'wake', dueAtMs }))
        return store.commitRun({
          run: { ...run, version: run.version + (stale === 0 ? 2 : 1), ...end },
          effects,
          settled
        })
      }
  ),
  fc.tuple(fc.constantFrom('a', 'b'), instant, fc.nat(3), fc.integer({ min: 1, max: 5 })).map(
    ([owner, nowMs, lease, max]): Call =>
      (store) =>
        store.claimEffects({ owner, nowMs, leaseMs: lease * 1000 + 1, max })
  ),
  fc.constantFrom('a', 'b').map(
    (owner): Call =>
      (store) =>
        store.releaseEffects(owner)
  )
]

const serviceCalls: fc.Arbitrary<Call>[] = [
  fc.tuple(small, instant, instant).map(
    ([n, until, at]): Call =>
      (store) =>
        store.revoke(`sri-${n}`, until, at)
  ),
  fc.tuple(small, instant, instant).map(
    ([n, until, at]): Call =>
      (store) =>
        store.replaySeen(`idp-${n % 2}`, `id-${n % 3}`, until, at)
  ),
  fc.tuple(small, instant, instant).map(
    ([n, at, window]): Call =>
      (store) =>
        store.lockBump(`form:user-${n % 2}`, at, window - t0)
  ),
  small.map(
    (n): Call =>
      (store) =>
        store.lockClear(`form:user-${n % 2}`)
  ),
  fc.tuple(small, fc.jsonValue(), instant).map(
    ([n, value, until]): Call =>
      (store) =>
        store.txCreate(`key-${n}`, value, until)
  ),
  fc.tuple(small, instant).map(
    ([n, at]): Call =>
      (store) =>
        store.txTake(`key-${n}`, at)
  ),
  small.map(
    (n): Call =>
      (store) =>
        store.appendAudit({
          atMs: t0,
          event: `e${n}`,
          actor: { kind: 'system', id: 'timer' },
          userKey: `form:user-${n % 2}`
        })
  ),
  fc.tuple(instant, fc.nat(8), fc.integer({ min: 1, max: 4 })).map(
    ([nowMs, keep, max]): Call =>
      (store) =>
        store.purge(nowMs, keep * 1000, max)
  )
]

const call = fc.oneof(
  { weight: 4, arbitrary: fc.oneof(...sessionCalls) },
  { weight: 4, arbitrary: fc.oneof(...runCalls) },
  { weight: 2, arbitrary: fc.oneof(...serviceCalls) }
)
const sequence = fc.array(call, callsPerSequence)

/** A store that is compared with the one in memory; `round` tells the sequences apart. */
interface Compared {
  open(round: number): Promise<Store>
  forget(round: number): void
  close(): Promise<void>
}

function agreement(name: string, skip: string | false, start: () => Promise<Compared>): void {
  suite(`the stores agree: ${name}`, { skip }, () => {
    let compared: Compared
    before(async () => {
      compared = await start()
    })
    after(() => compared.close())

    test('on every answer and on what is left after any sequence of calls', async () => {
      let round = 0
      await fc.assert(
        fc.asyncProperty(sequence, fc.boolean(), async (calls, isReopened) => {
          round += 1
          const memory = createMemoryStore({ capacity })
          let store = await compared.open(round)
          try {
            for (const each of calls) assert.deepEqual(await outcomeOf(each, store), await outcomeOf(each, memory))
            if (isReopened) {
              await store[Symbol.asyncDispose]()
              store = await compared.open(round)
              for (const owner of ['a', 'b']) await memory.releaseEffects(owner)
            }
            assert.deepEqual(await view(store), await view(memory))
          } finally {
            await store[Symbol.asyncDispose]()
            compared.forget(round)
          }
        }),
        { numRuns: 40, endOnFailure: true }
      )
    })
  })
}

agreement('sqlite', false, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-model-'))
  const file = (round: number): string => join(folder, `${round}.db`)
  return {
    open: (round) => openSqliteStore({ file: file(round), capacity }),
    forget: (round) => rmSync(`${file(round)}.reserve`, { force: true }),
    close: async () => rmSync(folder, { recursive: true })
  }
})

agreement('redis', skipReason, async () => {
  const server = await startServer()
  const told = async (section: string, name: string): Promise<string> =>
    new RegExp(`${name}:([0-9a-f]+)`).exec(String(await server.command('INFO', section)))?.[1] ?? assert.fail(`no ${name}`)
  const life = `${await told('server', 'run_id')} ${await told('replication', 'master_replid')}`
  const [bucket] = createKeys('', 1).buckets
  let opened = 0
  return {
    async open(round) {
      opened += 1
      // A server that has given numbers before: a first number is a date otherwise, and the others begin with 1.
      const lives = `m${round}:${bucket?.prefix}lives`
      await server.command('HSET', lives, ...['on:', 'fn:', 'cursor:', 'ln:', 'an:'].flatMap((name) => [name, life]))
      return openRedisStore({
        topology: { kind: 'standalone' },
        nodes: [{ host: '127.0.0.1', port: server.port }],
        access: {},
        clock: systemClock,
        steadyMs,
        capacity,
        prefix: `m${round}:`,
        buckets: 1,
        copies: 0,
        copyWaitMs: 150,
        ack: 'degraded',
        isVolatile: false,
        auditMax: 0,
        label: 'model',
        token: `token ${opened}`
      })
    },
    forget() {},
    close: () => server.stop()
  }
})

async function outcomeOf(ask: Call, store: Store): Promise<unknown> {
  try {
    return await ask(store)
  } catch (error) {
    assert.ok(error instanceof Error && 'code' in error, String(error))
    return error.code
  }
}

/** Everything that can be asked. */
async function view(store: Store): Promise<unknown> {
  const numbers = [0, 1, 2, 3, 4, 5]
  const nowMs = t0 + 6000
  const { liveSessions, openRuns, pendingEffects } = await store.describe()
  return {
    counts: { liveSessions, openRuns, pendingEffects },
    live: await store.countLiveSessions(),
    sessions: await Promise.all(numbers.map(async (n) => [await store.getSession(idOf(n)), await store.getParticipants(idOf(n))])),
    tokens: await Promise.all(numbers.map(async (n) => [await store.findSessionByToken(`token-${n}`), await store.findSessionByPersistentToken(`keep-${n}`)])),
    found: await Promise.all(
      ['payroll', 'wiki'].flatMap((p) => numbers.map(async (n) => [await store.findByIndex(p, `${p}-index-${n}`), await store.findByNameId(p, `name-${n}`)]))
    ),
    users: [await store.findByUser('form:user-0'), await store.findByUser('form:user-1')],
    due: await store.dueSessions(nowMs, 3),
    lists: await pagesOf((cursor) => store.listSessions({ limit: 2, nowMs, ...cursor })),
    ofPayroll: await pagesOf((cursor) => store.listSessions({ limit: 1, nowMs, peerId: 'payroll', state: 'live', sinceMs: t0 + 2000, ...cursor })),
    ended: await store.listSessions({ limit: 10, nowMs, state: 'ended', username: 'user-1' }),
    runs: await pagesOf((cursor) => store.listRuns({ limit: 2, ...cursor })),
    ofWiki: await store.listRuns({ limit: 10, peerId: 'wiki', state: 'open', sinceMs: t0 + 2000 }),
    open: await Promise.all(numbers.map((n) => store.findOpenRunByToken(`token-${n}`))),
    messages: await Promise.all(numbers.map((n) => store.findByMessage('wiki', `msg-${n}-wiki:0`))),
    next: await store.nextEffectAtMs(),
    claim: await store.claimEffects({ owner: 'c', nowMs: t0 + hourMs, leaseMs: 1, max: 100 }),
    feed: await store.revocationFeed(1, 10),
    revoked: await Promise.all(numbers.map((n) => store.isRevoked(`sri-${n}`, nowMs))),
    locks: await Promise.all(numbers.map((n) => store.lockRead(`form:user-${n}`, nowMs, 4000))),
    tx: await Promise.all(numbers.map((n) => store.txGet(`key-${n}`, nowMs))),
    audit: [await store.listAudit({ afterId: 1, limit: 3 }), await store.listAudit({ limit: 10, userKey: 'form:user-0' })]
  }
}

async function pagesOf<T>(
  page: (cursor: { readonly cursor?: string }) => Promise<{ readonly items: readonly T[]; readonly nextCursor?: string }>
): Promise<readonly (readonly T[])[]> {
  const pages: (readonly T[])[] = []
  let cursor: string | undefined
  do {
    const { items, nextCursor } = await page(cursor === undefined ? {} : { cursor })
    pages.push(items)
    cursor = nextCursor
  } while (cursor !== undefined)
  return pages
}
