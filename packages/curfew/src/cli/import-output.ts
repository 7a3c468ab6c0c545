import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { CurfewError } from '@curfew/codecs'
import { type Draft, type DraftLine, draftText, type Verdict } from '../config/imports/draft.ts'
import { type CommandContext, printJson } from './context.ts'
import { type ExitCode, exitCode } from './exit-code.ts'
import { table } from './table.ts'

export interface DraftOptions {
  /** The table alone; nothing is written. */
  readonly plan?: boolean
  readonly out?: string
  readonly report?: string
}

/**
 * Gives a draft to who asked: the part of `curfew.yaml`, and the table of what became of what.
 * @param title - of the report: `Keycloak`
 */
export function giveDraft(context: CommandContext, draft: Draft, title: string, options: DraftOptions): ExitCode {
  const { terminal } = context
  const result = draft.lines.some(({ verdict }) => verdict === 'approximated' || verdict === 'unsupported') ? exitCode.partial : exitCode.done
  const { settings, lines, files } = draft
  if (printJson(context, { settings, lines, ...(files === undefined ? {} : { files }) })) return result
  const isPlan = options.plan === true
  if (!isPlan) {
    writeFiles(context, files ?? {}, options.out)
    writeOrPrint((line) => terminal.out(line), draftText(draft), options.out)
  }
  const say = (line: string): void => (isPlan ? terminal.out(line) : result === exitCode.partial ? terminal.error(line) : terminal.note(line))
  if (options.report === undefined || isPlan) for (const line of tableLines(draft.lines)) say(line)
  else writeOrPrint(say, reportPage(draft.lines, title), options.report)
  say(countsOf(draft.lines))
  return result
}

/** Writes public files that the settings name, all or none, into the folder of the settings. @throws CURFEW_CONFIG_FILE */
function writeFiles({ terminal }: CommandContext, files: Readonly<Record<string, string>>, out: string | undefined): void {
  const paths = Object.keys(files)
  if (paths.length === 0) return
  if (out === undefined) {
    terminal.note(`${paths.join(', ')}: written with --out only`)
    return
  }
  const folder = dirname(out)
  requireFree([out, ...paths.map((path) => join(folder, path))])
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true, mode: 0o700 })
    writeFileSync(join(folder, path), text, { flag: 'wx' })
  }
}

/** @throws CURFEW_CONFIG_FILE when one of them is there */
export function requireFree(paths: readonly string[]): void {
  const taken = paths.find((path) => existsSync(path))
  if (taken !== undefined) throw new CurfewError('CURFEW_CONFIG_FILE', { path: taken, why: 'it is there already; nothing was written' })
}

/** Prints, or writes a new file: never over something that is there. @throws CURFEW_CONFIG_FILE */
export function writeOrPrint(print: (line: string) => void, text: string, file: string | undefined): void {
  if (file === undefined) {
    for (const line of text.trimEnd().split('\n')) print(line)
    return
  }
  try {
    writeFileSync(file, text, { flag: 'wx' })
  } catch (cause) {
    throw new CurfewError('CURFEW_CONFIG_FILE', { path: file, why: 'it is there already, or can not be written' }, { cause })
  }
}

const verdicts: Readonly<Record<Verdict, string>> = {
  unsupported: 'unsupported',
  approximated: 'approximated',
  imported: 'imported',
  'not-needed': 'not needed'
}

const columns = [
  { title: 'ABOUT', charactersMax: 48 },
  { title: 'WHAT', charactersMax: 110 },
  { title: 'RESULT' },
  { title: 'SETTING' },
  { title: 'NOTE', charactersMax: 400 }
]

export function tableLines(lines: readonly DraftLine[]): readonly string[] {
  return table(
    columns,
    lines.map(({ about, what, verdict, setting, note }) => [about, what, verdicts[verdict], setting ?? '-', note].map(plain))
  )
}

function countsOf(lines: readonly DraftLine[]): string {
  const counts = (['imported', 'approximated', 'unsupported', 'not-needed'] as const).map(
    (verdict) => [verdict, lines.filter((line) => line.verdict === verdict).length] as const
  )
  return counts.map(([verdict, n]) => `${n} ${verdicts[verdict]}`).join(', ')
}

/** What needs a person comes first. */
function reportPage(lines: readonly DraftLine[], title: string): string {
  const sections = (Object.keys(verdicts) as Verdict[]).flatMap((verdict) => {
    const those = lines.filter((line) => line.verdict === verdict)
    if (those.length === 0) return []
    const rows = those.map(({ about, what, setting, note }) => `| ${[about, what, setting ?? '', note].map(markdownCell).join(' | ')} |`)
    const name = verdicts[verdict].slice(0, 1).toUpperCase() + verdicts[verdict].slice(1)
    return [`## ${name}\n\n| about | what | setting | note |\n| --- | --- | --- | --- |\n${rows.join('\n')}\n`]
  })
  return `# Import from ${title}\n\n${sections.join('\n')}`
}

export function markdownCell(text: string): string {
  return plain(text).replaceAll('|', '\\|')
}

/** Nothing that moves the cursor, whoever wrote it. */
function plain(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, ' ')
}
