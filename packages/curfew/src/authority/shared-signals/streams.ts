import { securityEvents, sha256Hex, type SimpleSubject, type SubjectIdentifier } from '@curfew/codecs'
import type { Artifact, Store } from '../../stores/store.ts'

export type StreamStatus = 'enabled' | 'paused' | 'disabled'

export type StreamDelivery = { readonly method: 'push'; readonly endpointUrl: string; readonly authorization?: string } | { readonly method: 'poll' }

/** One receiver's wish to be told (SSF 1.0 section 8.1.1). A client has at most one. */
export interface Stream {
  readonly id: string
  readonly clientId: string
  readonly status: StreamStatus
  readonly reason?: string
  readonly eventsRequested: readonly string[]
  readonly delivery: StreamDelivery
  readonly description?: string
  /** Users it is not told of; everybody else it is. */
  readonly removedSubjects: readonly SimpleSubject[]
  readonly createdAtMs: number
  readonly verifiedAtMs?: number
}

/** A token that a stream is owed, not signed yet. */
export interface OwedSet {
  readonly jti: string
  readonly event: string
  readonly payload: Readonly<Record<string, unknown>>
  readonly subject: SubjectIdentifier
  readonly issuedAtMs: number
  readonly txn?: string
  /** Pushes that failed so far. */
  readonly attempts: number
  readonly nextAttemptAtMs: number
}

/** How a stream is doing, besides what its receiver set. */
export interface StreamTally {
  readonly accepted: number
  /** Refused by the receiver, for good. */
  readonly refused: number
  /** Not queued because the backlog was full, or given up. */
  readonly lost: number
  readonly lastError?: { readonly code: string; readonly atMs: number }
  /** Pushes that failed in a row, and since when. */
  readonly failures?: number
  readonly failingSinceMs?: number
}

/** Events that a stream can ask for. Verification is sent without asking. */
export const eventsSupported: readonly string[] = [securityEvents.sessionRevoked, securityEvents.credentialChange]

/** Owed tokens of one stream; with more the next are lost, which its status says. */
export const setsPerStreamMax = 1_000
/** A token is owed for so long, then it is a dead letter. */
export const setKeepMs = 7 * 86_400_000
/** Users that a stream may leave out. */
export const removedSubjectsMax = 500

const streamKind = 'SignalStream'
const setKind = 'SignalSet'
const tallyKind = 'SignalTally'
const foreverMs = Number.MAX_SAFE_INTEGER

/** Streams and what they are owed, as the store keeps them: a stream is the grant that its tokens are issued under. */
export interface Streams {
  find(clientId: string): Promise<Stream | undefined>
  save(stream: Stream): Promise<void>
  /** Removes a stream with everything it is owed. */
  drop(stream: Stream): Promise<void>
  /** Owed tokens, oldest first. */
  owed(stream: Stream, max: number): Promise<readonly { readonly id: string; readonly set: OwedSet }[]>
  /** `full`: nothing was queued. Repeating it with the same `jti` and time owes it once. */
  owe(stream: Stream, set: OwedSet): Promise<'owed' | 'full'>
  postpone(stream: Stream, id: string, set: OwedSet): Promise<void>
  settle(id: string): Promise<boolean>
  tally(stream: Stream): Promise<StreamTally>
  count(stream: Stream, change: (tally: StreamTally) => StreamTally): Promise<void>
}

export function createStreams(store: Store, nowMs: () => number): Streams {
  const value = async (kind: string, id: string): Promise<unknown> => (await store.getArtifact(kind, id, nowMs()))?.value
  const put = async (artifact: Artifact): Promise<void> => void (await store.putArtifact(artifact))
  const owed = async (stream: Stream, max: number): Promise<readonly { readonly id: string; readonly set: OwedSet }[]> =>
    (await store.artifactsOfGrant(stream.id, setKind, nowMs(), max)).map((artifact) => ({ id: artifact.id, set: artifact.value as OwedSet }))
  // A dead letter is seen by whoever works on the stream before the store forgets it.
  const putSet = (stream: Stream, id: string, set: OwedSet): Promise<void> =>
    put({ kind: setKind, id, grantId: stream.id, untilMs: set.issuedAtMs + 2 * setKeepMs, value: set })
  const tally = async (stream: Stream): Promise<StreamTally> =>
    ((await value(tallyKind, stream.id)) as StreamTally | undefined) ?? { accepted: 0, refused: 0, lost: 0 }
  return {
    find: async (clientId) => (await value(streamKind, clientId)) as Stream | undefined,
    save: (stream) => put({ kind: streamKind, id: stream.clientId, grantId: stream.id, untilMs: foreverMs, value: stream }),
    async drop(stream) {
      await store.dropGrant(stream.id)
    },
    owed,
    async owe(stream, set) {
      if ((await owed(stream, setsPerStreamMax)).length >= setsPerStreamMax) return 'full'
      await putSet(stream, setIdOf(set), set)
      return 'owed'
    },
    postpone: putSet,
    settle: async (id) => (await store.dropArtifact(setKind, id)).value === 'dropped',
    tally,
    async count(stream, change) {
      await put({ kind: tallyKind, id: stream.id, grantId: stream.id, untilMs: foreverMs, value: change(await tally(stream)) })
    }
  }
}

/** Sorts by time. */
function setIdOf({ issuedAtMs, jti }: OwedSet): string {
  return `${String(issuedAtMs).padStart(15, '0')}.${jti}`
}

/** The same for the same cause and stream. */
export function jtiOf(stream: Stream, cause: string): string {
  return sha256Hex(`${stream.id}\0${cause}`).slice(0, 40)
}
