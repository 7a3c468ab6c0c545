import type { PeerId } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import type { LogoutRun, RunPolicy } from '../core/run.ts'
import type { Clock } from '../platform/clock.ts'
import type { Ids } from '../platform/ids.ts'
import type { Logger } from '../platform/logger.ts'
import type { Metrics } from '../platform/metrics.ts'
import type { ProbeResult } from '../platform/outbound.ts'
import type { Random } from '../platform/random.ts'
import type { Store } from '../stores/store.ts'
import type { ReceiptSigner } from './receipt.ts'
import type { Sender } from './sender.ts'

/** Everything the engine works with, by argument, so that a run replays from a seed. */
export interface EngineDeps {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly ids: Pick<Ids, 'run' | 'delivery'>
  readonly senders: readonly Sender[]
  peer(id: PeerId): Peer | undefined
  /** Called before a plan asks for those: some may be known to another node only. Absent: all are known. */
  readonly meetPeers?: (ids: readonly PeerId[]) => Promise<void>
  /** Limits copied into every run that starts. */
  readonly policy: RunPolicy
  readonly receipts: ReceiptSigner
  /** Asks whether a server answers at an address, right before a browser is sent there. */
  probe(target: { readonly peerId: string; readonly url: string; readonly timeoutMs: number }): Promise<ProbeResult>
  readonly logger: Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>
  readonly metrics: Metrics
  /**
   * Name of this node among the owners of effects. The same after a restart, so that the node takes back at once what
   * it held when it died; never shared by two processes that run at the same time.
   */
  readonly owner: string
  /** How long a claimed effect stays with this process without being settled; at least four times `sendTimeoutMs`. */
  readonly leaseMs: number
  /** How long a revoked SRI stays on the list after the end. */
  readonly revocationMs: number
  /** An ending puts the SRI on the revocation list. Absent: it does. */
  readonly revokesOnLogout?: boolean
  /** How long the registry remembers a session and what was issued in it after the end, at least. */
  readonly registryMs: number
  /** Most live sessions per user; more end the oldest. -1: no limit. */
  readonly sessionsPerUserMax: number
  /** How long finished runs are kept. */
  readonly keepRunsMs: number
  readonly limits?: Partial<EngineLimits>
  /** Called with every run that ended its session, at least once; must be safe to repeat. Absent: nobody wants to know. */
  readonly onSessionEnded?: (run: LogoutRun) => Promise<void>
}

/** Bounds that have a good default. Times in milliseconds. */
export interface EngineLimits {
  /** Server-to-server exchanges with one peer at once. */
  readonly perPeerMax: number
  /** Exchanges of one peer that wait for a place in this process; more stay in the store until their lease ends. */
  readonly perPeerQueuedMax: number
  /** Exchanges at once over all peers. */
  readonly concurrentMax: number
  /** Effects taken from the outbox at once. */
  readonly claimMax: number
  /** How often the outbox is looked at when nothing says that there is work (effects of other processes). */
  readonly outboxPollMs: number
  /** Mean time between two looks for sessions past their limits; jittered by half. */
  readonly expiryIntervalMs: number
  /** Sessions ended per look; a full look is followed by the next at once. */
  readonly expiryBatchMax: number
  readonly purgeIntervalMs: number
  readonly purgeBatchMax: number
  readonly gaugeIntervalMs: number
  /** Mean time between two looks for participants that joined a session whose end did not know them. */
  readonly lateIntervalMs: number
}

export const engineLimits: EngineLimits = {
  perPeerMax: 16,
  perPeerQueuedMax: 2_000,
  concurrentMax: 512,
  claimMax: 128,
  outboxPollMs: 1_000,
  expiryIntervalMs: 2_000,
  expiryBatchMax: 50,
  purgeIntervalMs: 60_000,
  purgeBatchMax: 500,
  gaugeIntervalMs: 5_000,
  lateIntervalMs: 10_000
}
