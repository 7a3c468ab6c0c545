import type { EngineLimits } from '../../../src/engine/deps.ts'
import { createEngine, type Engine } from '../../../src/engine/engine.ts'
import { createIds } from '../../../src/platform/ids.ts'
import { silentLogger } from '../../../src/platform/logger.ts'
import { createMetrics } from '../../../src/platform/metrics.ts'
import { systemRandom } from '../../../src/platform/random.ts'
import { hourMs } from '../../../src/stores/conformance/samples.ts'
import type { RedisStore, RedisStoreOptions } from '../../../src/stores/redis/redis-store.ts'
import { policy, soapPeer } from '../../support/engine-kit.ts'
import { createScriptedSender, type ScriptedSender } from '../../support/scripted-sender.ts'
import { openOn } from './opened.ts'
import type { Server } from './servers.ts'

export const leaseMs = 4_000

/** One node: an engine on a shared store, and what it has sent. */
export interface Node {
  readonly store: RedisStore
  readonly engine: Engine
  readonly sender: ScriptedSender
  /** Its engine does nothing any more, and gives nothing back. */
  die(): void
}

export async function startNode(
  servers: readonly Server[],
  name: string,
  { options = {}, limits = {} }: { readonly options?: Partial<RedisStoreOptions>; readonly limits?: Partial<EngineLimits> } = {}
): Promise<Node> {
  const store = await openOn(servers, { buckets: 4, ...options })
  await store.nodes.join({ id: name, address: name, version: '1', tags: [], startedAtMs: store.clock.nowMs() })
  const sender = createScriptedSender()
  let isDead = false
  const engine = createEngine({
    store,
    clock: { nowMs: () => store.clock.nowMs(), after: (ms, fn) => store.clock.after(ms, () => (isDead ? undefined : fn())) },
    random: systemRandom,
    ids: createIds(systemRandom),
    senders: [sender],
    peer: (id) => soapPeer(id),
    policy: { ...policy, sendTimeoutMs: leaseMs / 4, retryBaseMs: 200, retryCapMs: 400 },
    receipts: { sign: async (run) => `receipt of ${run.id}` },
    probe: async () => ({ reachable: true, durationMs: 1 }),
    logger: silentLogger,
    metrics: createMetrics(),
    owner: name,
    leaseMs,
    revocationMs: hourMs,
    registryMs: hourMs,
    sessionsPerUserMax: 100,
    keepRunsMs: hourMs,
    limits
  })
  return {
    store,
    engine,
    sender,
    die() {
      isDead = true
    }
  }
}
