import { join } from 'node:path'
import { CurfewError } from '@curfew/codecs'
import { findingText } from '../config/finding.ts'
import { parseConfig } from '../config/load.ts'
import type { ConfigInput } from '../config/schema.ts'
import { createLogger, type Logger } from '../platform/logger.ts'
import { brandProblems } from './brand-findings.ts'
import { compose, type Composition } from './compose.ts'

export interface EmbedOptions {
  /** Folder that relative paths of the configuration start from. */
  readonly folder: string
  /** Where `${env:NAME}` is looked up. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** Default: JSON lines at level `info`. */
  readonly logger?: Logger
}

/**
 * Builds a server from a configuration that a program wrote. Nothing listens before `start()`; `stop()` finishes what
 * is under way and closes the store.
 * @throws CURFEW_CONFIG_INVALID with every finding in its message; what opening files, keys and the store can throw
 */
export async function createServer(config: ConfigInput, options: EmbedOptions): Promise<Composition> {
  const file = join(options.folder, 'defineConfig')
  const result = parseConfig(JSON.stringify(config, null, 2), file, { environment: options.environment ?? {}, brandProblems })
  if (result.ok) return compose(result.loaded, options.logger ?? createLogger({ level: result.loaded.config.logging.level }))
  throw new CurfewError('CURFEW_CONFIG_INVALID', { findings: result.findings.length }, { message: result.findings.map(findingText).join('\n') })
}
