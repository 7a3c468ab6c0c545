import { lookup as systemLookup } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import { CurfewError, isCurfewError } from '@curfew/codecs'
import { Agent, type Dispatcher, ProxyAgent, request as undiciRequest } from 'undici'
import { type AddressPolicy, createAddressPolicy } from './addresses.ts'
import { createBulkhead } from './bulkhead.ts'
import type { Clock } from './clock.ts'
import { isTlsCode } from './tls-code.ts'

export interface OutboundOptions {
  readonly clock: Clock
  /** CIDR ranges of private addresses that may be reached all the same. */
  readonly allowPrivate: readonly string[]
  /** Fixed look-ups: host name to address. */
  readonly hosts: Readonly<Record<string, string>>
  /** Requests to one peer at once; more wait, bounded. */
  readonly perPeerMax: number
  /** Certificate authorities that servers are checked against, PEM. Default: those of the system. */
  readonly ca?: string
  /** Default: the certificate names the host of the address. */
  readonly identity?: ServerIdentity
  /** Shown to servers that ask for one. */
  readonly clientCertificate?: ClientCertificate
  /** Every request goes through it. It resolves the names, so private addresses behind a name are its own to refuse. */
  readonly proxy?: OutboundProxy
  /** Default: the system's. */
  readonly lookup?: Lookup
}

/** What the certificate of a server has to say beside being valid. */
export type ServerIdentity =
  /** It names this host, whatever the address says. */
  | { readonly kind: 'expected'; readonly hostname: string }
  /** Any name: {@link OutboundOptions.ca} vouches for these servers and nobody else. */
  | { readonly kind: 'pinned' }

/** The certificate that this side shows of itself. */
export interface ClientCertificate {
  /** The pair as of now, the same object for as long as it is the same pair. A connection goes on under the one that it began with. */
  current(): { readonly key: string; readonly certificate: string }
}

export interface OutboundProxy {
  readonly url: string
  /** Value of `Proxy-Authorization`. */
  readonly authorization?: string
}

/** What a host name means now. */
export type Lookup = (host: string) => Promise<readonly { readonly address: string; readonly family: number }[]>

export interface OutboundRequest {
  readonly peerId: string
  readonly url: string
  readonly method: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** For the whole exchange. */
  readonly timeoutMs: number
  readonly responseBytesMax: number
  readonly signal?: AbortSignal
}

export interface OutboundResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  readonly durationMs: number
}

/** An answer that is read while it comes. */
export interface OutboundStream {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: AsyncIterable<Uint8Array>
  /** Ends the exchange; {@link body} ends or fails. */
  close(): void
}

export type ProbeResult =
  | {
      readonly reachable: true
      readonly durationMs: number
      /** It answered with a fault of its own: it may dislike a request without a message, or be broken. */
      readonly isDoubtful?: true
    }
  | { readonly reachable: false; readonly code: string }

/** What a server in front of an application answers when nobody is behind it, or the application when it takes no requests now. */
const nobodyThere: ReadonlySet<number> = new Set([502, 503, 504])

/**
 * What the status of an answer to a bare GET says of a logout address. Below 500 it refuses such a request in its own way;
 * other faults from 500 up some applications raise over every request that carries no message.
 * @see RFC 9110 section 15.6
 */
export function judgeProbeStatus(status: number): 'good' | 'doubtful' | 'nobody' {
  if (nobodyThere.has(status)) return 'nobody'
  return status >= 500 ? 'doubtful' : 'good'
}

/**
 * The one way a request leaves Curfew: the name is resolved once and only that address is connected to, private
 * ranges are refused unless allowed, redirects are never followed, time and size are bounded, and one hung peer
 * takes its own places only.
 */
export interface Outbound {
  /**
   * @throws CURFEW_OUTBOUND_TIMEOUT, CURFEW_OUTBOUND_UNREACHABLE, CURFEW_OUTBOUND_ADDRESS_FORBIDDEN,
   *   CURFEW_OUTBOUND_TOO_LARGE, CURFEW_OUTBOUND_TLS, CURFEW_OUTBOUND_BUSY, CURFEW_OUTBOUND_URL
   */
  request(request: OutboundRequest): Promise<OutboundResponse>
  /**
   * The same for an answer without an end. `timeoutMs` is for its beginning; size and silence are the caller's to watch.
   * @throws those of {@link request}
   */
  open(request: Omit<OutboundRequest, 'responseBytesMax'>): Promise<OutboundStream>
  /**
   * Asks whether a server answers at this address at all: any answer counts but those that say that nobody is there,
   * because the address expects a signed message and refuses a bare GET in its own way.
   */
  probe(target: { readonly peerId: string; readonly url: string; readonly timeoutMs: number }): Promise<ProbeResult>
  close(): Promise<void>
}

export function createOutbound(options: OutboundOptions): Outbound {
  const policy = createAddressPolicy(options.allowPrivate)
  // The bulkhead bounds connections, per peer: a bound per host would let one hung peer starve the others on its host.
  const agents = createAgents(options, policy)
  const bulkhead = createBulkhead({ concurrentMax: options.perPeerMax, queuedMax: 1_000 })
  const exchange = (request: OutboundRequest): Promise<OutboundResponse> => send(agents.current(), policy, options.clock, request)
  return {
    request: (request) => bulkhead.run(request.peerId, () => exchange(request)),
    open: async (request) => openStream(agents.current(), policy, request),
    probe: async ({ peerId, url, timeoutMs }) => {
      try {
        const answer = await exchange({ peerId, url: probeUrl(url), method: 'GET', timeoutMs, responseBytesMax: 512 * 1024 })
        const said = judgeProbeStatus(answer.status)
        if (said === 'nobody') return { reachable: false, code: 'CURFEW_OUTBOUND_STATUS' }
        return { reachable: true, durationMs: answer.durationMs, ...(said === 'doubtful' ? { isDoubtful: true } : {}) }
      } catch (error) {
        const code: string = isCurfewError(error) ? error.code : 'CURFEW_OUTBOUND_UNREACHABLE'
        // An answer too long to read is an answer.
        return code === 'CURFEW_OUTBOUND_TOO_LARGE' ? { reachable: true, durationMs: 0 } : { reachable: false, code }
      }
    },
    close: () => agents.destroy()
  }
}

interface Agents {
  current(): Dispatcher
  destroy(): Promise<void>
}

type KeyPair = ReturnType<ClientCertificate['current']>

/** Connections are of one certificate: with a new one new connections are made, and those from before end with what they are at. */
function createAgents(options: OutboundOptions, policy: AddressPolicy): Agents {
  const { clientCertificate } = options
  let pair = clientCertificate?.current()
  let agent = dispatcherOf(options, policy, pair)
  const all = new Set([agent])
  return {
    current() {
      const now = clientCertificate?.current()
      if (now === pair) return agent
      const former = agent
      former.close().then(
        () => all.delete(former),
        () => undefined
      )
      pair = now
      agent = dispatcherOf(options, policy, pair)
      all.add(agent)
      return agent
    },
    async destroy() {
      await Promise.all(Array.from(all, (one) => one.destroy()))
    }
  }
}

function dispatcherOf(options: OutboundOptions, policy: AddressPolicy, pair: KeyPair | undefined): Dispatcher {
  const { ca, proxy } = options
  const own = pair === undefined ? {} : { key: pair.key, cert: pair.certificate }
  const tls = { ...(ca === undefined ? {} : { ca }), ...own, ...identityCheck(options) }
  const keepAliveTimeout = 10_000
  if (proxy === undefined) return new Agent({ connect: { lookup: pinnedLookup(options, policy), ...tls }, keepAliveTimeout })
  // The proxy itself is an address of the configuration, wherever it is.
  const anywhere = createAddressPolicy(['0.0.0.0/0', '::/0'])
  const toProxy = { lookup: pinnedLookup(options, anywhere) }
  const token = proxy.authorization === undefined ? {} : { token: proxy.authorization }
  return new ProxyAgent({ uri: proxy.url, ...token, requestTls: tls, proxyTls: toProxy, keepAliveTimeout })
}

function identityCheck({ identity, ca }: OutboundOptions): { checkServerIdentity?: (host: string, certificate: PeerCertificate) => Error | undefined } {
  switch (identity?.kind) {
    case undefined:
      return {}
    case 'expected': {
      const { hostname } = identity
      return { checkServerIdentity: (_host, certificate) => checkServerIdentity(hostname, certificate) }
    }
    case 'pinned':
      if (ca === undefined) throw new TypeError('names go unchecked only for certificates of a given authority')
      return { checkServerIdentity: () => undefined }
  }
}

/** The address of a logout endpoint without its query: a probe must not look like a message. */
function probeUrl(url: string): string {
  const parsed = new URL(url)
  parsed.search = ''
  return parsed.href
}

async function send(agent: Dispatcher, policy: AddressPolicy, clock: Clock, request: OutboundRequest): Promise<OutboundResponse> {
  const startedMs = clock.nowMs()
  const url = requireAddress(request.url, policy)
  const timeout = AbortSignal.timeout(request.timeoutMs)
  const signal = request.signal === undefined ? timeout : AbortSignal.any([timeout, request.signal])
  try {
    const answer = await undiciRequest(url, {
      dispatcher: agent,
      method: request.method,
      headers: { 'user-agent': 'curfew', ...request.headers },
      signal,
      ...(request.body === undefined ? {} : { body: request.body })
    })
    const body = await readBounded(answer.body, request.responseBytesMax)
    return { status: answer.statusCode, headers: flat(answer.headers), body, durationMs: clock.nowMs() - startedMs }
  } catch (cause) {
    throw translated(cause, url.host, timeout.aborted)
  }
}

async function openStream(agent: Dispatcher, policy: AddressPolicy, request: Omit<OutboundRequest, 'responseBytesMax'>): Promise<OutboundStream> {
  const url = requireAddress(request.url, policy)
  const control = new AbortController()
  const timer = setTimeout(() => control.abort(), request.timeoutMs)
  const signal = request.signal === undefined ? control.signal : AbortSignal.any([control.signal, request.signal])
  try {
    const answer = await undiciRequest(url, {
      dispatcher: agent,
      method: request.method,
      headers: { 'user-agent': 'curfew', ...request.headers },
      signal,
      bodyTimeout: 0,
      ...(request.body === undefined ? {} : { body: request.body })
    })
    return { status: answer.statusCode, headers: flat(answer.headers), body: answer.body as AsyncIterable<Uint8Array>, close: () => control.abort() }
  } catch (cause) {
    throw translated(cause, url.host, control.signal.aborted)
  } finally {
    clearTimeout(timer)
  }
}

/** The address, when it is plain http or https and no literal address that is refused. @throws CURFEW_OUTBOUND_URL, CURFEW_OUTBOUND_ADDRESS_FORBIDDEN */
export function requireAddress(text: string, policy: AddressPolicy): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:') || url.username !== '' || url.password !== '')
    throw new CurfewError('CURFEW_OUTBOUND_URL', { url: text.slice(0, 100) })
  const literal = url.hostname.replace(/^\[|\]$/g, '')
  if (isIP(literal) !== 0 && !policy.isAllowed(literal)) throw new CurfewError('CURFEW_OUTBOUND_ADDRESS_FORBIDDEN', { host: url.host })
  return url
}

async function readBounded(body: AsyncIterable<Buffer> & { destroy(): void }, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let total = 0
  for await (const chunk of body) {
    total += chunk.length
    if (total > bytesMax) {
      body.destroy()
      throw new CurfewError('CURFEW_OUTBOUND_TOO_LARGE', { maximum: bytesMax })
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

const resolved: Lookup = (host) => systemLookup(host, { all: true })

/** Resolves a name once and hands only allowed addresses to the connection. */
export function pinnedLookup({ hosts, lookup = resolved }: Pick<OutboundOptions, 'hosts' | 'lookup'>, policy: AddressPolicy): LookupFunction {
  return (host, options, callback) => {
    const fixed = hosts[host] ?? (host === 'localhost' || host.endsWith('.localhost') ? '127.0.0.1' : undefined)
    const found = fixed === undefined ? lookup(host) : Promise.resolve([{ address: fixed, family: isIP(fixed) }])
    found
      .then((addresses) => {
        const allowed = addresses.filter(({ address }) => policy.isAllowed(address))
        const [first] = allowed
        if (first === undefined) throw new CurfewError('CURFEW_OUTBOUND_ADDRESS_FORBIDDEN', { host })
        if (options.all === true) callback(null, allowed)
        else callback(null, first.address, first.family)
      })
      .catch((error: unknown) => callback(error as NodeJS.ErrnoException, ''))
  }
}

function flat(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value]]))
  )
}

function translated(cause: unknown, host: string, isTimeout: boolean): unknown {
  if (isTimeout) return new CurfewError('CURFEW_OUTBOUND_TIMEOUT', { host }, { cause })
  for (let at: unknown = cause; at instanceof Error; at = at.cause) {
    if (at instanceof CurfewError) return at
    const code = 'code' in at ? String(at.code) : ''
    if (isTlsCode(code)) return new CurfewError('CURFEW_OUTBOUND_TLS', { host, why: code }, { cause })
  }
  return new CurfewError('CURFEW_OUTBOUND_UNREACHABLE', { host }, { cause })
}
