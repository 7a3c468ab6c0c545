import type { Binding, Received } from '@curfew/codecs'
import type { Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import type { SamlPartner } from './connection.ts'
import { singleLogoutSoapUrl, singleLogoutUrl } from './endpoints.ts'
import { artifactIssuers, partnerOf } from './partner.ts'
import type { SamlRole } from './settings.ts'

/** The address that a logout message came to. */
export interface LogoutDoor {
  /**
   * Who may be behind a message here, by what it claims; never empty. Several where one entity is a partner in both
   * roles and the address serves both.
   * @throws CURFEW_SAML_PEER_UNKNOWN
   */
  partnersOf(received: Received): readonly SamlPartner[]
  /** Who may have issued an artifact that came here, by its SourceID; empty: nobody known. */
  issuersOf(sourceId: string): readonly SamlPartner[]
  /** What a message may name as its Destination. */
  readonly destinations: readonly string[]
  /** Only these sessions can be ended through it; absent: all. */
  includes?(session: Session): boolean
}

/** The addresses of one role: partners of the other role only. */
export function roleDoor(ctx: AuthorityContext, own: SamlRole, binding: Binding): LogoutDoor {
  return {
    partnersOf: (received) => [partnerOf(ctx, received, own)],
    issuersOf: (sourceId) => artifactIssuers(ctx, own, sourceId),
    destinations: [binding === 'soap' ? singleLogoutSoapUrl(ctx, own) : singleLogoutUrl(ctx, own)]
  }
}
