import type { KeyObject } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import type { PeerId } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import type { RedirectRule } from '../core/redirect.ts'
import type { RedirectPolicy } from '../core/redirect-policy.ts'
import type { Engine } from '../engine/engine.ts'
import type { Clock } from '../platform/clock.ts'
import type { Ids } from '../platform/ids.ts'
import type { Locator } from '../platform/locator.ts'
import type { Metrics } from '../platform/metrics.ts'
import type { Outbound } from '../platform/outbound.ts'
import type { Random } from '../platform/random.ts'
import type { Store } from '../stores/store.ts'
import type { Everywhere } from '../stores/everywhere.ts'
import type { HandOver } from './hand-over.ts'
import type { PageContext } from './pages/page.ts'
import type { Csrf } from './pages/csrf.ts'
import type { Clients } from './oidc/client.ts'
import type { ClientKeys } from './oidc/client-keys.ts'
import type { ClientCertificates } from './oidc/mutual-tls/client-certificates.ts'
import type { Registration } from './oidc/registration/registration.ts'
import type { OidcSettings } from './oidc/settings.ts'
import type { AdapterLogout } from './ext/adapter-logout.ts'
import type { Adapters } from './opentoken/adapters.ts'
import type { OpenIdUpstreams } from './oidc-rp/upstreams.ts'
import type { PingOneSettings } from './pingone/settings.ts'
import type { ArtifactShelf } from './saml/artifact-shelf.ts'
import type { Connections } from './saml/connections.ts'
import type { SamlSettings } from './saml/settings.ts'
import type { SharedSignalsSettings } from './shared-signals/settings.ts'
import type { Signals } from './shared-signals/signals.ts'
import type { OpenChecks } from './sign-on/open-checks.ts'
import type { SessionSettings, SessionState } from './sign-on/session-limits.ts'
import type { UserDirectory } from './sign-on/user-directory.ts'

/** Everything the surfaces of the authority share. Made once by the composition root, or by a test. */
export interface AuthorityContext {
  /** Origin as browsers see it, without a slash at the end. */
  readonly baseUrl: string
  readonly store: Store
  /** Sessions of every group. */
  readonly everywhere: Everywhere
  /** Other groups that requests may belong to; absent: there are none. */
  readonly handOver?: HandOver
  readonly engine: Engine
  readonly clock: Clock
  readonly ids: Ids
  readonly random: Pick<Random, 'bytes'>
  readonly connections: Connections
  readonly clients: Clients
  /** Applications by OpenToken. */
  readonly adapters: Adapters
  /** Paths under `/ext` that end the session of one authentication source, here only. */
  readonly adapterLogouts: readonly AdapterLogout[]
  /** OpenID providers that people may sign in at. */
  readonly upstreams: OpenIdUpstreams
  readonly locator: Locator
  readonly users: UserDirectory
  readonly secrets: AuthoritySecrets
  readonly csrf: Csrf
  readonly sessions: SessionSettings
  /** How long a sign-in or sign-out in progress waits for the browser, in milliseconds. */
  readonly transactionMs: number
  readonly signOn: SignOnSettings
  readonly openChecks: OpenChecks
  readonly logout: LogoutSettings
  /** How long an SRI stays on the revocation list, in milliseconds. */
  readonly sriRevocationMs: number
  /** Which landing addresses are followed. */
  readonly redirects: RedirectPolicy
  readonly pingOne: PingOneSettings
  readonly saml: SamlSettings
  /** Messages of ours that wait behind artifacts. */
  readonly artifacts: ArtifactShelf
  /** The one way out, for the message behind an artifact of a partner. */
  readonly outbound: Pick<Outbound, 'request'>
  readonly oidc: OidcSettings
  /** Clients may register themselves; absent: they may not. */
  readonly registration?: Registration
  /** Certificates that programs show. */
  readonly clientCertificates: ClientCertificates
  readonly sharedSignals: SharedSignalsSettings
  readonly signals: Signals
  /** Any partner of any protocol, by id. */
  peer(id: PeerId): Peer | undefined
  /** Key sets of clients, as they were read lately. */
  readonly clientKeys: ClientKeys
  /** Reads a key set over the one outbound door. */
  fetchKeys(url: string): Promise<Response>
  readonly organisation: string
  /** Language, texts, brand and a fresh nonce for one response. `uiLocales`: languages that the application wishes for, the best first. */
  pageContext(request: FastifyRequest, uiLocales?: string): PageContext
  readonly health: Health
  readonly logger: AuthorityLogger
  readonly metrics: AuthorityMetrics
  /** Addresses whose `X-Forwarded-*` headers count. */
  readonly trustedProxies: readonly string[]
}

/** Partner name under which the authority seals its own session reference identifiers. */
export const ownPartner = 'curfew:sri'

/** Keys derived for one use each. */
export interface AuthoritySecrets {
  /** Derives session cookies from persistent ones. */
  readonly persistent: KeyObject
  /** Makes pairwise NameIDs. Losing it changes what every application calls its users. */
  readonly nameId: KeyObject
}

export interface SignOnSettings {
  /** People may sign in here with a password. */
  readonly hasForm: boolean
  readonly sourceId: string
  /** Where a sign-in that started here without a target ends; absent: the start page. */
  readonly successUrl?: string
  /** Allowed `TargetResource` addresses of a sign-in. */
  readonly targets: readonly RedirectRule[]
  readonly sessionState: SessionState
  readonly passwords: PasswordSettings
  /** The form asks whose the device is. */
  readonly asksDevice: boolean
  /** `endsSessions`: a lock ends the sessions of the user, too. Whoever knows the name can then sign that user out. */
  readonly locking: { readonly attempts: number; readonly windowMinutes: number; readonly endsSessions?: boolean }
}

/** What people may do about their passwords here. */
export interface PasswordSettings {
  /** They may change them, and use codes of the help desk. */
  readonly change: boolean
  readonly lengthMin: number
  /** What a change on the page does to the other sessions of the user. */
  readonly otherSessions: 'ask' | 'end' | 'keep'
  /** A changed or reset password ends the sessions that were opened before, unless the person decides otherwise. */
  readonly endsSessions: boolean
  /** How long a code of the help desk is good for. */
  readonly resetHours: number
}

export interface LogoutSettings {
  /** Ask before every logout that starts at the authority. */
  readonly confirm: boolean
  readonly successUrl?: string
  readonly errorUrl?: string
  readonly targets: readonly RedirectRule[]
  /** What differs at `/sp/startSLO.ping`. */
  readonly sp?: { readonly confirm?: boolean; readonly successUrl?: string }
}

export interface Health {
  /** False while starting, draining or stopping: the heartbeat must not say OK. */
  isReady(): boolean
  /** The heartbeat shows figures instead of `OK`. */
  readonly monitoring: boolean
}

export interface AuthorityLogger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** The figures that this part counts. */
export type AuthorityMetrics = Pick<Metrics, 'signIns' | 'assertionsIssued' | 'logoutMessages' | 'requestsRefused' | 'signalPushes'>
