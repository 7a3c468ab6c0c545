import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { CurfewError, metadataLimits } from '@curfew/codecs'
import { type ConfFile, importShibboleth } from '../../config/shibboleth/import-shibboleth.ts'
import { systemClock } from '../../platform/clock.ts'
import { type CommandContext, configPath } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import { type DraftOptions, giveDraft } from '../import-output.ts'
import { readMetadataFile } from '../metadata-source.ts'
import { configThere, partnersThere } from './import-metadata.ts'

export interface ImportShibbolethOptions extends DraftOptions {
  readonly entity: readonly string[]
  /** What `%{idp.home}` stands for. */
  readonly home?: string
}

/** `curfew import shibboleth <files...>`: files of an identity provider as a part of curfew.yaml, with the partners whose metadata they name. */
export function importShibbolethFrom(context: CommandContext, paths: readonly string[], options: ImportShibbolethOptions): ExitCode {
  const configFile = configPath(context)
  const { ids, known } = partnersThere(configThere(context, configFile))
  const files = paths.map(readConf)
  const home = options.home ?? dirname(dirname(resolve(paths[0] ?? '.')))
  const draft = importShibboleth(files, {
    home,
    wanted: options.entity,
    ids,
    known,
    nowMs: systemClock.nowMs(),
    readMetadata: (provided) => readMetadataFile(provided, configFile)
  })
  return giveDraft(context, draft, 'Shibboleth', options)
}

function readConf(path: string): ConfFile {
  const bytesMax = metadataLimits.documentBytesMax
  if (statSync(path).size > bytesMax) throw new CurfewError('CURFEW_CONFIG_FILE', { path, why: `it is larger than ${bytesMax} bytes` })
  return { path, bytes: readFileSync(path) }
}
