import type { RequestedAuthnContext } from '@curfew/codecs'
import type { IssuedNameId } from '../../core/participant.ts'

/** What a partner asked for, resolved against its connection: nothing in it is taken from the request unchecked. */
export interface SsoWish {
  readonly peerId: string
  /** Absent: started here, the Response is unsolicited. */
  readonly requestId?: string
  readonly consumerUrl: string
  /** How the Response gets there; absent: by POST. */
  readonly consumerBinding?: 'artifact'
  readonly relayState?: string
  /** Who is to be signed in: the assertion speaks of this user, or there is none. */
  readonly subject?: IssuedNameId
  /** How the user has to have signed in. */
  readonly context?: RequestedAuthnContext
  /** Identifier of the NameID format asked for. */
  readonly nameIdFormat?: string
  /** Where a browser goes when a sign-in started here fails; accepted by the redirect decision. */
  readonly errorUrl?: string
}
