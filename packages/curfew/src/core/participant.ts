import type { ParticipantId, PeerId } from './ids.ts'

/** The identifier a participant knows the user by, exactly as issued: logout repeats it to the letter. */
export interface IssuedNameId {
  readonly value: string
  readonly format?: string
  readonly nameQualifier?: string
  readonly spNameQualifier?: string
}

/** One application that takes part in one session. Facts only: added once, never changed but for the last issue. */
export interface Participant {
  readonly id: ParticipantId
  readonly peerId: PeerId
  /** `application`: we issued an assertion to it. `upstream`: it issued one to us. */
  readonly role: 'application' | 'upstream'
  readonly protocol: 'saml'
  readonly nameId: IssuedNameId
  /** The SessionIndex this peer was given for this session; differs per peer, unlinkable between them. */
  readonly sessionIndex: string
  readonly addedAtMs: number
  /** Latest assertion issued to it. */
  readonly lastIssuedAtMs: number
  /** Latest `NotOnOrAfter` of any assertion issued to it: a LogoutRequest stays valid at least so long. */
  readonly assertionNotOnOrAfterMs: number
  /** Where the latest assertion went (assertion consumer service). */
  readonly consumerUrl?: string
}
