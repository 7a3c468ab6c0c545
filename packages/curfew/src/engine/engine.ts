import type { EndRequest, EndSummary } from '../core/end-sessions.ts'
import type { DeliveryId, PeerId, RunId } from '../core/ids.ts'
import type { Delivery, LogoutRun, RunEvent } from '../core/run.ts'
import type { Actor } from '../core/session.ts'
import type { BrowserAnswer, BrowserInstruction } from './sender.ts'

/** What a browser on the sign-off page has to do next. */
export type BrowserStep =
  | { readonly kind: 'hop'; readonly delivery: Delivery; readonly instruction: BrowserInstruction }
  /** Nothing to do now, but server-to-server work goes on. */
  | { readonly kind: 'wait' }
  /** Everything final, or the starter's patience is over. */
  | { readonly kind: 'finished' }

/** Drives runs: takes effects from the outbox, calls senders, feeds events to `step`, stores the result. */
export interface Engine {
  start(): Promise<void>
  /** Finishes what is under way, gives leases back. */
  stop(): Promise<void>
  /** The only way to end sessions from outside (core/end-sessions.ts does it). Wakes the outbox. */
  endSessions(request: EndRequest): Promise<EndSummary>
  /** Feeds one event; retries on a concurrent change. Returns the stored run, undefined when it is unknown. */
  apply(runId: RunId, event: RunEvent): Promise<LogoutRun | undefined>
  /** Resolves when `until` holds for the stored run or at `deadlineMs` (then with the run as it is). */
  waitFor(runId: RunId, until: (run: LogoutRun) => boolean, deadlineMs: number): Promise<LogoutRun | undefined>
  /** Called with every stored change of a run made by this process. Returns the unsubscribe function. */
  subscribe(listener: (run: LogoutRun) => void): () => void
  /**
   * The browser of the session is on the sign-off page: probes the next hop, records that the browser is sent and
   * returns where. A hop that is not reachable is recorded and passed over.
   */
  nextBrowserStep(runId: RunId): Promise<BrowserStep>
  /** Prepares one hidden frame of the page; undefined when that delivery is not waiting for a frame. */
  prepareFrame(runId: RunId, deliveryId: DeliveryId): Promise<BrowserInstruction | undefined>
  /** A verified answer that came through the browser. False: no delivery waits for this message id of this peer. */
  browserAnswered(peerId: PeerId, messageId: string, answer: BrowserAnswer): Promise<LogoutRun | undefined>
  /** An administrator or the user tries an unconfirmed delivery again: a new delivery in the same run. */
  retry(runId: RunId, deliveryId: DeliveryId, by: Actor): Promise<LogoutRun | undefined>
}
