import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { CurfewError } from '@curfew/codecs'
import { stringify } from 'yaml'
import { importFiles, isJson } from '../../config/pingfederate/import-files.ts'
import type { Fate, Imported, ImportLine, ShippedFile } from '../../config/pingfederate/imported.ts'
import { shippedFiles } from '../../config/pingfederate/shipped-keys.ts'
import { type CommandContext, printJson } from '../context.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { markdownCell, writeOrPrint } from '../import-output.ts'
import { table } from '../table.ts'

export interface ImportOptions {
  /** The report alone; nothing is written. */
  readonly plan?: boolean
  readonly out?: string
  readonly report?: string
}

/** Where an installation keeps what is imported, from its own folder or any above. */
const places = ['.', 'bin', 'conf', 'server/default/conf', 'pingfederate/bin', 'pingfederate/server/default/conf']
const fileBytesMax = 256 * 1024
/** A bulk export holds the whole configuration there. */
const jsonBytesMax = 32 * 1024 * 1024

/** `curfew import pingfederate <paths>`: the files of one node and JSON of the admin API as a part of curfew.yaml, and what became of every entry. */
export async function importPingFederate(context: CommandContext, paths: readonly string[], options: ImportOptions): Promise<ExitCode> {
  const files = paths.flatMap((path) => filesAt(path))
  if (files.length === 0) throw new CurfewError('CURFEW_IMPORT_NOTHING', { path: paths.join(' ') })
  const twice = files.find(({ name }, i) => files.findIndex((other) => other.name === name) < i)
  if (twice !== undefined) throw new CurfewError('CURFEW_IMPORT_REFUSED', { file: twice.path, why: `there are two files ${twice.name}` })
  const imported = importFiles(files)
  const result = needsAPerson(imported.lines) ? exitCode.partial : exitCode.done
  if (printJson(context, imported)) return result
  const { terminal } = context
  const isPlan = options.plan === true
  if (!isPlan) writeOrPrint((line) => terminal.out(line), stringify(imported.settings), options.out)
  const say = (line: string): void => (isPlan ? terminal.out(line) : result === exitCode.partial ? terminal.error(line) : terminal.note(line))
  if (options.report === undefined || isPlan) for (const line of reportLines(imported)) say(line)
  else writeOrPrint((line) => terminal.note(line), reportPage(imported), options.report)
  say(`${imported.lines.length} entries of ${files.length} ${files.length === 1 ? 'file' : 'files'}: ${countsOf(imported.lines)}`)
  return result
}

function filesAt(path: string): readonly ShippedFile[] {
  if (!existsSync(path)) throw new CurfewError('CURFEW_CONFIG_FILE', { path, why: 'it is not there' })
  if (!statSync(path).isDirectory()) return [readOne(path)]
  const folders = places.map((place) => join(path, place)).filter((folder) => existsSync(folder))
  const names = folders.flatMap((folder) =>
    readdirSync(folder)
      .filter(isImported)
      .map((name) => join(folder, name))
  )
  return names.sort().map(readOne)
}

function isImported(name: string): boolean {
  return shippedFiles.has(name) || /^cluster-[\w-]+\.conf$/.test(name)
}

function readOne(path: string): ShippedFile {
  const bytesMax = (bytes: number, most: number): void => {
    if (bytes > most) throw new CurfewError('CURFEW_CONFIG_FILE', { path, why: `it is larger than ${most} bytes` })
  }
  bytesMax(statSync(path).size, jsonBytesMax)
  const file = { path, name: basename(path), text: readFileSync(path, 'utf8') }
  bytesMax(Buffer.byteLength(file.text), isJson(file) ? jsonBytesMax : fileBytesMax)
  return file
}

function needsAPerson(lines: readonly ImportLine[]): boolean {
  return lines.some(({ fate }) => fate === 'unknown' || fate === 'unreadable')
}

/** What needs a person comes first. */
const titles: Readonly<Record<Fate, string>> = {
  unknown: 'Not known',
  unreadable: 'Not readable',
  'by-hand': 'To be written by hand',
  taken: 'Taken over',
  none: 'No setting, and none is needed',
  unused: 'Counted for nothing there',
  elsewhere: 'Not about the cluster or sessions'
}
const fates = Object.keys(titles) as readonly Fate[]

function countsOf(lines: readonly ImportLine[]): string {
  const counts = fates.map((fate) => [titles[fate].toLowerCase(), lines.filter((line) => line.fate === fate).length] as const)
  return counts
    .filter(([, n]) => n > 0)
    .map(([title, n]) => `${n} ${title}`)
    .join('; ')
}

function reportLines({ lines }: Imported): readonly string[] {
  return fates.flatMap((fate) => {
    const those = lines.filter((line) => line.fate === fate)
    if (those.length === 0) return []
    const rows = those.map((line) => [`${basename(line.path)}:${line.line}`, `${line.key}=${line.value}`, line.setting ?? '-', line.note])
    return [
      '',
      titles[fate],
      ...table([{ title: 'WHERE' }, { title: 'ENTRY', charactersMax: 80 }, { title: 'SETTING' }, { title: 'NOTE', charactersMax: 400 }], rows)
    ]
  })
}

function reportPage({ lines }: Imported): string {
  const sections = fates.flatMap((fate) => {
    const those = lines.filter((line) => line.fate === fate)
    if (those.length === 0) return []
    const rows = those.map((line) => `| ${[`${line.path}:${line.line}`, line.key, line.value, line.setting ?? '', line.note].map(markdownCell).join(' | ')} |`)
    return [`## ${titles[fate]}\n\n| where | key | value | setting | note |\n| --- | --- | --- | --- | --- |\n${rows.join('\n')}\n`]
  })
  return `# Import from PingFederate\n\n${sections.join('\n')}`
}
