import { type ConfigChange, configChanges, type ShownConfigSetting, shownConfig } from '../../config/shown-config.ts'
import { connect } from '../connect.ts'
import { type CommandContext, configPath, printJson } from '../context.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { table } from '../table.ts'
import { loadOrReport } from './validate.ts'

/**
 * `curfew config diff`: what the server would do differently after a new start: the file as it is now beside the settings
 * that the server was started with. The exit code is 2 where they differ.
 */
export async function diffConfig(context: CommandContext): Promise<ExitCode> {
  const { terminal } = context
  const loaded = loadOrReport(context)
  if (loaded === undefined) return exitCode.configuration
  const { items, startedAtMs } = await connect(context).config()
  const changes = configChanges(ofNode(items), shownConfig(loaded))
  const code = changes.length === 0 ? exitCode.done : exitCode.partial
  if (printJson(context, changes)) return code
  const since = new Date(startedAtMs).toISOString().slice(0, 19).replace('T', ' ')
  if (changes.length === 0) terminal.out(`The server works with ${configPath(context)} as it is (started ${since}).`)
  else for (const line of changesText(changes, terminal.columns)) terminal.out(line)
  if (changes.length > 0)
    terminal.note(`${changes.length} ${changes.length === 1 ? 'difference' : 'differences'} since ${since}. They count when the server is started again.`)
  return code
}

/** A worker of several has a name of its own, which nobody wrote. */
function ofNode(items: readonly ShownConfigSetting[]): readonly ShownConfigSetting[] {
  return items.flatMap((item) => {
    if (item.path !== 'cluster.node' || typeof item.value !== 'string' || !/\/\d+$/.test(item.value)) return [item]
    return []
  })
}

export function changesText(changes: readonly ConfigChange[], columns: number): readonly string[] {
  const rows = changes.map(({ change, path, from, to }) => [change, path, valueText(from), change === 'changed' ? `-> ${valueText(to)}` : valueText(to)])
  const taken = 'changed'.length + Math.max('SETTING'.length, ...changes.map(({ path }) => path.length)) + 6
  const charactersMax = Math.max(valueWidthMin, Math.floor((columns - taken) / 2))
  return table([{ title: 'CHANGE' }, { title: 'SETTING', charactersMax: 200 }, { title: 'SERVER', charactersMax }, { title: 'FILE', charactersMax }], rows)
}

/** Characters that a value has where the name of a setting takes the whole line. */
const valueWidthMin = 16

function valueText(value: ShownConfigSetting['value'] | undefined): string {
  return value === undefined ? '' : JSON.stringify(value)
}
