import { type CatalogueEntry, codecCatalogue } from '@curfew/codecs'

/** A request as the guard sees it, whatever framework it came through. */
export interface GuardRequest {
  readonly method: string
  /** Path and query as received, still percent-encoded: signatures cover these octets. */
  readonly target: string
  readonly cookie: string | undefined
  /** `Origin` and `Sec-Fetch-Site` headers: they tell whether the application's own page sent a form. */
  readonly origin: string | undefined
  readonly fetchSite: string | undefined
  /** Reads the body, at most {@link bodyBytesMax}. Called for POST to a path of the guard only. */
  readBody(): Promise<Uint8Array>
}

/** What the guard answers with, for whatever framework it goes out through. */
export interface GuardResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly body: string
}

/** Largest body the guard accepts on its own paths. */
export const bodyBytesMax = 200_000

/** Where the status of an error is told: the request is too large, or it may be sent again. All else is a message that is refused. */
const toldStatuses: readonly number[] = [413, 503]

/** Status of an answer that refuses a message. */
export function refusalStatus(code: string): number {
  const status = (codecCatalogue as Readonly<Record<string, CatalogueEntry>>)[code]?.http ?? 400
  return toldStatuses.includes(status) ? status : 400
}

/** Answers of protocol endpoints are never cached. */
export const noStore = { 'cache-control': 'no-cache, no-store', pragma: 'no-cache' } as const

export function redirectTo(location: string, cookies: readonly string[] = []): GuardResponse {
  return { status: 303, headers: { ...noStore, location, ...(cookies.length === 0 ? {} : { 'set-cookie': cookies }) }, body: '' }
}

export function htmlAnswer(status: number, body: string, cookies: readonly string[] = []): GuardResponse {
  return {
    status,
    headers: { ...noStore, 'content-type': 'text/html; charset=utf-8', ...(cookies.length === 0 ? {} : { 'set-cookie': cookies }) },
    body
  }
}

/** Names of the cookies of a Cookie header, in its order: browsers send what they got first first. */
export function cookieNames(header: string | undefined): readonly string[] {
  return (header ?? '').split(';').flatMap((pair) => (pair.includes('=') ? [pair.slice(0, pair.indexOf('=')).trim()] : []))
}

/** Value of one cookie of a Cookie header; the first of that name. */
export function cookieValue(header: string | undefined, name: string): string | undefined {
  for (const pair of (header ?? '').split(';')) {
    const at = pair.indexOf('=')
    if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim()
  }
  return undefined
}

export function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}

/** A form that carries a message by POST: submits itself, with a button for browsers without JavaScript. */
export function postForm(url: string, fields: Readonly<Record<string, string>>): string {
  const inputs = Object.entries(fields).map(([name, value]) => `<input type="hidden" name="${escapeText(name)}" value="${escapeText(value)}">`)
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>One moment</title><body><form method="post" action="${escapeText(url)}">${inputs.join('')}<button>Continue</button></form><script>document.forms[0].submit()</script></body></html>`
}
