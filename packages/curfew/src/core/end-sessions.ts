import type { PeerId, RunId, SessionId, UserKey } from './ids.ts'
import type { Starter } from './run.ts'
import type { Actor, EndReason } from './session.ts'

/** Which sessions end. */
export type EndScope =
  | { readonly kind: 'session'; readonly sessionId: SessionId }
  | { readonly kind: 'user'; readonly userKey: UserKey; readonly except?: SessionId }
  | { readonly kind: 'sessions'; readonly sessionIds: readonly SessionId[] }

export interface EndRequest {
  readonly scope: EndScope
  readonly reason: EndReason
  readonly by: Actor
  readonly starter: Starter
  /** `present`: the session's browser made this request and can be sent on. */
  readonly browser: 'present' | 'absent'
  /** Only these peers are told (partial logout by choice); the session still ends. Absent: all. */
  readonly onlyPeers?: readonly PeerId[]
}

/** One entry per session that the scope named. */
export interface EndSummary {
  readonly ended: readonly { readonly sessionId: SessionId; readonly runId: RunId }[]
  /** Ended before this request; the run that did it. */
  readonly already: readonly { readonly sessionId: SessionId; readonly runId: RunId }[]
  readonly unknown: readonly SessionId[]
}
