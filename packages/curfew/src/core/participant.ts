import type { ParticipantId, PeerId } from './ids.ts'
import type { PeerProtocol } from './peer.ts'

/** The identifier a participant knows the user by, exactly as issued: logout repeats it to the letter. */
export interface IssuedNameId {
  readonly value: string
  readonly format?: string
  readonly nameQualifier?: string
  readonly spNameQualifier?: string
}

/** One application or upstream provider that takes part in one session. Facts only: added once, never changed but for the last issue. */
export interface Participant {
  readonly id: ParticipantId
  readonly peerId: PeerId
  /** `application`: we issued an assertion to it. `upstream`: it issued one to us. */
  readonly role: 'application' | 'upstream'
  readonly protocol: PeerProtocol
  readonly nameId: IssuedNameId
  /**
   * `application`: the SessionIndex or `sid` this peer was given for this session; differs per peer, unlinkable between
   * them. `upstream`: the one it gave us, empty where it gave none.
   */
  readonly sessionIndex: string
  readonly addedAtMs: number
  /** Latest assertion or code issued to it, or assertion or token by it: when it was last opened. Renewed tokens do not count. */
  readonly lastIssuedAtMs: number
  /** Latest `NotOnOrAfter` of any of them: a LogoutRequest stays valid at least so long. */
  readonly assertionNotOnOrAfterMs: number
  /**
   * A grant that outlives the session (`offline_access`), beside the application itself: what holds it keeps access
   * until the grant is ended or runs out.
   */
  readonly grant?: 'offline'
  /** The group that issued the latest of them; absent where the store does not replicate. */
  readonly group?: string
  /** Where the latest assertion went (assertion consumer service). */
  readonly consumerUrl?: string
}
