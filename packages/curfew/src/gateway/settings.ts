/** How a gateway proves to its provider who it is. */
export type ProviderAuthentication =
  | { readonly kind: 'secret'; readonly secret: string; readonly method: 'clientSecretBasic' | 'clientSecretPost' }
  /** By the gateway's own key, published at `/pa/oidc/JWKS`. */
  | { readonly kind: 'privateKeyJwt' }
  /** By the certificate that its connections to the provider show (RFC 8705). */
  | { readonly kind: 'certificate' }

/**
 * How a proxy says what it was asked. Each reads its own headers and no others: what one proxy leaves as the client
 * sent it must not decide for it.
 */
export type ForwardAuthDialect = 'nginx' | 'forwarded' | 'envoy'

/** The OpenID provider that signs people in. */
export interface ProviderSettings {
  readonly issuer: string
  readonly clientId: string
  readonly authentication: ProviderAuthentication
  readonly scopes: readonly string[]
  /** Ask for claims at the UserInfo endpoint after every sign-in. */
  readonly userInfo: boolean
  /** Ask for a new access token with the refresh token, where the provider gives one. */
  readonly refreshTokens: boolean
  /** A sign-out here is one at the provider as well ("Use Single-Logout"). */
  readonly useSingleLogout: boolean
  /** Where the browser lands after a sign-out by the provider (`pa.oidc.logout.redirectURI`). */
  readonly logoutRedirectUri?: string
}

/** How the gateway learns that the provider ended a session. */
export interface SessionCheckSettings {
  /** Follow the revocation feed. */
  readonly feed: boolean
  /** Ask for the status of every session ("Validate session"). */
  readonly status: boolean
  /** How long an answer about one session counts; never longer. */
  readonly statusCacheMs: number
  /** How old what is known of the feed may be. */
  readonly staleMs: number
  /** What happens to a request when nothing young enough is known. */
  readonly whenUnknown: 'refuse' | 'allow'
}

export interface WebSessionSettings {
  readonly id: string
  /** The cookie is `PA.` and this. */
  readonly audience: string
  readonly cookieType: 'encrypted' | 'signed'
  /** Absent: one session per host. */
  readonly cookieDomain?: string
  readonly httpOnly: boolean
  /** `disabled`: the cookie says nothing about it. */
  readonly sameSite: 'lax' | 'none' | 'disabled'
  readonly partitioned: boolean
  readonly idleMs: number
  readonly maxMs: number
  /** How old the claims of the UserInfo endpoint may become; absent: they stay as they were at the sign-in. */
  readonly refreshMs?: number
}

export interface ApplicationSettings {
  readonly id: string
  /** Where browsers find it, without a slash at the end. */
  readonly origins: readonly string[]
  /** `/`, or a path without a slash at the end. */
  readonly contextRoot: string
  /** Origin of the application itself. */
  readonly target: string
  /** `web`: people are sent to sign in. `api`: 401 and a problem document. */
  readonly type: 'web' | 'api'
  readonly webSession: WebSessionSettings
  /** Header: claim of the user. */
  readonly headers: Readonly<Record<string, string>>
  /** Paths that need no session, with what lies below them. */
  readonly anonymous: readonly string[]
  /** The application sees the host that the browser asked for; otherwise that of its target. */
  readonly preserveHost: boolean
  /** Requests with a body wait for the sign-in and are sent after it. */
  readonly preservation: 'none' | 'post' | 'all'
  /** What {@link preservation} does not cover is refused; otherwise its body is dropped, and its sender starts anew. */
  readonly failOnUnsupportedPreservationContentType: boolean
  /** The path of {@link GatewaySettings.reservedPath} lies below the context root. */
  readonly reservedBelowRoot: boolean
  /** How long the application may take to begin its answer. */
  readonly responseTimeoutMs: number
}

export interface GatewaySettings {
  /** `/pa` unless changed. */
  readonly reservedPath: string
  readonly provider: ProviderSettings
  readonly sessionCheck: SessionCheckSettings
  readonly applications: readonly ApplicationSettings[]
  /** Addresses whose `X-Forwarded-*` headers count, and who may ask for decisions. */
  readonly trustedProxies: readonly string[]
  /** How other proxies ask for decisions; empty: nobody does, and nobody is answered. */
  readonly forwardAuth: readonly ForwardAuthDialect[]
  readonly heartbeatMonitoring: boolean
}
