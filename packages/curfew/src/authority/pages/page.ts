import type { Brand } from './brand.ts'
import { type Html, html, trusted } from './html.ts'
import { type Language, languages, type Translate } from './messages.ts'
import { styleSheet } from './style.ts'

/** Everything one response needs to speak to one person. */
export interface PageContext {
  readonly language: Language
  readonly t: Translate
  readonly brand: Brand
  /** Fresh per response; the only style and script that run carry it. */
  readonly nonce: string
  /** Path of this page, for the language links (they keep it). Absent: no links, as on a page made by POST. */
  readonly path?: string
}

export interface PageParts {
  readonly title: string
  readonly body: Html
  /** More for the head, such as a refresh. */
  readonly head?: Html
  /** More style rules of this page alone, written by this product. */
  readonly style?: string
}

/** A whole page. */
export function renderPage(context: PageContext, parts: PageParts): Html {
  return html`${pageStart(context, parts)}${parts.body}${pageEnd(context)}`
}

/** The first half of a page whose body is streamed: everything up to and including `<main>`. */
export function pageStart(context: PageContext, parts: Omit<PageParts, 'body'>): Html {
  const { brand, t } = context
  return html`<!doctype html>
<html lang="${context.language}"><head><meta charset="utf-8"><title>${parts.title} - ${brand.organisation}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">${parts.head}
<link rel="icon" href="data:,"><style nonce="${context.nonce}">${trusted(styleSheet(brand) + (parts.style ?? ''))}</style></head>
<body><a class="skip" href="#main">${t('page.skip')}</a><header>${logoOf(brand)}<span>${brand.organisation}</span></header>${brand.header}<main id="main"><div class="card">`
}

/** The logo for the ground that the browser prefers. */
function logoOf({ logo, darkLogo }: Brand): Html | undefined {
  const light = logo === undefined ? undefined : html`<img src="${logo}" alt="">`
  if (darkLogo === undefined) return light
  return html`<picture><source media="(prefers-color-scheme:dark)" srcset="${darkLogo}">${light ?? html`<img src="${darkLogo}" alt="">`}</picture>`
}

/** The second half: closes `<main>`, adds help and the choice of language. */
export function pageEnd(context: PageContext): Html {
  const { brand, t, path } = context
  const help = brand.help === undefined ? undefined : html`<li><a href="${brand.help}">${t('page.help')}</a></li>`
  const choices =
    path === undefined
      ? undefined
      : languages
          .filter((language) => language !== context.language)
          .map(
            (language) =>
              html`<li><a href="${path}${path.includes('?') ? '&' : '?'}lang=${language}" hreflang="${language}" lang="${language}">${languageNames[language]}</a></li>`
          )
  return html`</div></main>${brand.footer}<footer><ul>${help}${choices}</ul></footer></body></html>
`
}

/** What each language calls itself. */
export const languageNames: Readonly<Record<Language, string>> = {
  en: 'English',
  de: 'Deutsch',
  fr: 'Français',
  es: 'Español'
}

/** Security headers of a page. `frames`: origins that the page may show in hidden frames. */
export function pageHeaders(nonce: string, options: PageHeaderOptions = {}): Record<string, string> {
  const frameSources = options.frames === undefined ? "'none'" : ["'self'", ...options.frames].join(' ')
  const policy = [
    "default-src 'none'",
    `style-src 'nonce-${nonce}'`,
    `script-src 'nonce-${nonce}'`,
    ["img-src 'self' data:", ...(options.images ?? [])].join(' '),
    `frame-src ${frameSources}`,
    "base-uri 'none'",
    `frame-ancestors ${options.framedBySelf === true ? "'self'" : "'none'"}`,
    ...(options.formsLeave === true ? [] : ["form-action 'self'"])
  ]
  return {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': policy.join('; '),
    'cache-control': 'no-cache, no-store',
    pragma: 'no-cache',
    // A form that leaves tells the partner our origin and no more; everything else tells nothing.
    'referrer-policy': options.formsLeave === true ? 'strict-origin' : 'same-origin',
    'x-content-type-options': 'nosniff',
    'cross-origin-opener-policy': 'same-origin',
    'permissions-policy': 'interest-cohort=(), browsing-topics=()'
  }
}

export interface PageHeaderOptions {
  /** Origins of its frames, beside our own; absent: it has none. */
  readonly frames?: readonly string[]
  /** Origins whose pictures the page loads. */
  readonly images?: readonly string[]
  /** The page is a hidden frame of our own sign-off page. */
  readonly framedBySelf?: boolean
  /** The page's form goes to a partner, which may send the browser on: `form-action` would stop that. */
  readonly formsLeave?: boolean
}
