import type { DeliveryId, ParticipantId, PeerId, RunId, SessionId, UserKey } from './ids.ts'
import type { OpenState, Outcome, OutcomeProof } from './outcome.ts'
import type { IssuedNameId } from './participant.ts'
import type { LogoutChannel } from './peer.ts'
import type { RedirectRefusal } from './redirect.ts'
import type { Actor, EndReason } from './session.ts'

/** Limits of one run, copied into it when it starts, so that a replay needs nothing else. All in milliseconds. */
export interface RunPolicy {
  /** Attempts per server channel before the delivery is a dead letter. */
  readonly attemptsMax: number
  /** First retry delay; doubles with every attempt, full jitter. */
  readonly retryBaseMs: number
  readonly retryCapMs: number
  /** How long one server-to-server exchange may take. */
  readonly sendTimeoutMs: number
  /** How long a browser that was sent away may take to come back. */
  readonly hopTimeoutMs: number
  /** How long the sign-off page waits for hidden frames and pictures; see `frame-wait.ts`. */
  readonly frameTimeoutMs: number
  /** How long the one who started waits before it is answered with what is known (background work goes on). */
  readonly patienceMs: number
  /** When everything still open becomes final. */
  readonly deadlineMs: number
}

/** A landing parameter that was not followed, and why. The address itself is not kept. */
export interface IgnoredLanding {
  readonly parameter: string
  readonly why: RedirectRefusal
}

/** Who started the run and how the answer goes back. The starter is answered once. */
export type Starter =
  | {
      readonly kind: 'participant'
      readonly participantId: ParticipantId
      readonly peerId: PeerId
      /** The last two are OpenID's: nobody waits for an answer. */
      readonly binding: 'redirect' | 'post' | 'artifact' | 'soap' | 'back-channel' | 'front-channel'
      readonly requestId: string
      readonly relayState?: string
      /** False for the asynchronous extension: no LogoutResponse is sent. */
      readonly wantsResponse: boolean
    }
  | {
      readonly kind: 'user'
      readonly landingUrl?: string
      readonly errorUrl?: string
      /** Landing addresses that were asked for and not followed, for the administrator; never shown to the visitor. */
      readonly ignored?: readonly IgnoredLanding[]
    }
  | { readonly kind: 'none' } // administrator, command line, timer: nobody waits

/** One try at one channel. */
export interface Attempt {
  readonly number: number
  readonly channel: LogoutChannel
  /** The node that makes it from server to server, one at a time; absent where a former version wrote it. */
  readonly by?: string
  /** SAML message ids are fresh per attempt; a late answer to any of them still counts. */
  readonly messageId: string
  readonly startedAtMs: number
  readonly endedAtMs?: number
  /** Error code when the attempt failed. */
  readonly code?: string
  /** It failed in a way that trying again may mend. */
  readonly isRetryable?: true
}

export interface Delivery {
  readonly id: DeliveryId
  readonly participantId: ParticipantId
  readonly peerId: PeerId
  /** Name at the time of the run: the page stays readable when the peer is gone from the configuration. */
  readonly peerName: string
  readonly nameId: IssuedNameId
  readonly sessionIndex: string
  readonly assertionNotOnOrAfterMs: number
  /** Channels in the order to try; `channelIndex` is the one in use. */
  readonly channels: readonly LogoutChannel[]
  readonly channelIndex: number
  readonly returnsBrowser: boolean
  /** It is about a grant that outlives the session, not about the application's own session. */
  readonly grant?: 'offline'
  readonly state: OpenState | 'final'
  readonly outcome?: Outcome
  /** What one attempt came to while the message of another one may still leave: the outcome, once that one is over. */
  readonly held?: Outcome
  readonly attempts: readonly Attempt[]
  /** When it is tried again; of one that waits for the browser: when its server is, unless the browser is seen before. */
  readonly nextAttemptAtMs?: number
  /** When a page that would load its frame was last given to the browser. */
  readonly offeredAtMs?: number
  readonly finalAtMs?: number
  /** The delivery this one repeats on an administrator's request; that one keeps its outcome. */
  readonly retryOf?: DeliveryId
}

/** One logout of one session, or of some applications in it. */
export interface LogoutRun {
  readonly id: RunId
  readonly version: number
  readonly sessionId: SessionId
  readonly userKey: UserKey
  readonly username: string
  readonly sri: string
  /** SHA-256 of the session cookie: the browser that may carry on with hops. */
  readonly tokenHash: string
  readonly reason: EndReason
  readonly startedBy: Actor
  readonly starter: Starter
  readonly startedAtMs: number
  readonly policy: RunPolicy
  readonly deliveries: readonly Delivery[]
  /** A partial logout: the session goes on, and so do the participants that were not chosen. */
  readonly isPartial?: true
  /** Last time the browser of the session was seen in this run; absent: never. */
  readonly browserSeenAtMs?: number
  /** Last time a page said that its script watches its frames. */
  readonly framesWatchedAtMs?: number
  readonly starterAnsweredAtMs?: number
  /** Which of several answers that were made at once the starter got; absent: there was one, or a former version wrote it. */
  readonly starterAnswerId?: string
  readonly state: 'open' | 'done'
  readonly finishedAtMs?: number
  /** JWS over the run, written once when it is done (and again after a retry). */
  readonly receipt?: string
}

/** What can happen to a run. Every event in every state is defined; repeats are harmless. `atMs`: when. */
export type RunEvent = { readonly atMs: number } & (
  | {
      readonly kind: 'attempt-started'
      readonly deliveryId: DeliveryId
      readonly attempt: number
      readonly messageId: string
      /** The node that is about to send. */
      readonly by?: string
    }
  | {
      readonly kind: 'confirmed'
      readonly deliveryId: DeliveryId
      readonly messageId: string
      readonly result: 'ended' | 'already-ended'
      readonly proof: OutcomeProof
    }
  | {
      readonly kind: 'refused'
      readonly deliveryId: DeliveryId
      readonly messageId: string
      readonly statusCode: string
      readonly code: string
    }
  | { readonly kind: 'unusable-answer'; readonly deliveryId: DeliveryId; readonly messageId: string; readonly code: string }
  | {
      readonly kind: 'failed'
      readonly deliveryId: DeliveryId
      readonly messageId: string
      readonly why: 'unreachable' | 'timed-out'
      readonly code: string
      readonly retryable: boolean
      /** Uniform in [0, 1): spreads the retry. */
      readonly jitter: number
    }
  | { readonly kind: 'probe-failed'; readonly deliveryId: DeliveryId; readonly code: string; readonly jitter: number }
  /** Of a run that left the session alone: the application was opened once more before it was told. */
  | { readonly kind: 'opened-again'; readonly deliveryId: DeliveryId }
  | { readonly kind: 'browser-seen' }
  | { readonly kind: 'browser-sent'; readonly deliveryId: DeliveryId; readonly messageId: string } // hop or frame begins
  | { readonly kind: 'frames-offered'; readonly deliveryIds: readonly DeliveryId[] } // a page that loads them was sent to the browser
  | { readonly kind: 'frames-watched' } // a script of the page says that it will tell what becomes of them
  /** The page is done with a frame: what the browser saw of it, `unknown` where nobody could see. */
  | { readonly kind: 'frame-over'; readonly deliveryId: DeliveryId; readonly how: 'loaded' | 'failed' | 'not-loaded' | 'unknown' }
  | { readonly kind: 'tick'; readonly jitter: number } // time has passed: timeouts and the deadline are looked at
  | { readonly kind: 'retry-requested'; readonly deliveryId: DeliveryId; readonly newDeliveryId: DeliveryId; readonly by: Actor }
  /** `answerId`: tells this answer from any other that is made for the run at the same time. */
  | { readonly kind: 'starter-answered'; readonly answerId?: string }
  | { readonly kind: 'receipt-made'; readonly receipt: string }
)

/** What has to be done, stored with the run, executed at least once. `dueAtMs`: not before. */
export type Effect = { readonly dueAtMs: number } & (
  | { readonly kind: 'send'; readonly deliveryId: DeliveryId; readonly attempt: number } // current server channel
  | { readonly kind: 'wake' } // answer with a `tick`
  | { readonly kind: 'receipt' } // make the receipt
  | { readonly kind: 'signal' } // owe streams of shared signals what this end means to them
)
