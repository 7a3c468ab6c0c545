import { type Binding, CurfewError, type Received } from '@curfew/codecs'
import type { AuthorityContext } from '../context.ts'
import type { SamlConnection } from './connection.ts'

/**
 * The connection a message claims to come from: chooses the keys that judge it and nothing else.
 * @throws CURFEW_SAML_PEER_UNKNOWN
 */
export function connectionOf(ctx: Pick<AuthorityContext, 'connections'>, received: Received): SamlConnection {
  const { issuer } = received.claimed
  const connection = issuer === undefined ? undefined : ctx.connections.byEntityId(issuer)
  if (connection === undefined) throw new CurfewError('CURFEW_SAML_PEER_UNKNOWN', { issuer: (issuer ?? 'none').slice(0, 120) })
  return connection
}

/** @throws CURFEW_SAML_BINDING_REFUSED for a binding that the connection does not list (AC-143) */
export function requireBinding(connection: SamlConnection, received: { readonly binding: Binding }): void {
  if (!connection.incomingBindings.has(received.binding))
    throw new CurfewError('CURFEW_SAML_BINDING_REFUSED', { connection: connection.id, binding: received.binding })
}
