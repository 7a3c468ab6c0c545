import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { revocationPageEntriesMax } from '@curfew/codecs'
import type { AuthorityChildOptions, AuthorityQuestion } from './authority-child.ts'
import { clientSecret, startAuthority } from './gateway-feed.ts'
import type { FollowerOptions } from './gateway-follower.ts'
import { startGatewayProcess } from './gateway-process.ts'
import { freePort } from './oidc/ports.ts'
import { memoryOf, type ProcessMemory } from './process-memory.ts'
import { startRedisServer } from './redis-server.ts'
import { revokedSri } from './revoked-sri.ts'
import { findProgram } from '../tools/system-deps.ts'

const entriesDefault = 1_000_000
/** What a gateway may take, of how many entries on. */
const barEntries = 10_000_000
const barMegabytes = 400
const pauseMs = 100
/** After that long a gateway has given back what only reading the list took. */
const settleMs = 10_000

/**
 * The whole list at the authority: what a long one costs it, and how soon a new gateway has all of it by the feed, page
 * by signed page. `node bench/revocation-list.ts 10000000` does the same with another number of entries; `sqlite` or
 * `redis` behind it, with one store only.
 */
export async function benchRevocationList(entries = entriesDefault, kind?: string): Promise<readonly string[]> {
  return [...(kind === 'redis' ? [] : await onSqlite(entries)), ...(kind === 'sqlite' ? [] : await onRedis(entries))]
}

async function onSqlite(entries: number): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'curfew-bench-list-'))
  const port = await freePort()
  try {
    await (await startAuthority(folder, port)).stop()
    const before = await empty({ folder, port })
    fill(join(folder, 'curfew.db'), entries)
    const { size } = await stat(join(folder, 'curfew.db'))
    return [
      `The revocation list of the authority, ${entries.toLocaleString('en')} entries, SQLite`,
      `  ${megabytes(size)} MB on the disk`,
      ...(await readWhole(entries, before, { folder, port }))
    ]
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** Filled as every revocation fills it, through the store of the product. */
async function onRedis(entries: number): Promise<readonly string[]> {
  if (findProgram(['redis-server', 'valkey-server']) === undefined) return ['The list on Redis is not measured: redis-server is not on this machine']
  const folder = await mkdtemp(join(tmpdir(), 'curfew-bench-list-'))
  const port = await freePort()
  await using server = await startRedisServer()
  const options = { folder, port, redisSocket: server.socket }
  try {
    const before = await empty(options)
    const bare = await server.memory()
    await using filling = await startAuthorityChild(options)
    const fillMs = await filling.ask({ fill: entries })
    await filling.stop()
    const [full, appended] = [await server.memory(), await server.disk()]
    await server.rewrite()
    const snapshot = await server.snapshot()
    const used = full.used - bare.used
    return [
      `The revocation list of the authority, ${entries.toLocaleString('en')} entries, Redis (one server, unix socket, appendfsync everysec)`,
      `  ${megabytes(used)} MB in memory of the server (${Math.round(used / entries)} octets each), ${megabytes(full.resident)} MB resident; ${megabytes(appended)} MB on its disk as appended, ${megabytes(await server.disk())} MB written anew`,
      `  a snapshot: ${(snapshot.ms / 1_000).toFixed(1)} s, ${megabytes(snapshot.bytes)} MB; the server answers nobody for ${snapshot.forkMs.toFixed(1)} ms at its beginning`,
      `  revoked through the store: ${Math.round((entries * 1_000) / fillMs).toLocaleString('en')} entries/s`,
      ...(await readWhole(entries, before, options))
    ]
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** What the processes of both sides take before anything is on the list. */
interface Empty {
  readonly authority: number
  readonly gateway: number
}

async function empty(options: AuthorityChildOptions): Promise<Empty> {
  await using authority = await startAuthorityChild(options)
  const port = await freePort()
  await using gateway = await startGatewayProcess(options.folder, gatewayOptions(options, port))
  await until(async () => (await fetch(`http://127.0.0.1:${port}/pa/heartbeat.ping`).catch(() => undefined))?.status === 200)
  return { gateway: gateway.memory().resident, authority: await authority.ask('memory') }
}

async function readWhole(entries: number, before: Empty, options: AuthorityChildOptions): Promise<readonly string[]> {
  await using authority = await startAuthorityChild(options)
  const idle = await authority.ask('memory')
  const lookUpUs = await authority.ask('look-ups')
  const startMs = performance.now()
  await using gateway = await startGatewayProcess(options.folder, gatewayOptions(options, await freePort()))
  await until(async () => (await gateway.revoked()) >= entries)
  const seconds = (performance.now() - startMs) / 1_000
  const { most } = gateway.memory()
  await new Promise((resolve) => setTimeout(resolve, settleMs))
  const { resident } = gateway.memory()
  return [
    `  the authority: ${megabytes(idle - before.authority)} MB more in memory than without, ${megabytes(authority.memory().most - before.authority)} MB at the most while a gateway reads all of it`,
    `  look-up of one: ${lookUpUs.toFixed(0)} us`,
    `  a new curfew gateway knows all of it ${seconds.toFixed(1)} s after it was started (${Math.round(entries / seconds).toLocaleString('en')} entries/s, ${Math.round(entries / seconds / revocationPageEntriesMax).toLocaleString('en')} pages/s)`,
    `  the whole process of that gateway: ${megabytes(before.gateway)} MB resident with an empty list, ${megabytes(resident)} MB with this one, ${megabytes(most)} MB at the most while it came in${entries < barEntries ? '' : ` (bar ${barMegabytes} MB ${megabytes(most) <= barMegabytes ? 'met' : 'MISSED'})`}`
  ]
}

function gatewayOptions({ port: authorityPort }: AuthorityChildOptions, port: number): FollowerOptions {
  return { issuer: `http://127.0.0.1:${authorityPort}`, clientSecret, port, target: 'http://127.0.0.1:1' }
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, pauseMs))
}

/** As purge and feed find them: in order, with the times that logouts give them. */
function fill(file: string, entries: number): void {
  using db = new DatabaseSync(file)
  const insert = db.prepare('INSERT INTO revocation (sri, until_ms, at_ms) VALUES (?, ?, ?)')
  const nowMs = Date.now()
  db.exec('PRAGMA synchronous = OFF')
  db.exec('BEGIN')
  for (let i = 0; i < entries; i++) insert.run(revokedSri(i), nowMs + 3_600_000 + i, nowMs)
  db.exec('COMMIT')
}

interface AuthorityChild extends AsyncDisposable {
  memory(): ProcessMemory
  ask(question: AuthorityQuestion): Promise<number>
  stop(): Promise<void>
}

async function startAuthorityChild(options: AuthorityChildOptions): Promise<AuthorityChild> {
  const child = fork(fileURLToPath(new URL('authority-child.ts', import.meta.url)), [JSON.stringify(options)], { execArgv: ['--expose-gc'] })
  await heard(child)
  const stop = async (): Promise<void> => {
    if (!child.connected) return
    const ended = once(child, 'exit')
    child.disconnect()
    await ended
  }
  return {
    memory: () => memoryOf(child.pid ?? 0),
    async ask(question) {
      child.send(question)
      return heard(child)
    },
    stop,
    [Symbol.asyncDispose]: stop
  }
}

/** What a child says next; one that ends says nothing any more. */
async function heard(child: ChildProcess): Promise<number> {
  const stop = new AbortController()
  const { signal } = stop
  const ended = once(child, 'exit', { signal }).then(([code]) => {
    throw new Error(`a process of the measurement ended with ${String(code)}`)
  })
  try {
    const [value] = (await Promise.race([once(child, 'message', { signal }), ended])) as [number]
    return value
  } finally {
    stop.abort()
    ended.catch(() => undefined)
  }
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6)
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const text of await benchRevocationList(Number(process.argv[2] ?? entriesDefault), process.argv[3])) console.log(text)
