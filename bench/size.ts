import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { hourMs, sampleParticipant, sampleSession, t0 } from '../packages/curfew/src/stores/conformance/samples.ts'
import { openSqliteStore, type SqliteStore } from '../packages/curfew/src/stores/sqlite/sqlite-store.ts'

/** `CURFEW_BENCH_SESSIONS=100000 npm run bench -- size` for a machine with less time. */
const sessions = Number(process.env['CURFEW_BENCH_SESSIONS'] ?? 1_000_000)
const peers = ['payroll', 'intranet', 'wiki'] as const
const callers = 256
const lookUps = 20_000

/** A registry of a million live sessions with three applications each on SQLite: start, look-ups, expiry, size. */
export async function benchSize(): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-bench-'))
  const file = join(folder, 'curfew.db')
  try {
    const filledMs = await fill(file)
    const bytes = statSync(file).size
    const startMs = await startOf(file)
    await using store = await openSqliteStore({ file, capacity: 2 * sessions })
    const rows = [
      ['filled, sessions and participants per second', `${Math.round((sessions * (1 + peers.length)) / (filledMs / 1000)).toLocaleString('en')}`],
      ['bytes per session, with its participants', `${Math.round(bytes / sessions).toLocaleString('en')}`],
      ['a fresh process opens it and reads one session', `${Math.round(startMs)} ms${verdict(startMs, 2_000)}`],
      ...(await lookUpRows(store)),
      ...(await expiryRows(store))
    ]
    return [
      `Registry of ${sessions.toLocaleString('en')} live sessions, ${peers.length} applications each, on SQLite (wall-clock)`,
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

async function fill(file: string): Promise<number> {
  await using store = await openSqliteStore({ file, capacity: 2 * sessions })
  const startedMs = performance.now()
  let next = 0
  await Promise.all(
    Array.from({ length: callers }, async () => {
      for (let n = next++; n < sessions; n = next++) {
        const session = sampleSession(n, { username: user(n), userKey: `form:${user(n)}`, persistent: false })
        await store.openSession(session)
        await Promise.all(
          peers.map((peerId) => store.addParticipant(session.id, sampleParticipant(peerId, n, { nameId: { value: `${user(n)}@example.org` } })))
        )
        if (process.stderr.isTTY && n % 10_000 === 0) process.stderr.write(`\rfilling ${n.toLocaleString('en')} of ${sessions.toLocaleString('en')}`)
      }
    })
  )
  if (process.stderr.isTTY) process.stderr.write('\r\u001B[2K')
  return performance.now() - startedMs
}

/** From the start of a process until it has read a session. */
async function startOf(file: string): Promise<number> {
  const startedMs = performance.now()
  const child = fork(fileURLToPath(new URL('size-child.ts', import.meta.url)), [file, sampleSession(sessions - 1).id])
  const [found] = (await once(child, 'message')) as [boolean]
  const tookMs = performance.now() - startedMs
  await once(child, 'exit')
  if (!found) throw new Error('the session was not found')
  return tookMs
}

async function lookUpRows(store: SqliteStore): Promise<readonly (readonly string[])[]> {
  const kinds: Readonly<Record<string, (n: number) => Promise<unknown>>> = {
    'by id': (n) => store.getSession(sampleSession(n).id),
    'by cookie': (n) => store.findSessionByToken(`token-${n}`),
    'by NameID': (n) => store.findByNameId('payroll', `${user(n)}@example.org`),
    'by SessionIndex': (n) => store.findByIndex('intranet', `intranet-index-${n}`),
    'by user': (n) => store.findByUser(`form:${user(n)}`)
  }
  const rows: (readonly string[])[] = []
  for (const [kind, read] of Object.entries(kinds)) {
    const times: number[] = []
    for (let i = 0; i < lookUps; i++) {
      const n = (i * 7_919_333) % sessions
      const startedMs = performance.now()
      const found = await read(n)
      times.push(performance.now() - startedMs)
      if (found === undefined || (Array.isArray(found) && found.length === 0)) throw new Error(`nothing found ${kind}`)
    }
    times.sort((a, b) => a - b)
    const p99 = times[Math.floor(times.length * 0.99)] ?? Number.NaN
    rows.push([`look-up ${kind}, p50 / p99`, `${(times[times.length >> 1] ?? 0).toFixed(3)} / ${p99.toFixed(3)} ms${verdict(p99, 1)}`])
  }
  return rows
}

/** The sweep asks for what is past its limit, batch by batch, as the timer of a server does; the pause is what one call keeps the thread. */
async function expiryRows(store: SqliteStore): Promise<readonly (readonly string[])[]> {
  const nowMs = t0 + hourMs + sessions
  let longestMs = 0
  let batches = 0
  for (let i = 0; i < 200; i++) {
    const startedMs = performance.now()
    const due = await store.dueSessions(nowMs, 50)
    longestMs = Math.max(longestMs, performance.now() - startedMs)
    if (due.length === 0) throw new Error('nothing is due')
    batches += 1
    await Promise.all(due.map(({ id }, at) => store.touch(id, nowMs + at, nowMs + hourMs)))
  }
  return [[`expiry sweep, longest of ${batches} looks`, `${longestMs.toFixed(1)} ms${verdict(longestMs, 50)}`]]
}
