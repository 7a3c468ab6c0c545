import { isCurfewError } from '@curfew/codecs'
import type { Outbound } from '../platform/outbound.ts'

/** How requests from server to server reach the provider. */
export type BackChannel = Pick<Outbound, 'request' | 'open'>

export interface BackChannelDeps {
  /** What browsers know the provider by. */
  readonly issuer: string
  /** Origins of the provider's own servers, the first that can be reached is asked; empty: that of the issuer. */
  readonly servers: readonly string[]
  /** In the place of the issuer's path on these servers; absent: the same path. */
  readonly basePath?: string
  /** Reaches these servers. */
  readonly own: BackChannel
  /** Reaches what the provider publishes elsewhere, such as a key set on another host. */
  readonly other: BackChannel
}

/**
 * Addresses below the issuer are asked at the servers of the back channel: what the provider publishes of itself are
 * the addresses for browsers. A server that can not be connected to is left for the next one; once a request is under
 * way it is not sent again, because nobody knows what became of it.
 */
export function createBackChannel({ issuer, servers, basePath, own, other }: BackChannelDeps): BackChannel {
  const front = new URL(issuer)
  const origins = servers.length === 0 ? [front.origin] : servers
  const frontPath = withoutSlash(front.pathname)
  const backPath = basePath === undefined ? frontPath : withoutSlash(basePath)
  let preferred = 0
  const pathOf = (path: string): string => (path === frontPath || path.startsWith(`${frontPath}/`) ? backPath + path.slice(frontPath.length) : path)
  const ask = async <R extends { readonly url: string }, A>(request: R, send: (channel: BackChannel, request: R) => Promise<A>): Promise<A> => {
    const url = new URL(request.url)
    if (url.origin !== front.origin) return send(other, request)
    for (let tried = 1; ; tried++) {
      const at = preferred
      try {
        return await send(own, { ...request, url: (origins[at] ?? front.origin) + pathOf(url.pathname) + url.search })
      } catch (error) {
        if (!isUnsent(error)) throw error
        // Another request may have moved on already.
        if (preferred === at) preferred = (at + 1) % origins.length
        if (tried >= origins.length) throw error
      }
    }
  }
  return {
    request: (request) => ask(request, (channel, one) => channel.request(one)),
    open: (request) => ask(request, (channel, one) => channel.open(one))
  }
}

const unsentCodes: readonly string[] = ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT']

/** There was no connection, so nothing of the request has arrived. */
function isUnsent(error: unknown): boolean {
  for (let at: unknown = isCurfewError(error) ? error.cause : undefined; at instanceof Error; at = at.cause) {
    if ('code' in at && unsentCodes.includes(String(at.code))) return true
    if (at instanceof AggregateError && at.errors.every((one) => one instanceof Error && 'code' in one && unsentCodes.includes(String(one.code)))) return true
  }
  return false
}

function withoutSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path
}
