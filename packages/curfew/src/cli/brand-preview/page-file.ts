import type { Brand } from '../../authority/pages/brand.ts'
import type { Language } from '../../authority/pages/messages.ts'

/** What a browser may prefer. */
export type Scheme = 'light' | 'dark'

export const schemes: readonly Scheme[] = ['light', 'dark']

/** The brand as a browser with that preference shows it, whatever the one of the preview prefers. */
export function inScheme(brand: Brand, scheme: Scheme): Brand {
  const { logo, darkLogo, ...rest } = brand
  const shown = scheme === 'dark' ? (darkLogo ?? logo) : logo
  const tokens = brand[scheme]
  return { ...rest, light: tokens, dark: tokens, ...(shown === undefined ? {} : { logo: shown }) }
}

/**
 * A page of the server as a file. What the server says in headers stands in it, and it leads and sends nowhere: forms, scripts and
 * what goes on by itself are off, links are dead.
 */
export function asFile(page: string, nonce: string, scheme: Scheme): string {
  const policy = `default-src 'none'; style-src 'nonce-${nonce}'; img-src 'self' data:; base-uri 'none'; form-action 'none'`
  const style = `:root{color-scheme:${scheme}}a,button,input{pointer-events:none}`
  return page
    .replaceAll(/<meta http-equiv="refresh"[^>]*>/g, '')
    .replace('<meta charset="utf-8">', `<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}">`)
    .replace('</head>', `<style nonce="${nonce}">${style}</style></head>`)
}

/** The name of the page that shows all others, for one language; the first one has that of the folder. */
export function albumPath(language: Language, languages: readonly Language[]): string {
  return language === languages[0] ? 'index.html' : `index.${language}.html`
}

/** Path of one state, as its album links it. */
export function statePath(id: string, language: Language, scheme: Scheme): string {
  return `${language}/${id}-${scheme}.html`
}
