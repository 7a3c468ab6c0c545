import { type Binding, bindingUri, certificateBase64, nameIdFormat, serialiseMetadata } from '@curfew/codecs'
import type { ServiceProviderPaths } from './saml-service-provider.ts'

export interface MetadataInput {
  readonly entityId: string
  readonly baseUrl: string
  readonly certificate: string
  readonly logoutBindings?: readonly Binding[]
}

/** Bindings published for logout when the application does not choose. */
export const defaultLogoutBindings: readonly Binding[] = ['soap', 'redirect', 'post']

/** The metadata an application hands to its identity provider. */
export function serviceProviderMetadata(input: MetadataInput, paths: ServiceProviderPaths): string {
  const url = (path: string): string => new URL(path, input.baseUrl).href
  const parts = serialiseMetadata({
    id: '_metadata',
    entityId: input.entityId,
    sp: {
      keys: [{ use: 'signing', certificates: [certificateBase64(input.certificate)] }],
      nameIdFormats: [nameIdFormat.persistent, nameIdFormat.transient],
      singleLogoutServices: (input.logoutBindings ?? defaultLogoutBindings).map((binding) => ({
        binding: bindingUri(binding),
        location: url(binding === 'soap' ? paths.singleLogoutSoap : paths.singleLogout)
      })),
      assertionConsumerServices: [{ binding: bindingUri('post'), location: url(paths.assertionConsumer), index: 0, isDefault: true }],
      authnRequestsSigned: true,
      wantAssertionsSigned: true
    }
  })
  return parts.head + parts.tail
}
