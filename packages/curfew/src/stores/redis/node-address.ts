import { CurfewError } from '@curfew/codecs'

/** Where a server of the store is, and how to speak to it. */
export interface NodeAddress {
  readonly host: string
  readonly port: number
  /** Unix socket, instead of host and port. */
  readonly path?: string
}

export interface NodeAccess {
  readonly username?: string
  readonly password?: string
  /** Certificate authorities in PEM; absent: those of the system. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string }
}

/**
 * Reads `redis://user:password@host:port`, `rediss://...` (TLS) or `unix:/path/of/socket`.
 * @throws CURFEW_CONFIG_VALUE when it is none of them
 */
export function parseNodeUrl(text: string): { readonly address: NodeAddress; readonly access: NodeAccess } {
  if (text.startsWith('unix:/')) return { address: { host: 'localhost', port: 0, path: text.slice(5) }, access: {} }
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'redis:' && url.protocol !== 'rediss:') || url.hostname === '')
    throw new CurfewError('CURFEW_CONFIG_VALUE', { where: 'store.nodes', why: 'write redis://host:port, rediss://host:port or unix:/path' })
  const access = {
    ...(url.username === '' ? {} : { username: decodeURIComponent(url.username) }),
    ...(url.password === '' ? {} : { password: decodeURIComponent(url.password) }),
    ...(url.protocol === 'rediss:' ? { tls: {} } : {})
  }
  return { address: { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 6379) }, access }
}

/** One spelling for one server. */
export function nameOf({ host, port, path }: NodeAddress): string {
  return path ?? `${host}:${port}`
}
