import type { PeerId } from '../../packages/curfew/src/core/ids.ts'
import type { Delivery, LogoutRun, RunPolicy } from '../../packages/curfew/src/core/run.ts'
import type { EngineDeps } from '../../packages/curfew/src/engine/deps.ts'
import type { Sender } from '../../packages/curfew/src/engine/sender.ts'
import { createIds } from '../../packages/curfew/src/platform/ids.ts'
import { silentLogger } from '../../packages/curfew/src/platform/logger.ts'
import { createMetrics } from '../../packages/curfew/src/platform/metrics.ts'
import type { Random } from '../../packages/curfew/src/platform/random.ts'
import type { NodeParts } from './node.ts'
import type { Partners } from './partners.ts'

export const policy: RunPolicy = {
  attemptsMax: 3,
  retryBaseMs: 1_000,
  retryCapMs: 4_000,
  sendTimeoutMs: 1_000,
  hopTimeoutMs: 2_000,
  frameTimeoutMs: 1_000,
  patienceMs: 3_000,
  deadlineMs: 40_000
}
export const leaseMs = 5_000
const metrics = createMetrics()

export interface EnginePartsOptions {
  readonly random: Random
  readonly partners: Partners
  /** Letter of the group that identifiers carry. */
  readonly group?: string
  /** Called before an application is asked. */
  readonly onSend: (asked: { readonly run: LogoutRun; readonly delivery: Delivery; readonly messageId: string }) => void
}

/** What an engine works with, beside its store: partners that are asked from server to server, short limits. */
export function engineParts({ random, partners, group, onSend }: EnginePartsOptions, isAlive: () => boolean): NodeParts {
  const ids = createIds(random, group)
  const sender = (protocol: Sender['protocol']): Sender => ({
    protocol,
    newMessageId: () => ids.message().slice(0, 10),
    send: async ({ run, delivery, messageId, nowMs }, signal) => {
      if (!isAlive()) return new Promise(() => {})
      onSend({ run, delivery, messageId })
      const partner = partners.all.get(delivery.peerId)
      if (partner === undefined) throw new RangeError(`there is no ${delivery.peerId}`)
      return partner.receive({ run, delivery, messageId, nowMs }, signal)
    },
    prepareBrowser: async ({ messageId }) => ({ method: 'redirect', url: `https://partner.example/${messageId}` })
  })
  const parts: Omit<EngineDeps, 'store' | 'clock' | 'owner'> = {
    random,
    ids,
    senders: [sender('saml'), sender('oidc')],
    peer: (id: PeerId) => partners.peers.get(id),
    policy,
    receipts: { sign: async (run) => `receipt of ${run.id}` },
    probe: async () => ({ reachable: true, durationMs: 1 }),
    logger: silentLogger,
    metrics,
    leaseMs,
    revocationMs: 3_600_000,
    registryMs: 3_600_000,
    sessionsPerUserMax: 100,
    keepRunsMs: 86_400_000,
    limits: { outboxPollMs: 2_000, expiryIntervalMs: 20_000, purgeIntervalMs: 60_000, gaugeIntervalMs: 60_000 }
  }
  return parts
}
