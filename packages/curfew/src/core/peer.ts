import type { PeerId } from './ids.ts'

/** What a peer speaks. */
export type PeerProtocol = 'saml' | 'oidc' | 'opentoken'

/**
 * A way to ask a peer to end a session, in order of what it can prove.
 * - `server`: asked directly, the answer comes in the same exchange;
 * - `frame`: a hidden frame or picture of the sign-off page; by a SAML binding the answer comes back through it, by
 *   `front-channel` and `image` (OpenID) no answer is possible;
 * - `hop`: the browser is sent there and comes back with the answer; from `end-session` (an OpenID provider upstream)
 *   it comes back without one.
 */
export type LogoutChannel =
  | { readonly kind: 'server'; readonly binding: 'soap' | 'back-channel'; readonly url: string }
  /** A grant that this authority keeps itself: nobody is asked, it is dropped here. */
  | { readonly kind: 'server'; readonly binding: 'grant'; readonly url: string }
  | { readonly kind: 'frame'; readonly binding: 'front-channel' | 'image'; readonly url: string }
  | { readonly kind: 'hop'; readonly binding: 'end-session'; readonly url: string }
  | {
      readonly kind: 'frame' | 'hop'
      readonly binding: 'redirect' | 'post' | 'artifact'
      readonly url: string
      readonly responseUrl?: string
    }

/** The one way to end a grant; the address is a name, nothing is sent anywhere. */
export const grantChannel: LogoutChannel = { kind: 'server', binding: 'grant', url: 'urn:curfew:offline-grant' }

/** What planning and pages need to know of a configured partner. The protocol's own settings live elsewhere. */
export interface Peer {
  readonly id: PeerId
  /** Name shown to people. */
  readonly name: string
  readonly logoUrl?: string
  /** Where a person opens the application. */
  readonly homeUrl?: string
  readonly protocol: PeerProtocol
  /** `application`: signs people in by us. `upstream`: an identity provider that signs them in for us. */
  readonly role: 'application' | 'upstream'
  /** SAML entity ID or OpenID client identifier. */
  readonly entityId: string
  /** Logout ways in order of preference; empty: this peer has none. */
  readonly channels: readonly LogoutChannel[]
  /**
   * Path of a picture that ends its session at one host. The sign-off page loads it from every host where the peer was
   * used in the session, and the participant's host takes the place of addresses in `channels`.
   */
  readonly picturePath?: string
  /** False where the connection's profiles exclude a logout started here: it is never asked. */
  readonly mayBeAsked: boolean
  /** False for a peer known not to send the browser back: its hop comes last. */
  readonly returnsBrowser: boolean
  /** A logout ends its offline grants, too. Absent: they survive, and that is shown. */
  readonly endsOfflineGrants?: true
  /** Where a sign-out may land because of this peer: on a host of its addresses, on a domain of its list. */
  readonly landing?: { readonly urls: readonly string[]; readonly domains: readonly string[] }
}

/** True for a channel on which no answer can ever come: what was asked there stays unconfirmed. */
export function isSilent(channel: LogoutChannel): channel is Extract<LogoutChannel, { readonly binding: 'front-channel' | 'image' }> {
  return channel.binding === 'front-channel' || channel.binding === 'image'
}
