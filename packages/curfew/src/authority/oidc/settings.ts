import type { KeyObject } from 'node:crypto'
import type { SignalSubject } from '../shared-signals/settings.ts'
import type { CertificateSubject } from './mutual-tls/settings.ts'

export type TokenAlgorithm = 'RS256' | 'PS256' | 'ES256' | 'EdDSA'

/** A key that signs tokens, with the algorithms that it can sign with. */
export interface TokenKey {
  /** JWK thumbprint (RFC 7638). */
  readonly kid: string
  readonly key: KeyObject
  readonly algorithms: readonly TokenAlgorithm[]
}

/** What the OpenID provider is and how it signs. */
export interface OidcSettings {
  /** The first that knows an algorithm signs; all are published, so that clients know the next one before it is used. */
  readonly keys: readonly TokenKey[]
  /** Keys of the cookies that tie one authorization to one browser; the first signs. */
  readonly cookieSecrets: readonly string[]
}

export type ClientAuthentication = 'clientSecretBasic' | 'clientSecretPost' | 'privateKeyJwt' | 'tlsClientAuth' | 'selfSignedTlsClientAuth' | 'none'

/** How a client is told that a session ended, by its name in the replaced product. */
export type LogoutMode = 'none' | 'pingFrontChannel' | 'frontChannel' | 'backChannel'

/** How ID tokens and logout tokens are encrypted for a client, by the names of RFC 7518. */
export interface TokenEncryptionSettings {
  readonly algorithm: 'RSA-OAEP' | 'RSA-OAEP-256' | 'ECDH-ES'
  readonly content: 'A128CBC-HS256' | 'A256GCM'
}

/** What the session decides about a token, by the names of the replaced product. */
export interface SessionValidation {
  /** `pi.sri` is in ID tokens and at userinfo. */
  readonly includeSessionId: boolean
  /** An access token is worth nothing once its session has ended. */
  readonly checkValidAuthnSession: boolean
  /** An access token is worth nothing once its SRI is on the revocation list. */
  readonly checkSessionRevocationStatus: boolean
  /** Validating a token counts as activity of the user. */
  readonly updateAuthnSessionActivity: boolean
}

/** As configured: for all clients, or for one. */
export type SessionValidationSettings = { readonly [K in keyof SessionValidation]?: boolean | undefined }

/** What a client calls the user: the same everywhere, different at every client, or the user name itself. */
export type SubjectKind = 'public' | 'pairwise' | 'username'

/** One OpenID client as configured. */
export interface ClientSettings {
  readonly id: string
  readonly name?: string | undefined
  readonly logoUrl?: string | undefined
  readonly homeUrl?: string | undefined
  /** A sign-out of a session that it takes part in may land on these domains and below. */
  readonly domains?: readonly string[] | undefined
  readonly clientId?: string | undefined
  readonly clientSecret?: string | undefined
  /** Instead of the secret: its SHA-256, base64url. */
  readonly clientSecretHash?: string | undefined
  /** It registered itself; the operator did not write it down. */
  readonly isRegistered?: boolean | undefined
  readonly jwks?: { readonly keys: readonly Readonly<Record<string, unknown>>[] } | undefined
  readonly jwksUri?: string | undefined
  readonly authentication?: ClientAuthentication | undefined
  /** Which certificate it has, with `tlsClientAuth`. */
  readonly certificateSubject?: CertificateSubject | undefined
  /** Its access tokens are good with the certificate only that it showed when it got them (RFC 8705 section 3). */
  readonly certificateBoundAccessTokens?: boolean | undefined
  readonly redirectUris: readonly string[]
  readonly postLogoutRedirectUris?: readonly string[] | undefined
  readonly scopes?: readonly string[] | undefined
  readonly refreshTokens?: boolean | undefined
  readonly accessTokenMinutes?: number | undefined
  /** Opaque, or signed and readable (RFC 9068). Default: reference. */
  readonly accessTokenFormat?: 'reference' | 'jwt' | undefined
  /** Whom a signed access token is for. */
  readonly accessTokenAudience?: readonly string[] | undefined
  readonly refreshTokenDays?: number | undefined
  readonly idTokenMinutes?: number | undefined
  readonly idTokenAlgorithm?: TokenAlgorithm | undefined
  readonly subject?: SubjectKind | undefined
  readonly consent?: 'none' | 'ask' | undefined
  /** Claim to attribute of the user. */
  readonly claims?: Readonly<Record<string, string>> | undefined
  readonly requirePkce?: boolean | undefined
  /** To a key in `jwks`. */
  readonly tokenEncryption?: TokenEncryptionSettings | undefined
  readonly sessionValidation?: SessionValidationSettings | undefined
  readonly logout?:
    | {
        readonly modes: readonly LogoutMode[]
        readonly frontChannelUris?: readonly string[] | undefined
        readonly backChannelUri?: string | undefined
        readonly sessionRequired?: boolean | undefined
        readonly trackSessions?: boolean | undefined
        readonly tokenSeconds?: number | undefined
        /** The sign-off page loads its `logout.png` from every host where it was used ("PingAccess Logout Capable"). */
        readonly pingAccessLogoutCapable?: boolean | undefined
        /** Path of that picture. Default: `/pa/oidc/logout.png`. */
        readonly picturePath?: string | undefined
      }
    | undefined
  /** What a logout does to its offline grants. Default: `survive`. */
  readonly offlineGrants?: 'survive' | 'end' | undefined
  /** A refresh token that it gives back ends the session, everywhere. */
  readonly revocationEndsSession?: boolean | undefined
  /** May have a stream of shared signals. */
  readonly sharedSignals?: { readonly subject?: SignalSubject | undefined } | undefined
  /** May read the revocation list, by the feed or for one session. Default: as `sessionRevocation`. */
  readonly revocationFeed?: boolean | undefined
  /** May ask whether sessions are revoked, and revoke them. */
  readonly sessionRevocation?: boolean | undefined
  /** May look at sessions by SRI and by user, extend and end them. */
  readonly sessionManagement?: boolean | undefined
}
