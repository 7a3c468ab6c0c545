import { type Part, text, texts } from './realm.ts'
import type { Report } from '../imports/report.ts'

/** Addresses that are compared to the letter; those with wildcards can not be, and are said. */
export function exactRedirects(client: Part, report: Report): readonly string[] {
  const all = texts(client, 'redirectUris').map((uri) => absolute(client, uri))
  const exact = all.filter((uri) => !uri.includes('*') && isAddress(uri))
  for (const uri of exact) report.say('imported', 'redirectUris', uri, 'redirectUris')
  for (const uri of all.filter((one) => !exact.includes(one))) report.say('unsupported', 'redirectUris', `${uri}: ${whyNot(uri)}`, 'redirectUris')
  return [...new Set(exact)]
}

function whyNot(uri: string): string {
  return uri.includes('*') ? 'compared to the letter, so a wildcard matches nothing: write each address that the client sends' : 'it is no address'
}

/** `https://app.example.com/bye` or `https://*.example.com/bye/*`; an address that leads out is never a landing page. */
export function postLogoutRedirects(client: Part, attributes: Part, report: Report): readonly string[] {
  const name = 'post.logout.redirect.uris'
  const written = text(attributes, name)
  const isShared = written === undefined || written === '+'
  if (written === '-') {
    report.say('not-needed', name, '-: none, as here without the setting')
    return []
  }
  const listed = (written ?? '+').split('##').flatMap((one) => (one === '+' ? texts(client, 'redirectUris') : [one]))
  const all = [...new Set(listed.map((uri) => absolute(client, uri.trim())))]
  const usable = all.filter(isPattern)
  if (usable.length > 0) report.say('imported', name, `${isShared ? 'the redirect addresses: ' : ''}${usable.join(' ')}`, 'postLogoutRedirectUris')
  for (const uri of all.filter((one) => !usable.includes(one))) {
    const note = `${uri}: a wildcard stands for a sub-domain (*.) or at the end of a path (/*) only`
    report.say('unsupported', name, note, 'postLogoutRedirectUris')
  }
  return usable
}

function isPattern(uri: string): boolean {
  if (!uri.includes('*')) return isAddress(uri)
  return /^https?:\/\/(\*\.)?[a-z0-9.-]+(:\d{1,5})?(\/[^*?#]*)?$/i.test(uri.replace(/\/\*$/, '/'))
}

function isAddress(uri: string): boolean {
  const parsed = URL.parse(uri)
  return parsed !== null && (/^https?:$/.test(parsed.protocol) || !/^(javascript|data|vbscript|file|blob):$/.test(parsed.protocol))
}

/** Relative addresses count from the root of the client. */
export function absolute(client: Part, uri: string): string {
  const root = text(client, 'rootUrl')
  return uri.startsWith('/') && root !== undefined && /^https?:/.test(root) ? `${root.replace(/\/+$/, '')}${uri}` : uri
}

/** Where a person opens the client. */
export function homeOf(client: Part): string | undefined {
  const base = text(client, 'baseUrl')
  const url = base === undefined ? undefined : absolute(client, base)
  return url !== undefined && /^https?:\/\//.test(url) && URL.canParse(url) ? url : undefined
}

/** A name for people; texts of the console in `${...}` are none. */
export function nameOf(part: Part, field = 'name'): string | undefined {
  const name = text(part, field)
  return name === undefined || name.includes('${') ? undefined : name.slice(0, 80)
}
