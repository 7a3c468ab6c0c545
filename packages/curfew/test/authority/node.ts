import assert from 'node:assert/strict'
import { createHash, createSecretKey } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { AuthorityContext } from '../../src/authority/context.ts'
import { type Clients, fixedClients, makeClient } from '../../src/authority/oidc/client.ts'
import { createClientKeys } from '../../src/authority/oidc/client-keys.ts'
import { createClientCertificates } from '../../src/authority/oidc/mutual-tls/client-certificates.ts'

import { createLiveClients, type LiveClientsDeps } from '../../src/authority/oidc/registration/live-clients.ts'
import type { Registration } from '../../src/authority/oidc/registration/registration.ts'
import type { RegistrationSettings } from '../../src/authority/oidc/registration/settings.ts'
import { makeTokenKey } from '../../src/authority/oidc/keys.ts'
import { makeApplicationAdapter, makeLoginAdapter } from '../../src/authority/opentoken/adapter.ts'
import { fixedAdapters } from '../../src/authority/opentoken/adapters.ts'
import { createOpenTokenSender } from '../../src/authority/opentoken/opentoken-sender.ts'
import { createOidcSender } from '../../src/authority/oidc/oidc-sender.ts'
import type { TokenKey } from '../../src/authority/oidc/settings.ts'
import { makeBrand } from '../../src/authority/pages/brand.ts'
import { createOpenChecks } from '../../src/authority/sign-on/open-checks.ts'
import { createCsrf } from '../../src/authority/pages/csrf.ts'
import { makeConnection, makeIdpConnection } from '../../src/authority/saml/connection.ts'
import { createArtifactShelf } from '../../src/authority/saml/artifact-shelf.ts'
import { fixedConnections } from '../../src/authority/saml/connections.ts'
import { createSamlSender } from '../../src/authority/saml/saml-sender.ts'
import type { OwnKey } from '../../src/authority/saml/settings.ts'
import { createUpstreamSender } from '../../src/authority/oidc-rp/upstream-sender.ts'
import { openUpstreams } from '../../src/authority/oidc-rp/upstreams.ts'
import { ownOriginsDefault, prefixDefault } from '../../src/authority/pingone/settings.ts'
import { makeRedirectPolicy } from '../../src/authority/redirects.ts'
import { createAuthorityServer } from '../../src/authority/server.ts'
import { receiversOf } from '../../src/authority/shared-signals/owed.ts'
import { createPollReceiver, type PollReceiver } from '../../src/authority/shared-signals/poll-receiver.ts'
import { createSignals, type SignalsHome } from '../../src/authority/shared-signals/signals.ts'
import type { Peer } from '../../src/core/peer.ts'
import type { RunPolicy } from '../../src/core/run.ts'
import { createEngine } from '../../src/engine/engine.ts'
import { createIds } from '../../src/platform/ids.ts'
import { createLocator } from '../../src/platform/locator.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { createMetrics } from '../../src/platform/metrics.ts'
import type { Clock } from '../../src/platform/clock.ts'
import type { Outbound } from '../../src/platform/outbound.ts'
import type { Random } from '../../src/platform/random.ts'
import { inStore } from '../../src/stores/everywhere.ts'
import type { Store } from '../../src/stores/store.ts'
import { createPageContext } from '../../src/cli/pages-setup.ts'
import type { KitOptions } from './kit.ts'
import { authorityUrl, type Partner } from './partner.ts'

const policy: RunPolicy = {
  attemptsMax: 3,
  retryBaseMs: 10_000,
  retryCapMs: 60_000,
  sendTimeoutMs: 5_000,
  hopTimeoutMs: 8_000,
  frameTimeoutMs: 5_000,
  patienceMs: 8_000,
  deadlineMs: 24 * 3_600_000
}

/** What the nodes of one authority have in common, beside what the store keeps. */
export interface Surroundings {
  readonly partners: Readonly<Record<string, Partner>>
  readonly users: AuthorityContext['users']
  readonly ownKeys: readonly OwnKey[]
  readonly logged: { readonly level: string; readonly fields: Readonly<Record<string, unknown>> }[]
  readonly probed: string[]
  /** What the network answers to all of them. */
  readonly outbound: Pick<Outbound, 'request'>
}

/** One node: what is its own among those of an authority. */
export interface NodeParts {
  readonly name: string
  readonly store: Store
  /** Random octets begin elsewhere on every node. */
  readonly seed: number
  readonly group?: string
  /** As the node sees it; short looks at the store of others take real time there. */
  readonly clock: Clock
  readonly join?: KitOptions['join']
  /** The transmitter that keeps the streams of all groups; absent: this one. */
  readonly signalsHome?: SignalsHome
}

/** One authority of one process. */
export interface AuthorityNode extends AsyncDisposable {
  readonly app: FastifyInstance
  readonly ctx: AuthorityContext
  readonly pollReceiver: PollReceiver
}

/** Puts an authority together as `compose` does, around a store, without a network. */
export async function createNode(options: KitOptions, around: Surroundings, node: NodeParts): Promise<AuthorityNode> {
  const { clock, store, group, signalsHome } = node
  const { partners, ownKeys, logged, probed, outbound } = around
  const random = seededRandom(node.seed)
  const ids = createIds(random, group)
  const peers = [...Object.values(partners).map(({ settings, pair }) => ({ settings, certificatePem: pair.certificatePem })), ...(options.connections ?? [])]
  const parts = (id: string, certificatePem: string) => ({
    descriptor: undefined,
    certificates: [certificatePem],
    ownKeys,
    nowMs: clock.nowMs(),
    ...(options.encryptionPems?.[id] === undefined ? {} : { encryptionCertificate: options.encryptionPems[id] }),
    ...(options.decryption === undefined ? {} : { decryption: options.decryption })
  })
  const connections = fixedConnections([
    ...peers.map(({ settings, certificatePem }) => makeConnection({ settings, ...parts(settings.id, certificatePem) })),
    ...(options.identityProviders ?? []).map(({ settings, certificatePem, descriptor }) =>
      makeIdpConnection({ settings, ...parts(settings.id, certificatePem), ...(descriptor === undefined ? {} : { descriptor }) })
    )
  ])
  const tokenKeys = await Promise.all((options.tokenKeys ?? ownKeys.map(({ key }) => key).slice(0, 1)).map((key) => makeTokenKey(key, 'kit')))
  const configured = fixedClients((options.clients ?? []).map((settings) => makeClient(settings, tokenKeys)))
  const adapters = fixedAdapters([
    ...(options.adapters?.applications ?? []).map((settings) => makeApplicationAdapter(settings)),
    ...(options.adapters?.logins ?? []).map((settings) => makeLoginAdapter(settings))
  ])
  const locator = createLocator([Buffer.alloc(32, 7)], random, group)
  const peer = (id: string): Peer | undefined => connections.peer(id) ?? clients.peer(id) ?? adapters.peer(id) ?? upstreams.peer(id)
  const registration = registrationOf(options, { configured, store, clock, random, keys: tokenKeys })
  const clients: Clients = registration?.clients ?? configured
  const metrics = createMetrics()
  const note = (level: string) => (fields: object) => void logged.push({ level, fields: fields as Readonly<Record<string, unknown>> })
  const fetchKeys = options.fetchKeys ?? (async () => fail('no network here'))
  const settings = { transmitters: options.transmitters ?? [] }
  const logger = { info: note('info'), warn: note('warn'), error: note('error') }
  const shared = {
    store,
    clients,
    clock,
    logger,
    baseUrl: options.baseUrl ?? authorityUrl,
    locator,
    secrets: { persistent: createSecretKey(Buffer.alloc(32, 1)), nameId: createSecretKey(Buffer.alloc(32, 2)) }
  }
  const signals = createSignals({
    ...shared,
    settings,
    keys: tokenKeys,
    outbound: options.outbound ?? outbound,
    random,
    metrics,
    ...(signalsHome === undefined ? {} : { home: signalsHome })
  })
  const upstreams = await openUpstreams(
    { clock, outbound, skewSeconds: 60, onProblem: (id) => note('warn')({ event: 'upstream.failed', id }) },
    options.upstreams ?? []
  )
  const saml = { ...samlSettings(options, ownKeys), ...options.saml }
  const artifacts = createArtifactShelf({ store, clock, ids, random, saml })
  const engine = createEngine({
    store,
    ...(receiversOf({ clients }).length === 0 ? {} : { onSessionEnded: (run) => signals.ended(run) }),
    clock,
    random,
    ids,
    senders: [
      createSamlSender({ entityId: options.baseUrl ?? authorityUrl, connections, ids, outbound, random, artifacts }),
      createOidcSender({ issuer: options.baseUrl ?? authorityUrl, clients, keys: tokenKeys, ids, outbound, store }),
      createOpenTokenSender({
        adapters,
        store,
        random,
        ids,
        locator,
        transactionMs: transactionMsOf(options),
        attributeMs: (options.attributeMinutes ?? 1_440) * 60_000
      }),
      createUpstreamSender({ baseUrl: options.baseUrl ?? authorityUrl, upstreams, ids, store })
    ],
    peer,
    meetPeers: (ids) => clients.meet(ids),
    policy: { ...policy, ...options.policy },
    receipts: { sign: async () => 'receipt' },
    probe: async ({ url }) => {
      probed.push(url)
      return options.probe?.(url) ?? { reachable: true, durationMs: 1 }
    },
    logger: silentLogger,
    metrics,
    owner: node.name,
    leaseMs: 30_000,
    revocationMs: (options.revocationMinutes ?? 490) * 60_000,
    ...(options.revokesOnLogout === undefined ? {} : { revokesOnLogout: options.revokesOnLogout }),
    registryMs: 1_440 * 60_000,
    sessionsPerUserMax: options.sessionsPerUserMax ?? 100,
    keepRunsMs: 86_400_000
  })
  await engine.start()
  signals.start()
  const groups = node.join?.({ store, engine, locator, connections, clients, signals }, () => app) ?? {
    store,
    engine,
    everywhere: inStore(store, () => clock.nowMs())
  }
  const ctx = contextOf(options, {
    users: around.users,
    saml,
    artifacts,
    outbound: options.outbound ?? outbound,
    ...groups,
    clock,
    ids,
    connections,
    clients,
    adapters,
    locator,
    upstreams,
    peer,
    tokenKeys,
    metrics,
    random,
    logger,
    signals,
    sharedSignals: settings,
    fetchKeys,
    clientKeys: createClientKeys({ clock, fetchKeys }),
    ...(registration === undefined ? {} : { registration })
  })
  const pollReceiver = createPollReceiver({ ...ctx, outbound: options.outbound ?? outbound, random })
  const app: FastifyInstance = createAuthorityServer(ctx)
  await app.ready()
  return {
    app,
    ctx,
    pollReceiver,
    async [Symbol.asyncDispose]() {
      await app.close()
      await signals.stop()
      await engine.stop()
      await upstreams[Symbol.asyncDispose]()
    }
  }
}

type Parts = Pick<
  AuthorityContext,
  | 'users'
  | 'clock'
  | 'ids'
  | 'store'
  | 'connections'
  | 'clients'
  | 'adapters'
  | 'upstreams'
  | 'locator'
  | 'peer'
  | 'engine'
  | 'everywhere'
  | 'handOver'
  | 'metrics'
  | 'logger'
  | 'signals'
  | 'sharedSignals'
  | 'fetchKeys'
  | 'clientKeys'
  | 'registration'
  | 'saml'
  | 'artifacts'
  | 'outbound'
> & {
  readonly tokenKeys: readonly TokenKey[]
  readonly random: Random
}

function contextOf(options: KitOptions, parts: Parts): AuthorityContext {
  const { tokenKeys, random, ...rest } = parts
  const logout = { confirm: false, targets: [], ...options.logout }
  const signOn: AuthorityContext['signOn'] = {
    hasForm: true,
    asksDevice: false,
    targets: [],
    sourceId: 'form',
    sessionState: 'globally',
    locking: { attempts: 5, windowMinutes: 15 },
    passwords: { change: true, lengthMin: 12, otherSessions: 'ask', endsSessions: true, resetHours: 24, ...options.passwords },
    ...options.signOn
  }
  const targetUrls = (options.identityProviders ?? []).map(({ settings }) => settings.targetUrl)
  return {
    ...rest,
    random,
    adapterLogouts: options.adapterLogouts ?? [],
    baseUrl: options.baseUrl ?? authorityUrl,
    secrets: { persistent: createSecretKey(Buffer.alloc(32, 1)), nameId: createSecretKey(Buffer.alloc(32, 2)) },
    csrf: createCsrf(createSecretKey(Buffer.alloc(32, 3))),
    sessions: {
      enabled: true,
      idleMinutes: 60,
      maxMinutes: 480,
      persistent: false,
      persistentReplaySeconds: 300,
      deviceType: 'private',
      hashUserKeys: false,
      ...options.sessions
    },
    signOn,
    openChecks: createOpenChecks(),
    logout,
    transactionMs: transactionMsOf(options),
    sriRevocationMs: (options.revocationMinutes ?? 490) * 60_000,
    redirects: makeRedirectPolicy({ signOn, logout, targetUrls, ...options.redirects }),
    pingOne: { prefix: prefixDefault, ownOrigins: ownOriginsDefault, idpids: new Map(), ...options.pingOne },
    oidc: { keys: tokenKeys, cookieSecrets: ['a secret of this test, long enough'] },
    clientCertificates: createClientCertificates({
      clock: parts.clock,
      hasListener: false,
      trustedProxies: [],
      authorities: () => [],
      ...options.clientCertificates
    }),
    organisation: 'Test',
    pageContext: createPageContext(makeBrand({ organisation: 'Test' }), random),
    health: { isReady: () => true, monitoring: false, ...options.health },
    trustedProxies: []
  }
}

interface RegistrationParts extends Pick<LiveClientsDeps, 'store' | 'clock' | 'random' | 'keys'> {
  readonly configured: Clients
}

function registrationOf({ registration: wanted }: KitOptions, { configured, ...parts }: RegistrationParts): Registration | undefined {
  if (wanted === undefined) return undefined
  const settings: RegistrationSettings = {
    isOpen: false,
    initialAccessTokens: [],
    clientsMax: 100,
    perMinuteMax: 100,
    rotatesAccessTokens: true,
    rotatesSecrets: false,
    scopes: ['openid', 'profile', 'email'],
    statementIssuers: [],
    isReachable: () => true,
    ...wanted
  }
  return { settings, clients: createLiveClients(configured, { ...parts, scopes: settings.scopes, onProblem: (error) => assert.fail(String(error)) }) }
}

function samlSettings(options: KitOptions, keys: readonly OwnKey[]): AuthorityContext['saml'] {
  const artifacts = { index: 0, indexes: [0], lifetimeMs: 60_000 }
  const encryption = options.decryption === undefined ? {} : { encryptionCertificate: options.decryption.certificate }
  return { entityId: options.baseUrl ?? authorityUrl, keys, clockSkewSeconds: 60, assertionMinutes: 5, artifacts, ...encryption }
}

/** Random octets that are the same in every run. */
function seededRandom(seed: number): Random {
  let counter = seed
  return {
    bytes(count) {
      counter += 1
      const blocks = Array.from({ length: Math.ceil(count / 32) }, (_, i) => createHash('sha256').update(`${counter}.${i}`).digest())
      return Buffer.concat(blocks).subarray(0, count)
    },
    fraction: () => 0.5
  }
}

function fail(message: string): never {
  throw new Error(message)
}

function transactionMsOf({ transactionMinutes = 30 }: KitOptions): number {
  return transactionMinutes * 60_000
}
