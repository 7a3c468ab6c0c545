import { storeError } from '../store-error.ts'
import { openDatabase, prepare } from './driver.ts'

/**
 * Refuses versions of SQLite in which two connections can reset the write-ahead log at once and lose commits.
 * @throws CURFEW_STORE_SQLITE_VERSION
 * @see https://www.sqlite.org/wal.html section 11
 */
export function checkSqliteVersion(version: string = builtInVersion()): void {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  const safe = (major === 3 && ((minor === 44 && patch >= 6) || (minor === 50 && patch >= 7) || (minor === 51 && patch >= 3) || minor > 51)) || major > 3
  if (!safe) throw storeError('CURFEW_STORE_SQLITE_VERSION', { version, wanted: '3.51.3 or newer' })
}

function builtInVersion(): string {
  const db = openDatabase(':memory:', { timeout: 0 })
  const version = prepare<{ readonly v: string }>(db, 'SELECT sqlite_version() AS v').get()?.v ?? '0'
  db.close()
  return version
}

/** `f_type` of file systems on which locks and shared memory of SQLite are not dependable. @see statfs(2) */
const networkFileSystems: ReadonlyMap<number, string> = new Map([
  [0x6969, 'nfs'],
  [0x517b, 'smb'],
  [0xff534d42, 'cifs'],
  [0xfe534d42, 'smb2'],
  [0x5346414f, 'afs'],
  [0x73757245, 'coda'],
  [0x00c36400, 'ceph'],
  [0x0bd00bd0, 'lustre'],
  [0x01161970, 'gfs2'],
  [0x7461636f, 'ocfs2']
])

/** @throws CURFEW_STORE_NETWORK_DISK when the type, as `statfs` tells it, is that of a network file system */
export function checkFileSystem(type: number, file: string): void {
  const name = networkFileSystems.get(type >>> 0)
  if (name !== undefined) throw storeError('CURFEW_STORE_NETWORK_DISK', { file, fileSystem: name })
}
