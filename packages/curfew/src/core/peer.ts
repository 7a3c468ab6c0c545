import type { PeerId } from './ids.ts'

/**
 * A way to ask a peer to end a session, in order of what it can prove.
 * - `server`: asked directly, the answer comes in the same exchange;
 * - `frame`: a hidden frame of the sign-off page, answered through the browser without leaving the page;
 * - `hop`: the browser is sent there and comes back with the answer.
 */
export type LogoutChannel =
  | { readonly kind: 'server'; readonly binding: 'soap'; readonly url: string }
  | {
      readonly kind: 'frame' | 'hop'
      readonly binding: 'redirect' | 'post'
      readonly url: string
      readonly responseUrl?: string
    }

/** What planning and pages need to know of a configured partner. The protocol's own settings live elsewhere. */
export interface Peer {
  readonly id: PeerId
  /** Name shown to people. */
  readonly name: string
  readonly logoUrl?: string
  /** Where a person opens the application. */
  readonly homeUrl?: string
  readonly protocol: 'saml'
  readonly entityId: string
  /** Logout ways in order of preference; empty: this peer has none. */
  readonly channels: readonly LogoutChannel[]
  /** False where the connection's profiles exclude a logout started here: it is never asked. */
  readonly mayBeAsked: boolean
  /** False for a peer known not to send the browser back: its hop comes last. */
  readonly returnsBrowser: boolean
}
