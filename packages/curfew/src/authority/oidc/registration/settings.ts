/** Dynamic client registration as it is allowed here; absent: there is none. */
export interface RegistrationSettings {
  /** Anybody may register, without a token. */
  readonly isOpen: boolean
  readonly initialAccessTokens: readonly InitialAccessToken[]
  /** Registered clients at once. */
  readonly clientsMax: number
  /** Requests to the registration endpoint from one address, per minute and node. */
  readonly perMinuteMax: number
  /** A client that changes its registration gets a new registration access token. */
  readonly rotatesAccessTokens: boolean
  /** And a new secret. */
  readonly rotatesSecrets: boolean
  /** Scopes that a registered client may ask for. */
  readonly scopes: readonly string[]
  /** Whose software statements count. */
  readonly statementIssuers: readonly StatementIssuer[]
  /** False for an address that this server would never ask: a private one, or none. */
  isReachable(url: string): boolean
}

export interface InitialAccessToken {
  /** Shown beside the clients that were registered with it. */
  readonly name: string
  readonly token: string
}

export interface StatementIssuer {
  readonly issuer: string
  readonly jwks: { readonly keys: readonly Readonly<Record<string, unknown>>[] }
}
