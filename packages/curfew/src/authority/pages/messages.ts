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

/** Texts an administrator replaces: by language, then by key. Unknown keys are refused when the brand is loaded. */
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
  return (key, values) => {
    let message = parsed.get(key)
    if (message === undefined) {
      message = new IntlMessageFormat(overrides[key] ?? files[language][key], language, undefined, { ignoreTag: true })
      parsed.set(key, message)
    }
    return String(message.format(values))
  }
}

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
