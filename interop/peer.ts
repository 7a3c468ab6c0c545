import type { Programs } from './harness/programs.ts'

/** Bindings of a SAML logout, as `curfew.yaml` names them, and the two channels of OpenID. */
export type LogoutBinding = 'soap' | 'redirect' | 'post' | 'back-channel' | 'front-channel'

/** Where a peer runs and whom it trusts. */
export interface PeerPlace {
  /** A folder of its own, made for this run. */
  readonly folder: string
  readonly port: number
  readonly programs: Programs
  /** Metadata of the authority, as its metadata address gives it. */
  readonly authorityMetadata: string
  /** Entity ID of the authority. */
  readonly authorityEntityId: string
}

/** An application of somebody else: a service provider or a relying party, started by this run as an ordinary process. */
export interface RealPeer {
  readonly id: string
  readonly name: string
  readonly version: string
  readonly origin: string
  /** What only a signed-in user sees; it holds `insideMark`. */
  readonly protectedUrl: string
  readonly insideMark: string
  /** Where a person signs out; the way ends at a page that holds `outsideMark`. */
  readonly signOutUrl: string
  readonly outsideMark: string
  /** Address that takes logout messages. */
  readonly logoutUrl: string
  /** Entity ID of a SAML peer that takes a Response by HTTP Artifact. */
  readonly artifactEntityId?: string
  /** True when it takes a LogoutRequest by SOAP and obeys, but can't answer it: it has to be asked again. */
  readonly isMuteBySoap: boolean
  /** What this version does that a reader of the matrix has to know. Whole sentences. */
  readonly known: readonly string[]
  /** How the authority gets its metadata: a file of this text, or the address. Absent for a peer that has none. */
  readonly metadata?: { readonly text: string } | { readonly url: string }
  /** What an administrator writes about an OpenID client, which has no metadata. */
  readonly client?: ClientFacts
  /** What the starter of a logout is shown about its answer; undefined when it shows nothing. */
  statusShown(page: string): string | undefined
  start(): Promise<void>
  stop(): Promise<void>
  /** Takes connections and never answers. */
  hang(): void
  goOn(): void
}

/** An OpenID client in the words of `curfew.yaml`. */
export interface ClientFacts {
  readonly settings: Readonly<Record<string, unknown>>
  /** Setting `logout` for each channel that it can be told by. */
  readonly logout: Readonly<Partial<Record<LogoutBinding, object>>>
}

/** A kind of peer: whether this machine can run it, and how. */
export interface PeerKind {
  readonly id: string
  readonly name: string
  /** Host names that the authority has to find. */
  readonly hosts: readonly string[]
  /** Why it can't run here; undefined when it can. */
  missing(): string | undefined
  launch(place: PeerPlace): Promise<RealPeer>
}
