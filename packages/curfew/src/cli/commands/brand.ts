import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { type Language, languages } from '../../authority/pages/messages.ts'
import { findingText } from '../../config/finding.ts'
import { isGatewayFile, loadGatewayConfig } from '../../config/load.ts'
import type { Config } from '../../config/schema.ts'
import { brandProblems } from '../brand-findings.ts'
import { albumMark } from '../brand-preview/album.ts'
import { preview, previewSections } from '../brand-preview/preview.ts'
import { type CommandContext, configPath, printJson } from '../context.ts'
import { type ExitCode, exitCode } from '../exit-code.ts'
import { loadBrand } from '../pages-setup.ts'
import { loadOrReport } from './validate.ts'

export interface PreviewOptions {
  readonly out: string
  /** Empty: all. */
  readonly language: readonly Language[]
}

/** `curfew brand preview`: every page in every state as files, with the brand of the configuration. Needs no running server. */
export async function previewBrand(context: CommandContext, options: PreviewOptions): Promise<ExitCode> {
  const { terminal } = context
  const config = brandOf(context)
  if (config === undefined) return exitCode.configuration
  const folder = resolve(options.out)
  if (!mayWrite(folder)) {
    terminal.error(`${folder} is not empty, and no preview made it; nothing was written.`)
    terminal.error('Choose another folder with --out.')
    return exitCode.failed
  }
  const wanted = options.language.length === 0 ? languages : languages.filter((language) => options.language.includes(language))
  for await (const { path, text } of preview(loadBrand(config), wanted)) {
    const file = join(folder, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
  const index = join(folder, 'index.html')
  const states = previewSections.flatMap((section) => section.states.map(({ id, when }) => ({ id, section: section.title, when })))
  if (!printJson(context, { index, languages: wanted, states })) {
    terminal.out(index)
    terminal.note(`${states.length} states of pages, light and dark, in ${wanted.join(', ')}. Open the file in a browser.`)
  }
  return exitCode.done
}

/** The brand of a whole configuration, or of a gateway's own; undefined: what is wrong was said. */
function brandOf(context: CommandContext): Config['brand'] | undefined {
  const file = configPath(context)
  if (!isGatewayFile(file)) return loadOrReport(context)?.config.brand
  const result = loadGatewayConfig(file, { environment: context.environment, brandProblems })
  if (result.ok) return result.config.brand
  if (!printJson(context, result.findings)) for (const finding of result.findings) context.terminal.error(findingText(finding))
  return undefined
}

/** A folder that is new, empty, or holds a preview. */
function mayWrite(folder: string): boolean {
  if (!existsSync(folder) || readdirSync(folder).length === 0) return true
  const index = join(folder, 'index.html')
  return existsSync(index) && readFileSync(index, 'utf8').includes(albumMark)
}
