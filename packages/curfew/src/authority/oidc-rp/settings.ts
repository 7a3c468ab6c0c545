import type { TokenAlgorithm } from '@curfew/codecs'

/** An OpenID provider that people may sign in at, as configured. */
export interface OpenIdUpstreamSettings {
  readonly id: string
  readonly name?: string | undefined
  readonly logoUrl?: string | undefined
  readonly homeUrl?: string | undefined
  /** A sign-out of a session that it takes part in may land on these domains and below. */
  readonly domains?: readonly string[] | undefined
  /** Issuer identifier to the letter; its configuration is read from below it. */
  readonly issuer: string
  readonly clientId: string
  /** Absent: a public client. */
  readonly clientSecret?: string | undefined
  readonly authentication?: 'clientSecretBasic' | 'clientSecretPost' | 'none' | undefined
  readonly scopes?: readonly string[] | undefined
  /** Claim that holds the user name; absent: `sub`. */
  readonly username?: string | undefined
  /** Its people may, or have to, say which account here is theirs. Absent: off. */
  readonly accountLinking?: 'off' | 'offered' | 'required' | undefined
  /** Claim to attribute of the user. */
  readonly attributes?: Readonly<Record<string, string>> | undefined
  /** Algorithm that its tokens are signed with; absent: any asymmetric one. */
  readonly algorithm?: TokenAlgorithm | undefined
  readonly refreshMinutes?: number | undefined
  readonly logout?:
    | {
        /** False: its end-session address is not used. */
        readonly rpInitiated?: boolean | undefined
        /** False: known not to send the browser back; it comes last. */
        readonly returnsBrowser?: boolean | undefined
        /** Older providers send logout tokens without `exp`, or untyped, or `sid` without `iss`. */
        readonly acceptMissingExp?: boolean | undefined
        readonly acceptMissingType?: boolean | undefined
        readonly acceptMissingIss?: boolean | undefined
      }
    | undefined
  /** Where a sign-in ends that names no page. */
  readonly targetUrl?: string | undefined
}
