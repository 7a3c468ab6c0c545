import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { hostname } from 'node:os'
import { CurfewError } from '@curfew/codecs'
import type { FastifyInstance } from 'fastify'
import type { AdminPeer } from '../admin/context.ts'
import { createAdminServer } from '../admin/server.ts'
import type { AuthorityContext } from '../authority/context.ts'
import { fixedClients, makeClient } from '../authority/oidc/client.ts'
import { makeTokenKey, readTokenKey } from '../authority/oidc/keys.ts'
import { createOidcSender } from '../authority/oidc/oidc-sender.ts'
import { createOpenTokenSender } from '../authority/opentoken/opentoken-sender.ts'
import type { ClientSettings, TokenKey } from '../authority/oidc/settings.ts'
import { receiversOf } from '../authority/shared-signals/owed.ts'
import { createPollReceiver } from '../authority/shared-signals/poll-receiver.ts'
import { createSignals } from '../authority/shared-signals/signals.ts'
import type { OpenIdUpstreamSettings } from '../authority/oidc-rp/settings.ts'
import { createUpstreamSender } from '../authority/oidc-rp/upstream-sender.ts'
import { openUpstreams } from '../authority/oidc-rp/upstreams.ts'
import { createCsrf } from '../authority/pages/csrf.ts'
import { type ConnectionsDeps, type LiveConnections, openConnections } from '../authority/saml/connections.ts'
import { createSamlSender } from '../authority/saml/saml-sender.ts'
import type { OwnKey } from '../authority/saml/settings.ts'
import { makeRedirectPolicy } from '../authority/redirects.ts'
import { createAuthorityServer, headerBytesMax } from '../authority/server.ts'
import { createPasswordEndings } from '../authority/sign-on/password-endings.ts'
import { openUserFile, type UserDirectory } from '../authority/sign-on/users.ts'
import type { LoadedConfig } from '../config/load.ts'
import type { Config, OidcConnectionConfig, OidcIdentityProviderConfig } from '../config/schema.ts'
import type { PeerId } from '../core/ids.ts'
import type { Peer } from '../core/peer.ts'
import type { RedirectRule } from '../core/redirect.ts'
import type { RunPolicy } from '../core/run.ts'
import type { EngineDeps } from '../engine/deps.ts'
import { createEngine, type Engine } from '../engine/engine.ts'
import { createLoop, type Loop } from '../engine/loop.ts'
import { createReceiptSigner, type ReceiptSigner } from '../engine/receipt.ts'
import { systemClock } from '../platform/clock.ts'
import { createIds } from '../platform/ids.ts'
import { type AuthorityKey, deriveSecret, readAuthorityKey } from '../platform/keys.ts'
import { createLocator } from '../platform/locator.ts'
import type { Logger } from '../platform/logger.ts'
import { createMetrics } from '../platform/metrics.ts'
import { createOutbound, type Outbound } from '../platform/outbound.ts'
import { hashPassword, verifyPassword } from '../platform/password.ts'
import { systemRandom } from '../platform/random.ts'
import type { Store } from '../stores/store.ts'
import { composeGateway, type GatewayComposition, type GatewayParts } from './compose-gateway.ts'
import { gatewaySettings } from './gateway-settings.ts'
import { clusterOf, joinNodes, nodeName, openStore } from './open-store.ts'
import { createPageContext, loadBrand } from './pages-setup.ts'
import { adapterLogouts, makeAdapters } from './opentoken-setup.ts'
import { version } from './version.ts'

/** A whole server, made from one configuration. */
export interface Composition {
  readonly authority: FastifyInstance
  readonly admin: FastifyInstance
  readonly store: Store
  readonly engine: Engine
  readonly connections: LiveConnections
  readonly outbound: Outbound
  /** Where `gateway` is configured. */
  readonly gateway: GatewayComposition | undefined
  /** Listens and starts to work through the outbox. */
  start(): Promise<void>
  /** Stops taking requests, finishes what is under way, closes the store. */
  stop(): Promise<void>
}

/** Effects stay at least so long with one process before another may take them. */
const leaseMsMin = 30_000
const keepRunsMs = 400 * 86_400_000

/** Builds every part and puts them together. Nothing listens yet. What was opened is closed when a later part fails. */
export async function compose(loaded: LoadedConfig, logger: Logger): Promise<Composition> {
  await using opened = new AsyncDisposableStack()
  const { config } = loaded
  const random = systemRandom
  const clock = systemClock
  const ids = createIds(random)
  const metrics = createMetrics()
  const keys = config.saml.keys.map((key) => readKey(key))
  const entityId = config.saml.entityId ?? originOf(config)
  const outbound = opened.adopt(createOutbound({ clock, ...config.outbound }), (it) => it.close())
  const connections = opened.use(
    await openConnections(connectionsDeps({ keys, outbound, logger }), {
      applications: config.connections.filter((connection) => connection.protocol === 'saml'),
      identityProviders: config.identityProviders.filter((provider) => provider.protocol === 'saml')
    })
  )
  const upstreams = opened.use(
    await openUpstreams(
      { clock, outbound, skewSeconds: config.saml.clockSkewSeconds, onProblem: (id, error) => upstreamFailed(logger, id, error) },
      config.identityProviders.filter((provider) => provider.protocol === 'oidc').map((provider) => upstreamSettings(provider))
    )
  )
  const tokenKeys = await readTokenKeys(config, keys)
  const clients = fixedClients(
    config.connections
      .filter((connection) => connection.protocol === 'oidc')
      .map((client) => makeClient(settingsOf(client), tokenKeys, config.oidc.sessionValidation))
  )
  const adapters = makeAdapters(config)
  const peer = (id: PeerId): Peer | undefined => connections.peer(id) ?? clients.peer(id) ?? adapters.peer(id) ?? upstreams.peer(id)
  const openedStore = await openStore(config, logger)
  const store = opened.use(openedStore.store)
  const settings = await authoritySettings(config, keys, logger)
  const sharedSignals = config.sharedSignals
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
    random
  })
  const engine = createEngine({
    store,
    ...(receiversOf({ clients }).length === 0 ? {} : { onSessionEnded: (run) => signals.ended(run) }),
    clock,
    random,
    ids,
    senders: [
      createSamlSender({ entityId, connections, ids, outbound }),
      createOidcSender({ issuer: originOf(config), clients, keys: tokenKeys, ids, outbound, store }),
      createOpenTokenSender({ adapters, store, random, ids, locator: settings.locator }),
      createUpstreamSender({ baseUrl: originOf(config), upstreams, ids, store })
    ],
    peer,
    receipts: receiptSigner(entityId, keys),
    probe: (target) => outbound.probe(target),
    logger,
    metrics,
    ...engineSettings(config)
  })
  const status = { now: 'starting' as 'starting' | 'ok' | 'stopping' }
  const shared = { store, engine, clock, ids, metrics, logger, baseUrl: originOf(config) }
  const passwords = passwordWatch(config, { ...shared, users: settings.users, random })
  const authority = createAuthorityServer({
    ...shared,
    ...settings,
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
    fetchKeys: (url) => fetchKeys(outbound, url),
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
    version,
    token: adminToken(config),
    status: () => status.now,
    cluster: clusterOf(openedStore, config),
    peer,
    streams: () => signals.list(),
    peers: () => [
      ...connections.all().map((connection) => ({ peer: connection.peer, certificates: connection.verification.keys.map(certificateFacts) })),
      ...[...clients.all(), ...adapters.all(), ...upstreams.all()].map((client) => ({ peer: client.peer, certificates: [] }))
    ]
  })
  const gateway = config.gateway === undefined ? undefined : gatewayBeside(config, config.gateway, { store, logger, registry: metrics.registry })
  const parts = opened.move()
  const listeners: (() => Promise<void>)[] = []
  const stop = async (): Promise<void> => {
    status.now = 'stopping'
    await gateway?.stop()
    await Promise.all(listeners.map((close) => close()))
    await authority.close()
    await admin.close()
    await passwords.stop()
    await pollReceiver.stop()
    await signals.stop()
    await engine.stop()
    await parts.disposeAsync()
  }
  return {
    authority,
    admin,
    store,
    engine,
    connections,
    outbound,
    gateway,
    async start() {
      try {
        // The name comes first: the engine takes over the work that was left under it.
        await joinNodes(openedStore, config)
        await engine.start()
        passwords.start()
        signals.start()
        pollReceiver.start()
        await listenAll(authority, config.server.listen, listeners)
        await listenAll(admin, config.admin.listen, listeners)
        status.now = 'ok'
        await gateway?.start()
      } catch (error) {
        await stop()
        throw error
      }
    },
    stop
  }
}

/** A gateway in the process of the authority reads the revocation list in its store. */
function gatewayBeside(
  config: Config,
  gateway: NonNullable<Config['gateway']>,
  parts: Pick<GatewayParts, 'logger' | 'registry'> & { readonly store: Store }
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
    ...(isOwn ? { store } : {})
  })
}

function originOf(config: Config): string {
  return new URL(config.server.baseUrl).origin
}

/** Keys of their own, or those of SAML that tokens can be signed with. */
async function readTokenKeys(config: Config, keys: readonly AuthorityKey[]): Promise<readonly TokenKey[]> {
  const { keys: own } = config.oidc
  if (own !== undefined) return Promise.all(own.map(({ key }) => readTokenKey(readText(key), key)))
  const usable = keys.filter(({ signing }) => signing.key.asymmetricKeyType !== 'ec' || signing.key.asymmetricKeyDetails?.namedCurve === 'prime256v1')
  return Promise.all(usable.map(({ signing }) => makeTokenKey(signing.key, 'saml.keys')))
}

function settingsOf({ protocol: _protocol, ...settings }: OidcConnectionConfig): ClientSettings {
  return settings
}

function upstreamSettings({ protocol: _protocol, idpid: _idpid, ...settings }: OidcIdentityProviderConfig): OpenIdUpstreamSettings {
  return settings
}

function upstreamFailed(logger: Logger, id: PeerId, error: unknown): void {
  logger.warn({ event: 'connection.metadata-failed', connection: id, err: error }, `the configuration of ${id} could not be read`)
}

function cookieSecret(config: Config): string {
  return deriveSecret(readSecret(config.sessions.secretFile), 'authorization cookie').export().toString('base64url')
}

/** Key sets of clients are small and read rarely. */
async function fetchKeys(outbound: Outbound, url: string): Promise<Response> {
  const { status, body } = await outbound.request({ peerId: 'client-keys', url, method: 'GET', timeoutMs: 5_000, responseBytesMax: 256 * 1024 })
  return new Response(Buffer.from(body), { status, headers: { 'content-type': 'application/json' } })
}

function certificateFacts({ fingerprint, notAfterMs }: { readonly fingerprint: string; readonly notAfterMs?: number }): AdminPeer['certificates'][number] {
  return { fingerprint, ...(notAfterMs === undefined ? {} : { notAfterMs }) }
}

/** How connections read what they need; `curfew doctor` reads them the same way. */
export function connectionsDeps({
  keys,
  outbound,
  logger
}: {
  readonly keys: readonly AuthorityKey[]
  readonly outbound: Outbound
  readonly logger: Logger
}): ConnectionsDeps {
  return {
    clock: systemClock,
    ownKeys: keys.map(ownKeyOf),
    readFile: (path) => readFile(path),
    fetchMetadata: (url) => fetchMetadata(outbound, url),
    onProblem: (id, error) => logger.warn({ event: 'connection.metadata-failed', connection: id, err: error }, `the metadata of ${id} could not be read`)
  }
}

function receiptSigner(entityId: string, [first]: readonly AuthorityKey[]): ReceiptSigner {
  if (first === undefined) throw new CurfewError('CURFEW_CONFIG_KEY', { where: 'saml.keys', why: 'there is no key' })
  const { key, algorithm } = first.signing
  const kid = first.verification.fingerprint
  if (algorithm.startsWith('rsa')) return createReceiptSigner(entityId, { key, algorithm: 'RS256', kid })
  return createReceiptSigner(entityId, { key, algorithm: algorithm === 'ecdsa-sha384' ? 'ES384' : 'ES256', kid })
}

function engineSettings(
  config: Config
): Pick<EngineDeps, 'policy' | 'owner' | 'leaseMs' | 'revocationMs' | 'revokesOnLogout' | 'registryMs' | 'sessionsPerUserMax' | 'keepRunsMs' | 'limits'> {
  const policy = runPolicy(config.logout)
  return {
    policy,
    owner: config.store.kind === 'redis' ? nodeName(config) : `${hostname()}:${config.store.file}`,
    leaseMs: Math.max(leaseMsMin, 4 * policy.sendTimeoutMs),
    revocationMs: config.sessions.revocationMinutes * 60_000,
    revokesOnLogout: config.sessions.revokeOnLogout,
    registryMs: config.sessions.registryMinutes * 60_000,
    sessionsPerUserMax: config.sessions.perUserMax,
    keepRunsMs,
    limits: { perPeerMax: config.outbound.perPeerMax }
  }
}

type AuthoritySettings = Omit<
  AuthorityContext,
  | 'store'
  | 'signals'
  | 'sharedSignals'
  | 'engine'
  | 'clock'
  | 'ids'
  | 'metrics'
  | 'logger'
  | 'baseUrl'
  | 'connections'
  | 'clients'
  | 'adapters'
  | 'adapterLogouts'
  | 'upstreams'
  | 'random'
  | 'peer'
  | 'oidc'
  | 'fetchKeys'
  | 'health'
>

async function authoritySettings(config: Config, keys: readonly AuthorityKey[], logger: Logger): Promise<AuthoritySettings> {
  const master = readSecret(config.sessions.secretFile)
  const brand = loadBrand(config.brand)
  const { clockSkewSeconds, assertionMinutes } = config.saml
  return {
    locator: createLocator([master], systemRandom),
    users: await openUsers(config.signOn.users, logger),
    passwords: {
      verify: (hash, password) => verifyPassword(hash, password),
      decoyHash: await hashPassword(Buffer.from(systemRandom.bytes(16)).toString('base64'), systemRandom)
    },
    secrets: { persistent: deriveSecret(master, 'persistent cookie'), nameId: deriveSecret(master, 'pairwise name') },
    csrf: createCsrf(deriveSecret(master, 'form token')),
    sessions: sessionSettings(config),
    signOn: signOnSettings(config),
    logout: logoutSettings(config),
    sriRevocationMs: config.sessions.revocationMinutes * 60_000,
    redirects: redirectPolicy(config),
    pingOne: pingOneSettings(config),
    saml: { entityId: config.saml.entityId ?? originOf(config), keys: keys.map(ownKeyOf), clockSkewSeconds, assertionMinutes },
    organisation: brand.organisation,
    pageContext: createPageContext(brand, systemRandom),
    trustedProxies: config.server.trustedProxies
  }
}

function openUsers(file: string | undefined, logger: Logger): Promise<UserDirectory> {
  if (file === undefined) return Promise.resolve({ find: async () => undefined, changed: async () => [] })
  return openUserFile(file, (error) => logger.warn({ event: 'users.file-failed', err: error }, 'the users file could not be read again'))
}

/** How often the people are looked at for changed passwords: the longest that a session outlives one, about. */
const passwordLookMs = 2_000

function passwordWatch(
  config: Config,
  deps: Pick<AuthorityContext, 'store' | 'engine' | 'users' | 'clock'> & { readonly random: typeof systemRandom; readonly logger: Logger }
): Loop {
  const endOutdated = createPasswordEndings(deps)
  const isOn = config.signOn.users !== undefined && config.signOn.passwordChangeEndsSessions
  return createLoop({
    clock: deps.clock,
    intervalMs: passwordLookMs,
    fraction: () => deps.random.fraction(),
    work: async () => {
      if (isOn) await endOutdated()
      return false
    },
    onError: (error) =>
      deps.logger.error({ event: 'password-change.failed', err: error }, 'Sessions of a changed password could not be ended; it is tried again')
  })
}

/** Most time that open connections get to finish when the server stops. */
const drainMs = 2_000

/** Listens on every address with the same routes, and adds how to stop to `closers` as soon as one listens. */
async function listenAll(app: FastifyInstance, addresses: readonly string[], closers: (() => Promise<void>)[]): Promise<void> {
  await app.ready()
  for (const address of addresses) {
    const { host, port } = hostPort(address)
    const server = createServer({ maxHeaderSize: headerBytesMax }, (request, response) => app.routing(request, response))
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => reject(new CurfewError('CURFEW_CLI_ADDRESS_IN_USE', { address, why: cause.message }, { cause })))
      server.listen(port, host, resolve)
    })
    closers.push(() => closeServer(server))
  }
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = systemClock.after(drainMs, () => server.closeAllConnections())
    server.close(() => {
      timer.cancel()
      resolve()
    })
    server.closeIdleConnections()
  })
}

/** `127.0.0.1:9031`, `[::1]:9031`, `*:9031`. */
export function hostPort(address: string): { readonly host: string; readonly port: number } {
  const at = address.lastIndexOf(':')
  const host = address.slice(0, at).replace(/^\[|\]$/g, '')
  return { host: host === '*' ? '::' : host, port: Number(address.slice(at + 1)) }
}

async function fetchMetadata(outbound: Outbound, url: string): Promise<Uint8Array> {
  const answer = await outbound.request({ peerId: 'metadata', url, method: 'GET', timeoutMs: 10_000, responseBytesMax: 4 * 1024 * 1024 })
  if (answer.status !== 200) throw new CurfewError('CURFEW_OUTBOUND_STATUS', { url, status: answer.status })
  return answer.body
}

/** Reads one signing key of the configuration. @throws CURFEW_CONFIG_FILE, CURFEW_CONFIG_KEY */
export function readKey(key: Config['saml']['keys'][number]): AuthorityKey {
  return readAuthorityKey(readText(key.key), readText(key.certificate), key.algorithm, key.key)
}

/** The part of a key that signs messages. */
export function ownKeyOf(key: AuthorityKey): OwnKey {
  return { ...key.signing, certificate: key.certificateBase64 }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new CurfewError('CURFEW_CONFIG_FILE', { path, why: 'it can not be read' }, { cause })
  }
}

/** The secret that cookies and identifiers derive from. @throws CURFEW_CONFIG_FILE */
export function readSecret(path: string): Uint8Array {
  return Buffer.from(readText(path).trim(), 'base64')
}

/** The token of the admin API: from the configuration or its file. @throws CURFEW_CONFIG_FILE */
export function adminToken(config: Config): string {
  return config.admin.token ?? readText(config.admin.tokenFile ?? '').trim()
}

function runPolicy(logout: Config['logout']): RunPolicy {
  return {
    attemptsMax: logout.attempts,
    retryBaseMs: logout.retryBaseSeconds * 1000,
    retryCapMs: logout.retryCapSeconds * 1000,
    sendTimeoutMs: logout.sendTimeoutSeconds * 1000,
    hopTimeoutMs: logout.hopTimeoutSeconds * 1000,
    frameTimeoutMs: logout.frameTimeoutSeconds * 1000,
    patienceMs: logout.patienceSeconds * 1000,
    deadlineMs: logout.deadlineHours * 3_600_000
  }
}

function sessionSettings({ sessions }: Config): AuthorityContext['sessions'] {
  const { enabled, idleMinutes, maxMinutes, persistent, sources } = sessions
  return { enabled, idleMinutes, maxMinutes, persistent, sources }
}

function signOnSettings({ signOn }: Config): AuthorityContext['signOn'] {
  const { users, sourceId, sessionState, locking, successUrl, targets } = signOn
  return {
    sourceId,
    sessionState,
    locking,
    hasForm: users !== undefined,
    targets: rulesOf(targets),
    ...(successUrl === undefined ? {} : { successUrl })
  }
}

function rulesOf(targets: Config['logout']['targets']): readonly RedirectRule[] {
  return targets.map(({ path, ...rule }) => ({ ...rule, ...(path === undefined ? {} : { path }) }))
}

function logoutSettings({ logout }: Config): AuthorityContext['logout'] {
  const { confirm, successUrl, errorUrl, targets, sp } = logout
  return {
    confirm,
    targets: rulesOf(targets),
    ...(successUrl === undefined ? {} : { successUrl }),
    ...(errorUrl === undefined ? {} : { errorUrl }),
    ...(sp === undefined ? {} : { sp: present(sp) })
  }
}

function redirectPolicy(config: Config): AuthorityContext['redirects'] {
  const { validate, allow } = config.redirects
  return makeRedirectPolicy({
    signOn: signOnSettings(config),
    logout: logoutSettings(config),
    targetUrls: config.identityProviders.map(({ targetUrl }) => targetUrl),
    validate,
    allow: allow.flatMap(({ uses, ...rule }) => rulesOf([rule]).map((one) => ({ ...one, uses })))
  })
}

function pingOneSettings({ pingOne, signOn, identityProviders }: Config): AuthorityContext['pingOne'] {
  const named = [{ id: signOn.sourceId, idpid: signOn.idpid }, ...identityProviders].flatMap(({ id, idpid }) =>
    idpid === undefined ? [] : [[id, idpid] as const]
  )
  const { prefix, ownOrigins, landingUrl } = pingOne
  return { prefix, ownOrigins, idpids: new Map(named), ...(landingUrl === undefined ? {} : { landingUrl }) }
}

function present<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as { [K in keyof T]: Exclude<T[K], undefined> }
}
