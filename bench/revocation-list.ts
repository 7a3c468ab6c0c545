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
import { freePort } from './oidc/ports.ts'
import { startRedisServer } from './redis-server.ts'
import { revokedSri } from './revoked-sri.ts'

const entriesDefault = 1_000_000
const pauseMs = 50

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
    const before = await memoryOf({ folder, port })
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
  const folder = await mkdtemp(join(tmpdir(), 'curfew-bench-list-'))
  const port = await freePort()
  await using server = await startRedisServer()
  const options = { folder, port, redisSocket: server.socket }
  try {
    const before = await memoryOf(options)
    const empty = await server.memory()
    await using filling = await startAuthorityChild(options)
    const fillMs = await filling.ask({ fill: entries })
    await filling.stop()
    const [full, appended] = [await server.memory(), await server.disk()]
    await server.rewrite()
    const used = full.used - empty.used
    return [
      `The revocation list of the authority, ${entries.toLocaleString('en')} entries, Redis (one server, unix socket, appendfsync everysec)`,
      `  ${megabytes(used)} MB in memory of the server (${Math.round(used / entries)} octets each), ${megabytes(full.resident)} MB resident; ${megabytes(appended)} MB on its disk as appended, ${megabytes(await server.disk())} MB written anew`,
      `  revoked through the store: ${Math.round((entries * 1_000) / fillMs).toLocaleString('en')} entries/s`,
      ...(await readWhole(entries, before, options))
    ]
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function memoryOf(options: AuthorityChildOptions): Promise<number> {
  await using child = await startAuthorityChild(options)
  return await child.ask('memory')
}

/** @param before - memory of the same authority with an empty list */
async function readWhole(entries: number, before: number, options: AuthorityChildOptions): Promise<readonly string[]> {
  await using authority = await startAuthorityChild(options)
  const idle = await authority.ask('memory')
  const lookUpUs = await authority.ask('look-ups')
  const startMs = performance.now()
  const peak = await follow(entries, authority, {
    issuer: `http://127.0.0.1:${options.port}`,
    clientSecret,
    port: await freePort(),
    target: 'http://127.0.0.1:1'
  })
  const seconds = (performance.now() - startMs) / 1_000
  return [
    `  the authority: ${megabytes(idle - before)} MB more in memory than without, ${megabytes(peak - before)} MB at the most while a gateway reads all of it`,
    `  look-up of one: ${lookUpUs.toFixed(0)} us; a new gateway has the whole list after ${seconds.toFixed(1)} s (${Math.round(entries / seconds).toLocaleString('en')} entries/s, ${Math.round(entries / seconds / revocationPageEntriesMax).toLocaleString('en')} pages/s)`
  ]
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
  ask(question: AuthorityQuestion): Promise<number>
  stop(): Promise<void>
}

async function startAuthorityChild(options: AuthorityChildOptions): Promise<AuthorityChild> {
  const child = start('authority-child.ts', options)
  await heard(child)
  const stop = async (): Promise<void> => {
    if (!child.connected) return
    const ended = once(child, 'exit')
    child.disconnect()
    await ended
  }
  return {
    async ask(question) {
      child.send(question)
      return heard(child)
    },
    stop,
    [Symbol.asyncDispose]: stop
  }
}

/** Starts a gateway and waits until it has everything; returns what the authority took at the most meanwhile. */
async function follow(entries: number, authority: AuthorityChild, options: FollowerOptions): Promise<number> {
  const child = start('gateway-follower.ts', options)
  let peak = 0
  try {
    await heard(child)
    for (;;) {
      child.send('size')
      const size = await heard(child)
      peak = Math.max(peak, await authority.ask('memory'))
      if (size >= entries) return peak
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  } finally {
    child.kill()
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

function start(name: string, options: object): ChildProcess {
  return fork(fileURLToPath(new URL(name, import.meta.url)), [JSON.stringify(options)], { execArgv: ['--expose-gc'] })
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6)
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const text of await benchRevocationList(Number(process.argv[2] ?? entriesDefault), process.argv[3])) console.log(text)
