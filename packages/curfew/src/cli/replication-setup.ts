import { withForeignState } from '../cluster/foreign-state.ts'
import type { GroupLinks } from '../cluster/group-links.ts'
import { createReplicator, type Replicator } from '../cluster/replicator.ts'
import { type ConfiguredGroups, groupsOf } from '../config/groups.ts'
import type { Config } from '../config/schema.ts'
import type { Engine } from '../engine/engine.ts'
import type { Clock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import type { Metrics } from '../platform/metrics.ts'
import { systemRandom } from '../platform/random.ts'
import { createReplicationMetrics } from '../platform/replication-metrics.ts'
import type { Replication } from '../stores/fact.ts'
import type { Store } from '../stores/store.ts'

type Replicate = Config['cluster']['replicate']

/** Artifacts that other groups are told of. What belongs to one process or one delivery stays where it is. */
const artifacts: Replication['artifacts'] = {
  UpstreamIdToken: 'sessions',
  PasswordReset: 'sessions',
  UpstreamLogout: 'assertionReplay',
  ReceivedSignal: 'assertionReplay',
  AccessToken: 'referenceTokens',
  RefreshToken: 'referenceTokens',
  ClientCredentials: 'referenceTokens',
  Grant: 'referenceTokens',
  EndedGrant: 'referenceTokens',
  GrantGeneration: 'referenceTokens',
  OfflineAccount: 'referenceTokens',
  RegisteredClient: 'registeredClients',
  RemovedClient: 'registeredClients',
  AccountLink: 'registeredClients',
  AccountLinkDeclined: 'registeredClients',
  PasswordNote: 'registeredClients',
  AuthorizationCode: 'transactions',
  PushedAuthorizationRequest: 'transactions',
  Interaction: 'transactions'
}

/** How the store takes part in what groups tell each other; undefined where there is one group only. */
export function replicationOf(config: Pick<Config, 'cluster' | 'store'>): Replication | undefined {
  const { self, others, mode } = groupsOf(config)
  if (others.length === 0) return undefined
  const { replicate } = config.cluster
  const isRegion = mode === 'regions'
  return {
    group: self.letter,
    takeOverMs: replicate.takeOverSeconds * 1000,
    artifacts,
    services: {
      assertionReplay: replicate.assertionReplay,
      sessions: isRegion && (replicate.sessions ?? true),
      accountLocking: isRegion && (replicate.accountLocking ?? true),
      referenceTokens: isRegion && (replicate.referenceTokens ?? true),
      transactions: isRegion && replicate.transactions,
      // An application that registered itself is known to everybody, as one that is configured, and whose account is linked to
      // which: a group that did not know would let somebody else take the account. So is what a person wanted of the sessions
      // from before a new password, which every group sees in the directory.
      registeredClients: true
    }
  }
}

/**
 * A code that is shown in another region is carried to the one that issued it. Not where every region is told of codes and of
 * the grants behind them: each redeems what it has, also while the one that issued it is away.
 */
export function carriesCodes(config: Pick<Config, 'cluster' | 'store'>): boolean {
  const { services } = replicationOf(config) ?? {}
  return config.cluster.replicate.fetchTransactions && !(services?.transactions === true && services.referenceTokens)
}

/** Settings that were written and have no effect in the mode that was chosen, by their path (AC-185). */
export function settingsWithoutEffect({ cluster, store }: Pick<Config, 'cluster' | 'store'>): readonly string[] {
  const { mode } = groupsOf({ cluster, store })
  const { replicate } = cluster
  const on = (name: keyof Replicate, isWritten: boolean): readonly string[] => (isWritten ? [`cluster.replicate.${name}`] : [])
  if (mode === 'regions') return []
  const alone = mode === 'shared' ? [...on('assertionReplay', !replicate.assertionReplay), ...(cluster.mode === undefined ? [] : ['cluster.mode'])] : []
  return [
    ...alone,
    ...on('sessions', replicate.sessions !== undefined),
    ...on('accountLocking', replicate.accountLocking !== undefined),
    ...on('referenceTokens', replicate.referenceTokens !== undefined),
    ...on('transactions', replicate.transactions),
    ...on('fetchTransactions', !replicate.fetchTransactions)
  ]
}

/** Says at the start which settings do nothing. */
export function warnOfSettings(config: Pick<Config, 'cluster' | 'store'>, logger: Pick<Logger, 'warn'>): void {
  const { mode } = groupsOf(config)
  for (const path of settingsWithoutEffect(config)) {
    logger.warn({ event: 'config.no-effect', setting: path, mode }, `${path} has no effect: ${whyOf(mode)}`)
  }
}

function whyOf(mode: ConfiguredGroups['mode']): string {
  return mode === 'shared'
    ? 'there is one group of nodes only'
    : 'subclusters share nothing but revocations, used assertions, registered clients, account links and changes of passwords'
}

/** The store as the surfaces see it: what other regions have, and this one does not know yet, is fetched there. */
export function storeOfRegion(
  store: Store,
  config: Config,
  { links, clock, logger }: { readonly links: GroupLinks; readonly clock: Clock; readonly logger: Logger }
): Store {
  const replication = replicationOf(config)
  if (replication === undefined || store.facts === undefined || groupsOf(config).mode !== 'regions') return store
  return withForeignState(store, {
    links,
    facts: store.facts,
    clock,
    logger,
    fetchesSessions: replication.services.sessions,
    fetchesTransactions: config.cluster.replicate.fetchTransactions,
    fetchesArtifacts: config.cluster.replicate.fetchTransactions && !replication.services.transactions
  })
}

export interface ReplicationParts {
  readonly store: Store
  readonly clock: Clock
  readonly links: GroupLinks
  readonly engine: Pick<Engine, 'logOutLate'>
  readonly logger: Logger
  readonly metrics: Pick<Metrics, 'registry'>
  /** Name of this node. */
  readonly node: string
}

/** What reads the other groups; undefined where there are none. */
export function composeReplicator(config: Config, { store, clock, links, engine, logger, metrics, node }: ReplicationParts): Replicator | undefined {
  const { facts } = store
  if (facts === undefined) return undefined
  const { replicate } = config.cluster
  return createReplicator({
    store,
    facts,
    links,
    node,
    clock,
    fraction: () => systemRandom.fraction(),
    figures: createReplicationMetrics(metrics.registry, () => clock.nowMs()),
    logger,
    logOutLate: (late) => engine.logOutLate(late),
    handsOver: groupsOf(config).mode !== 'regions' || replicate.fetchTransactions,
    limits: {
      revocationsMs: replicate.revocationDownloadSeconds * 1000,
      ageMsMax: replicate.keepHours * 3_600_000,
      factsMax: replicate.keepFacts,
      backlogAlert: replicate.backlogAlert
    }
  })
}
