import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import type { AuthorityChildOptions } from './authority-child.ts'
import { clientSecret, startAuthority } from './gateway-feed.ts'
import type { FollowerOptions } from './gateway-follower.ts'
import { freePort } from './oidc/ports.ts'

const entriesDefault = 1_000_000
const pauseMs = 50

/**
 * The whole list at the authority: what a long one costs it, and how soon a new gateway has all of it by the feed, page
 * by signed page. `node bench/revocation-list.ts 10000000` does the same with another number of entries.
 */
export async function benchRevocationList(entries = entriesDefault): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'curfew-bench-list-'))
  const port = await freePort()
  try {
    await (await startAuthority(folder, port)).stop()
    await using empty = await startAuthorityChild({ folder, port })
    const before = await empty.ask('memory')
    await empty.stop()
    fill(join(folder, 'curfew.db'), entries)
    const { size } = await stat(join(folder, 'curfew.db'))
    await using authority = await startAuthorityChild({ folder, port })
    const idle = await authority.ask('memory')
    const lookUpUs = await authority.ask('look-ups')
    const startMs = performance.now()
    const peak = await follow(entries, authority, { issuer: `http://127.0.0.1:${port}`, clientSecret, port: await freePort(), target: 'http://127.0.0.1:1' })
    const seconds = (performance.now() - startMs) / 1_000
    return [
      `The revocation list of the authority, ${entries.toLocaleString('en')} entries, SQLite`,
      `  ${megabytes(size)} MB on the disk; ${megabytes(idle - before)} MB more in memory than without, ${megabytes(peak - before)} MB at the most while a gateway reads all of it`,
      `  look-up of one: ${lookUpUs.toFixed(0)} us; a new gateway has the whole list after ${seconds.toFixed(1)} s (${Math.round(entries / seconds).toLocaleString('en')} entries/s)`
    ]
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** As purge and feed find them: in order, with the times that logouts give them. */
function fill(file: string, entries: number): void {
  using db = new DatabaseSync(file)
  const insert = db.prepare('INSERT INTO revocation (sri, until_ms, at_ms) VALUES (?, ?, ?)')
  const nowMs = Date.now()
  db.exec('PRAGMA synchronous = OFF')
  db.exec('BEGIN')
  // As long as a real one.
  for (let i = 0; i < entries; i++) insert.run(i < 10_000 ? `revoked ${i}` : `sri_${i}_${'x'.repeat(40)}`, nowMs + 3_600_000 + i, nowMs)
  db.exec('COMMIT')
}

interface AuthorityChild extends AsyncDisposable {
  ask(question: 'memory' | 'look-ups'): Promise<number>
  stop(): Promise<void>
}

async function startAuthorityChild(options: AuthorityChildOptions): Promise<AuthorityChild> {
  const child = start('authority-child.ts', options)
  await once(child, 'message')
  const stop = async (): Promise<void> => {
    if (!child.connected) return
    const ended = once(child, 'exit')
    child.disconnect()
    await ended
  }
  return {
    async ask(question) {
      child.send(question)
      const [value] = (await once(child, 'message')) as [number]
      return value
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
    await once(child, 'message')
    for (;;) {
      child.send('size')
      const [size] = (await once(child, 'message')) as [number]
      peak = Math.max(peak, await authority.ask('memory'))
      if (size >= entries) return peak
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  } finally {
    child.kill()
  }
}

function start(name: string, options: object): ChildProcess {
  return fork(fileURLToPath(new URL(name, import.meta.url)), [JSON.stringify(options)], { execArgv: ['--expose-gc'] })
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6)
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const text of await benchRevocationList(Number(process.argv[2] ?? entriesDefault))) console.log(text)
