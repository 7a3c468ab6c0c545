import type { FastifyReply, FastifyRequest } from 'fastify'

/** Headers of every answer that belongs to a protocol. */
export const noStore = { 'cache-control': 'no-cache, no-store', pragma: 'no-cache' } as const

/**
 * The last page of a sign-out: the browser drops what it kept of this origin's pages. Cookies are not named: the one of the session
 * lets a lost browser find its run, others hold the language, and a browser drops those of the whole domain; storage is not, because
 * nothing here uses any (docs/decisions/0024). Redirects go without: browsers take seconds for it, and somebody waits.
 * @see W3C Clear Site Data, section 3.1
 */
export function forgetPages(reply: FastifyReply): void {
  reply.header('clear-site-data', '"cache"')
}

export type Parameters = Readonly<Record<string, string | undefined>>

/**
 * Parameters of an application endpoint: query for GET, form for POST, one as good as the other. Names are
 * case-sensitive; a repeated parameter counts as absent, because two readers could choose differently.
 */
export function parametersOf(request: FastifyRequest): Parameters {
  const source = request.method === 'POST' ? { ...asRecord(request.query), ...asRecord(request.body) } : asRecord(request.query)
  return Object.fromEntries(Object.entries(source).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}

/** The fields of a form in order, repeated ones included: the message decoder refuses those itself. */
export function formPairs(request: FastifyRequest): readonly [string, string][] {
  return Object.entries(asRecord(request.body)).flatMap(([name, value]) => {
    const values: readonly unknown[] = Array.isArray(value) ? value : [value]
    return values.filter((v) => typeof v === 'string').map((v): [string, string] => [name, v])
  })
}

/** The query as received, still percent-encoded: signatures cover these octets. */
export function rawQuery(request: FastifyRequest): string {
  const target = request.raw.url ?? ''
  const at = target.indexOf('?')
  return at < 0 ? '' : target.slice(at + 1)
}

/** The path without its query. */
export function pathOf({ url }: FastifyRequest): string {
  return url.split('?')[0] ?? ''
}

/** The route that answers, with its parameters by name: the one thing about an address that every spelling of it has in common. */
export function routeOf(request: FastifyRequest): string {
  return request.routeOptions.url ?? pathOf(request)
}

/**
 * The same request by GET: the browser sends the cookies that it keeps back from a form of another site.
 * @param only - names of the parameters that are taken along; absent: all
 */
export function byGet(request: FastifyRequest, only?: readonly string[]): string {
  const isWanted = (name: string): boolean => only === undefined || only.includes(name)
  const query = new URLSearchParams(
    Object.entries(parametersOf(request)).flatMap(([name, value]) => (value === undefined || !isWanted(name) ? [] : [[name, value]]))
  )
  return query.size === 0 ? pathOf(request) : `${pathOf(request)}?${query.toString()}`
}

/** Sends a browser on; never cached. */
export function seeOther(reply: FastifyReply, url: string): FastifyReply {
  return reply.headers(noStore).redirect(url, 303)
}

/**
 * True when the browser says that this request was not started by a page of a stranger: same site, typed or
 * bookmarked, or from a page of `friends`. Browsers without Fetch Metadata prove it by Origin or Referer.
 * @param friends - origins whose pages may start a logout, the authority's own among them
 */
export function isFromFriend(request: FastifyRequest, friends: ReadonlySet<string>): boolean {
  const site = request.headers['sec-fetch-site']
  if (site === 'same-origin' || site === 'same-site' || site === 'none') return isTopLevel(request)
  const origin = originOf(request.headers.origin) ?? originOf(request.headers.referer)
  return origin !== undefined && friends.has(origin) && isTopLevel(request)
}

/** False for pictures, frames and fetches: only a person going somewhere may start something silently. */
export function isTopLevel(request: FastifyRequest): boolean {
  const destination = request.headers['sec-fetch-dest']
  return (destination === undefined || destination === 'document') && !isAhead(request)
}

/** True when a browser loads this ahead, in case somebody should go there: nobody did yet. */
export function isAhead({ headers }: FastifyRequest): boolean {
  return [headers['sec-purpose'], headers['purpose'], headers['x-moz'], headers['x-purpose']].some((value) =>
    /\b(prefetch|prerender|preview)\b/i.test(String(value))
  )
}

function originOf(value: string | undefined): string | undefined {
  const url = value === undefined ? null : URL.parse(value)
  return url === null || url.origin === 'null' ? undefined : url.origin
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {}
}
