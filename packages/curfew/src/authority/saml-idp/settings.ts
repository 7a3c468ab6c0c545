import type { Binding, SignatureAlgorithm, SigningKey } from '@curfew/codecs'

/** What the identity provider is and how it signs. */
export interface SamlSettings {
  readonly entityId: string
  /** The first signs; all are published, so that partners know the next one before it is used. */
  readonly keys: readonly OwnKey[]
  readonly clockSkewSeconds: number
  readonly assertionMinutes: number
}

export interface OwnKey extends SigningKey {
  /** Base64 of the DER certificate: what partners pin. */
  readonly certificate: string
}

export type NameIdKind = 'persistent' | 'transient' | 'emailAddress' | 'unspecified'

export interface Profiles {
  readonly idpInitiatedSso: boolean
  readonly spInitiatedSso: boolean
  /** Off: this partner is never sent a LogoutRequest; its session ends here without it. */
  readonly idpInitiatedSlo: boolean
  /** Off: a LogoutRequest of this partner is denied. */
  readonly spInitiatedSlo: boolean
}

export interface ConsumerSettings {
  readonly binding: 'post'
  readonly url: string
  readonly index?: number | undefined
  readonly default?: boolean | undefined
}

export interface LogoutServiceSettings {
  readonly binding: Binding
  readonly url: string
  readonly responseUrl?: string | undefined
}

/** One SAML connection as configured; whatever is absent comes from the partner's metadata. Paths are absolute. */
export interface ConnectionSettings {
  readonly id: string
  readonly name?: string | undefined
  readonly logoUrl?: string | undefined
  readonly homeUrl?: string | undefined
  readonly metadata?:
    | {
        readonly file?: string | undefined
        readonly url?: string | undefined
        readonly refreshMinutes?: number | undefined
        /** Certificate that signs the metadata; absent: its signature is not looked at. */
        readonly certificate?: string | undefined
      }
    | undefined
  readonly entityId?: string | undefined
  readonly baseUrl?: string | undefined
  readonly acs?: readonly ConsumerSettings[] | undefined
  readonly slo?: readonly LogoutServiceSettings[] | undefined
  readonly incomingBindings?: readonly Binding[] | undefined
  readonly profiles?: { readonly [P in keyof Profiles]?: boolean | undefined } | undefined
  readonly nameId?: { readonly format?: NameIdKind | undefined; readonly attribute?: string | undefined } | undefined
  readonly attributes?: Readonly<Record<string, string>> | undefined
  readonly certificates?: readonly string[] | undefined
  readonly requireSignedAuthnRequests?: boolean | undefined
  readonly signResponse?: boolean | undefined
  readonly embedCertificate?: boolean | undefined
  readonly algorithm?: SignatureAlgorithm | undefined
  readonly frames?: boolean | undefined
  readonly returnsBrowser?: boolean | undefined
}
