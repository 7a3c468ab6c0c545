import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { storeError } from '../store-error.ts'
import { openDatabase } from './driver.ts'
import { toStoreError } from './sqlite-error.ts'

export interface Lock {
  release(): void
}

/**
 * Makes this process the only owner of the database. The lock is one that the operating system takes back when the
 * process dies, however it dies: a file that is left behind means nothing. The process id lies in a file of its own,
 * for the message only. (Reading the lock file itself would drop the lock: POSIX locks go with any closed handle.)
 * @throws CURFEW_STORE_LOCKED with the process id of the owner
 */
export function takeLock(file: string): Lock {
  const pidFile = `${file}.pid`
  const db = openDatabase(`${file}.lock`, { timeout: 0 })
  try {
    db.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  } catch (error) {
    db.close()
    const reason = toStoreError(error, file)
    if (!('code' in reason) || reason.code !== 'CURFEW_STORE_BUSY') throw reason
    throw storeError('CURFEW_STORE_LOCKED', { file, ...ownerOf(pidFile) })
  }
  writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 })
  return {
    release() {
      rmSync(pidFile, { force: true })
      db.close()
    }
  }
}

function ownerOf(pidFile: string): { readonly pid?: number } {
  try {
    const pid = Number.parseInt(readFileSync(pidFile, 'utf8'), 10)
    return Number.isSafeInteger(pid) ? { pid } : {}
  } catch {
    return {}
  }
}
