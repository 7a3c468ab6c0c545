import { isIP } from 'node:net'

/** What a server is asked for by TLS: the extension takes names only, and an address is held against the certificate without it (RFC 6066 3). */
export function serverName(host: string): { readonly servername?: string } {
  return isIP(host) === 0 ? { servername: host } : {}
}
