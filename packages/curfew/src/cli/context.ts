import { existsSync } from 'node:fs'
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

/** Prints a value as JSON when that was asked for; true when it did. */
export function printJson({ terminal, options }: CommandContext, value: unknown): boolean {
  if (options.ndjson === true) {
    for (const item of Array.isArray(value) ? value : [value]) terminal.out(JSON.stringify(item))
    return true
  }
  if (options.json === true) terminal.out(JSON.stringify(value, null, 2))
  return options.json === true
}
