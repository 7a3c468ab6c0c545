import assert from 'node:assert/strict'
import { chmodSync, utimesSync, writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { CurfewError } from '@curfew/codecs'
import { readCursor, writeCursor } from '../../src/stores/cursor.ts'
import { takePage } from '../../src/stores/sqlite/list-page.ts'
import { fromPlainError, toPlainError } from '../../src/stores/sqlite/plain-error.ts'
import { toStoreError } from '../../src/stores/sqlite/sqlite-error.ts'
import { checkFileSystem, checkSqliteVersion } from '../../src/stores/sqlite/start-checks.ts'
import { storeError } from '../../src/stores/store-error.ts'

suite('start checks', () => {
  test('refuse versions of SQLite with the race in resetting the log', () => {
    for (const version of ['3.44.6', '3.44.9', '3.50.7', '3.51.3', '3.52.0', '3.53.4', '4.0.0']) checkSqliteVersion(version)
    for (const version of ['3.43.2', '3.44.5', '3.45.9', '3.50.6', '3.51.2', '2.9.9', '']) {
      assert.throws(() => checkSqliteVersion(version), { code: 'CURFEW_STORE_SQLITE_VERSION' }, version)
    }
    checkSqliteVersion()
  })

  test('refuse network file systems by the type that the system tells', () => {
    for (const type of [0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630]) checkFileSystem(type, 'f')
    for (const type of [0x6969, 0xff534d42, 0xfe534d42 | 0, 0x00c36400]) {
      assert.throws(() => checkFileSystem(type, 'f'), { code: 'CURFEW_STORE_NETWORK_DISK' })
    }
  })
})

suite('errors of SQLite', () => {
  const thrown = (errcode: number): Error => Object.assign(new Error('from SQLite'), { code: 'ERR_SQLITE_ERROR', errcode })

  test('become codes of the catalogue, with the result code in the context', () => {
    const cases = [
      [5, 'CURFEW_STORE_BUSY'],
      [261, 'CURFEW_STORE_BUSY'],
      [8, 'CURFEW_STORE_READ_ONLY'],
      [1032, 'CURFEW_STORE_READ_ONLY'],
      [11, 'CURFEW_STORE_DAMAGED'],
      [26, 'CURFEW_STORE_DAMAGED'],
      [13, 'CURFEW_STORE_DISK_FULL'],
      [4874, 'CURFEW_STORE_DISK_FULL'],
      [14, 'CURFEW_STORE_OPEN'],
      [778, 'CURFEW_STORE_FAILED'],
      [1, 'CURFEW_STORE_FAILED']
    ] as const
    for (const [errcode, code] of cases) {
      const error = toStoreError(thrown(errcode), 'f')
      assert.ok(error instanceof CurfewError)
      assert.equal(error.code, code)
      assert.deepEqual(error.context, { file: 'f', sqliteCode: errcode })
    }
    const own = storeError('CURFEW_STORE_CURSOR')
    assert.equal(toStoreError(own, 'f'), own)
  })

  test('an I/O error is no disk that can only be read because the file is of another user', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'curfew-'))
    const asOther = process.geteuid?.() === 0
    const file = asOther ? join(folder.path, 'curfew.db') : '/etc/passwd'
    if (asOther) {
      writeFileSync(file, '', { mode: 0o666 })
      chmodSync(folder.path, 0o755)
      process.seteuid?.(65_534)
    }
    try {
      assert.throws(() => utimesSync(file, 1, 1), { code: 'EPERM' })
      assert.equal((toStoreError(thrown(778), file) as CurfewError).code, 'CURFEW_STORE_FAILED')
    } finally {
      if (asOther) process.seteuid?.(0)
    }
  })

  test('come over the thread border with code, context and cause', () => {
    const error = fromPlainError(structuredClone(toPlainError(toStoreError(thrown(5), 'f'))))
    assert.ok(error instanceof CurfewError)
    assert.deepEqual([error.code, error.context, (error.cause as Error).message], ['CURFEW_STORE_BUSY', { file: 'f', sqliteCode: 5 }, 'from SQLite'])
    assert.equal((fromPlainError(toPlainError(new Error('odd'))) as CurfewError).code, 'CURFEW_STORE_FAILED')
  })
})

suite('pages of a list', () => {
  const rows = (hits: readonly number[]) => hits.map((hit, i) => ({ id: `id-${i}`, at_ms: 100 - i, hit }))

  test('hold the hits only and a cursor after the last one when there are more', () => {
    assert.deepEqual(takePage(rows([1, 0, 1, 0, 1]), 2, 10), {
      ids: ['id-0', 'id-2'],
      nextCursor: writeCursor({ atMs: 98, id: 'id-2' })
    })
    assert.deepEqual(takePage(rows([1, 0, 1, 0, 0]), 2, 10), { ids: ['id-0', 'id-2'] })
    assert.deepEqual(takePage(rows([]), 2, 10), { ids: [] })
  })

  test('stop after so many rows, with a cursor after the last one that was looked at', () => {
    assert.deepEqual(takePage(rows([1, 0, 0, 0, 1]), 2, 3), {
      ids: ['id-0'],
      nextCursor: writeCursor({ atMs: 98, id: 'id-2' })
    })
    assert.deepEqual(takePage(rows([0, 0, 0]), 2, 2), {
      ids: [],
      nextCursor: writeCursor({ atMs: 99, id: 'id-1' })
    })
  })

  test('carry cursors that read back to their place, and only those', () => {
    const place = { atMs: 1_767_225_600_000, id: 'ses_0a7.x' }
    assert.deepEqual(readCursor(writeCursor(place)), place)
    for (const text of ['', 'x', writeCursor({ atMs: 2 ** 60, id: 'a' }), writeCursor({ atMs: 1, id: '' })]) {
      assert.throws(() => readCursor(text), { code: 'CURFEW_STORE_CURSOR' })
    }
  })
})
