import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { storeFormat } from '../packages/curfew/src/stores/redis/format.ts'

/** The last program that wrote the former format of what is stored. */
export interface FormerProgram {
  readonly commit: string
  /** The script of a node, as {@link startNode} starts it. */
  readonly script: string
}

const root = fileURLToPath(new URL('..', import.meta.url))
const format = 'packages/curfew/src/stores/redis/format.ts'

/**
 * Takes it out of the history of this repository: what stood before the commit that took the former number away.
 * @throws where the history is not there
 */
export function formerProgram(): FormerProgram {
  const git = (...args: readonly string[]): string => execFileSync('git', ['-C', root, ...args], { encoding: 'utf8' }).trim()
  const since = git('log', '-1', '--format=%H', `-Sexport const storeFormat = ${storeFormat - 1}`, '--', format)
  if (since === '') throw new Error(`no commit changes the format ${storeFormat - 1}: this needs the whole history (git fetch --unshallow)`)
  const commit = git('rev-parse', `${since}^`)
  const folder = mkdtempSync(join(tmpdir(), 'curfew-former-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  execFileSync('tar', ['-x', '-C', folder], { input: execFileSync('git', ['-C', root, 'archive', commit], { maxBuffer: archiveBytesMax }) })
  linkModules(folder)
  return { commit, script: join(folder, 'faults/node.ts') }
}

const archiveBytesMax = 256 * 1_048_576

/** What it is built from is what is installed here; the packages of the product are its own. */
function linkModules(folder: string): void {
  const [installed, modules] = [join(root, 'node_modules'), join(folder, 'node_modules')]
  mkdirSync(join(modules, '@curfew'), { recursive: true })
  for (const name of readdirSync(installed)) if (name !== '@curfew' && name !== 'curfew') symlinkSync(join(installed, name), join(modules, name))
  for (const name of ['codecs', 'sdk']) symlinkSync(join(folder, 'packages', name), join(modules, '@curfew', name))
  symlinkSync(join(folder, 'packages/curfew'), join(modules, 'curfew'))
}
