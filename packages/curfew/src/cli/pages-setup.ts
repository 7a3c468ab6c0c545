import { readFileSync } from 'node:fs'
import { extname } from 'node:path'
import { CurfewError } from '@curfew/codecs'
import { type Brand, makeBrand } from '../authority/pages/brand.ts'
import { chooseLanguage, createMessages, languageOfQuery, type MessageOverrides } from '../authority/pages/messages.ts'
import { languageCookie } from '../authority/sign-on/cookies.ts'
import type { PageContext } from '../authority/pages/page.ts'
import type { Config } from '../config/schema.ts'
import type { Random } from '../platform/random.ts'
import { definedTokens, logoBytesMax, pictureTypes, readOverrides } from './brand-findings.ts'

/** Reads the brand of a configuration. @throws CURFEW_CONFIG_FILE, CURFEW_CONFIG_BRAND_* */
export function loadBrand(config: Config['brand']): Brand {
  const text = (path: string | undefined): string | undefined => (path === undefined ? undefined : read(path).toString('utf8'))
  return makeBrand({
    organisation: config.organisation,
    help: config.help,
    logo: config.logo === undefined ? undefined : dataUrl(config.logo),
    tokens: config.tokens === undefined ? undefined : definedTokens(config.tokens),
    dark: {
      logo: config.dark?.logo === undefined ? undefined : dataUrl(config.dark.logo),
      tokens: config.dark?.tokens === undefined ? undefined : definedTokens(config.dark.tokens)
    },
    header: text(config.header),
    footer: text(config.footer),
    messages: config.messages === undefined ? undefined : overrides(config.messages)
  })
}

function dataUrl(path: string): string {
  const type = pictureTypes[extname(path).toLowerCase()]
  const octets = read(path)
  if (type === undefined || octets.length > logoBytesMax)
    throw new CurfewError('CURFEW_CONFIG_FILE', { path, why: `a logo is SVG, PNG or WebP of at most ${logoBytesMax} bytes` })
  return `data:${type};base64,${octets.toString('base64')}`
}

/** @throws CURFEW_CONFIG_BRAND_MESSAGE for the first of the problems; who loads a configuration for people shows them all */
function overrides(folder: string): MessageOverrides {
  const { overrides: texts, problems } = readOverrides(folder)
  const [first] = problems
  if (first !== undefined)
    throw new CurfewError('CURFEW_CONFIG_BRAND_MESSAGE', {
      file: first.place?.file ?? folder,
      line: first.place?.line ?? 1,
      what: first.what,
      problems: problems.length
    })
  return texts
}

function read(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new CurfewError('CURFEW_CONFIG_FILE', { path, why: 'it can not be read' }, { cause })
  }
}

/** What a page wants to know of the request that it answers. */
export interface PageRequest {
  readonly query: unknown
  readonly headers: { readonly 'accept-language'?: string | undefined }
  /** Absent: the server reads none. */
  readonly cookies?: Readonly<Record<string, string | undefined>>
  readonly method: string
  readonly url: string
}

/** Makes the context of one response: language by `?lang=`, cookie or browser, and a fresh nonce. */
export function createPageContext(brand: Brand, random: Random): (request: PageRequest, uiLocales?: string) => PageContext {
  const messages = createMessages(brand.messages)
  return (request, uiLocales) => {
    const query = request.query as Readonly<Record<string, unknown>>
    const language = chooseLanguage(languageOfQuery(query) ?? request.cookies?.[languageCookie], request.headers['accept-language'], uiLocales)
    const path = request.method === 'GET' ? withoutLanguage(request.url) : undefined
    return {
      language,
      t: messages(language),
      brand,
      nonce: Buffer.from(random.bytes(16)).toString('base64url'),
      ...(path === undefined ? {} : { path })
    }
  }
}

const origin = 'http://page.invalid'

/** The address that language links repeat; undefined when a browser would take it for one of another host (`//host`, `/\\host`). */
function withoutLanguage(target: string): string | undefined {
  const url = URL.parse(target, origin)
  if (url === null || url.origin !== origin || url.pathname.startsWith('//')) return undefined
  return url.pathname + url.search.replace(/([?&])lang=[^&]*(&|$)/, (_, start: string, end: string) => (end === '&' ? start : '')).replace(/[?&]$/, '')
}
