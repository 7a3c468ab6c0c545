import dns from 'node:dns'

/**
 * Loaded before an application (`node --import`): names below `.localhost` are this machine, as they are for every
 * browser (RFC 6761 section 6.3); the resolver of the system may not know them. The application needs no line for it.
 */
const resolve = dns.lookup
const isLoopbackName = (name: string): boolean => name.endsWith('.localhost')

function lookup(name: string, ...rest: readonly unknown[]): void {
  const use = resolve as unknown as (name: string, ...rest: readonly unknown[]) => void
  use(isLoopbackName(name) ? '127.0.0.1' : name, ...rest)
}

dns.lookup = lookup as unknown as typeof dns.lookup
