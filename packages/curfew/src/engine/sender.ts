import type { Outcome, OutcomeProof } from '../core/outcome.ts'
import type { LogoutChannel, Peer, PeerProtocol } from '../core/peer.ts'
import type { Delivery, LogoutRun } from '../core/run.ts'

/** One message a sender is asked to make. `messageId` was recorded in the run before the sender is called. */
export interface SendRequest {
  readonly run: LogoutRun
  readonly delivery: Delivery
  readonly channel: LogoutChannel
  readonly attempt: number
  readonly messageId: string
  readonly nowMs: number
}

/** What came of a server-to-server exchange. A sender never throws for what a peer does. */
export type SendResult =
  | { readonly kind: 'confirmed'; readonly result: 'ended' | 'already-ended'; readonly proof: OutcomeProof }
  | { readonly kind: 'refused'; readonly statusCode: string; readonly code: string }
  | { readonly kind: 'unusable-answer'; readonly code: string }
  | { readonly kind: 'failed'; readonly why: 'unreachable' | 'timed-out'; readonly code: string; readonly retryable: boolean }

/** What the browser has to do for a front-channel message. */
export type BrowserInstruction =
  | { readonly method: 'redirect'; readonly url: string /** A whole `Set-Cookie` that goes along. */; readonly cookie?: string }
  | { readonly method: 'post'; readonly url: string; readonly fields: Readonly<Record<string, string>> }

/**
 * The protocol's half of a delivery: turns one into a message. Lives with its protocol in `authority/`; the
 * composition root hands it to the engine. Sending twice is harmless (fresh message id, same delivery).
 */
export interface Sender {
  readonly protocol: PeerProtocol
  /** Partners of this role only; absent: of both. */
  readonly role?: Peer['role']
  /** A fresh id for one attempt. */
  newMessageId(): string
  send(request: SendRequest, signal: AbortSignal): Promise<SendResult>
  prepareBrowser(request: SendRequest): Promise<BrowserInstruction>
}

/** How a browser got on with one front-channel message, as the protocol's endpoint read it from a verified answer. */
export type BrowserAnswer = Extract<SendResult, { kind: 'confirmed' | 'refused' | 'unusable-answer' }>

export type { Outcome }
