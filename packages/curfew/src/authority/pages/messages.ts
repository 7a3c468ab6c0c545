import { IntlMessageFormat } from 'intl-messageformat'
import de from '../../locales/de.json' with { type: 'json' }
import en from '../../locales/en.json' with { type: 'json' }
import es from '../../locales/es.json' with { type: 'json' }
import fr from '../../locales/fr.json' with { type: 'json' }

/** Every text of a page; the English file defines the keys, the others are held equal to it by a test. */
export type MessageKey = keyof typeof en
export type Language = 'en' | 'de' | 'fr' | 'es'
export type MessageValues = Readonly<Record<string, string | number>>
/** Formats one message in one language. */
export type Translate = (key: MessageKey, values?: MessageValues) => string

export const languages: readonly Language[] = ['en', 'de', 'fr', 'es']

const files: Readonly<Record<Language, Readonly<Record<MessageKey, string>>>> = { en, de, fr, es }

/** Texts an administrator replaces: by language, then by key. What can't be used is refused when the brand is loaded ({@link textProblem}). */
export type MessageOverrides = Readonly<Partial<Record<Language, Readonly<Record<string, string>>>>>

/** Makes translators that keep parsed messages, one per language. */
export function createMessages(overrides: MessageOverrides = {}): (language: Language) => Translate {
  const translators = new Map<Language, Translate>()
  return (language) => {
    let translate = translators.get(language)
    if (translate === undefined) {
      translate = translator(language, overrides[language] ?? {})
      translators.set(language, translate)
    }
    return translate
  }
}

function translator(language: Language, overrides: Readonly<Record<string, string>>): Translate {
  const parsed = new Map<MessageKey, IntlMessageFormat>()
  const format = (key: MessageKey, text: string, values: MessageValues | undefined): string => {
    let message = parsed.get(key)
    if (message === undefined) {
      message = parse(text, language)
      parsed.set(key, message)
    }
    return String(message.format(values))
  }
  return (key, values) => {
    const own = overrides[key]
    if (own === undefined) return format(key, files[language][key], values)
    try {
      return format(key, own, values)
    } catch {
      // It was looked at when the brand was loaded; whatever is still wrong with it breaks no page.
      return String(parse(files[language][key], language).format(values))
    }
  }
}

function parse(text: string, language: Language): IntlMessageFormat {
  return new IntlMessageFormat(text, language, undefined, { ignoreTag: true })
}

/** Every key that a text can be replaced under. */
export const messageKeys = Object.keys(en) as readonly MessageKey[]

/** What is wrong with a text that takes the place of a shipped one, and what to write; undefined: nothing. */
export function textProblem(key: MessageKey, text: string, language: Language): { readonly what: string; readonly fix: string } | undefined {
  const shipped = argumentsOf(parse(en[key], 'en').getAst())
  const example = `The shipped text is: ${files[language][key]}`
  let used: ReadonlyMap<string, boolean>
  try {
    used = argumentsOf(parse(text, language).getAst())
  } catch (error) {
    return { what: `this is no ICU message: ${error instanceof Error ? error.message : String(error)}.`, fix: example }
  }
  const unknown = [...used.keys()].find((name) => !shipped.has(name))
  const names = [...shipped.keys()].map((name) => `{${name}}`).join(', ')
  if (unknown !== undefined)
    return {
      what: `nothing is known as {${unknown}} here.`,
      fix: names === '' ? 'This text has no values: write it without braces.' : `Use: ${names}. ${example}`
    }
  const wrong = [...used].find(([name, isPlain]) => !isPlain && shipped.get(name) === true)
  return wrong === undefined ? undefined : { what: `{${wrong[0]}} is a text: it has no plural, number, date or choices.`, fix: example }
}

type Ast = ReturnType<IntlMessageFormat['getAst']>

/** Names of the values of a message, each with whether it stands there as text alone. */
function argumentsOf(elements: Ast): ReadonlyMap<string, boolean> {
  const found = new Map<string, boolean>()
  const walk = (list: Ast): void => {
    for (const element of list) {
      const { value, options } = element as { readonly value?: unknown; readonly options?: Readonly<Record<string, { readonly value: Ast }>> }
      if (element.type === literalType || element.type === poundType) continue
      if (typeof value === 'string') found.set(value, (found.get(value) ?? true) && element.type === argumentType)
      if (element.type === selectType || element.type === pluralType) for (const option of Object.values(options ?? {})) walk(option.value)
    }
  }
  walk(elements)
  return found
}

/** Kinds of elements of a parsed ICU message. */
const [literalType, argumentType, selectType, pluralType, poundType] = [0, 1, 5, 6, 7]

/** The language that an address asks for by `?lang=`, if the pages have it. */
export function languageOfQuery(query: unknown): Language | undefined {
  const wish = (query as Readonly<Record<string, unknown>> | undefined)?.['lang']
  return languages.find((language) => language === wish)
}

/**
 * Chooses the page language: an explicit wish (`?lang=`, a cookie), else what the application wishes for, else the best
 * of `Accept-Language`, else English.
 * @param acceptLanguage - header value as received, at most its first 200 characters are read
 * @param uiLocales - tags with blanks between them, the best first
 */
export function chooseLanguage(wish: string | undefined, acceptLanguage: string | undefined, uiLocales?: string): Language {
  const exact = languages.find((language) => language === wish)
  if (exact !== undefined) return exact
  const wished = languageOfLocales(uiLocales)
  if (wished !== undefined) return wished
  const ranked = (acceptLanguage ?? '')
    .slice(0, 200)
    .split(',')
    .map((part) => {
      const [tag = '', ...parameters] = part.trim().toLowerCase().split(';')
      const q = parameters.map((p) => p.trim()).find((p) => p.startsWith('q='))
      return { tag, weight: q === undefined ? 1 : Number(q.slice(2)) || 0 }
    })
    .sort((a, b) => b.weight - a.weight)
  for (const { tag, weight } of ranked) {
    const found = languageOf(tag)
    if (found !== undefined && weight > 0) return found
  }
  return 'en'
}

/** The first language that an application wishes for and the pages have. @param uiLocales - as received, at most its first 200 characters are read */
export function languageOfLocales(uiLocales: string | undefined): Language | undefined {
  const tags = (uiLocales ?? '').slice(0, 200).toLowerCase().split(' ')
  return tags.map(languageOf).find((found) => found !== undefined)
}

function languageOf(tag: string): Language | undefined {
  return languages.find((language) => tag === language || tag.startsWith(`${language}-`))
}
