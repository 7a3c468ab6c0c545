import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request as httpRequest, type ServerResponse } from 'node:http'
import { parse } from 'yaml'
import { type Addresses, snippetOf, snippetsOf, withAddresses } from './forward-auth-snippets.ts'

/*
 * Traefik and Envoy are not to be had from Debian. These two send what their documentation says that they send, and
 * treat the answer as it says, for the configuration of the guide. They are no proof of the programs.
 */

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

/** The path goes out as it came: these programs change nothing of it unless they are told to. */
async function ask(origin: string, path: string, method: string, headers: Headers, body?: Buffer): Promise<Answer> {
  const { hostname: host, port } = new URL(origin)
  const sent = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)) as IncomingHttpHeaders
  const request = httpRequest({ host, port, path, method, agent: false, headers: sent })
  request.end(body)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const chunks = (await Array.fromAsync(response)) as Buffer[]
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }
}

/** Fields between two neighbours only (RFC 9110 section 7.6.1). */
const hopByHop = ['connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'te', 'trailer', 'transfer-encoding', 'upgrade']

function without(headers: IncomingHttpHeaders, names: readonly string[]): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name)))
}

async function forward(to: string, request: IncomingMessage, headers: Headers, setCookies: readonly string[], response: ServerResponse): Promise<void> {
  const body = Buffer.concat((await Array.fromAsync(request)) as Buffer[])
  const answer = await ask(to, request.url ?? '/', request.method ?? 'GET', { ...headers, 'content-length': String(body.length) }, body)
  const cookies = [...(answer.headers['set-cookie'] ?? []), ...setCookies]
  response.writeHead(answer.status, { ...without(answer.headers, hopByHop), ...(cookies.length === 0 ? {} : { 'set-cookie': cookies }) }).end(answer.body)
}

async function listen(port: number, act: (request: IncomingMessage, response: ServerResponse) => Promise<void>): Promise<AsyncDisposable> {
  const server = createServer((request, response) => {
    act(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)))
  }).listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
    }
  }
}

interface Traefik {
  readonly http: {
    readonly middlewares: Readonly<
      Record<
        string,
        {
          readonly headers?: { readonly customRequestHeaders: Readonly<Record<string, string>> }
          readonly forwardAuth?: {
            readonly address: string
            readonly authResponseHeaders: readonly string[]
            readonly addAuthCookiesToResponse: readonly string[]
          }
        }
      >
    >
    readonly routers: Readonly<Record<string, { readonly rule: string; readonly middlewares?: readonly string[]; readonly service: string }>>
    readonly services: Readonly<Record<string, { readonly loadBalancer: { readonly servers: readonly { readonly url: string }[] } }>>
  }
}

/** The matchers that the guide uses; all of a rule have to hold. */
function matches(rule: string, path: string): boolean {
  return rule.split(' && ').every((part) => {
    const [, not = '', name = '', value = ''] = /^(!?)(\w+)\(`([^`]*)`\)$/.exec(part) ?? []
    if (name === 'Host') return not === '' && value === 'wiki.example.com'
    if (name !== 'PathPrefix') throw new TypeError(`${part} is no matcher that is known here`)
    return path.startsWith(value) === (not === '')
  })
}

/**
 * Traefik 3: routers by the length of their rules, the longest first. ForwardAuth asks with GET, all headers of the
 * client but those between neighbours, and its own `X-Forwarded-*` (`trustForwardHeader` off), without the body. 2xx:
 * the headers that are named take the place of the client's, cookies that are named go to the browser. Anything else is
 * the answer.
 */
export function startTraefikStandIn(addresses: Addresses, audience: string): Promise<AsyncDisposable> {
  const { middlewares, routers, services } = (parse(withAddresses(snippetOf('Traefik'), addresses).replaceAll('PA.example', `PA.${audience}`)) as Traefik).http
  const byLength = Object.values(routers).toSorted((a, b) => b.rule.length - a.rule.length)
  return listen(addresses.listen, async (request, response) => {
    const router = byLength.find(({ rule }) => matches(rule, request.url ?? '/'))
    if (router === undefined) return void response.writeHead(404).end()
    let headers: Headers = without(request.headers, hopByHop)
    const setCookies: string[] = []
    for (const { headers: changed, forwardAuth } of (router.middlewares ?? []).map((name) => middlewares[name] ?? {})) {
      // An empty value removes the header.
      if (changed !== undefined)
        headers = without(
          headers as IncomingHttpHeaders,
          Object.keys(changed.customRequestHeaders).map((name) => name.toLowerCase())
        )
      if (forwardAuth === undefined) continue
      const answer = await ask(forwardAuth.address, new URL(forwardAuth.address).pathname, 'GET', {
        ...headers,
        'content-length': undefined,
        host: new URL(forwardAuth.address).host,
        'x-forwarded-method': request.method,
        'x-forwarded-proto': 'http',
        'x-forwarded-host': request.headers.host,
        'x-forwarded-uri': request.url,
        'x-forwarded-for': request.socket.remoteAddress
      })
      if (answer.status < 200 || answer.status > 299) return void response.writeHead(answer.status, without(answer.headers, hopByHop)).end(answer.body)
      const copied = forwardAuth.authResponseHeaders.map((name) => [name.toLowerCase(), answer.headers[name.toLowerCase()]] as const)
      headers = { ...headers, ...Object.fromEntries(copied) }
      setCookies.push(...(answer.headers['set-cookie'] ?? []).filter((cookie) => forwardAuth.addAuthCookiesToResponse.includes(cookie.split('=')[0] ?? '')))
    }
    const to = services[router.service]?.loadBalancer.servers[0]?.url ?? ''
    await forward(to, request, headers, setCookies, response)
  })
}

interface Patterns {
  readonly patterns: readonly { readonly exact: string }[]
}

interface Envoy {
  readonly http_filters: readonly {
    readonly name: string
    readonly typed_config: {
      readonly mutations?: { readonly request_mutations: readonly { readonly remove: string }[] }
      readonly failure_mode_allow: boolean
      readonly http_service: {
        readonly server_uri: { readonly uri: string }
        readonly path_prefix: string
        readonly authorization_request: { readonly allowed_headers: Patterns }
        readonly authorization_response: Readonly<Record<'allowed_upstream_headers' | 'allowed_client_headers' | 'allowed_client_headers_on_success', Patterns>>
      }
    }
  }[]
}

interface EnvoyRoutes {
  readonly routes: readonly {
    readonly match: { readonly prefix: string }
    readonly direct_response?: { readonly status: number }
    readonly route?: { readonly cluster: string }
    readonly typed_per_filter_config?: Readonly<Record<string, { readonly disabled?: boolean }>>
  }[]
}

/**
 * Envoy: the first route whose prefix fits says whether `ext_authz` asks, and what the answer is or where the request goes. It asks with the method, host and path (behind the prefix) of the client, `content-length: 0`,
 * `authorization`, and the headers that are allowed. 200: the headers that are named overwrite those of the request and
 * of the answer. 5xx is a failure, which answers 403. Anything else is the answer, with the headers that are named and
 * the few that always come. `header_mutation` before it removes headers by their whole name, in any letter case. Requests with underscores in header names are refused, as the guide asks for.
 */
export function startEnvoyStandIn(addresses: Addresses): Promise<AsyncDisposable> {
  const [mutation, decision] = (parse(withAddresses(snippetOf('Envoy'), addresses)) as Envoy).http_filters
  if (mutation?.name !== 'envoy.filters.http.header_mutation' || decision?.name !== 'envoy.filters.http.ext_authz') return fail()
  const { routes } = parse(snippetsOf('Envoy')[1] ?? '') as EnvoyRoutes
  const removed = new Set(mutation.typed_config.mutations?.request_mutations.map(({ remove }) => remove.toLowerCase()))
  const { failure_mode_allow: isOpen, http_service: service } = decision.typed_config
  const { allowed_upstream_headers: upstream, allowed_client_headers: client, allowed_client_headers_on_success: onSuccess } = service.authorization_response
  const picked = (headers: IncomingHttpHeaders, { patterns }: Patterns, always: readonly string[] = []): IncomingHttpHeaders =>
    Object.fromEntries([...patterns.map(({ exact }) => exact), ...always].flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])))
  const gateway = `http://${service.server_uri.uri}`
  return listen(addresses.listen, async (request, response) => {
    if (request.rawHeaders.some((name, i) => i % 2 === 0 && name.includes('_'))) return void response.writeHead(400).end()
    const path = request.url ?? '/'
    const found = routes.find(({ match }) => path.startsWith(match.prefix)) ?? fail()
    if (found.typed_per_filter_config?.['envoy.filters.http.ext_authz']?.disabled === true) {
      if (found.direct_response !== undefined) return void response.writeHead(found.direct_response.status).end()
      return forward(found.route?.cluster === 'curfew' ? gateway : fail(), request, without(request.headers, hopByHop), [], response)
    }
    const asked = { ...picked(request.headers, service.authorization_request.allowed_headers, ['authorization', 'host']), 'content-length': '0' }
    const answer = await ask(gateway, service.path_prefix + path, request.method ?? 'GET', asked)
    if (answer.status >= 500 && !isOpen) return void response.writeHead(403).end()
    if (answer.status !== 200) return void response.writeHead(answer.status, picked(answer.headers, client, ['www-authenticate', 'location'])).end(answer.body)
    const headers = { ...without(request.headers, [...hopByHop, ...removed]), ...picked(answer.headers, upstream) }
    await forward(`http://${addresses.application}`, request, headers, picked(answer.headers, onSuccess)['set-cookie'] ?? [], response)
  })
}

function fail(): never {
  throw new TypeError('the guide has no configuration of Envoy')
}
