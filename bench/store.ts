import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { sampleParticipant, sampleSession } from '../packages/curfew/src/stores/conformance/samples.ts'
import { openSqliteStore } from '../packages/curfew/src/stores/sqlite/sqlite-store.ts'
import { line } from './measure.ts'

const callers = 128
const spanMs = 1_500

/** Facts per second with group commit, and look-ups, beside raw statements on the same disk. */
export async function benchStore(): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-bench-'))
  try {
    const raw = rawCommits(join(folder, 'raw.db'))
    const { writes, reads } = await storeRates(join(folder, 'curfew.db'))
    return [
      'Registry on SQLite, synchronous=FULL, same disk (wall-clock)',
      `  ${'raw: one INSERT per commit'.padEnd(44)} ${Math.round(raw.commits).toString().padStart(7)} per second`,
      line(`participants written by ${callers} callers`, writes / raw.commits, 'raw commits'),
      line('session look-ups', reads / raw.selects, 'raw SELECT by key')
    ]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function rawCommits(file: string): { readonly commits: number; readonly selects: number } {
  const db = new DatabaseSync(file)
  db.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (id TEXT PRIMARY KEY, doc TEXT) WITHOUT ROWID')
  const insert = db.prepare('INSERT INTO t VALUES (?, ?)')
  const select = db.prepare('SELECT doc FROM t WHERE id = ?')
  const doc = JSON.stringify(sampleSession(1))
  let n = 0
  const commits = perSecond(() => insert.run(`id${(n += 1)}`, doc))
  let m = 0
  const selects = perSecond(() => select.get(`id${1 + (m = (m + 1) % n)}`))
  db.close()
  return { commits, selects }
}

async function storeRates(file: string): Promise<{ readonly writes: number; readonly reads: number }> {
  const store = await openSqliteStore({ file, capacity: 1_000_000 })
  const opened = Array.from({ length: callers }, (_, i) => sampleSession(i))
  await Promise.all(opened.map((one) => store.openSession(one)))
  let written = 0
  const endMs = performance.now() + spanMs
  await Promise.all(
    opened.map(async (one, at) => {
      for (let i = 0; performance.now() < endMs; i++) {
        await store.addParticipant(one.id, sampleParticipant(`peer${i}`, at))
        written += 1
      }
    })
  )
  const writes = written / (spanMs / 1000)
  let read = 0
  const readEndMs = performance.now() + spanMs
  while (performance.now() < readEndMs) {
    await store.getSession(opened[read % callers]?.id ?? 'ses_')
    read += 1
  }
  await store[Symbol.asyncDispose]()
  return { writes, reads: read / (spanMs / 1000) }
}

function perSecond(work: () => unknown): number {
  const endMs = performance.now() + spanMs / 2
  let count = 0
  while (performance.now() < endMs) {
    work()
    count += 1
  }
  return count / (spanMs / 2000)
}
