import { bindingFromUri, CurfewError, type Endpoint, lifetimeOf, parseMetadata, type VerificationKey, verificationKeyFromCertificate } from '@curfew/codecs'

/** What an application needs of its identity provider, read from the metadata it publishes. */
export interface IdentityProvider {
  readonly entityId: string
  readonly keys: readonly VerificationKey[]
  /** From then on nobody is signed in on the word of this metadata; absent: it sets no end. */
  readonly validUntilMs?: number
  readonly singleSignOn: { readonly url: string }
  /** By the browser; absent: the provider has no single logout. */
  readonly singleLogout?: { readonly binding: 'redirect' | 'post'; readonly url: string; readonly responseUrl?: string }
}

/**
 * Reads identity provider metadata. Redirect is preferred; every signing key that is published counts, so that a
 * roll-over of keys needs no change here. The earliest `validUntil` of the provider and of all that encloses it counts.
 * @throws CURFEW_SAML_METADATA, CURFEW_SAML_METADATA_EXPIRED
 */
export function readIdentityProvider(metadata: Uint8Array, nowMs: number): IdentityProvider {
  const entity = parseMetadata(metadata).find((candidate) => candidate.idp !== undefined)
  if (entity?.idp === undefined) throw new CurfewError('CURFEW_SAML_METADATA', { why: 'no identity provider in it' })
  const { idp } = entity
  const validUntilMs = lifetimeOf(entity, 'idp').validUntil?.epochMilliseconds
  requireValid({ validUntilMs }, nowMs)
  const signOn = byBinding(idp.singleSignOnServices, 'redirect')
  if (signOn === undefined) throw new CurfewError('CURFEW_SAML_METADATA', { why: 'no SingleSignOnService by HTTP Redirect' })
  const keys = idp.keys.filter((key) => key.use !== 'encryption').flatMap((key) => key.certificates.map(verificationKeyFromCertificate))
  if (keys.length === 0) throw new CurfewError('CURFEW_SAML_METADATA', { why: 'no signing key' })
  const redirect = byBinding(idp.singleLogoutServices, 'redirect')
  const logout = redirect ?? byBinding(idp.singleLogoutServices, 'post')
  return {
    entityId: entity.entityId,
    keys,
    ...(validUntilMs === undefined ? {} : { validUntilMs }),
    singleSignOn: { url: signOn.location },
    ...(logout === undefined
      ? {}
      : {
          singleLogout: {
            binding: redirect === undefined ? ('post' as const) : ('redirect' as const),
            url: logout.location,
            ...(logout.responseLocation === undefined ? {} : { responseUrl: logout.responseLocation })
          }
        })
  }
}

/** Refuses to go by metadata whose time is over (Metadata 2.3.2). @throws CURFEW_SAML_METADATA_EXPIRED */
export function requireValid({ validUntilMs = Number.POSITIVE_INFINITY }: { readonly validUntilMs?: number | undefined }, nowMs: number): void {
  if (nowMs >= validUntilMs) throw new CurfewError('CURFEW_SAML_METADATA_EXPIRED', { validUntil: new Date(validUntilMs).toISOString() })
}

function byBinding(endpoints: readonly Endpoint[], binding: 'redirect' | 'post'): Endpoint | undefined {
  return endpoints.find((endpoint) => bindingFromUri(endpoint.binding) === binding)
}
