import { type CatalogueEntry, codecCatalogue, type CurfewError } from '@curfew/codecs'
import { catalogue } from './catalogue.ts'
import { remedyOf } from './remedies.ts'

/** Every code of the product with its entry, codecs included. */
export const everyCode: Readonly<Record<string, CatalogueEntry>> = { ...codecCatalogue, ...catalogue }

/** Facts that are never shown in full. */
const secretNames = /password|token|secret|cookie|assertion/i

/** The fact that holds the nearest word that exists. */
const meant = 'didYouMean'

/** What an error is shown as: what happened, where, what to do, code and page. */
export interface RenderedError {
  readonly code: string
  readonly title: string
  readonly facts: readonly (readonly [string, string])[]
  readonly remedy?: string
  /** Path of the page in the documentation. */
  readonly page: string
}

export function renderError(error: CurfewError): RenderedError {
  const remedy = remedyOf(error.code)
  return {
    code: error.code,
    title: everyCode[error.code]?.title ?? error.code,
    facts: Object.entries(error.context).map(([name, value]) => [name, secretNames.test(name) ? '[secret]' : String(value)] as const),
    page: errorPage(error.code),
    ...(remedy === undefined ? {} : { remedy })
  }
}

export function errorPage(code: string): string {
  return `docs/reference/errors/${code}.md`
}

/** The same as lines for a terminal. */
export function errorLines({ code, title, facts, remedy, page }: RenderedError): readonly string[] {
  const width = Math.max(0, ...facts.map(([name]) => (name === meant ? 0 : name.length)))
  return [
    `${title}   ${code}`,
    ...facts.map(([name, value]) => (name === meant ? `  Did you mean ${value}?` : `  ${name.padEnd(width)}  ${value}`)),
    ...(remedy === undefined ? [] : [`  Fix: ${remedy}`]),
    `  More: ${page}`
  ]
}
