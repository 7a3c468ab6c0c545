import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { CurfewError } from '@curfew/codecs'
import { stringify } from 'yaml'
import { importKeycloak } from '../../config/keycloak/import-keycloak.ts'
import type { ExportFile } from '../../config/keycloak/realm.ts'
import { type CommandContext, configPath } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import { type DraftOptions, giveDraft, requireFree } from '../import-output.ts'
import { configThere, partnersThere } from './import-metadata.ts'

export interface ImportKeycloakOptions extends DraftOptions {
  /** A new users file, for those whose hashes can be checked here. */
  readonly users?: string
}

/** An export of a realm with its users. */
const exportBytesMax = 64 * 1024 * 1024

/** `curfew import keycloak <files...>`: the export of one realm as a part of curfew.yaml, and what became of everything in it. */
export function importKeycloakFrom(context: CommandContext, paths: readonly string[], options: ImportKeycloakOptions): ExitCode {
  const { ids } = partnersThere(configThere(context, configPath(context)))
  const { users, ...draft } = importKeycloak(paths.map(readExport), ids)
  const isWritten = options.users !== undefined && options.plan !== true
  if (isWritten) requireFree([options.users ?? '', ...(options.out === undefined ? [] : [options.out])])
  const result = giveDraft(context, draft, 'Keycloak', options)
  if (isWritten && users.length > 0) {
    const text = `# Local users. Change them with: curfew users add|password|remove\n${stringify({ users })}`
    writeFileSync(options.users ?? '', text, { mode: 0o600, flag: 'wx' })
    context.terminal.note(`${users.length} users are in ${options.users ?? ''}: name it in signOn.users`)
  }
  return result
}

function readExport(path: string): ExportFile {
  const { size } = statSync(path)
  if (size > exportBytesMax) throw new CurfewError('CURFEW_CONFIG_FILE', { path, why: `it is larger than ${exportBytesMax} bytes` })
  return { path, text: readFileSync(path, 'utf8') }
}
