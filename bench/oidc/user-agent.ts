import { lookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { Agent, type IncomingHttpHeaders, request } from 'node:http'

export interface AgentAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly location: string
  readonly body: string
}

/** A browser as far as these figures need one: cookies of one server, and connections that stay open. */
export interface UserAgent {
  readonly cookies: Map<string, string>
  get(url: string): Promise<AgentAnswer>
  post(url: string, fields: Readonly<Record<string, string>>, headers?: Readonly<Record<string, string>>): Promise<AgentAnswer>
  send(method: 'GET' | 'POST', url: string, headers: Readonly<Record<string, string>>, body?: string): Promise<AgentAnswer>
  /** Follows redirects until one leads to `stop`, or a page comes. */
  follow(url: string, stop: string): Promise<AgentAnswer & { readonly url: string }>
  close(): void
}

const redirectsMax = 20

/** Every `*.localhost` is this machine. @see rfc6761 section 6.3 */
const lookupHere: LookupFunction = (host, options, callback) => lookup(host.endsWith('.localhost') ? '127.0.0.1' : host, options, callback)

export function createUserAgent(cookies = new Map<string, string>()): UserAgent {
  const agent = new Agent({ keepAlive: true, maxSockets: 64, lookup: lookupHere })
  const send: UserAgent['send'] = (method, url, headers, body) =>
    new Promise((resolve, reject) => {
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      const sent = request(url, { method, agent, headers: { accept: 'text/html', ...(cookie === '' ? {} : { cookie }), ...headers } }, (answer) => {
        keep(cookies, answer.headers['set-cookie'] ?? [])
        let text = ''
        answer.setEncoding('utf8')
        answer.on('data', (part: string) => (text += part))
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, location: answer.headers.location ?? '', body: text }))
      })
      sent.on('error', reject)
      sent.end(body)
    })
  const get: UserAgent['get'] = (url) => send('GET', url, {})
  return {
    cookies,
    get,
    send,
    post(url, fields, headers = {}) {
      const body = new URLSearchParams(fields).toString()
      const length = String(Buffer.byteLength(body))
      return send('POST', url, { 'content-type': 'application/x-www-form-urlencoded', 'content-length': length, ...headers }, body)
    },
    async follow(url, stop) {
      let at = url
      for (let i = 0; i < redirectsMax; i++) {
        const answer = await get(at)
        if (answer.location === '' || answer.location.startsWith(stop)) return { ...answer, url: at }
        at = new URL(answer.location, at).href
      }
      throw new Error(`more than ${redirectsMax} redirects from ${url}`)
    },
    close: () => agent.destroy()
  }
}

function keep(cookies: Map<string, string>, lines: readonly string[]): void {
  for (const line of lines) {
    const [pair = ''] = line.split(';')
    const at = pair.indexOf('=')
    const isGone = /expires=Thu, 01 Jan 1970/i.test(line) || /max-age=0/i.test(line) || at === pair.length - 1
    if (isGone) cookies.delete(pair.slice(0, at))
    else cookies.set(pair.slice(0, at), pair.slice(at + 1))
  }
}
