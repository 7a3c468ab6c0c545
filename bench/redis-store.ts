import { randomUUID } from 'node:crypto'
import { systemClock } from '../packages/curfew/src/platform/clock.ts'
import { hourMs, sampleParticipant, sampleSession } from '../packages/curfew/src/stores/conformance/samples.ts'
import { participantEntries, placeOf, sessionEntries } from '../packages/curfew/src/stores/redis/index-sets.ts'
import { createKeys } from '../packages/curfew/src/stores/redis/keys.ts'
import { type Link, openLink } from '../packages/curfew/src/stores/redis/link.ts'
import { openRedisStore, type RedisStore, type RedisStoreOptions } from '../packages/curfew/src/stores/redis/redis-store.ts'
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
 * Registry operations on one Redis or Valkey server beside as many plain commands with values of the same size, and beside
 * the commands that they consist of, over the same kind of connection, with as many callers, in turns; and what a session
 * weighs there.
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

/** A store on this server; whatever is not said is as in an installation of one server. */
export function openStore({ socket }: Pick<RedisServer, 'socket'>, options: Pick<Partial<RedisStoreOptions>, 'replication'> = {}): Promise<RedisStore> {
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
    token: randomUUID(),
    ...options
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

/** One operation, one plain command of its kind, and the commands that the operation consists of, sent plainly. */
interface Measured {
  readonly what: string
  readonly work: () => Promise<unknown>
  readonly command: 'GET' | 'SET'
  readonly one: () => Promise<unknown>
  readonly same: () => Promise<unknown>
  /** How many those are. */
  readonly commands: number
}

async function ratesOf(store: RedisStore, raw: Link): Promise<readonly string[]> {
  const plain = plainCommands(raw)
  let n = weighed
  let m = 0
  let key = 0
  const at = (i: number): number => (i * 7_919) % weighed
  await raw.send(['SET', 'raw', plain.session])
  const get = (): Promise<unknown> => raw.send(['GET', 'raw'])
  const set = (): Promise<unknown> => raw.send(['SET', `r${key++ % weighed}`, plain.session])
  const measured: readonly Measured[] = [
    { what: 'sessions read', work: () => store.getSession(sessionAt(at(m++)).id), command: 'GET', one: get, same: () => plain.read(at(m++)), commands: 1 },
    {
      what: 'sessions found by cookie',
      work: () => store.findSessionByToken(`token-${at(m++)}`),
      command: 'GET',
      one: get,
      same: () => plain.find(at(m++)),
      commands: 2
    },
    {
      what: 'activity moved forward',
      work: () => store.touch(sessionAt(at(m)).id, baseMs + m, baseMs + hourMs + m++),
      command: 'SET',
      one: set,
      same: () => plain.touch(at(m++)),
      commands: 3
    },
    {
      what: 'participants added',
      work: () => store.addParticipant(sessionAt(at(m)).id, sampleParticipant(`peer${m++}`, n)),
      command: 'SET',
      one: set,
      same: () => plain.add(at(m), `peer${m++}`),
      commands: 6
    },
    {
      what: 'sessions opened',
      work: () => store.openSession(sessionAt(n++)),
      command: 'SET',
      one: set,
      same: () => plain.open(n++),
      commands: 4 + sessionEntries({ keys }, sessionAt(1)).length
    }
  ]
  const lines: string[] = []
  for (const { what, work, command, one, same, commands } of measured) {
    let [best, bestOne, bestSame] = [0, 0, 0]
    for (let round = 0; round < rounds; round++) {
      best = Math.max(best, await perSecond(work))
      bestOne = Math.max(bestOne, await perSecond(one))
      bestSame = Math.max(bestSame, await perSecond(same))
    }
    const rate = `${Math.round(best).toLocaleString('en')} per second`
    lines.push(`${line(what, best / bestOne, `one plain ${command}`)}   ${rate}`)
    lines.push(line('', best / bestSame, `its ${commands === 1 ? 'command' : `${commands} commands`}, sent plainly`, 0.5))
  }
  return lines
}

const keys = createKeys('bench', 256)

/** The commands that the operations consist of, beside those that functions look with for a bucket on its way, on the same sessions; what is written lies apart. */
function plainCommands(raw: Link) {
  const apart = createKeys('plain', 256)
  const session = JSON.stringify(sessionAt(1))
  const participant = JSON.stringify(sampleParticipant('payroll', 1))
  const fields = ['v', 'a', 'i', 'e', 'd']
  const send = (commands: readonly (readonly string[])[]): Promise<unknown> => Promise.all(commands.map((command) => raw.send(command)))
  const there = (n: number): string => `${keys.ofSession(sessionAt(n).id).prefix}s:${sessionAt(n).id}`
  const read = (n: number): Promise<unknown> => raw.send(['HMGET', there(n), ...fields])
  return {
    session,
    read,
    async find(n: number) {
      const text = `token-${n}`
      await raw.send(['SMEMBERS', `${keys.ofText(text).prefix}ik:${text}`])
      return read(n)
    },
    touch(n: number) {
      const { id } = sessionAt(n)
      const { prefix } = apart.ofSession(id)
      return send([
        ['HMGET', there(n), 'a', 'i', 'x', 'e'],
        ['HSET', `${prefix}s:${id}`, 'a', String(baseMs), 'i', String(baseMs + n)],
        ['ZADD', `${prefix}due`, String(baseMs + n), id]
      ])
    },
    add(n: number, peerId: string) {
      const { id } = sessionAt(n)
      const { prefix } = apart.ofSession(id)
      const entries = participantEntries({ keys: apart }, id, sampleParticipant(peerId, n))
      return send([
        ...entries.map(({ bucket, key, member }) => ['SADD', bucket.prefix + key, member]),
        ['HMGET', there(n), 'v', 'e'],
        ['HGET', `${prefix}p:${id}`, peerId],
        ['HSET', `${prefix}p:${id}`, peerId, participant],
        ['HINCRBY', `${prefix}s:${id}`, 'v', '1']
      ])
    },
    open(n: number) {
      const opened = sessionAt(n)
      const { prefix } = apart.ofSession(opened.id)
      return send([
        ...sessionEntries({ keys: apart }, opened).map(({ bucket, key, member, isList }) =>
          isList ? ['ZADD', bucket.prefix + key, '0', member] : ['SADD', bucket.prefix + key, member]
        ),
        ['HGET', `${prefix}s:${opened.id}`, 'd'],
        ['HSET', `${prefix}s:${opened.id}`, 'v', '1', 'a', String(baseMs), 'i', String(baseMs), 'x', String(baseMs), 'd', session],
        ['ZADD', `${prefix}due`, String(baseMs), opened.id],
        ['ZADD', `${prefix}list`, '0', placeOf(baseMs, opened.id)]
      ])
    }
  }
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
