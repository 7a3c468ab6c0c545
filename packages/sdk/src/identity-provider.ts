import { bindingFromUri, CurfewError, type Endpoint, parseMetadata, type VerificationKey, verificationKeyFromCertificate } from '@curfew/codecs'

/** What an application needs of its identity provider, read from the metadata it publishes. */
export interface IdentityProvider {
  readonly entityId: string
  readonly keys: readonly VerificationKey[]
  readonly singleSignOn: { readonly url: string }
  /** By the browser; absent: the provider has no single logout. */
  readonly singleLogout?: { readonly binding: 'redirect' | 'post'; readonly url: string; readonly responseUrl?: string }
}

/**
 * Reads identity provider metadata. Redirect is preferred; every signing key that is published counts, so that a
 * roll-over of keys needs no change here.
 * @throws CURFEW_SAML_METADATA
 */
export function readIdentityProvider(metadata: Uint8Array): IdentityProvider {
  const entity = parseMetadata(metadata).find((candidate) => candidate.idp !== undefined)
  if (entity?.idp === undefined) throw new CurfewError('CURFEW_SAML_METADATA', { why: 'no identity provider in it' })
  const { idp } = entity
  const signOn = byBinding(idp.singleSignOnServices, 'redirect')
  if (signOn === undefined) throw new CurfewError('CURFEW_SAML_METADATA', { why: 'no SingleSignOnService by HTTP Redirect' })
  const keys = idp.keys.filter((key) => key.use !== 'encryption').flatMap((key) => key.certificates.map(verificationKeyFromCertificate))
  if (keys.length === 0) throw new CurfewError('CURFEW_SAML_METADATA', { why: 'no signing key' })
  const redirect = byBinding(idp.singleLogoutServices, 'redirect')
  const logout = redirect ?? byBinding(idp.singleLogoutServices, 'post')
  return {
    entityId: entity.entityId,
    keys,
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

function byBinding(endpoints: readonly Endpoint[], binding: 'redirect' | 'post'): Endpoint | undefined {
  return endpoints.find((endpoint) => bindingFromUri(endpoint.binding) === binding)
}
