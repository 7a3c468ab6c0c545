import { explainConfig } from '../../config/explain.ts'
import { findingText } from '../../config/finding.ts'
import { type LoadedConfig, loadConfig } from '../../config/load.ts'
import { brandProblems } from '../brand-findings.ts'
import { type CommandContext, configPath, printJson } from '../context.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { table } from '../table.ts'

/** Loads the configuration, or prints everything that is wrong with it. */
export function loadOrReport(context: CommandContext): LoadedConfig | undefined {
  const result = loadConfig(configPath(context), { environment: context.environment, brandProblems })
  if (result.ok) return result.loaded
  if (!printJson(context, result.findings)) {
    for (const finding of result.findings) context.terminal.error(findingText(finding))
    context.terminal.error(`${result.findings.length} ${result.findings.length === 1 ? 'finding' : 'findings'}. Nothing was started or changed.`)
  }
  return undefined
}

/** `curfew validate` */
export function validate(context: CommandContext): ExitCode {
  const loaded = loadOrReport(context)
  if (loaded === undefined) return exitCode.configuration
  const { connections } = loaded.config
  if (!printJson(context, { file: loaded.file, connections: connections.length, findings: [] })) {
    context.terminal.out(`${loaded.file} is good: ${connections.length} ${connections.length === 1 ? 'connection' : 'connections'}.`)
  }
  return exitCode.done
}

/** `curfew config show [--origin]` */
export function showConfig(context: CommandContext, options: { readonly origin?: boolean }): ExitCode {
  const loaded = loadOrReport(context)
  if (loaded === undefined) return exitCode.configuration
  const settings = explainConfig(loaded)
  if (printJson(context, options.origin === true ? settings : settings.map(({ path, value }) => ({ path, value })))) return exitCode.done
  const rows = settings.map(({ path, value, origin }) => [path, JSON.stringify(value), ...(options.origin === true ? [origin] : [])])
  const columns = [{ title: 'SETTING' }, { title: 'VALUE', charactersMax: 70 }, ...(options.origin === true ? [{ title: 'ORIGIN' }] : [])]
  for (const line of table(columns, rows)) context.terminal.out(line)
  return exitCode.done
}
