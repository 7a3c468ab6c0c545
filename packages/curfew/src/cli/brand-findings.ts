import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import { LineCounter, isMap, isScalar, parseDocument } from 'yaml'
import { type BrandTokens, contrastMin, contrastProblems, defaultDark, defaultLight, markupProblems } from '../authority/pages/brand.ts'
import { type Language, languages, type MessageKey, messageKeys, type MessageOverrides, textProblem } from '../authority/pages/messages.ts'
import type { BrandProblem } from '../config/brand-problem.ts'
import { nearest } from '../config/nearest.ts'
import type { Config } from '../config/schema.ts'

type BrandConfig = Config['brand']

/** Largest logo file, in bytes: it travels inside every page. */
export const logoBytesMax = 64 * 1024
/** Largest file of texts, header or footer, in bytes. */
export const textBytesMax = 256 * 1024

/** Media types of pictures, by the ending of the file. */
export const pictureTypes: Readonly<Record<string, string>> = { '.svg': 'image/svg+xml', '.png': 'image/png', '.webp': 'image/webp' }

/** Everything that is wrong with what a brand names: colours, pictures, markup and texts. Paths are absolute. */
export function brandProblems(brand: BrandConfig): readonly BrandProblem[] {
  return [
    ...contrasts(brand.tokens, defaultLight, ['tokens']),
    ...contrasts(brand.dark?.tokens, defaultDark, ['dark', 'tokens']),
    ...picture(brand.logo, ['logo']),
    ...picture(brand.dark?.logo, ['dark', 'logo']),
    ...slotFile(brand.header, 'header'),
    ...slotFile(brand.footer, 'footer'),
    ...(brand.messages === undefined ? [] : readOverrides(brand.messages).problems)
  ]
}

function contrasts(tokens: NonNullable<BrandConfig['tokens']> | undefined, defaults: BrandTokens, path: readonly string[]): readonly BrandProblem[] {
  if (tokens === undefined) return []
  return contrastProblems({ ...defaults, ...definedTokens(tokens) }).map(({ front, ground, ratio }) => {
    const own = tokens[front] === undefined ? ground : front
    return {
      code: 'CURFEW_CONFIG_BRAND_CONTRAST',
      path: [...path, own],
      what: `${front} on ${ground} has a contrast of ${ratio}.`,
      fix: `Make one of them darker or lighter: ${contrastMin} is the least that people can read.`
    }
  })
}

/** Tokens that are there, without those that are `undefined`. */
export function definedTokens(tokens: NonNullable<BrandConfig['tokens']>): Partial<BrandTokens> {
  return Object.fromEntries(Object.entries(tokens).filter(([, value]) => value !== undefined)) as Partial<BrandTokens>
}

function picture(file: string | undefined, path: readonly string[]): readonly BrandProblem[] {
  if (file === undefined) return []
  const size = sizeOf(file)
  if (size === undefined) return [missingFile(file, path)]
  const isPicture = pictureTypes[extname(file).toLowerCase()] !== undefined
  if (isPicture && size <= logoBytesMax) return []
  const what = isPicture ? `${file} has ${size} bytes.` : `${file} is no SVG, PNG or WebP by its name.`
  return [{ code: 'CURFEW_CONFIG_FILE', path, what, fix: `A logo is SVG, PNG or WebP of at most ${logoBytesMax} bytes: it travels inside every page.` }]
}

function slotFile(file: string | undefined, name: 'header' | 'footer'): readonly BrandProblem[] {
  if (file === undefined) return []
  const { text, problem } = textOf(file, [name])
  if (text === undefined) return [problem]
  return markupProblems(text).map(({ tag, at }) => ({
    code: 'CURFEW_CONFIG_BRAND_MARKUP',
    path: [name],
    place: { file, ...placeAt(text, at), path: name },
    what: `${tag} is not accepted.`,
    fix: 'Use p, a, strong, em, span, div, ul, li, br, small, nav and img; links by https, mailto or a path; pictures from this server.'
  }))
}

function missingFile(file: string, path: readonly string[]): BrandProblem {
  return { code: 'CURFEW_CONFIG_FILE', path, what: `${file} can not be read.`, fix: 'Correct the path; it starts from the folder of the configuration.' }
}

/** The texts of a folder that can be used, and what is wrong with the others. */
export interface ReadOverrides {
  readonly overrides: MessageOverrides
  readonly problems: readonly BrandProblem[]
}

/** Reads `<language>.json` files of a folder. */
export function readOverrides(folder: string): ReadOverrides {
  const path = ['messages']
  if (!existsSync(folder) || !statSync(folder).isDirectory())
    return {
      overrides: {},
      problems: [{ code: 'CURFEW_CONFIG_FILE', path, what: `${folder} is no folder.`, fix: 'Name a folder with files such as en.json.' }]
    }
  const names = readdirSync(folder).filter((name) => extname(name).toLowerCase() === '.json')
  const read = names.map((name) => {
    const language = languages.find((one) => `${one}.json` === name)
    return language === undefined ? { problems: [unknownLanguage(folder, name)] } : readLanguage(join(folder, name), language)
  })
  return {
    overrides: Object.assign({}, ...read.map((one) => ('overrides' in one ? one.overrides : {}))) as MessageOverrides,
    problems: read.flatMap(({ problems }) => problems)
  }
}

function unknownLanguage(folder: string, name: string): BrandProblem {
  const known = languages.map((language) => `${language}.json`)
  const meant = nearest(name, known)
  return {
    code: 'CURFEW_CONFIG_UNKNOWN_VALUE',
    path: ['messages'],
    place: { file: join(folder, name), line: 1, column: 1, path: 'messages' },
    what: `"${name}" is no language of the pages.`,
    fix: `Use one of: ${known.join(', ')}.${meant === undefined ? '' : `   (did you mean "${meant}"?)`}`
  }
}

function readLanguage(file: string, language: Language): ReadOverrides {
  const { text, problem } = textOf(file, ['messages'])
  if (text === undefined) return { overrides: {}, problems: [problem] }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    const [, line = '', column = ''] = /\(line (\d+) column (\d+)\)/.exec(why) ?? []
    const place = line === '' ? placeAt(text, text.length) : { line: Number(line), column: Number(column) }
    return { overrides: {}, problems: [inText(file, place, `this is not well-formed JSON: ${why}.`, 'Check quotes, commas and braces here.')] }
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { overrides: {}, problems: [inText(file, { line: 1, column: 1 }, 'this is no object.', 'Write { "signon.title": "..." }.')] }
  const places = keyPlaces(text)
  const texts: Partial<Record<MessageKey, string>> = {}
  const problems = Object.entries(value).flatMap(([key, own]: [string, unknown]): readonly BrandProblem[] => {
    const place = places.get(key) ?? { line: 1, column: 1 }
    const known = messageKeys.find((one) => one === key)
    if (known === undefined) return [unknownText(file, place, key)]
    const problem = typeof own === 'string' ? textProblem(known, own, language) : { what: 'this is no text.', fix: 'Write a text in quotes.' }
    if (problem !== undefined) return [inText(file, place, problem.what, problem.fix, key)]
    texts[known] = own as string
    return []
  })
  return { overrides: { [language]: texts }, problems }
}

function unknownText(file: string, place: Place, key: string): BrandProblem {
  const meant = nearest(key, messageKeys)
  const fix = meant === undefined ? 'Every key stands in docs/reference/texts.md.' : `Did you mean \`${meant}\`?`
  return { ...inText(file, place, `\`${key}\` is not a text of the pages.`, fix, key), code: 'CURFEW_CONFIG_UNKNOWN_KEY' }
}

interface Place {
  readonly line: number
  readonly column: number
}

function inText(file: string, place: Place, what: string, fix: string, path = 'messages'): BrandProblem {
  return { code: 'CURFEW_CONFIG_BRAND_MESSAGE', path: ['messages'], place: { file, ...place, path }, what, fix }
}

/** Where each key of a flat JSON object stands. */
function keyPlaces(text: string): ReadonlyMap<string, Place> {
  const lines = new LineCounter()
  const { contents } = parseDocument(text, { lineCounter: lines, uniqueKeys: false })
  const pairs = isMap(contents) ? contents.items : []
  return new Map(
    pairs.flatMap(({ key }) => {
      if (!isScalar(key)) return []
      const { line, col } = lines.linePos(key.range?.[0] ?? 0)
      return [[String(key.value), { line, column: col }] as const]
    })
  )
}

function placeAt(text: string, at: number): Place {
  const before = text.slice(0, at).split('\n')
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }
}

function sizeOf(file: string): number | undefined {
  const stat = statSync(file, { throwIfNoEntry: false })
  return stat?.isFile() === true ? stat.size : undefined
}

type ReadText = { readonly text: string; readonly problem?: never } | { readonly text?: never; readonly problem: BrandProblem }

/** What is in a file, or why it can not be used: it is not there, may not be read, or is too large to be what it should. */
function textOf(file: string, path: readonly string[]): ReadText {
  const size = sizeOf(file)
  if (size === undefined) return { problem: missingFile(file, path) }
  if (size > textBytesMax)
    return { problem: { code: 'CURFEW_CONFIG_FILE', path, what: `${file} has ${size} bytes.`, fix: `Make it smaller: ${textBytesMax} bytes at most.` } }
  try {
    return { text: readFileSync(file, 'utf8') }
  } catch {
    return { problem: missingFile(file, path) }
  }
}
