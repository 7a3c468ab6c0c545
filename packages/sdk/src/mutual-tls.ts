import type { IncomingMessage } from 'node:http'
import { CurfewError, isCurfewError } from '@curfew/codecs'
import type { StreamFetch } from './application-feed.ts'
import type { Fetch } from './openid-provider.ts'

/** PEM texts, or what is read of such files. */
export interface ClientCertificate {
  readonly key: string | Buffer
  /** The certificate first, then those between it and its root. */
  readonly cert: string | Buffer
  /** Who signs the certificates of the authority's servers. Absent: whom Node trusts. */
  readonly ca?: string | Buffer
}

/** What a connection is made with, as Node makes it of a {@link ClientCertificate}. */
export interface SecureContext {
  readonly context: unknown
}

/** What {@link createMutualTls} is made of. */
export interface MutualTlsOptions {
  /** Gives the certificate as of now, before each exchange: one that is new is used from the next connection on. */
  readonly read: () => ClientCertificate
  /** That of `node:tls` fits. */
  readonly createSecureContext: (certificate: ClientCertificate) => SecureContext
  /** That of `node:https` fits. */
  readonly request: (
    url: string,
    options: {
      readonly method: string
      readonly headers: Record<string, string>
      readonly agent: false
      readonly minVersion: 'TLSv1.2'
      readonly secureContext: SecureContext
      readonly signal?: AbortSignal
    },
    onAnswer: (answer: IncomingMessage) => void
  ) => { on(name: 'error', told: (error: Error) => void): unknown; end(body?: string): unknown }
  /** Told when a changed certificate can not be used: the one from before goes on. */
  readonly onProblem?: (error: CurfewError) => void
}

/** Ways to the authority that show the certificate of a client (RFC 8705): it proves who is asking, in the place of a secret. */
export interface MutualTls {
  /** For tokens, and for calls of the application's own, such as those of the session management API. */
  readonly fetch: Fetch
  /** For the revocation feed. */
  readonly open: StreamFetch
}

/** Longest answer that {@link MutualTls.fetch} reads, in bytes. */
const answerBytesMax = 1_048_576

/**
 * Opens a client certificate. Each exchange has a connection of its own, so that a new certificate counts at once; a stream
 * that is open goes on under the one that it began with.
 * @throws CURFEW_OIDC_CLIENT_CERTIFICATE when it can not be read, or key and certificate do not belong together
 */
export function createMutualTls(options: MutualTlsOptions): MutualTls {
  const current = createCurrent(options)
  const exchange = (url: string, { method = 'GET', headers = {}, body, signal }: NonNullable<Parameters<Fetch>[1]>): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const settings = { method, headers: { ...headers }, agent: false, minVersion: 'TLSv1.2', secureContext: current() } as const
      const request = options.request(url, signal === undefined ? settings : { ...settings, signal }, resolve)
      request.on('error', reject)
      request.end(body)
    })
  return {
    fetch: async (url, init = {}) => {
      const answer = await exchange(url, init)
      const octets = await readBounded(answer)
      return { status: answer.statusCode ?? 0, json: async () => JSON.parse(octets.toString('utf8')) as unknown }
    },
    open: async (url, init) => {
      const answer = await exchange(url, init)
      const headers = Object.entries(answer.headers).flatMap(([name, value]) => [value ?? []].flat().map((one) => [name, one] as const))
      return { status: answer.statusCode ?? 0, headers, body: answer as AsyncIterable<Uint8Array> }
    }
  }
}

/** What connections are made with now; one that can not be used is told of once, and changes nothing. */
function createCurrent({ read, createSecureContext, onProblem }: MutualTlsOptions): () => SecureContext {
  let known: { readonly text: string; readonly context: SecureContext } | undefined
  let told: string | undefined
  const look = (): SecureContext => {
    try {
      const certificate = read()
      const text = [certificate.key, certificate.cert, certificate.ca ?? ''].map(String).join('\n\n')
      if (known?.text !== text) known = { text, context: createSecureContext(certificate) }
      return known.context
    } catch (cause) {
      throw new CurfewError('CURFEW_OIDC_CLIENT_CERTIFICATE', { why: cause instanceof Error ? cause.message.slice(0, 200) : '' }, { cause })
    }
  }
  look()
  return () => {
    try {
      const context = look()
      told = undefined
      return context
    } catch (error) {
      if (known === undefined || !isCurfewError(error)) throw error
      if (told !== error.message) onProblem?.(error)
      told = error.message
      return known.context
    }
  }
}

async function readBounded(answer: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  let total = 0
  for await (const part of answer as AsyncIterable<Buffer>) {
    total += part.length
    if (total > answerBytesMax) throw new RangeError('the answer is too large')
    parts.push(part)
  }
  return Buffer.concat(parts)
}
