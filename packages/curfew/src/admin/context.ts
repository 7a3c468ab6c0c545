import type { ShownConfigSetting } from '../config/shown-config.ts'
import type { SessionId } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import type { Actor } from '../core/session.ts'
import type { Engine } from '../engine/engine.ts'
import type { Clock } from '../platform/clock.ts'
import type { Ids } from '../platform/ids.ts'
import type { Logger } from '../platform/logger.ts'
import type { Metrics } from '../platform/metrics.ts'
import type { Everywhere } from '../stores/everywhere.ts'
import type { Store } from '../stores/store.ts'
import type { AccountLinkView, ClusterView, HealthView, GroupLinkView, PlaceHereView, StreamView } from './schemas.ts'

/** What the admin API works with. */
export interface AdminContext {
  readonly store: Store
  /** Sessions of every group. */
  readonly everywhere: Everywhere
  readonly engine: Engine
  readonly clock: Clock
  readonly ids: Ids
  readonly metrics: Metrics
  readonly logger: Logger
  readonly token: string
  readonly version: string
  readonly baseUrl: string
  /** Fingerprints of the SAML signing keys that this process publishes. */
  readonly signingKeys?: readonly string[]
  /** Partners with the certificates that their messages are checked with. */
  peers(): readonly AdminPeer[]
  peer(id: string): Peer | undefined
  /** OpenID clients that registered themselves; absent: they may not. */
  readonly clients?: AdminClients
  /** Streams of shared signals. */
  streams(): Promise<readonly StreamView[]>
  /** Pauses a stream, or lets it go on. Undefined: this client has none. */
  setStreamStatus(connection: string, status: StreamView['status'], reason?: string): Promise<StreamView | undefined>
  /** False: this client has no stream. */
  verifyStream(connection: string): Promise<boolean>
  /** Issues a code for one reset of a password. */
  resetPassword(username: string, by: Actor): Promise<{ readonly username: string; readonly url: string; readonly untilMs: number }>
  readonly accountLinks: AdminAccountLinks
  /** The settings that this process was started with, without secrets. */
  readonly settings: { readonly startedAtMs: number; readonly items: readonly ShownConfigSetting[] }
  status(): 'ok' | 'starting' | 'draining' | 'stopping'
  readonly cluster: AdminCluster
  /** The processes of this node, where there are several. */
  readonly workers?: AdminWorkers
}

/** The processes of one node that share its listeners. */
export interface AdminWorkers {
  /** The figures of all of them, in one page. */
  metrics(): Promise<string>
  states(): Promise<readonly { readonly worker: number; readonly pid: number; readonly status: HealthView['status'] }[]>
}

export interface AdminPeer {
  readonly peer: Peer
  readonly certificates: readonly { readonly fingerprint: string; readonly notAfterMs?: number }[]
  /** Of a SAML partner with metadata. */
  readonly metadata?: {
    readonly readAtMs?: number
    readonly validUntilMs?: number
    readonly problem?: { readonly atMs: number; readonly code: string; readonly why: string }
    readonly changes: readonly {
      readonly atMs: number
      readonly what: string
      readonly change: 'added' | 'removed'
      readonly value: string
      readonly breaks: boolean
    }[]
  }
}

/** Sign-ins elsewhere that are linked to local users. */
export interface AdminAccountLinks {
  list(username: string): Promise<readonly AccountLinkView[]>
  /** False: the user has no such link. */
  remove(username: string, id: string, by: Actor): Promise<boolean>
}

/** The nodes that share the store. */
export interface AdminCluster {
  readonly self: string
  readonly mode: ClusterView['mode']
  nodes(): Promise<ClusterView['nodes']>
  /** Asks a node to stop taking work, or to take it again. `last`: no other one takes work. `older`: one of an older version is there. */
  drain(node: string, isAsked: boolean): Promise<'done' | 'unknown' | 'last' | 'older'>
  /** The format that nodes write; absent where there is one node only. */
  format(): number | undefined
  /** Where a session is kept; undefined where everything is in one place. */
  whereIs(session: SessionId): Promise<Omit<PlaceHereView, 'session'> | undefined>
  readonly groups: AdminGroups
}

/** The groups of the authority, as this node sees them. */
export interface AdminGroups {
  readonly self: { readonly id: string; readonly letter: string }
  readonly mode: 'shared' | 'subclusters' | 'regions'
  others(): readonly GroupLinkView[]
  /** Another store may announce itself under this id. @throws CURFEW_GROUP_UNKNOWN */
  forget(group: string): Promise<boolean>
}

/** What is known of a client that registered itself, as far as it is shown. */
export interface AdminClientRecord {
  readonly metadata: {
    readonly client_name?: string | undefined
    readonly redirect_uris: readonly string[]
    readonly token_endpoint_auth_method: string
    readonly backchannel_logout_uri?: string | undefined
    readonly frontchannel_logout_uri?: string | undefined
  }
  readonly issuedAtMs: number
  readonly by: string
}

export interface AdminClients {
  list(): Promise<readonly { readonly clientId: string; readonly record: AdminClientRecord }[]>
  /** False: there is no such client. */
  remove(clientId: string): Promise<boolean>
}
