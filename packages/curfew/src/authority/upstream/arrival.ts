import type { IssuedNameId } from '../../core/participant.ts'
import { storedKey } from '../sign-on/hashed-keys.ts'
import type { SessionSettings } from '../sign-on/session-limits.ts'
import type { Identity } from '../sign-on/sign-in.ts'

/** Protocols whose answers wait behind a one-time path. */
export type ArrivalProtocol = 'saml' | 'oidc' | 'opentoken'

/** What an identity provider said of a user, as plain values: it waits in the store for the browser's own request. */
export interface Arrival {
  readonly providerId: string
  readonly protocol: ArrivalProtocol
  readonly nameId: IssuedNameId
  /** SessionIndex or `sid`; empty where the identity provider gave none. */
  readonly sessionIndex: string
  readonly identity: Identity
  readonly issuedAtMs: number
  /** Until when the assertion or code could be presented. */
  readonly notOnOrAfterMs: number
  /** OpenID: shown again at the logout, so that the provider knows whose session is meant. */
  readonly idToken?: string
}

/** The same with the user key that this installation keeps. */
export function withStoredKey({ sessions }: { readonly sessions: SessionSettings }, arrival: Arrival): Arrival {
  return { ...arrival, identity: { ...arrival.identity, userKey: storedKey(sessions, arrival.identity.userKey) } }
}

/** Who asked for an answer. */
export interface Asker {
  readonly providerId: string
  /** The sign-on transaction that goes on with the answer. */
  readonly nonce: string
  /** Hash of the cookie of the browser that asked: nobody else may bring the answer. */
  readonly formHash: string
  /** The user has to have proved who it is after this; absent: a session that was there may answer. */
  readonly provedAfterMs?: number
}

/**
 * Whether an identity provider did what a fresh sign-in was asked for: said when the user proved who it is, and that
 * this was after the question. One that answers from a session that was there is not believed.
 * @param provedAtMs - absent: it did not say
 */
export function isFresh({ provedAfterMs }: Pick<Asker, 'provedAfterMs'>, provedAtMs: number | undefined, skewSeconds: number): boolean {
  return provedAfterMs === undefined || (provedAtMs !== undefined && provedAtMs >= provedAfterMs - skewSeconds * 1000)
}

/** A judged answer on its way to the browser's own request, where cookies show. */
export interface WaitingArrival {
  /** Absent: the identity provider could not sign anybody in without a page. */
  readonly arrival?: Arrival
  /** Absent: nobody asked here. */
  readonly asker?: Asker
  /** Where an unsolicited answer wishes to land. */
  readonly relayState?: string
  /** The person was asked for the account here that is theirs, and goes on without. */
  readonly staysUnlinked?: boolean
}
