import type { CurfewError } from '@curfew/codecs'
import type { FastifyInstance } from 'fastify'
import { createAdminServer } from '../admin/server.ts'
import { createUpstreamSender } from '../authority/oidc-rp/upstream-sender.ts'
import { openUpstreams } from '../authority/oidc-rp/upstreams.ts'
import { createClientKeys } from '../authority/oidc/client-keys.ts'
import { createClientCertificates } from '../authority/oidc/mutual-tls/client-certificates.ts'
import { createOidcSender } from '../authority/oidc/oidc-sender.ts'
import { createOpenTokenSender } from '../authority/opentoken/opentoken-sender.ts'
import { type LiveConnections, openConnections } from '../authority/saml/connections.ts'
import { createArtifactShelf } from '../authority/saml/artifact-shelf.ts'
import { createSamlSender } from '../authority/saml/saml-sender.ts'
import { issueReset } from '../authority/sign-on/password-reset.ts'
import { createAuthorityServer } from '../authority/server.ts'
import { receiversOf } from '../authority/shared-signals/owed.ts'
import { createPollReceiver } from '../authority/shared-signals/poll-receiver.ts'
import { createSignals } from '../authority/shared-signals/signals.ts'
import { attributeMinutesOf } from '../config/sessions-schema.ts'
import { groupsOf } from '../config/groups.ts'
import type { LoadedConfig } from '../config/load.ts'
import { shownConfig } from '../config/shown-config.ts'
import { copiesOf } from '../config/redis-schema.ts'
import { clientsWithoutEndings } from '../config/unlisted-endings.ts'
import type { Config } from '../config/schema.ts'
import type { PeerId } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import { createEngine, type Engine } from '../engine/engine.ts'
import { createBoundedLog } from '../platform/bounded-log.ts'
import { type Clock, systemClock } from '../platform/clock.ts'
import { createIds } from '../platform/ids.ts'
import type { Logger } from '../platform/logger.ts'
import { createMetrics } from '../platform/metrics.ts'
import { createOutbound, type Outbound } from '../platform/outbound.ts'
import { systemRandom } from '../platform/random.ts'
import type { Store } from '../stores/store.ts'
import { authoritySettings, cookieSecret, originOf } from './authority-settings.ts'
import { certificateSources } from './certificate-sources.ts'
import { adminGroups, composeCluster, indexOpener, joinGroups } from './cluster-setup.ts'
import { composeGateway, type GatewayComposition, type GatewayParts } from './compose-gateway.ts'
import { connectionsDeps, fetchKeys, samlPeers, upstreamFailed, upstreamSettings } from './connections-setup.ts'
import { engineSettings } from './engine-settings.ts'
import { gatewaySettings } from './gateway-settings.ts'
import { adminToken, decryptionOf, readKey, readSecret, readTokenKeys, receiptSigner } from './key-files.ts'
import { countRequests, createDraining } from './draining.ts'
import { openClients } from './clients-setup.ts'
import { listenAll } from './listen.ts'
import { openLiveTls } from './live-tls.ts'
import { clusterOf, joinNodes, nodeName, openStore } from './open-store.ts'
import { adapterLogouts, makeAdapters } from './opentoken-setup.ts'
import { serveSignals, signalsAt } from './signals-home.ts'
import { carriesCodes, composeReplicator, storeOfRegion, warnOfSettings } from './replication-setup.ts'
import { accountWatch, adminAccountLinks, openUsers, passwordWatch } from './users-setup.ts'
import { version } from './version.ts'
import type { WorkerLink } from './workers/worker-link.ts'

/** A whole server, made from one configuration. */
export interface Composition {
  readonly authority: FastifyInstance
  readonly admin: FastifyInstance
  readonly store: Store
  /** The time that the store goes by. */
  readonly clock: Clock
  readonly engine: Engine
  readonly connections: LiveConnections
  readonly outbound: Outbound
  /** Where `gateway` is configured. */
  readonly gateway: GatewayComposition | undefined
  /** Listens and starts to work through the outbox. */
  start(): Promise<void>
  /** Stops taking requests, finishes what is under way, closes the store. */
  stop(): Promise<void>
  /**
   * Resolves when this process has stopped by itself, because it may not serve any more: newer programs have written the
   * store, or another process has its name.
   */
  readonly unfit: Promise<CurfewError>
  /** Reads the files of `server.tls` again now. */
  reloadCertificates(): void
}

/** Builds every part and puts them together. Nothing listens yet. What was opened is closed when a later part fails. */
export async function compose(loaded: LoadedConfig, logger: Logger, worker?: WorkerLink): Promise<Composition> {
  await using opened = new AsyncDisposableStack()
  const { config } = loaded
  warnOfSettings(config, logger)
  const random = systemRandom
  const ids = createIds(random, groupsOf(config).self.letter)
  const metrics = createMetrics()
  if (worker !== undefined) metrics.registry.setDefaultLabels({ worker: String(worker.number) })
  const keys = config.saml.keys.map((key) => readKey(key))
  const entityId = config.saml.entityId ?? originOf(config)
  const outbound = opened.adopt(createOutbound({ clock: systemClock, ...config.outbound }), (it) => it.close())
  const connections = opened.use(
    await openConnections(connectionsDeps({ keys, decryption: decryptionOf(config, entityId), outbound, logger }), {
      applications: config.connections.filter((connection) => connection.protocol === 'saml'),
      identityProviders: config.identityProviders.filter((provider) => provider.protocol === 'saml')
    })
  )
  const upstreams = opened.use(
    await openUpstreams(
      { clock: systemClock, outbound, skewSeconds: config.saml.clockSkewSeconds, onProblem: (id, error) => upstreamFailed(logger, id, error) },
      config.identityProviders.filter((provider) => provider.protocol === 'oidc').map((provider) => upstreamSettings(provider))
    )
  )
  const tls = openLiveTls(config.server, logger)
  const tokenKeys = await readTokenKeys(config, keys)
  const openedStore = await openStore(config, logger)
  const ownStore = opened.use(openedStore.store)
  const { clock } = openedStore
  const cluster = opened.use(composeCluster(config, { store: ownStore, clock, logger, metrics }))
  const store = storeOfRegion(ownStore, config, { links: cluster.links, clock, logger })
  const { clients, registration } = openClients(config, { store, clock, keys: tokenKeys, logger })
  const adapters = makeAdapters(config)
  const peer = (id: PeerId): Peer | undefined => connections.peer(id) ?? clients.peer(id) ?? adapters.peer(id) ?? upstreams.peer(id)
  const { directory: users, file: usersFile } = opened.use(await openUsers(config, logger))
  const settings = await authoritySettings(config, keys)
  const { sharedSignals } = config
  const { home } = groupsOf(config)
  const signals = createSignals({
    store,
    clients,
    clock,
    logger,
    ...settings,
    baseUrl: originOf(config),
    settings: sharedSignals,
    keys: tokenKeys,
    outbound,
    random,
    metrics,
    ...(home === undefined ? {} : { home: signalsAt(cluster.links, home) })
  })
  if (home === undefined) serveSignals(cluster.links, signals)
  const artifacts = createArtifactShelf({ store, clock, ids, random, saml: settings.saml })
  const engine = createEngine({
    store,
    ...(receiversOf({ clients }).length === 0 ? {} : { onSessionEnded: (run) => signals.ended(run) }),
    clock,
    random,
    ids,
    senders: [
      createSamlSender({ entityId, connections, ids, outbound, random, artifacts }),
      createOidcSender({ issuer: originOf(config), clients, keys: tokenKeys, ids, outbound, store }),
      createOpenTokenSender({ ...settings, adapters, store, random, ids, attributeMs: attributeMinutesOf(config.sessions) * 60_000 }),
      createUpstreamSender({ baseUrl: originOf(config), upstreams, ids, store })
    ],
    peer,
    meetPeers: (ids) => clients.meet(ids),
    receipts: receiptSigner(entityId, keys),
    probe: (target) => outbound.probe(target),
    logger,
    metrics,
    ...engineSettings(config)
  })
  const replicator = composeReplicator(config, { store: ownStore, clock, links: cluster.links, engine, logger, metrics, node: nodeName(config) })
  const status = { now: 'starting' as 'starting' | 'ok' | 'draining' | 'stopping' }
  // Whoever looks for sessions and ends them works with all groups; the engine itself with those of this one.
  const groups = joinGroups(
    { ...groupsOf(config), carriesCodes: carriesCodes(config) },
    cluster.links,
    { store, engine, clock, logger, openIndex: indexOpener(settings.locator, connections, clients) },
    () => authority
  )
  const shared = { ...groups, users, clock, ids, metrics, logger, baseUrl: originOf(config) }
  const passwords = passwordWatch(config, { ...shared, signals, random })
  const accounts = accountWatch(usersFile, { ...shared, random })
  const authority: FastifyInstance = createAuthorityServer({
    ...shared,
    ...settings,
    // Strangers make it write; what the engine and the stores say has its own reasons.
    logger: createBoundedLog(logger, systemClock),
    connections,
    clients,
    adapters,
    adapterLogouts: adapterLogouts(config),
    random,
    upstreams,
    peer,
    sharedSignals,
    signals,
    oidc: { keys: tokenKeys, cookieSecrets: [cookieSecret(config)] },
    ...(registration === undefined ? {} : { registration }),
    clientCertificates: createClientCertificates(certificateSources(config.server, tls)),
    artifacts,
    outbound,
    fetchKeys: (url) => fetchKeys(outbound, url),
    clientKeys: createClientKeys({ clock, fetchKeys: (url) => fetchKeys(outbound, url) }),
    health: { isReady: () => status.now === 'ok', monitoring: config.server.heartbeatMonitoring }
  })
  const pollReceiver = createPollReceiver({
    ...shared,
    ...settings,
    connections,
    clients,
    sharedSignals,
    outbound,
    random,
    fetchKeys: (url) => fetchKeys(outbound, url)
  })
  const admin = createAdminServer({
    ...shared,
    ...(worker === undefined ? {} : { workers: worker }),
    version,
    token: adminToken(config),
    signingKeys: keys.map(({ verification }) => verification.fingerprint),
    settings: { startedAtMs: systemClock.nowMs(), items: shownConfig(loaded) },
    status: () => status.now,
    cluster: { ...clusterOf(openedStore, config), groups: adminGroups(config, cluster.links) },
    peer,
    streams: () => signals.list(),
    setStreamStatus: (connection, to, reason) => signals.setStatus(connection, to, reason),
    verifyStream: (connection) => signals.verify(connection),
    resetPassword: (username, by) => issueReset({ ...shared, ...settings }, username, by),
    accountLinks: adminAccountLinks(shared),
    ...(registration === undefined ? {} : { clients: registration.clients }),
    peers: () => [
      ...samlPeers(connections),
      ...[...clients.all(), ...adapters.all(), ...upstreams.all()].map((client) => ({ peer: client.peer, certificates: [] }))
    ]
  })
  const draining = createDraining({
    requests: countRequests(authority),
    // What runs by itself, in the order in which it is given up.
    work: [engine, signals, pollReceiver, ...(replicator === undefined ? [] : [replicator])],
    tell: (work) => openedStore.shared?.nodes.tell(work) ?? Promise.resolve(),
    onChange: (isDraining) => {
      if (status.now === 'stopping') return
      status.now = isDraining ? 'draining' : 'ok'
      gateway?.drain(isDraining)
    },
    logger
  })
  const gateway = config.gateway === undefined ? undefined : gatewayBeside(config, config.gateway, { store, clock, logger, registry: metrics.registry })
  for (const connection of clientsWithoutEndings(config))
    logger.warn(
      { event: 'connection.endings-unlisted', connection },
      `${connection} follows the revocation list, and no ending is on it: set logout.pingAccessLogoutCapable of it, or sessions.revokeOnLogout`
    )
  worker?.serve({ metrics: () => metrics.registry.metrics(), status: () => status.now })
  const parts = opened.move()
  const listeners: (() => Promise<void>)[] = []
  let stopping: Promise<void> | undefined
  const stop = (): Promise<void> => {
    stopping ??= stopAll()
    return stopping
  }
  const stopAll = async (): Promise<void> => {
    status.now = 'stopping'
    await draining.stop()
    await gateway?.stop()
    await Promise.all(listeners.map((close) => close()))
    await tls.stop()
    await authority.close()
    await admin.close()
    await passwords.stop()
    await accounts?.stop()
    await registration?.clients.stop()
    await pollReceiver.stop()
    await signals.stop()
    await replicator?.stop()
    await engine.stop()
    await parts.disposeAsync()
  }
  const unfit = (openedStore.unfit ?? new Promise<never>(() => undefined)).then(async (error) => {
    logger.error({ event: 'server.unfit', code: error.code }, `${error.message} This process stops: what it wrote from now on, others would not find`)
    await stop().catch((why: unknown) => logger.error({ event: 'server.stop-failed', err: why }, 'It could not stop in order'))
    return error
  })
  return {
    authority,
    admin,
    store,
    unfit,
    clock,
    engine,
    connections,
    outbound,
    gateway,
    async start() {
      try {
        // The name comes first: the engine takes over the work that was left under it.
        await joinNodes(openedStore, config)
        await cluster.start(listeners)
        // Nothing is served before the list of revoked sessions is that of all groups.
        await replicator?.catchUp()
        await engine.start()
        openedStore.shared?.sweep.start()
        replicator?.start()
        passwords.start()
        accounts?.start()
        registration?.clients.start()
        signals.start()
        pollReceiver.start()
        await listenAll(authority, config.server.listen, listeners, tls.makeServer)
        await listenAll(authority, config.server.clientCertificates?.listen ?? [], listeners, tls.makeAskingServer)
        tls.start()
        await listenAll(admin, config.admin.listen, listeners)
        status.now = 'ok'
        openedStore.shared?.nodes.onDrain((isAsked) => draining.set(isAsked))
        await gateway?.start()
      } catch (error) {
        await stop()
        throw error
      }
    },
    stop,
    reloadCertificates: () => tls.reload()
  }
}

/** A gateway in the process of the authority reads the revocation list in its store. */
function gatewayBeside(
  config: Config,
  gateway: NonNullable<Config['gateway']>,
  parts: Pick<GatewayParts, 'clock' | 'logger' | 'registry'> & { readonly store: Store }
): GatewayComposition {
  const settings = gatewaySettings(gateway, config)
  const { store, ...rest } = parts
  const isOwn = settings.provider.issuer === originOf(config)
  return composeGateway({
    ...rest,
    config: gateway,
    settings,
    secret: readSecret(gateway.secretFile ?? config.sessions.secretFile),
    outbound: config.outbound,
    brand: config.brand,
    ...(isOwn ? { store } : {}),
    storeServers: config.store.redis === undefined ? undefined : { ...config.store.redis, copies: copiesOf(config.store.redis) }
  })
}
