import type { IncomingMessage } from 'node:http'
import { networkOf } from '../platform/addresses.ts'
import type { GatewayContext } from './context.ts'

/** Whom a share of a room is counted for: the address that a request came from, before proxies that are trusted; of IPv6 its /64. */
export function senderOf({ isTrustedProxy }: Pick<GatewayContext, 'isTrustedProxy'>, { socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>): string {
  const forwarded = headers['x-forwarded-for']
  const hops = typeof forwarded === 'string' ? forwarded.split(',').map((hop) => hop.trim()) : []
  let address = socket.remoteAddress ?? ''
  while (isTrustedProxy(address) && hops.length > 0) address = hops.pop() ?? ''
  return networkOf(address)
}
