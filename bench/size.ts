import { createHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '../packages/curfew/src/platform/clock.ts'
import { createIds } from '../packages/curfew/src/platform/ids.ts'
import { systemRandom } from '../packages/curfew/src/platform/random.ts'
import {
  hourMs,
  sampleAttempt,
  sampleDelivery,
  sampleEnd,
  sampleParticipant,
  sampleRun,
  sampleSession
} from '../packages/curfew/src/stores/conformance/samples.ts'
import { openSqliteStore, type SqliteStore } from '../packages/curfew/src/stores/sqlite/sqlite-store.ts'
import type { Session } from '../packages/curfew/src/core/session.ts'
import { benchEngine, soapPeer } from './engine.ts'
import { startOf } from './size-start.ts'

/** `CURFEW_BENCH_SESSIONS=100000 npm run bench -- size` for a machine with less time. */
const sessions = Number(process.env['CURFEW_BENCH_SESSIONS'] ?? 1_000_000)
/** So many of them are past their idle limit an hour from now; the others live longer than any measurement. */
const expiring = Math.round(sessions / 50)
/** So many more have ended and wait for an application. */
const waiting = Math.round(sessions / 50)
const peers = ['payroll', 'intranet', 'wiki'] as const
const callers = 256
const lookUps = 20_000
const baseMs = Date.now()

/** A registry of a million live sessions with three applications each on SQLite: start, expiry, look-ups, size. */
export async function benchSize(): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-bench-'))
  const file = join(folder, 'curfew.db')
  try {
    const filledMs = await fill(file)
    const bytes = statSync(file).size
    const startMs = await startOf(folder, file, 2 * sessions, user(sessions - 1))
    await using store = await openSqliteStore({ file, capacity: 2 * sessions })
    const rows = [
      ['filled, sessions and participants per second', `${Math.round((sessions * (1 + peers.length)) / (filledMs / 1000)).toLocaleString('en')}`],
      ['bytes per session, with its participants', `${Math.round(bytes / sessions).toLocaleString('en')}`],
      ['curfew start, until it answers and knows a user', `${Math.round(startMs)} ms${verdict(startMs, 2_000)}`],
      ...(await expiryRows(store)),
      ...(await lookUpRows(store))
    ]
    return [
      `Registry of ${sessions.toLocaleString('en')} live sessions, ${peers.length} applications each, on SQLite with synchronous=FULL (wall-clock)`,
      ...rows.map(([what = '', value = '']) => `  ${what.padEnd(52)} ${value}`)
    ]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function verdict(value: number, bar: number): string {
  return value <= bar ? `  bar ${bar} met` : `  BAR ${bar} MISSED`
}

function user(n: number): string {
  return `user${n}`
}

function sessionAt(n: number): Session {
  const idleMs = n < expiring ? hourMs : 3 * hourMs
  return sampleSession(n, {
    username: user(n),
    userKey: `form:${user(n)}`,
    createdAtMs: baseMs,
    authenticatedAtMs: baseMs,
    lastActivityAtMs: baseMs,
    idleTimeoutMs: idleMs,
    idleExpiresAtMs: baseMs + idleMs,
    expiresAtMs: baseMs + 8 * hourMs,
    persistent: true,
    persistentTokenHash: `persistent-${n}`
  })
}

async function fill(file: string): Promise<number> {
  await using store = await openSqliteStore({ file, capacity: 2 * sessions })
  const startedMs = performance.now()
  await each(0, sessions, async (n) => {
    await openAt(store, n)
    if (process.stderr.isTTY && n % 10_000 === 0) process.stderr.write(`\rfilling ${n.toLocaleString('en')} of ${sessions.toLocaleString('en')}`)
  })
  if (process.stderr.isTTY) process.stderr.write('\r\u001B[2K')
  return performance.now() - startedMs
}

async function openAt(store: SqliteStore, n: number): Promise<Session> {
  const session = sessionAt(n)
  await store.openSession(session)
  await Promise.all(peers.map((peerId) => store.addParticipant(session.id, sampleParticipant(peerId, n, { nameId: { value: `${user(n)}@example.org` } }))))
  return session
}

/** Many callers at once, each with the next number. */
async function each(from: number, to: number, work: (n: number) => Promise<unknown>): Promise<void> {
  let next = from
  await Promise.all(
    Array.from({ length: callers }, async () => {
      for (let n = next++; n < to; n = next++) await work(n)
    })
  )
}

/** Ended, with a message under way to each application and a browser that has not come back: what messages and cookies are looked up in. */
async function leaveWaiting(store: SqliteStore): Promise<void> {
  await each(sessions, sessions + waiting, async (n) => {
    const { id } = await openAt(store, n)
    const session = await store.getSession(id)
    if (session === undefined) throw new Error(`session ${n} is not there`)
    const participants = await store.getParticipants(session.id)
    const deliveries = participants.map((participant) => sampleDelivery(participant, [sampleAttempt(1, `message-${n}`)]))
    const run = sampleRun(n, session, participants, { deliveries, startedAtMs: baseMs })
    const { value } = await store.endSession(sampleEnd(n, session, participants, { run, revokedUntilMs: session.expiresAtMs, effects: [] }))
    if (value.kind !== 'ended') throw new Error(`session ${n} did not end: ${value.kind}`)
  })
}

async function lookUpRows(store: SqliteStore): Promise<readonly (readonly string[])[]> {
  await leaveWaiting(store)
  const live = (i: number): number => expiring + ((i * 7_919_333) % (sessions - expiring))
  const ended = (i: number): number => sessions + ((i * 7_919_333) % waiting)
  const kinds: Readonly<Record<string, (i: number) => Promise<unknown>>> = {
    'by id': (i) => store.getSession(sampleSession(live(i)).id),
    'by cookie': (i) => store.findSessionByToken(`token-${live(i)}`),
    'by persistent cookie': (i) => store.findSessionByPersistentToken(`persistent-${live(i)}`),
    'by NameID': (i) => store.findByNameId('payroll', `${user(live(i))}@example.org`),
    'by SessionIndex': (i) => store.findByIndex('intranet', `intranet-index-${live(i)}`),
    'by user': (i) => store.findByUser(`form:${user(live(i))}`),
    'by address': (i) => store.findByAddress(`${user(live(i))}@example.org`),
    'of a revoked SRI': async (i) => (await store.isRevoked(`sri-${ended(i)}`, baseMs)) || undefined,
    'of a run by message': (i) => store.findByMessage('payroll', `message-${ended(i)}`),
    'of an open run by cookie': (i) => store.findOpenRunByToken(`token-${ended(i)}`)
  }
  const rows: (readonly string[])[] = []
  for (const [kind, read] of Object.entries(kinds)) {
    const times = createHistogram()
    for (let i = 0; i < lookUps; i++) {
      const startedMs = performance.now()
      const found = await read(i)
      times.record(Math.max(1, Math.round((performance.now() - startedMs) * 1e6)))
      if (found === undefined || (Array.isArray(found) && found.length === 0)) throw new Error(`nothing found ${kind}`)
    }
    const p99 = times.percentile(99) / 1e6
    rows.push([`look-up ${kind}, p50 / p99`, `${(times.percentile(50) / 1e6).toFixed(3)} / ${p99.toFixed(3)} ms${verdict(p99, 1)}`])
  }
  return rows
}

/** An hour later by the clock of the engine: it ends what has expired and tells each application, as a server does; how long is anything else kept waiting meanwhile? */
async function expiryRows(store: SqliteStore): Promise<readonly (readonly string[])[]> {
  const ids = createIds(systemRandom)
  const engine = benchEngine({
    store,
    ids,
    clock: { ...systemClock, nowMs: () => Date.now() + 1.5 * hourMs },
    peer: soapPeer,
    senders: [
      {
        protocol: 'saml',
        newMessageId: () => ids.message(),
        send: async () => ({ kind: 'confirmed', result: 'ended', proof: { kind: 'signed-answer', messageId: ids.message(), hash: 'h', signedBy: 'k' } }),
        prepareBrowser: async () => ({ method: 'redirect', url: 'https://never.example' })
      }
    ]
  })
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const startedMs = performance.now()
  delay.enable()
  await engine.start()
  while ((await store.describe()).liveSessions > sessions - expiring) await sleep(20)
  const endedMs = performance.now() - startedMs
  while ((await store.describe()).openRuns > 0) await sleep(20)
  const toldMs = performance.now() - startedMs
  delay.disable()
  await engine.stop()
  const longestMs = delay.max / 1e6
  return [
    [`expiry of ${expiring.toLocaleString('en')} of them, sessions per second`, Math.round(expiring / (endedMs / 1000)).toLocaleString('en')],
    ['  all applications told, per second', Math.round((expiring * peers.length) / (toldMs / 1000)).toLocaleString('en')],
    ['  event loop kept waiting meanwhile, p99', `${(delay.percentile(99) / 1e6).toFixed(1)} ms`],
    ['  the longest pause', `${longestMs.toFixed(1)} ms${verdict(longestMs, 50)}`]
  ]
}
