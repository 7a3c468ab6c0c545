import { bindingUri, type EntityDescriptor, serialiseMetadata, signMessage } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { noStore } from '../request.ts'
import { singleLogoutSoapUrl, singleLogoutUrl, singleSignOnUrl } from '../saml-idp/endpoints.ts'
import { offeredFormats } from '../saml-idp/issue.ts'

export const metadataPath = '/pf/federation_metadata.ping'

/** How long partners may keep it: a day, so that a new key reaches them in time. */
const cacheDuration = 'P1D'

/** `/pf/federation_metadata.ping`: the signed metadata of the roles this server has. Only what answers is published. */
export async function sendMetadata(ctx: AuthorityContext, _request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  return reply.headers({ ...noStore, 'content-type': 'application/samlmetadata+xml; charset=utf-8' }).send(await signedMetadata(ctx))
}

type MetadataDeps = Pick<AuthorityContext, 'ids' | 'saml' | 'baseUrl'>

/** The metadata as partners get it. */
export async function signedMetadata(ctx: MetadataDeps): Promise<string> {
  const [signing] = ctx.saml.keys
  if (signing === undefined) throw new TypeError('an identity provider has at least one key')
  return signMessage(serialiseMetadata(descriptorOf(ctx)), signing)
}

function descriptorOf(ctx: MetadataDeps): EntityDescriptor {
  return {
    id: ctx.ids.message(),
    entityId: ctx.saml.entityId,
    cacheDuration,
    idp: {
      wantAuthnRequestsSigned: false,
      keys: ctx.saml.keys.map((key) => ({ use: 'signing', certificates: [key.certificate] })),
      nameIdFormats: offeredFormats,
      singleLogoutServices: [
        { binding: bindingUri('redirect'), location: singleLogoutUrl(ctx) },
        { binding: bindingUri('post'), location: singleLogoutUrl(ctx) },
        { binding: bindingUri('soap'), location: singleLogoutSoapUrl(ctx) }
      ],
      singleSignOnServices: [
        { binding: bindingUri('redirect'), location: singleSignOnUrl(ctx) },
        { binding: bindingUri('post'), location: singleSignOnUrl(ctx) }
      ]
    }
  }
}
