import { closeSync, mkdirSync, openSync, realpathSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { isCurfewError } from '@curfew/codecs'
import { storeError } from '../store-error.ts'
import type { Answer, Request, WriterOptions } from './command.ts'
import { type Database, openDatabase } from './driver.ts'
import { openGroupCommit } from './group-commit.ts'
import { openHandlers } from './handlers.ts'
import { takeLock } from './lock.ts'
import { openReserve } from './reserve.ts'
import { migrate, nameRevocationList, prepareFile } from './schema.ts'
import { toStoreError } from './sqlite-error.ts'
import { checkFileSystem, checkSqliteVersion } from './start-checks.ts'
import { openTally } from './tally.ts'
import { beginEpoch } from './teller.ts'

/** The one who writes the database. Everything here blocks its thread. */
export interface WriterCore {
  /** The database file, links resolved. */
  readonly file: string
  /** Carries out a group in one transaction; answers are given after the commit. */
  commit(requests: readonly Request[]): readonly Answer[]
  close(): void
}

/**
 * Opens the database for writing: checks, owner lock, tables, reserve. Leases of effects are given back, their owner
 * is gone with the process that held the lock before.
 * @throws CURFEW_STORE_SQLITE_VERSION, CURFEW_STORE_NETWORK_DISK, CURFEW_STORE_LOCKED, CURFEW_STORE_OPEN,
 *   CURFEW_STORE_READ_ONLY, CURFEW_STORE_DAMAGED, CURFEW_STORE_SCHEMA_NEWER, CURFEW_STORE_DISK_FULL
 */
export function openWriterCore(options: WriterOptions): WriterCore {
  checkSqliteVersion()
  const file = createFile(options.file)
  checkFileSystem(statfsSync(dirname(file)).type, file)
  const lock = takeLock(file)
  let db: Database | undefined
  try {
    db = openDatabase(file, { timeout: options.busyTimeoutMs })
    const opened = db
    prepareFile(opened, file)
    migrate(opened, file)
    opened.exec('UPDATE effect SET owner = NULL, ready_at_ms = due_at_ms WHERE owner IS NOT NULL')
    beginEpoch(opened, options.replication)
    nameRevocationList(opened)
    const tally = openTally(opened)
    const reserve = openReserve(`${file}.reserve`)
    const carryOut = openHandlers(opened, options.capacity, tally, options.replication)
    return {
      file,
      commit: openGroupCommit({ db: opened, file, tally, reserve, carryOut }),
      close() {
        opened.close()
        lock.release()
      }
    }
  } catch (error) {
    db?.close()
    lock.release()
    throw toStoreError(error, file)
  }
}

/** Makes the file, readable for its owner alone, and returns its real path. */
function createFile(path: string): string {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    closeSync(openSync(path, 'a+', 0o600))
    return realpathSync(path)
  } catch (error) {
    if (isCurfewError(error)) throw error
    const why = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    const isReadOnly = why === 'EACCES' || why === 'EROFS' || why === 'EPERM'
    throw storeError(isReadOnly ? 'CURFEW_STORE_READ_ONLY' : why === 'ENOSPC' ? 'CURFEW_STORE_DISK_FULL' : 'CURFEW_STORE_OPEN', { file: path, why }, error)
  }
}
