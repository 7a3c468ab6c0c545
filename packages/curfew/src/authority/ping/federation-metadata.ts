import {
  bindingUri,
  type EntityDescriptor,
  type IDPRole,
  type KeyDescriptor,
  offeredEncryptionMethods,
  serialiseMetadata,
  signMessage,
  type SPRole
} from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { noStore, parametersOf } from '../request.ts'
import { artifactResolutionUrl, assertionConsumerUrl, singleLogoutSoapUrl, singleLogoutUrl, singleSignOnUrl } from '../saml/endpoints.ts'
import type { SamlRole } from '../saml/settings.ts'
import { offeredFormats } from '../saml-idp/issue.ts'

export const metadataPath = '/pf/federation_metadata.ping'

/** How long partners may keep it: a day, so that a new key reaches them in time. */
const cacheDuration = 'P1D'

/**
 * `/pf/federation_metadata.ping`: the signed metadata of this server, one entity in both roles (AC-156). `PartnerSpId`
 * asks for what a service provider needs, `PartnerIdpId` for what an identity provider needs.
 */
export async function sendMetadata(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const parameters = parametersOf(request)
  const roles: readonly SamlRole[] = parameters['PartnerSpId'] !== undefined ? ['idp'] : parameters['PartnerIdpId'] !== undefined ? ['sp'] : ['idp', 'sp']
  return reply.headers({ ...noStore, 'content-type': 'application/samlmetadata+xml; charset=utf-8' }).send(await signedMetadata(ctx, roles))
}

type MetadataDeps = Pick<AuthorityContext, 'ids' | 'saml' | 'baseUrl'>

async function signedMetadata(ctx: MetadataDeps, roles: readonly SamlRole[]): Promise<string> {
  const [signing] = ctx.saml.keys
  if (signing === undefined) throw new TypeError('a SAML entity has at least one key')
  return signMessage(serialiseMetadata(descriptorOf(ctx, roles)), signing)
}

function descriptorOf(ctx: MetadataDeps, roles: readonly SamlRole[]): EntityDescriptor {
  return {
    id: ctx.ids.message(),
    entityId: ctx.saml.entityId,
    cacheDuration,
    ...(roles.includes('idp') ? { idp: identityProviderRole(ctx) } : {}),
    ...(roles.includes('sp') ? { sp: serviceProviderRole(ctx) } : {})
  }
}

function identityProviderRole(ctx: MetadataDeps): IDPRole {
  return {
    ...commonRole(ctx, 'idp'),
    wantAuthnRequestsSigned: false,
    singleSignOnServices: [
      { binding: bindingUri('redirect'), location: singleSignOnUrl(ctx) },
      { binding: bindingUri('post'), location: singleSignOnUrl(ctx) },
      { binding: bindingUri('artifact'), location: singleSignOnUrl(ctx) }
    ]
  }
}

function serviceProviderRole(ctx: MetadataDeps): SPRole {
  return {
    ...commonRole(ctx, 'sp'),
    authnRequestsSigned: true,
    wantAssertionsSigned: true,
    assertionConsumerServices: [
      { binding: bindingUri('post'), location: assertionConsumerUrl(ctx), index: 0, isDefault: true },
      { binding: bindingUri('artifact'), location: assertionConsumerUrl(ctx), index: 1, isDefault: false }
    ]
  }
}

function commonRole(ctx: MetadataDeps, own: SamlRole): Pick<IDPRole, 'keys' | 'nameIdFormats' | 'artifactResolutionServices' | 'singleLogoutServices'> {
  return {
    keys: [...ctx.saml.keys.map((key): KeyDescriptor => ({ use: 'signing', certificates: [key.certificate] })), ...encryptionKeys(ctx)],
    nameIdFormats: offeredFormats,
    // One address for all: every node resolves what any node issued.
    artifactResolutionServices: ctx.saml.artifacts.indexes.map((index) => ({
      binding: bindingUri('soap'),
      location: artifactResolutionUrl(ctx, own),
      index,
      isDefault: index === Math.min(...ctx.saml.artifacts.indexes)
    })),
    singleLogoutServices: [
      { binding: bindingUri('redirect'), location: singleLogoutUrl(ctx, own) },
      { binding: bindingUri('post'), location: singleLogoutUrl(ctx, own) },
      { binding: bindingUri('artifact'), location: singleLogoutUrl(ctx, own) },
      { binding: bindingUri('soap'), location: singleLogoutSoapUrl(ctx, own) }
    ]
  }
}

/** The first decryption key; a second one only still opens what was encrypted to the metadata before. */
function encryptionKeys({ saml }: MetadataDeps): readonly KeyDescriptor[] {
  const { encryptionCertificate } = saml
  if (encryptionCertificate === undefined) return []
  return [{ use: 'encryption', certificates: [encryptionCertificate], encryptionMethods: offeredEncryptionMethods }]
}
