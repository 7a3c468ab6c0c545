/** A request as a site of these tests gets it, from a browser or from the authority itself. */
export interface WebRequest {
  readonly method: 'GET' | 'POST'
  readonly url: URL
  readonly cookies: ReadonlyMap<string, string>
  readonly body: Buffer
}

export interface WebAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** `Set-Cookie` values. */
  readonly cookies?: readonly string[]
  readonly body?: string | Uint8Array
}

/** Everything behind one host name. */
export interface Site {
  readonly host: string
  /** Nobody listens. */
  readonly isDown?: boolean
  handle(request: WebRequest): Promise<WebAnswer>
}

/** Name of a host here; without a port all of them are behind one door. */
export function hostOf(name: string, port: number | undefined): string {
  return port === undefined ? name : `${name}:${port}`
}

/** Somebody who has nothing to do with it, behind the same door. */
export function elsewhereOf(port: number | undefined): string {
  return `http://${hostOf('elsewhere.localhost', port)}/`
}

const html = { 'content-type': 'text/html; charset=utf-8' }

export function page(text: string, cookies: readonly string[] = []): WebAnswer {
  return { status: 200, headers: html, cookies, body: `<!doctype html><title>${text}</title><h1>${text}</h1>` }
}

export function sendTo(location: string, cookies: readonly string[] = []): WebAnswer {
  return { status: 303, headers: { location }, cookies }
}

/** A page that submits itself. */
export function formTo(action: string, fields: Readonly<Record<string, string>>): WebAnswer {
  const inputs = Object.entries(fields).map(([name, value]) => `<input type="hidden" name="${name}" value="${value.replaceAll('"', '&quot;')}">`)
  const body = `<!doctype html><form id="post" method="post" action="${action}">${inputs.join('')}</form><script>document.getElementById('post').submit()</script>`
  return { status: 200, headers: html, body }
}

export function formOfRequest({ method, url, body }: WebRequest): URLSearchParams {
  return method === 'POST' ? new URLSearchParams(body.toString()) : url.searchParams
}

export function cookiesOf(header: string | undefined): ReadonlyMap<string, string> {
  const pairs = (header ?? '').split('; ').filter((pair) => pair !== '')
  return new Map(pairs.map((pair): [string, string] => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]))
}

/** A cookie that goes along into frames of other sites, where the browser lets it. */
export function everywhereCookie(name: string, value: string): string {
  return `${name}=${value}; Path=/; HttpOnly; Secure; SameSite=None`
}
