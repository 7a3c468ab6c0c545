import { existsSync } from 'node:fs'
import { importMetadata } from '../../config/metadata/import-metadata.ts'
import { type LoadedConfig, loadConfig } from '../../config/load.ts'
import { systemClock } from '../../platform/clock.ts'
import { type CommandContext, configPath } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import { type DraftOptions, giveDraft } from '../import-output.ts'
import { readMetadataSource } from '../metadata-source.ts'

export interface ImportMetadataOptions extends DraftOptions {
  /** Entity IDs; empty: all. */
  readonly entity: readonly string[]
  readonly certificate?: string
}

/** `curfew import metadata <file|url>`: SAML partners as connections, and what becomes of each thing that they publish. */
export async function importMetadataFrom(context: CommandContext, source: string, options: ImportMetadataOptions): Promise<ExitCode> {
  const configFile = configPath(context)
  const loaded = configThere(context, configFile)
  const outbound = loaded?.config.outbound ?? { allowPrivate: [], hosts: {} }
  const { bytes, origin } = await readMetadataSource(source, { configFile, certificate: options.certificate, outbound })
  const { ids, known } = partnersThere(loaded)
  const draft = importMetadata(bytes, { origin, wanted: options.entity, ids, known, nowMs: systemClock.nowMs() })
  return giveDraft(context, draft, 'metadata', options)
}

/** The configuration, where there is one without findings. */
export function configThere({ terminal, environment }: CommandContext, file: string): LoadedConfig | undefined {
  if (!existsSync(file)) return undefined
  const result = loadConfig(file, { environment })
  if (result.ok) return result.loaded
  terminal.note(`${file} has findings, so nobody looked at what it holds already: curfew validate`)
  return undefined
}

/** Ids and entity IDs that the configuration has already. */
export function partnersThere(loaded: Pick<LoadedConfig, 'config'> | undefined): { readonly ids: Set<string>; readonly known: ReadonlyMap<string, string> } {
  if (loaded === undefined) return { ids: new Set(), known: new Map() }
  const { connections, identityProviders, signOn } = loaded.config
  const ids = new Set(['local', signOn.sourceId, ...[...connections, ...identityProviders, ...signOn.directories].map(({ id }) => id)])
  const known = new Map<string, string>()
  for (const one of connections) if (one.protocol === 'saml' && one.entityId !== undefined) known.set(`sp ${one.entityId}`, one.id)
  for (const one of identityProviders) if (one.protocol === 'saml' && one.entityId !== undefined) known.set(`idp ${one.entityId}`, one.id)
  return { ids, known }
}
