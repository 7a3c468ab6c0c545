import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { sampleEnd, sampleParticipant, sampleSession, t0 } from '../../src/stores/conformance/samples.ts'
import { type Database, openDatabase, prepare } from '../../src/stores/sqlite/driver.ts'
import { openSqliteStore, type SqliteStore } from '../../src/stores/sqlite/sqlite-store.ts'
import { openWriterCore } from '../../src/stores/sqlite/writer-core.ts'

const capacity = 1000

/** What the third version of the tables added, taken away. */
const toSecond = [
  ...['audit_unchanged', 'audit_kept', 'audit_at_end'].map((trigger) => `DROP TRIGGER ${trigger}`),
  'DROP TABLE session_address',
  'ALTER TABLE session DROP COLUMN told_at_ms',
  'ALTER TABLE session DROP COLUMN ending_doc',
  'DROP INDEX run_copy',
  'ALTER TABLE run DROP COLUMN is_copy',
  'ALTER TABLE artifact DROP COLUMN version',
  'ALTER TABLE failed_sign_in DROP COLUMN origin',
  'ALTER TABLE failed_sign_in DROP COLUMN origin_number',
  ...['fact', 'fact_note', 'fact_guard', 'gone', 'sign_ins_cleared', 'late'].map((table) => `DROP TABLE ${table}`)
]

suite('the database file', () => {
  let folder: string
  let file: string
  const opened: SqliteStore[] = []

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'curfew-file-'))
    file = join(folder, 'curfew.db')
  })
  afterEach(async () => {
    for (const store of opened.splice(0)) await store[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true })
  })
  const open = async (path = file, busyTimeoutMs = 5000): Promise<SqliteStore> => {
    const store = await openSqliteStore({ file: path, capacity, busyTimeoutMs })
    opened.push(store)
    return store
  }
  /** The file as another program sees it. */
  const outside = (work: (db: Database) => void, path = file): void => {
    const db = openDatabase(path, { timeout: 0 })
    try {
      work(db)
    } finally {
      db.close()
    }
  }

  test('is made with the settings that survive a power cut and readable for its owner alone', async () => {
    const store = await open(join(folder, 'new', 'curfew.db'))
    const { location } = await store.describe()
    assert.equal(statSync(location).mode & 0o777, 0o600)
    outside((db) => {
      assert.equal(prepare<{ journal_mode: string }>(db, 'PRAGMA journal_mode').get()?.journal_mode, 'wal')
      assert.equal(prepare<{ auto_vacuum: number }>(db, 'PRAGMA auto_vacuum').get()?.auto_vacuum, 2)
    }, location)
    assert.equal(statSync(`${location}.reserve`).size, 16 * 1024 * 1024)
    assert.ok(statSync(`${location}.reserve`).blocks * 512 >= 16 * 1024 * 1024)
  })

  test('has one owner: a second one in the same process is refused, the first goes on', async () => {
    const store = await open()
    await assert.rejects(openSqliteStore({ file, capacity }), {
      code: 'CURFEW_STORE_LOCKED',
      context: { file, pid: process.pid }
    })
    await assert.rejects(openSqliteStore({ file, capacity }), { code: 'CURFEW_STORE_LOCKED' })
    assert.equal((await store.openSession(sampleSession(1))).value, 'opened')
    await store[Symbol.asyncDispose]()
    await open()
  })

  test('is refused while another process owns it and taken over when that one is dead', async () => {
    const script = fileURLToPath(new URL('crash-child.ts', import.meta.url))
    const child = spawn(process.execPath, [script, file, '0'], { stdio: ['ignore', 'pipe', 'inherit'] })
    const closed = once(child, 'close')
    try {
      await once(child.stdout, 'data')
      await assert.rejects(openSqliteStore({ file, capacity }), {
        code: 'CURFEW_STORE_LOCKED',
        context: { file, pid: child.pid }
      })
    } finally {
      child.kill('SIGKILL')
      await closed
    }
    assert.ok(existsSync(`${file}.pid`))
    const store = await open()
    assert.equal((await store.openSession(sampleSession(999_999_999))).value, 'opened')
  })

  test('is refused with a clear code when it can not be written', () => {
    openWriterCore({ file, capacity, busyTimeoutMs: 0 }).close()
    const asOther = process.geteuid?.() === 0
    chmodSync(folder, 0o755)
    chmodSync(file, 0o444)
    if (asOther) process.seteuid?.(65_534)
    try {
      assert.throws(() => openWriterCore({ file, capacity, busyTimeoutMs: 0 }), {
        code: 'CURFEW_STORE_READ_ONLY'
      })
    } finally {
      if (asOther) process.seteuid?.(0)
    }
  })

  test('is refused when it is a folder, no database, or the database of another program', async () => {
    mkdirSync(join(folder, 'sub'))
    await assert.rejects(open(join(folder, 'sub')), { code: 'CURFEW_STORE_OPEN' })
    writeFileSync(join(folder, 'text'), 'not a database, but long enough to be looked at as one'.repeat(20))
    await assert.rejects(open(join(folder, 'text')), { code: 'CURFEW_STORE_DAMAGED' })
    outside((db) => db.exec('CREATE TABLE notes (text TEXT)'), join(folder, 'other'))
    await assert.rejects(open(join(folder, 'other')), { code: 'CURFEW_STORE_DAMAGED' })
    outside((db) => assert.equal(prepare<{ n: number }>(db, 'SELECT count(*) AS n FROM sqlite_schema').get()?.n, 1), join(folder, 'other'))
    await assert.rejects(open(join(folder, 'other')), { code: 'CURFEW_STORE_DAMAGED' })
  })

  test('is refused and left alone when a newer version has written it', async () => {
    await (await open())[Symbol.asyncDispose]()
    outside((db) => db.exec("INSERT INTO migration VALUES (99, 'from the future')"))
    await assert.rejects(open(), { code: 'CURFEW_STORE_SCHEMA_NEWER' })
    outside((db) => db.exec('DELETE FROM migration WHERE version = 99'))
    await open()
  })

  for (const [version, steps] of [
    [2, toSecond],
    [1, [...toSecond, 'DROP TABLE artifact']]
  ] as const) {
    test(`is brought forward from version ${version}: nobody is signed out, and a logout that was under way goes on`, async () => {
      const former = await open()
      const attributes = { mail: ['Ana@Example.com'] }
      const [live, ended] = [sampleSession(1, { attributes }), sampleSession(2, { attributes })]
      const participant = sampleParticipant('payroll', 1)
      for (const session of [live, ended]) await former.openSession(session)
      await former.addParticipant(live.id, participant)
      await former.endSession(sampleEnd(1, ended))
      await former[Symbol.asyncDispose]()
      outside((db) => {
        for (const step of steps) db.exec(step)
        db.exec(`DELETE FROM migration WHERE version > ${version}`)
      })
      const store = await open()
      assert.deepEqual(await store.getSession(live.id), { ...live, version: 2 })
      assert.equal((await store.getParticipants(live.id))[0]?.id, participant.id)
      // What a later version looks sessions up by is there for those from before, too; nobody finds one that ended.
      assert.deepEqual(
        (await store.findByAddress('ana@example.com')).map(({ id }) => id),
        [live.id]
      )
      assert.equal((await store.getSession(ended.id))?.end?.runId, 'run_1')
      assert.equal((await store.getRun('run_1'))?.state, 'open')
      assert.equal(await store.countLiveSessions(), 1)
      outside((db) => assert.equal(prepare<{ v: number }>(db, 'SELECT max(version) AS v FROM migration').get()?.v, 5))
    })
  }

  test('lets nobody change or remove a line of the audit log, by whatever program', async () => {
    const store = await open()
    await store.appendAudit({ atMs: 1, event: 'session.ended', actor: { kind: 'admin', id: 'ops' } })
    await store[Symbol.asyncDispose]()
    outside((db) => {
      for (const statement of ["UPDATE audit SET doc = '{}'", 'DELETE FROM audit', "INSERT OR REPLACE INTO audit (id, doc) VALUES (1, '{}')"])
        assert.throws(() => db.exec(statement), /only grows/, statement)
    })
    const again = await open()
    assert.deepEqual(
      (await again.listAudit({ limit: 10 })).map(({ event }) => event),
      ['session.ended']
    )
  })

  test('answers `busy` while another program holds it, and works again after', async () => {
    const store = await open(file, 50)
    outside((db) => db.exec('PRAGMA user_version = 1'))
    const other = openDatabase(file, { timeout: 0 })
    try {
      other.exec('BEGIN IMMEDIATE')
      await assert.rejects(store.openSession(sampleSession(1)), { code: 'CURFEW_STORE_BUSY' })
      assert.equal(await store.getSession(sampleSession(1).id), undefined)
      other.exec('ROLLBACK')
    } finally {
      other.close()
    }
    assert.equal((await store.openSession(sampleSession(1))).value, 'opened')
  })

  test('is copied whole while it is written, and the copy opens', async () => {
    const store = await open()
    for (let n = 0; n < 200; n += 1) await store.openSession(sampleSession(n))
    const target = join(folder, 'backup.db')
    const writing = Array.from({ length: 200 }, (_, n) => store.addParticipant(sampleSession(n).id, sampleParticipant('payroll', n)))
    const pages = await store.backup(target)
    await Promise.all(writing)
    assert.equal(statSync(target).size, pages * 4096)
    assert.equal(statSync(target).mode & 0o777, 0o600)
    await assert.rejects(store.backup(target), { code: 'CURFEW_STORE_BACKUP_EXISTS' })
    const copy = await open(target)
    assert.notEqual((await copy.revocationList()).id, (await store.revocationList()).id, 'it may go on where the other one went on, too')
    assert.equal(await copy.countLiveSessions(), 200)
    for (let n = 0; n < 200; n += 1) {
      const session = await copy.getSession(sampleSession(n).id)
      assert.equal(session?.version, 1 + (await copy.getParticipants(sampleSession(n).id)).length)
    }
  })

  test('gives room back to the disk when much of it is free', async () => {
    const store = await open()
    const { location } = await store.describe()
    await Promise.all(Array.from({ length: 2000 }, (_, n) => store.txCreate(`key-${n}`, 'x'.repeat(1000), t0)))
    await store.purge(t0, 0, 100_000)
    await store[Symbol.asyncDispose]()
    assert.ok(statSync(location).size < 1_000_000, `${statSync(location).size} bytes are left`)
  })

  test('answers every one of a thousand writes that arrive together, in their order', async () => {
    const store = await open()
    const results = await Promise.all(Array.from({ length: 1000 }, (_, n) => store.openSession(sampleSession(n))))
    assert.equal(results.filter(({ value }) => value === 'opened').length, 1000)
    const session = await store.getSession(sampleSession(7).id)
    assert.ok(session !== undefined)
    const ends = await Promise.all([1, 2].map((n) => store.endSession(sampleEnd(n, session))))
    assert.deepEqual(
      ends.map(({ value }) => value.kind),
      ['ended', 'already']
    )
  })
})
