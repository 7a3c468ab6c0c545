import { type Dispatcher, Pool } from 'undici'
import { createAddressPolicy } from './addresses.ts'
import { pinnedLookup, requireAddress } from './outbound.ts'

/** What a gateway may send to an application. */
export type UpstreamRequest = Pick<Dispatcher.DispatchOptions, 'path' | 'method' | 'headers' | 'body' | 'upgrade' | 'headersTimeout'> & {
  readonly origin: string
}
export type UpstreamHandler = Dispatcher.DispatchHandler
export type UpstreamController = Dispatcher.DispatchController

/** The applications behind a gateway: connections that are kept, and answers that are passed on while they come. */
export interface Upstreams {
  /** @throws CURFEW_OUTBOUND_ADDRESS_FORBIDDEN, CURFEW_OUTBOUND_URL; what happens later is told to the handler */
  dispatch(request: UpstreamRequest, handler: UpstreamHandler): void
  close(): Promise<void>
}

export interface UpstreamOptions {
  /** Ranges that may be reached beside those where applications usually are. */
  readonly allowPrivate: readonly string[]
  readonly hosts: Readonly<Record<string, string>>
  /** Connections to one application; an open stream or upload holds one. */
  readonly connectionsMax: number
}

/**
 * Where applications usually are: this machine and private networks. Link-local addresses (among them the one where
 * clouds hand out credentials), multicast and reserved ranges stay out of reach, whatever a name resolves to.
 */
const usualRanges: readonly string[] = ['127.0.0.0/8', '::1/128', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7']

export function createUpstreams(options: UpstreamOptions): Upstreams {
  const policy = createAddressPolicy([...usualRanges, ...options.allowPrivate])
  const poolOf = (origin: string): Pool =>
    new Pool(requireAddress(origin, policy), {
      connect: { lookup: pinnedLookup(options, policy), timeout: 5_000 },
      connections: options.connectionsMax,
      pipelining: 1,
      keepAliveTimeout: 30_000,
      // A stream may stay silent for long; that its session ended is noticed elsewhere.
      bodyTimeout: 0,
      maxHeaderSize: 64 * 1024
    })
  const pools = new Map<string, Pool>()
  return {
    dispatch({ origin, ...request }, handler) {
      const pool = pools.get(origin) ?? poolOf(origin)
      pools.set(origin, pool)
      pool.dispatch(request, handler)
    },
    async close() {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()))
    }
  }
}
