import { type Binding, CurfewError, type Received } from '@curfew/codecs'
import type { AuthorityContext } from '../context.ts'
import type { SamlConnection, IdpConnection, SamlPartner } from './connection.ts'
import type { SamlRole } from './settings.ts'

type PartnerDeps = Pick<AuthorityContext, 'connections'>

/**
 * The service provider a message claims to come from: chooses the keys that judge it and nothing else.
 * @throws CURFEW_SAML_PEER_UNKNOWN
 */
export function applicationOf(ctx: PartnerDeps, received: Received): SamlConnection {
  return known(received, (entityId) => ctx.connections.application(entityId))
}

/** The same for an identity provider. */
export function identityProviderOf(ctx: PartnerDeps, received: Received): IdpConnection {
  return known(received, (entityId) => ctx.connections.identityProvider(entityId))
}

/** The partner behind a message at an endpoint of one of our roles. */
export function partnerOf(ctx: PartnerDeps, received: Received, own: SamlRole): SamlPartner {
  return own === 'idp' ? applicationOf(ctx, received) : identityProviderOf(ctx, received)
}

/** The partners that the SourceID of an artifact can mean at an endpoint of one of our roles. */
export function artifactIssuers({ connections }: PartnerDeps, own: SamlRole, sourceId: string): readonly SamlPartner[] {
  const partners: readonly SamlPartner[] = own === 'idp' ? connections.applications() : connections.identityProviders()
  return partners.filter((partner) => partner.sourceId === sourceId)
}

function known<P>({ claimed: { issuer } }: Received, find: (entityId: string) => P | undefined): P {
  const partner = issuer === undefined ? undefined : find(issuer)
  if (partner === undefined) throw new CurfewError('CURFEW_SAML_PEER_UNKNOWN', { issuer: (issuer ?? 'none').slice(0, 120) })
  return partner
}

/** @throws CURFEW_SAML_BINDING_REFUSED for a binding that the connection does not list (AC-143) */
export function requireBinding(connection: SamlPartner, received: { readonly binding: Binding }): void {
  if (!connection.incomingBindings.has(received.binding))
    throw new CurfewError('CURFEW_SAML_BINDING_REFUSED', { connection: connection.id, binding: received.binding })
}
