import type { Peer } from '../packages/curfew/src/core/peer.ts'
import { createEngine, type Engine } from '../packages/curfew/src/engine/engine.ts'
import type { Sender } from '../packages/curfew/src/engine/sender.ts'
import { type Clock, systemClock } from '../packages/curfew/src/platform/clock.ts'
import type { Ids } from '../packages/curfew/src/platform/ids.ts'
import { silentLogger } from '../packages/curfew/src/platform/logger.ts'
import { createMetrics } from '../packages/curfew/src/platform/metrics.ts'
import { systemRandom } from '../packages/curfew/src/platform/random.ts'
import type { Store } from '../packages/curfew/src/stores/store.ts'

export interface BenchEngineParts {
  readonly store: Store
  readonly ids: Ids
  readonly senders: readonly Sender[]
  readonly peer: (id: string) => Peer | undefined
  /** Absent: that of this machine. */
  readonly clock?: Clock
}

/** An engine with everything real but its log, for whole runs. */
export function benchEngine({ store, ids, senders, peer, clock = systemClock }: BenchEngineParts): Engine {
  return createEngine({
    store,
    clock,
    random: systemRandom,
    ids,
    senders,
    peer,
    policy: {
      attemptsMax: 4,
      retryBaseMs: 1_000,
      retryCapMs: 10_000,
      sendTimeoutMs: 5_000,
      hopTimeoutMs: 8_000,
      frameTimeoutMs: 3_000,
      patienceMs: 8_000,
      deadlineMs: 3_600_000
    },
    receipts: { sign: async (run) => `receipt of ${run.id}` },
    probe: async () => ({ reachable: true, durationMs: 0 }),
    logger: silentLogger,
    metrics: createMetrics(),
    owner: 'bench',
    leaseMs: 30_000,
    revocationMs: 3_600_000,
    registryMs: 3_600_000,
    sessionsPerUserMax: 100_000,
    keepRunsMs: 3_600_000
  })
}

/** An application that is asked by SOAP. */
export function soapPeer(id: string): Peer {
  return {
    id,
    name: id,
    protocol: 'saml',
    role: 'application',
    entityId: `https://${id}.example`,
    channels: [{ kind: 'server', binding: 'soap', url: `https://${id}.example/soap` }],
    mayBeAsked: true,
    returnsBrowser: true
  }
}
