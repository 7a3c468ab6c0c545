import { randomBytes } from 'node:crypto'
import { createMemorySessionRegistry, createRelyingParty, createSessionGuard, type Fetch, type Guard, type SessionGuard, type SiteData } from '@curfew/sdk'

/** What each example is started with. */
export interface ExampleOptions {
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string
  /** Address as browsers see it. */
  readonly baseUrl: string
  readonly whenUnknown?: 'refuse' | 'allow'
  readonly clearSiteData?: readonly SiteData[]
}

/** An application that signs people in by OpenID and follows the revocation feed: the same in every framework. */
export function guarded(options: ExampleOptions): { readonly guard: Guard; readonly sessions: SessionGuard } {
  const { issuer, clientId, clientSecret, baseUrl, whenUnknown = 'refuse' } = options
  const sessions = createSessionGuard({
    sessions: createMemorySessionRegistry(),
    feed: { issuer, clientId, clientSecret, whenUnknown, fetch: fetch as Fetch, open: fetch, steadyMs: () => performance.now() },
    nowMs: Date.now,
    randomBytes,
    ...(options.clearSiteData === undefined ? {} : { clearSiteData: options.clearSiteData })
  })
  const party = createRelyingParty({
    issuer,
    clientId,
    clientSecret,
    baseUrl,
    sessions: sessions.sessions,
    fetch: fetch as Fetch,
    nowMs: Date.now,
    randomBytes
  })
  return { guard: sessions.protect(party), sessions }
}

/** A running example. */
export interface Example {
  readonly server: import('node:http').Server
  readonly sessions: SessionGuard
}
