import type { IncomingMessage } from 'node:http'
import type { RevocationList } from '@curfew/codecs'
import type { Clock } from '../platform/clock.ts'
import type { Ids } from '../platform/ids.ts'
import type { GatewayMetrics } from '../platform/gateway-metrics.ts'
import type { Random } from '../platform/random.ts'
import type { Upstreams } from '../platform/upstreams.ts'
import type { LiveConnections } from './live-connections.ts'
import type { HeaderNames } from './proxy/request-headers.ts'
import type { Preserved } from './sign-in/preserved.ts'
import type { Provider } from './sign-in/provider.ts'
import type { Applications } from './route/applications.ts'
import type { EndedByProvider } from './session/ended-by-provider.ts'
import type { Endings } from './session/endings.ts'
import type { SessionCookies } from './session/session-cookies.ts'
import type { SessionStatus } from './session/session-status.ts'
import type { Sealer } from './session/sealer.ts'
import type { UserRefresh } from './session/user-refresh.ts'
import type { GatewaySettings } from './settings.ts'

/** A page for people, made by the composition root in the language of the request. */
export interface GatewayPage {
  readonly html: string
  readonly headers: Readonly<Record<string, string>>
}

export interface GatewayPages {
  /** @param facts - `isProviderAway`: the session there should have ended as well, and could not be */
  loggedOut(request: IncomingMessage, facts: { readonly isProviderAway: boolean }): GatewayPage
  /** @param problem - `home`: the path that the way on leads to */
  problem(request: IncomingMessage, problem: { readonly code: string; readonly reference: string; readonly home: string }): GatewayPage
}

export interface GatewayLogger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** Everything the parts of a gateway share. */
export interface GatewayContext {
  readonly settings: GatewaySettings
  readonly applications: Applications
  readonly clock: Clock
  /** Time that no change of the date moves. */
  readonly steadyMs: () => number
  readonly random: Random
  readonly ids: Pick<Ids, 'reference'>
  readonly secret: Uint8Array
  readonly cookies: SessionCookies
  /** Seals sign-ins under way. */
  readonly transactions: Sealer
  readonly revocations: RevocationList
  readonly status: SessionStatus
  readonly endedByProvider: EndedByProvider
  readonly endings: Endings
  readonly userRefresh: UserRefresh
  /** What becomes of the headers of clients, by name. */
  readonly headerNames: HeaderNames
  readonly live: LiveConnections
  readonly provider: Provider
  readonly preserved: Preserved
  readonly upstreams: Upstreams
  readonly pages: GatewayPages
  readonly logger: GatewayLogger
  readonly metrics: GatewayMetrics
  isReady(): boolean
  /** What a request waits for that comes while the gateway starts; undefined after that. */
  opening(): Promise<void> | undefined
  isTrustedProxy(address: string | undefined): boolean
}
