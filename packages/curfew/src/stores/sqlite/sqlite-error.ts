import { statSync, utimesSync } from 'node:fs'
import { isCurfewError } from '@curfew/codecs'
import { storeError, type StoreCode } from '../store-error.ts'

/** Primary result codes of SQLite that we tell apart. @see https://www.sqlite.org/rescode.html */
const codeOf: Readonly<Record<number, StoreCode>> = {
  3: 'CURFEW_STORE_READ_ONLY', // PERM
  5: 'CURFEW_STORE_BUSY',
  8: 'CURFEW_STORE_READ_ONLY',
  11: 'CURFEW_STORE_DAMAGED', // CORRUPT
  13: 'CURFEW_STORE_DISK_FULL',
  14: 'CURFEW_STORE_OPEN', // CANTOPEN
  26: 'CURFEW_STORE_DAMAGED' // NOTADB
}

/** The shared-memory file could not grow: the disk is full as well. */
const shmSize = 10 | (19 << 8)

function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error)) return undefined
  return typeof error.errcode === 'number' ? error.errcode : undefined
}

/** True where SQLite says that there is no room. */
export function isDiskFull(error: unknown): boolean {
  const code = resultCode(error)
  return code !== undefined && ((code & 0xff) === 13 || code === shmSize)
}

const ioError = 10

/**
 * `EROFS` where the file system takes no change any more. SQLite says of a disk that was given up while the file was open no
 * more than that it could not write. Anything else says nothing: only the owner of a file may set its times. It is not opened
 * to find out: closing it would take the locks from SQLite.
 */
function whyReadOnly(file: string): 'EROFS' | undefined {
  try {
    const { atime, mtime } = statSync(file)
    utimesSync(file, atime, mtime)
    return undefined
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EROFS' ? error.code : undefined
  }
}

/** Turns whatever the driver threw into an error of the catalogue; errors of ours pass. */
export function toStoreError(error: unknown, file: string): Error {
  if (isCurfewError(error)) return error
  const code = resultCode(error)
  const context = code === undefined ? { file } : { file, sqliteCode: code }
  if (isDiskFull(error)) return storeError('CURFEW_STORE_DISK_FULL', context, error)
  const why = code !== undefined && (code & 0xff) === ioError ? whyReadOnly(file) : undefined
  if (why !== undefined) return storeError('CURFEW_STORE_READ_ONLY', { ...context, why }, error)
  return storeError((code === undefined ? undefined : codeOf[code & 0xff]) ?? 'CURFEW_STORE_FAILED', context, error)
}
