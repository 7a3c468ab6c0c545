import { type IncomingHttpHeaders, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'

export interface Answer {
  readonly url: string
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Ask {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** For a page that is streamed: the first part of it is enough. */
  readonly isStreamed?: boolean
}

/** A browser gives up after as many. */
const redirectsMax = 20

/** A browser without JavaScript, which takes any certificate: every host is this machine, cookies go to the host that set them, or to the domain that they name. */
export class Visitor {
  /** By host; those of a whole domain by its name behind a dot. */
  readonly cookies = new Map<string, Map<string, string>>()

  /** Cookies of one host alone. */
  jar(url: string): Map<string, string> {
    return this.#jarOf(new URL(url).hostname)
  }

  /** Cookies that every host below a domain gets. */
  domainJar(domain: string): Map<string, string> {
    return this.#jarOf(`.${domain}`)
  }

  #jarOf(place: string): Map<string, string> {
    const jar = this.cookies.get(place) ?? new Map<string, string>()
    this.cookies.set(place, jar)
    return jar
  }

  /** What goes along to an address, as `Cookie` has it. */
  cookieFor(url: string): string {
    const { hostname } = new URL(url)
    const domains = hostname.split('.').map((_, i, labels) => `.${labels.slice(i).join('.')}`)
    return [hostname, ...domains].flatMap((place) => [...(this.cookies.get(place) ?? [])].map(([name, value]) => `${name}=${value}`)).join('; ')
  }

  /** A copy with the same cookies: what somebody has who stole them. */
  copy(): Visitor {
    const other = new Visitor()
    for (const [host, jar] of this.cookies) other.cookies.set(host, new Map(jar))
    return other
  }

  async ask(url: string, { method = 'GET', headers = {}, body, isStreamed = false }: Ask = {}): Promise<Answer> {
    const target = new URL(url)
    const cookie = this.cookieFor(url)
    const answer = await raw(target, {
      method,
      body,
      isStreamed,
      headers: { host: target.host, accept: 'text/html', ...(cookie === '' ? {} : { cookie }), ...headers }
    })
    for (const line of answer.headers['set-cookie'] ?? []) this.#keep(url, line)
    return { ...answer, url }
  }

  #keep(url: string, line: string): void {
    const [pair = ''] = line.split(';')
    const at = pair.indexOf('=')
    const [name, value] = [pair.slice(0, at), pair.slice(at + 1)]
    const domain = /;\s*domain=\.?([^;]+)/i.exec(line)?.[1]
    const { hostname } = new URL(url)
    if (domain !== undefined && hostname !== domain && !hostname.endsWith(`.${domain}`)) return
    const jar = domain === undefined ? this.jar(url) : this.domainJar(domain)
    if (value === '' || /max-age=0/i.test(line)) jar.delete(name)
    else jar.set(name, value)
  }

  /** Follows redirects until a page comes. */
  async follow(url: string, first: Ask = {}): Promise<Answer> {
    let answer = await this.ask(url, first)
    for (let i = 0; i < redirectsMax && answer.headers.location !== undefined; i++) answer = await this.ask(new URL(answer.headers.location, answer.url).href)
    return answer
  }

  /** Goes from redirect to redirect until one leads far enough; that address, which is not asked for. */
  async followTo(first: Answer, isFarEnough: (next: string) => boolean): Promise<string> {
    let answer = first
    for (let i = 0; i < redirectsMax; i++) {
      const { location } = answer.headers
      if (location === undefined) throw new Error(`the way ends at ${answer.url}: ${answer.status} ${answer.body.slice(0, 2_000)}`)
      const next = new URL(location, answer.url).href
      if (isFarEnough(next)) return next
      answer = await this.ask(next)
    }
    throw new Error(`more than ${redirectsMax} redirects`)
  }

  /** Fills in the sign-in form that the page shows and goes on from there. */
  async fillIn(page: Answer, username = 'ana', password = 'correct horse'): Promise<Answer> {
    const action = /<form method="post" action="([^"]+)"/.exec(page.body)?.[1]
    const csrfToken = /name="csrfToken" value="([^"]+)"/.exec(page.body)?.[1] ?? ''
    if (action === undefined) throw new Error(`no form at ${page.url}: ${page.status} ${page.body.slice(0, 2_000)}`)
    const body = new URLSearchParams({ csrfToken, username, password }).toString()
    return this.follow(new URL(action, page.url).href, { method: 'POST', body, headers: { 'content-type': 'application/x-www-form-urlencoded' } })
  }

  /** Opens an address, and signs in where that is asked for. */
  async open(url: string): Promise<Answer> {
    const page = await this.follow(url)
    return page.body.includes('type="password"') ? this.fillIn(page) : page
  }
}

interface RawAsk {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  readonly isStreamed: boolean
}

function raw({ protocol, hostname, port, pathname, search }: URL, { method, headers, body, isStreamed }: RawAsk): Promise<Omit<Answer, 'url'>> {
  const send = protocol === 'https:' ? httpsRequest : httpRequest
  const tls = { servername: hostname, rejectUnauthorized: false }
  return new Promise((resolve, reject) => {
    const request = send({ host: '127.0.0.1', port, path: pathname + search, method, headers, agent: false, ...tls }, (response) => {
      const chunks: Buffer[] = []
      const done = (): void => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString('utf8') })
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', (error) => (isStreamed ? done() : reject(error)))
      response.on('end', done)
      if (isStreamed) setTimeout(() => request.destroy(), 300)
    })
    request.on('error', reject)
    request.end(body)
  })
}
