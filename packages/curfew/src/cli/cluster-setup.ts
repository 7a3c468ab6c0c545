import { createServer } from 'node:https'
import type { AdminGroups } from '../admin/context.ts'
import { createGroupLinks, type GroupLinks } from '../cluster/group-links.ts'
import { createProver } from '../cluster/proof.ts'
import type { Config } from '../config/schema.ts'
import { groupsOf } from '../config/groups.ts'
import { systemClock } from '../platform/clock.ts'
import { deriveSecret } from '../platform/keys.ts'
import { createLinkFigures } from '../platform/link-metrics.ts'
import type { Logger } from '../platform/logger.ts'
import type { Metrics } from '../platform/metrics.ts'
import { createOutbound } from '../platform/outbound.ts'
import { systemRandom } from '../platform/random.ts'
import type { Store } from '../stores/store.ts'
import { readSecret, readText } from './key-files.ts'
import { listenAll } from './listen.ts'

/** The groups around this node, and what listens to them. */
export interface ClusterComposition extends AsyncDisposable {
  readonly links: GroupLinks
  /** Announces the group, listens to the others and greets them. @throws CURFEW_GROUP_ANNOUNCED, CURFEW_CLI_ADDRESS_IN_USE */
  start(closers: (() => Promise<void>)[]): Promise<void>
}

/** Calls to one group at once; more wait. */
const callsPerGroupMax = 64

/** @throws CURFEW_CONFIG_FILE, CURFEW_CONFIG_KEY */
export function composeCluster(
  config: Config,
  { store, logger, metrics }: { readonly store: Store; readonly logger: Logger; readonly metrics: Metrics }
): ClusterComposition {
  const { cluster } = config
  const { self, others } = groupsOf(config)
  const secrets = (cluster.secretFiles ?? [config.sessions.secretFile]).map((file) => deriveSecret(readSecret(file), 'group link'))
  // The addresses of links come from the configuration alone, so they may be private ones.
  const outbound = createOutbound({
    clock: systemClock,
    allowPrivate: ['0.0.0.0/0', '::/0'],
    hosts: config.outbound.hosts,
    perPeerMax: callsPerGroupMax,
    ...(cluster.ca === undefined ? {} : { ca: readText(cluster.ca) })
  })
  const links = createGroupLinks({
    self,
    others,
    prover: createProver(secrets),
    outbound,
    clock: systemClock,
    random: systemRandom,
    store,
    logger,
    metrics: createLinkFigures(metrics.registry)
  })
  const { tls } = cluster
  return {
    links,
    async start(closers) {
      if (cluster.groups.length === 0) return
      const keys = tls === undefined ? undefined : { key: readText(tls.key), cert: readText(tls.certificate) }
      await listenAll(links.listener, cluster.listen, closers, keys === undefined ? undefined : (options) => createServer({ ...options, ...keys }))
      await links.start()
    },
    async [Symbol.asyncDispose]() {
      await links.stop()
      await links.listener.close()
      await outbound.close()
    }
  }
}

/** The other groups as the admin API shows them. */
export function adminGroups(config: Config, links: GroupLinks): AdminGroups {
  const { self, mode } = groupsOf(config)
  return { self: { id: self.id, letter: self.letter }, mode, others: () => links.health().map((health) => ({ ...health })), forget: (id) => links.forget(id) }
}
