import type { Visitor } from '../harness/visitor.ts'
import type { PeerPlace, RealPeer } from '../peer.ts'

/**
 * How the SAML application is told: as its metadata says, which is from server to server where that is there, or through the
 * browser only. `artifact`: as published, and the identity provider answers sign-ins by artifact.
 */
export type HubWay = 'published' | 'redirect' | 'artifact'

/** An identity provider of somebody else, which people sign in at. */
export interface RealUpstream extends Pick<RealPeer, 'id' | 'name' | 'version' | 'origin' | 'protectedUrl' | 'insideMark' | 'signOutUrl' | 'outsideMark'> {
  /** An entry of `identityProviders`, but for its id and name. */
  readonly identityProvider: object
  /** It can be asked, and tells of logouts of its own; false: people only sign out at a page of its own. */
  readonly hasLogout: boolean
  /** What its sign-in page holds. */
  readonly signInMark: string
  /** Fills in and sends its sign-in page. */
  signIn(visitor: Visitor, user: string): Promise<void>
  start(): Promise<void>
  stop(): Promise<void>
}

export interface UpstreamKind {
  readonly id: string
  readonly name: string
  readonly host: string
  missing(): string | undefined
  launch(
    place: Pick<PeerPlace, 'folder' | 'port' | 'programs' | 'authorityMetadata'> & { readonly authorityUrl: string; readonly users: readonly string[] }
  ): Promise<RealUpstream>
}
