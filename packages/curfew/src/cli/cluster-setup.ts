import { createServer } from 'node:https'
import type { FastifyInstance } from 'fastify'
import type { AdminGroups } from '../admin/context.ts'
import type { Clients } from '../authority/oidc/client.ts'
import type { Connections } from '../authority/saml/connections.ts'
import { type HandOver, handedOverHeader } from '../authority/hand-over.ts'
import { isSignOnKey } from '../authority/sign-on/transaction.ts'
import { createAsker } from '../cluster/ask-groups.ts'
import { createEverywhere, otherGroupOf, withFarReads } from '../cluster/all-groups.ts'
import { carry, type CarriedAnswer, type CarriedRequest, serveCarried } from '../cluster/carry.ts'
import { withMovedState } from '../cluster/foreign-state.ts'
import { createGroupLinks, type GroupLinks } from '../cluster/group-links.ts'
import { createProver } from '../cluster/proof.ts'
import { createSessionsThere, type RunsHere, serveRuns, serveSessions } from '../cluster/session-calls.ts'
import type { Config } from '../config/schema.ts'
import { type ConfiguredGroups, groupsOf } from '../config/groups.ts'
import { groupOf as letterOf } from '../core/group.ts'
import type { EndRequest } from '../core/end-sessions.ts'
import type { SessionId } from '../core/ids.ts'
import { createGroupedEngine, type EngineGroups, withRunsElsewhere } from '../engine/grouped-engine.ts'
import type { Engine } from '../engine/engine.ts'
import { type Clock, systemClock } from '../platform/clock.ts'
import { deriveSecret } from '../platform/keys.ts'
import type { Locator } from '../platform/locator.ts'
import { createLinkFigures } from '../platform/link-metrics.ts'
import type { Logger } from '../platform/logger.ts'
import type { Metrics } from '../platform/metrics.ts'
import { createOutbound } from '../platform/outbound.ts'
import { systemRandom } from '../platform/random.ts'
import { type Everywhere, inStore } from '../stores/everywhere.ts'
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
  { store, clock, logger, metrics }: { readonly store: Store; readonly clock: Clock; readonly logger: Logger; readonly metrics: Metrics }
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
    clock,
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

/** What the surfaces work with: one group alone, or all of them as if they were one. */
export interface GroupedParts {
  readonly store: Store
  readonly engine: Engine
  readonly everywhere: Everywhere
  readonly handOver?: HandOver
}

export interface GroupingDeps {
  readonly store: Store
  readonly engine: Engine
  readonly clock: Clock
  readonly logger: Pick<Logger, 'error' | 'debug'>
  /** The session behind an index that was made here for this peer. */
  readonly openIndex: (peerId: string, sessionIndex: string) => SessionId | undefined
}

/**
 * Joins the groups where each keeps its state to itself. Regions have the sessions of all of them: of theirs only what is
 * bound to one place is joined, runs above all.
 * @param authority - answers what other groups hand over; it is there when the first call comes
 */
export function joinGroups(
  { mode, others, home, carriesCodes }: Pick<ConfiguredGroups, 'mode' | 'others' | 'home'> & { readonly carriesCodes: boolean },
  links: GroupLinks,
  deps: GroupingDeps,
  authority: () => FastifyInstance
): GroupedParts {
  const { store, engine, clock, logger } = deps
  const local = inStore(store, () => clock.nowMs())
  if (others.length === 0) return { store, engine, everywhere: local }
  const there = createSessionsThere(links)
  const groupOf = (id: string): string | undefined => otherGroupOf(others, id)?.id
  const mark = Buffer.from(systemRandom.bytes(24)).toString('base64url')
  const runs: RunsHere = { store, apply: (runId, event) => engine.apply(runId, event), retry: (runId, deliveryId, by) => engine.retry(runId, deliveryId, by) }
  serveCarried(links, (request) => carriedOut(authority(), request, mark))
  const onUnreached = (group: string, { reason }: EndRequest): void =>
    logger.error({ event: 'group.sessions-go-on', group, reason }, `Group ${group} does not answer: sessions there that should have ended go on`)
  const engineGroups: EngineGroups = { others: others.map(({ id }) => id), groupOf, there, onUnreached, store }
  const handOver: HandOver = {
    mark,
    groupOf,
    ...(home === undefined ? {} : { home }),
    isOwn: (id) => letterOf(id) === links.self.letter,
    carry: (group, request) => carry(links, group, request)
  }
  if (mode === 'regions') {
    serveRuns(links, runs)
    // Sessions end where somebody asks for it; each run is changed where it was made.
    return {
      store,
      engine: withRunsElsewhere(engine, engineGroups, clock),
      everywhere: local,
      handOver: { ...handOver, only: carriesCodes ? 'runs-and-codes' : 'runs' }
    }
  }
  serveSessions(links, { ...runs, store, clock, local, endSessions: (request) => engine.endSessions(request) })
  return {
    store: withFarReads({ others, there, store: withMovedState(store, { links, clock, logger }, isSignOnKey), ask: createAsker({ clock, logger }) }),
    engine: createGroupedEngine(engine, engineGroups, clock),
    everywhere: createEverywhere({ ...deps, others, there, local }),
    handOver
  }
}

/** SessionIndex and `sid` are sealed for the name by which a partner knows itself. */
export function indexOpener(locator: Locator, connections: Connections, clients: Clients): GroupingDeps['openIndex'] {
  return (peerId, index) => {
    const partner = connections.byId(peerId)?.entityId ?? clients.byId(peerId)?.clientId
    return partner === undefined ? undefined : locator.open(partner, index)
  }
}

/** A request of another group, as if it had come to a listener of ours. */
async function carriedOut(authority: FastifyInstance, { method, url, headers, address, body }: CarriedRequest, mark: string): Promise<CarriedAnswer> {
  const answer = await authority.inject({
    method,
    url,
    headers: { ...(headers as Record<string, string | string[]>), [handedOverHeader]: mark },
    remoteAddress: address,
    ...(body.length === 0 ? {} : { payload: Buffer.from(body) })
  })
  const present = Object.entries(answer.headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, typeof value === 'number' ? String(value) : value] as const]
  )
  return { status: answer.statusCode, headers: Object.fromEntries(present), body: answer.rawPayload }
}

/** The other groups as the admin API shows them. */
export function adminGroups(config: Config, links: GroupLinks): AdminGroups {
  const { self, mode } = groupsOf(config)
  return { self: { id: self.id, letter: self.letter }, mode, others: () => links.health().map((health) => ({ ...health })), forget: (id) => links.forget(id) }
}
