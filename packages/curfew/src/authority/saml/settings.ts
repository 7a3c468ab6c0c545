import type { Binding, SignatureAlgorithm, SigningKey } from '@curfew/codecs'
import type { EncryptionSettings } from './encryption.ts'

/** A role in the SAML sense: who issues assertions and who takes them. */
export type SamlRole = 'idp' | 'sp'

/** What this entity is and how it signs; both of its roles share one entity ID and the keys. */
export interface SamlSettings {
  readonly entityId: string
  /** The first signs; all are published, so that partners know the next one before it is used. */
  readonly keys: readonly OwnKey[]
  /** Base64 of the DER certificate that partners encrypt to; absent: nothing encrypted is taken. */
  readonly encryptionCertificate?: string
  readonly clockSkewSeconds: number
  readonly assertionMinutes: number
  readonly artifacts: ArtifactSettings
}

/** How messages wait behind artifacts. */
export interface ArtifactSettings {
  /** EndpointIndex of the artifacts that this node issues. */
  readonly index: number
  /** Those of all nodes, its own among them: what metadata lists. */
  readonly indexes: readonly number[]
  readonly lifetimeMs: number
}

export interface OwnKey extends SigningKey {
  /** Base64 of the DER certificate: what partners pin. */
  readonly certificate: string
}

/** Bindings that go through the browser. */
export type FrontBinding = Exclude<Binding, 'soap'>

export type NameIdKind = 'persistent' | 'transient' | 'emailAddress' | 'unspecified'

/** Who may start what. A profile that is off towards a partner means that it is never sent such a message. */
export interface Profiles {
  readonly idpInitiatedSso: boolean
  readonly spInitiatedSso: boolean
  /** A LogoutRequest from the identity provider to the service provider. */
  readonly idpInitiatedSlo: boolean
  /** A LogoutRequest from the service provider to the identity provider. */
  readonly spInitiatedSlo: boolean
}

export interface ConsumerSettings {
  readonly binding: 'post' | 'artifact'
  readonly url: string
  readonly index?: number | undefined
  readonly default?: boolean | undefined
}

export interface LogoutServiceSettings {
  readonly binding: Binding
  readonly url: string
  readonly responseUrl?: string | undefined
}

/** Where a partner exchanges its artifacts for messages. */
export interface ArtifactResolutionSettings {
  readonly url: string
  /** Absent: the place in the list. */
  readonly index?: number | undefined
}

/** What the configuration says of any SAML partner; whatever is absent comes from its metadata. Paths are absolute. */
export interface PartnerSettings extends EncryptionSettings {
  readonly id: string
  readonly name?: string | undefined
  readonly logoUrl?: string | undefined
  readonly homeUrl?: string | undefined
  /** A sign-out of a session that it takes part in may land on these domains and below. */
  readonly domains?: readonly string[] | undefined
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
  readonly slo?: readonly LogoutServiceSettings[] | undefined
  readonly artifactResolution?: readonly ArtifactResolutionSettings[] | undefined
  /** LogoutRequests go by these only, in this order; absent: by all. Answers are not meant. */
  readonly outgoingBindings?: readonly Binding[] | undefined
  readonly incomingBindings?: readonly Binding[] | undefined
  readonly profiles?: { readonly [P in keyof Profiles]?: boolean | undefined } | undefined
  /** SAML attribute name to attribute of the user. */
  readonly attributes?: Readonly<Record<string, string>> | undefined
  readonly certificates?: readonly string[] | undefined
  readonly embedCertificate?: boolean | undefined
  readonly algorithm?: SignatureAlgorithm | undefined
  readonly frames?: boolean | undefined
  readonly returnsBrowser?: boolean | undefined
}

/** A connection to a service provider: an application. */
export interface ConnectionSettings extends PartnerSettings {
  readonly acs?: readonly ConsumerSettings[] | undefined
  readonly nameId?: { readonly format?: NameIdKind | undefined; readonly attribute?: string | undefined } | undefined
  readonly requireSignedAuthnRequests?: boolean | undefined
  readonly signResponse?: boolean | undefined
}

export interface SingleSignOnSettings {
  readonly binding: FrontBinding
  readonly url: string
}

/** A connection to an identity provider that people may sign in at. */
export interface IdentityProviderSettings extends PartnerSettings {
  readonly sso?: readonly SingleSignOnSettings[] | undefined
  /** How its answers are asked for; absent: by POST. */
  readonly responseBinding?: 'post' | 'artifact' | undefined
  /** Format asked for; absent: the identity provider chooses. */
  readonly nameIdFormat?: NameIdKind | undefined
  /** SAML attribute that holds the user name; absent: the NameID. */
  readonly username?: string | undefined
  /** Its people may, or have to, say which account here is theirs. Absent: off. */
  readonly accountLinking?: 'off' | 'offered' | 'required' | undefined
  /** Where a sign-in ends that nobody asked for here and that names no page. */
  readonly targetUrl?: string | undefined
}
