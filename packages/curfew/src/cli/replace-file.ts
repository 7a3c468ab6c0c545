import { chownSync, readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { CurfewError } from '@curfew/codecs'

/**
 * Puts a new text in the place of a file, in one step, so that a crash leaves the old one or the new one; the file behind
 * a link stays where it is.
 * @param before - what it held when the new text was made of it
 * @throws CURFEW_CLI_FILE when it was changed meanwhile, or somebody is changing it (`.new` beside it is there)
 */
export function replaceFile(file: string, before: string, next: string): void {
  const path = realpathSync(resolve(file))
  const temporary = `${path}.new`
  const { mode, uid, gid } = statSync(path)
  try {
    writeFileSync(temporary, next, { mode: mode & 0o777, flag: 'wx', flush: true })
    const made = statSync(temporary)
    if (made.uid !== uid || made.gid !== gid) chownSync(temporary, uid, gid)
    if (readFileSync(path, 'utf8') !== before) throw new CurfewError('CURFEW_CLI_FILE', { path: file, why: 'it was changed meanwhile: run this again' })
    renameSync(temporary, path)
  } catch (error) {
    // Somebody else is writing, or was killed over it: theirs is left alone.
    if (isThere(error)) throw new CurfewError('CURFEW_CLI_FILE', { path: temporary, why: 'it is there: remove it if nobody is writing it' }, { cause: error })
    rmSync(temporary, { force: true })
    throw error
  }
}

function isThere(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === 'EEXIST'
}
