import { dirname, resolve } from 'node:path'
import { existsSync } from 'node:fs'
import { type AdminClient, createAdminClient, readToken } from './client.ts'
import { loadConfig } from '../config/load.ts'
import type { Terminal } from './terminal.ts'

/** Options every command takes. */
export interface GlobalOptions {
  readonly config?: string
  readonly server?: string
  readonly tokenFile?: string
  readonly json?: boolean
  readonly ndjson?: boolean
  readonly color: boolean
  readonly input: boolean
  readonly quiet?: boolean
  readonly verbose?: boolean
}

/** What a command works with. */
export interface CommandContext {
  readonly terminal: Terminal
  readonly options: GlobalOptions
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** Folder of the demo, relative to where the command runs. */
export const demoFolder = '.curfew/demo'
export const configDefault = 'curfew.yaml'
export const serverDefault = 'http://127.0.0.1:9999'

/** The configuration to use: `--config`, else `curfew.yaml` here, else that of the demo. */
export function configPath({ options }: CommandContext): string {
  if (options.config !== undefined) return options.config
  const demo = `${demoFolder}/curfew.yaml`
  return !existsSync(configDefault) && existsSync(demo) ? demo : configDefault
}

/** Connects to the admin API that the flags or the configuration name. @throws CURFEW_CONFIG_FILE */
export function connect(context: CommandContext): AdminClient {
  const { options, environment } = context
  const path = configPath(context)
  const loaded = existsSync(path) ? loadConfig(path, { environment }) : undefined
  const config = loaded?.ok === true ? loaded.loaded.config : undefined
  const server = options.server ?? (config?.admin.listen[0] === undefined ? serverDefault : `http://${config.admin.listen[0].replace(/^\*/, '127.0.0.1')}`)
  const tokenFile = options.tokenFile ?? config?.admin.tokenFile ?? resolve(dirname(path), 'data/admin.token')
  return createAdminClient({ server, token: config?.admin.token ?? readToken(tokenFile) })
}

/** Prints a value as JSON when that was asked for; true when it did. */
export function printJson({ terminal, options }: CommandContext, value: unknown): boolean {
  if (options.ndjson === true) {
    for (const item of Array.isArray(value) ? value : [value]) terminal.out(JSON.stringify(item))
    return true
  }
  if (options.json === true) terminal.out(JSON.stringify(value, null, 2))
  return options.json === true
}
