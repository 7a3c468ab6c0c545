import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { storeError } from '../store-error.ts'
import { copyDatabase, openDatabase } from './driver.ts'
import { forgetRevocationList } from './schema.ts'
import { toStoreError } from './sqlite-error.ts'

/** One step for the whole file: between steps a write of the owner would start the copy anew. */
const pagesPerStep = 2 ** 30

/**
 * Copies a database in use to a new file, as it was at one moment, off the thread of the requests; writes go on.
 * The target appears only when it is whole and on the disk. Returns its size in pages.
 * @throws CURFEW_STORE_BACKUP_EXISTS, CURFEW_STORE_DISK_FULL, CURFEW_STORE_FAILED
 */
export async function backupDatabase(file: string, target: string, busyTimeoutMs: number): Promise<number> {
  if (existsSync(target)) throw storeError('CURFEW_STORE_BACKUP_EXISTS', { file: target })
  const partial = `${target}.partial`
  try {
    closeSync(openSync(partial, 'w', 0o600))
    const source = openDatabase(file, { readOnly: true, timeout: busyTimeoutMs })
    const pages = await copyDatabase(source, partial, { rate: pagesPerStep }).finally(() => source.close())
    const copy = openDatabase(partial, { timeout: busyTimeoutMs })
    try {
      forgetRevocationList(copy)
    } finally {
      copy.close()
    }
    syncPath(partial, 'r+')
    renameSync(partial, target)
    syncPath(dirname(target), 'r')
    return pages
  } catch (error) {
    rmSync(partial, { force: true })
    throw toStoreError(error, target)
  }
}

function syncPath(path: string, flags: 'r' | 'r+'): void {
  const handle = openSync(path, flags)
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
