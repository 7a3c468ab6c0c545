import type { EndRequest, EndSummary } from '../core/end-sessions.ts'
import type { DeliveryId, PeerId, RunId, UserKey } from '../core/ids.ts'
import type { PartialRequest } from '../core/partial-logout.ts'
import type { Delivery, LogoutRun, RunEvent } from '../core/run.ts'
import type { Actor } from '../core/session.ts'
import type { LateParticipants } from '../stores/fact-store.ts'
import { createBrowserWork } from './browser.ts'
import { createBrowserKeepers } from './browser-keepers.ts'
import { type EngineDeps, engineLimits } from './deps.ts'
import { createEndings } from './endings.ts'
import { createHousekeeping } from './housekeeping.ts'
import { createObserver } from './observer.ts'
import { createOutbox, type Outbox } from './outbox.ts'
import { createRunWriter } from './run-writer.ts'
import { createSendQueue } from './send-queue.ts'
import type { BrowserAnswer, BrowserInstruction } from './sender.ts'
import { waitForRun } from './wait.ts'

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
  /** Finishes what is under way, gives leases back. It may be started again: meanwhile sessions end all the same, and other nodes send. */
  stop(): Promise<void>
  /** The only way to end sessions from outside (core/end-sessions.ts does it). Wakes the outbox. */
  endSessions(request: EndRequest): Promise<EndSummary>
  /** Partial logout: tells some applications of a session that goes on. Undefined: none of them takes part in it. */
  logOutOf(request: PartialRequest): Promise<RunId | undefined>
  /** A run for participants that were added here while their session ended elsewhere. */
  logOutLate(late: LateParticipants): Promise<boolean>
  /** Feeds one event; retries on a concurrent change. Returns the stored run, undefined when it is unknown. */
  apply(runId: RunId, event: RunEvent): Promise<LogoutRun | undefined>
  /** Resolves when `until` holds for the stored run or at `deadlineMs` (then with the run as it is). */
  waitFor(runId: RunId, until: (run: LogoutRun) => boolean, deadlineMs: number): Promise<LogoutRun | undefined>
  /** Called with every stored change of a run made by this process. Returns the unsubscribe function. */
  subscribe(listener: (run: LogoutRun) => void): () => void
  /**
   * The browser of the session is on the sign-off page: probes the next hop, records that the browser is sent and
   * returns where. A hop that is not reachable is recorded and passed over.
   * @param isGone - the browser waits for the answer no longer: it is sent nowhere
   */
  nextBrowserStep(runId: RunId, isGone?: () => boolean): Promise<BrowserStep>
  /** Prepares one hidden frame of the page; undefined when that delivery is not waiting for a frame. */
  prepareFrame(runId: RunId, deliveryId: DeliveryId): Promise<BrowserInstruction | undefined>
  /** A verified answer that came through the browser. Undefined: no delivery waits for this message id of this peer. */
  browserAnswered(peerId: PeerId, messageId: string, answer: BrowserAnswer): Promise<LogoutRun | undefined>
  /** An administrator or the user tries an unconfirmed delivery again: a new delivery in the same run. */
  retry(runId: RunId, deliveryId: DeliveryId, by: Actor): Promise<LogoutRun | undefined>
  /** Ends the oldest sessions of a user beyond the limit, by normal runs. Returns how many. */
  enforceSessionLimit(userKey: UserKey): Promise<number>
  /** Ends the sessions that are past a limit now, one batch; returns how many. The timer does it by itself. */
  endExpired(): Promise<number>
}

/**
 * Creates the engine of one process.
 * @throws RangeError when the lease is too short for the time an exchange may take
 */
export function createEngine(deps: EngineDeps): Engine {
  if (deps.leaseMs < 4 * deps.policy.sendTimeoutMs) throw new RangeError('a lease lasts at least four times as long as an exchange may take')
  const limits = { ...engineLimits, ...deps.limits }
  const observer = createObserver(deps)
  const wake = (atMs: number): void => outbox.wake(atMs)
  const keepers = createBrowserKeepers(() => deps.clock.nowMs())
  const onChanged = (before: LogoutRun, after: LogoutRun): void => {
    keepers.saw(before, after)
    observer.changed(before, after)
  }
  const writer = createRunWriter({ ...deps, onChanged, onEffects: wake })
  const sends = createSendQueue({ ...deps, writer, limits })
  const outbox: Outbox = createOutbox({ ...deps, writer, sends, observer, limits })
  const endings = createEndings({ ...deps, observer, onEffects: wake })
  const browser = createBrowserWork({ ...deps, writer, keepers })
  const housekeeping = createHousekeeping({
    ...deps,
    limits,
    end: (request) => endings.end(request),
    logOutLate: (late) => endings.logOutLate(late)
  })
  return {
    ...browser,
    async start() {
      await outbox.start()
      housekeeping.start()
    },
    async stop() {
      await housekeeping.stop()
      await outbox.stop()
      await observer.settled()
    },
    endSessions: (request) => endings.end(request),
    logOutOf: (request) => endings.logOutOf(request),
    logOutLate: (late) => endings.logOutLate(late),
    enforceSessionLimit: (userKey) => endings.enforceLimit(userKey),
    endExpired: () => housekeeping.endExpired(),
    apply: (runId, event) => writer.write(runId, () => [event]),
    waitFor: (runId, until, deadlineMs) => waitForRun({ ...deps, observer }, { runId, until, deadlineMs }),
    subscribe: (listener) => observer.subscribe(listener),
    async retry(runId, deliveryId, by) {
      const newDeliveryId = deps.ids.delivery()
      const run = await writer.write(runId, () => [{ kind: 'retry-requested', atMs: deps.clock.nowMs(), deliveryId, newDeliveryId, by }])
      const repeat = run?.deliveries.find((delivery) => delivery.id === newDeliveryId)
      if (run !== undefined && repeat !== undefined) observer.retried(run, repeat, by)
      return run
    }
  }
}
