import { randomUUID } from 'node:crypto'
import { systemClock } from '../packages/curfew/src/platform/clock.ts'
import { hourMs, sampleParticipant, sampleSession } from '../packages/curfew/src/stores/conformance/samples.ts'
import { type Link, openLink } from '../packages/curfew/src/stores/redis/link.ts'
import { openRedisStore, type RedisStore } from '../packages/curfew/src/stores/redis/redis-store.ts'
import { findProgram } from '../tools/system-deps.ts'
import { line } from './measure.ts'
import { type RedisServer, startRedisServer } from './redis-server.ts'

const callers = 128
const spanMs = 1_000
const rounds = 3
/** Sessions that are opened to weigh one. */
const weighed = 20_000
const peers = ['payroll', 'intranet', 'wiki'] as const
const baseMs = Date.now()

/**
 * Registry operations on one Redis or Valkey server beside as many plain commands with values of the same size over the
 * same kind of connection, with as many callers, in turns; and what a session weighs there.
 */
export async function benchRedisStore(): Promise<readonly string[]> {
  if (findProgram(['redis-server', 'valkey-server']) === undefined) return ['The store on Redis is not measured: redis-server is not on this machine']
  await using server = await startRedisServer()
  await using store = await openStore(server)
  const raw = await openLink({ address: { host: 'localhost', port: 0, path: server.socket }, access: {}, clock: systemClock, label: 'raw' })
  try {
    const weight = await weigh(server, store)
    const rates = await ratesOf(store, raw)
    return [
      `Registry on one Redis server, appendfsync everysec, ${callers} callers (wall-clock)`,
      ...rates,
      `  ${'memory of a session with 3 participants'.padEnd(44)} ${Math.round(weight).toLocaleString('en').padStart(7)} bytes of the server`
    ]
  } finally {
    raw.close()
  }
}

function openStore({ socket }: RedisServer): Promise<RedisStore> {
  return openRedisStore({
    topology: { kind: 'standalone' },
    nodes: [{ host: 'localhost', port: 0, path: socket }],
    access: {},
    clock: systemClock,
    steadyMs: () => performance.now(),
    capacity: 10_000_000,
    prefix: 'bench',
    buckets: 256,
    copies: 0,
    copyWaitMs: 150,
    ack: 'degraded',
    isVolatile: false,
    auditMax: 1_000,
    label: 'bench',
    token: randomUUID()
  })
}

function sessionAt(n: number): ReturnType<typeof sampleSession> {
  return sampleSession(n, {
    username: `user${n}`,
    userKey: `form:user${n}`,
    createdAtMs: baseMs,
    authenticatedAtMs: baseMs,
    lastActivityAtMs: baseMs,
    idleExpiresAtMs: baseMs + hourMs,
    expiresAtMs: baseMs + 8 * hourMs
  })
}

/** Bytes of the server for each session, its participants and everything they are found by. */
async function weigh(server: RedisServer, store: RedisStore): Promise<number> {
  const before = (await server.memory()).used
  let next = 0
  await Promise.all(
    Array.from({ length: callers }, async () => {
      for (let n = next++; n < weighed; n = next++) {
        const { id } = sessionAt(n)
        await store.openSession(sessionAt(n))
        for (const peerId of peers) await store.addParticipant(id, sampleParticipant(peerId, n, { nameId: { value: `user${n}@example.org` } }))
      }
    })
  )
  return ((await server.memory()).used - before) / weighed
}

async function ratesOf(store: RedisStore, raw: Link): Promise<readonly string[]> {
  const session = JSON.stringify(sessionAt(1))
  const participant = JSON.stringify(sampleParticipant('payroll', 1))
  let n = weighed
  let m = 0
  let key = 0
  const at = (i: number): number => (i * 7_919) % weighed
  await raw.send(['SET', 'raw', session])
  const pairs: readonly (readonly [string, () => Promise<unknown>, string, () => Promise<unknown>])[] = [
    ['sessions read', () => store.getSession(sessionAt(at(m++)).id), 'GET', () => raw.send(['GET', 'raw'])],
    ['sessions found by cookie', () => store.findSessionByToken(`token-${at(m++)}`), 'GET', () => raw.send(['GET', 'raw'])],
    [
      'activity moved forward',
      () => store.touch(sessionAt(at(m)).id, baseMs + m, baseMs + hourMs + m++),
      'SET',
      () => raw.send(['SET', `r${key++ % weighed}`, session])
    ],
    [
      'participants added',
      () => store.addParticipant(sessionAt(at(m)).id, sampleParticipant(`peer${m++}`, n)),
      'SET',
      () => raw.send(['SET', `r${key++ % weighed}`, participant])
    ],
    ['sessions opened', () => store.openSession(sessionAt(n++)), 'SET', () => raw.send(['SET', `r${key++ % weighed}`, session])]
  ]
  const lines: string[] = []
  for (const [what, work, command, reference] of pairs) {
    let [best, bestRaw] = [0, 0]
    for (let round = 0; round < rounds; round++) {
      best = Math.max(best, await perSecond(work))
      bestRaw = Math.max(bestRaw, await perSecond(reference))
    }
    lines.push(`${line(what, best / bestRaw, `raw ${command}, pipelined`)}   ${Math.round(best).toLocaleString('en')} per second`)
  }
  return lines
}

async function perSecond(work: () => Promise<unknown>): Promise<number> {
  const untilMs = performance.now() + spanMs
  let count = 0
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (performance.now() < untilMs) {
        await work()
        count += 1
      }
    })
  )
  return count / (spanMs / 1_000)
}
