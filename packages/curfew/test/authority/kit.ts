import assert from 'node:assert/strict'
import { createHash, createSecretKey, type KeyObject } from 'node:crypto'
import type { Decryption } from '@curfew/codecs'
import { type KeyPair, makeKeyPair } from './key-pairs.ts'
import type { FastifyInstance } from 'fastify'
import type { AuthorityContext } from '../../src/authority/context.ts'
import { type Clients, fixedClients, makeClient } from '../../src/authority/oidc/client.ts'
import { type CertificateSources, createClientCertificates } from '../../src/authority/oidc/mutual-tls/client-certificates.ts'

import { createLiveClients, type LiveClientsDeps } from '../../src/authority/oidc/registration/live-clients.ts'
import type { Registration } from '../../src/authority/oidc/registration/registration.ts'
import type { RegistrationSettings } from '../../src/authority/oidc/registration/settings.ts'
import { makeTokenKey } from '../../src/authority/oidc/keys.ts'
import { makeApplicationAdapter, makeLoginAdapter } from '../../src/authority/opentoken/adapter.ts'
import { fixedAdapters } from '../../src/authority/opentoken/adapters.ts'
import { createOpenTokenSender } from '../../src/authority/opentoken/opentoken-sender.ts'
import type { ApplicationSettings, LoginSettings } from '../../src/authority/opentoken/settings.ts'
import { createOidcSender } from '../../src/authority/oidc/oidc-sender.ts'
import type { ClientSettings, TokenKey } from '../../src/authority/oidc/settings.ts'
import { makeBrand } from '../../src/authority/pages/brand.ts'
import { createCsrf } from '../../src/authority/pages/csrf.ts'
import { chooseLanguage, createMessages } from '../../src/authority/pages/messages.ts'
import { makeConnection, makeIdpConnection } from '../../src/authority/saml/connection.ts'
import { createArtifactShelf } from '../../src/authority/saml/artifact-shelf.ts'
import { type Connections, fixedConnections } from '../../src/authority/saml/connections.ts'
import { createSamlSender } from '../../src/authority/saml/saml-sender.ts'
import type { ConnectionSettings, IdentityProviderSettings, OwnKey } from '../../src/authority/saml/settings.ts'
import type { OpenIdUpstreamSettings } from '../../src/authority/oidc-rp/settings.ts'
import { createUpstreamSender } from '../../src/authority/oidc-rp/upstream-sender.ts'
import { openUpstreams } from '../../src/authority/oidc-rp/upstreams.ts'
import { ownOriginsDefault, prefixDefault } from '../../src/authority/pingone/settings.ts'
import { makeRedirectPolicy, type RedirectParts } from '../../src/authority/redirects.ts'
import { createAuthorityServer } from '../../src/authority/server.ts'
import { receiversOf } from '../../src/authority/shared-signals/owed.ts'
import { createPollReceiver, type PollReceiver } from '../../src/authority/shared-signals/poll-receiver.ts'
import type { TransmitterSettings } from '../../src/authority/shared-signals/settings.ts'
import { createSignals } from '../../src/authority/shared-signals/signals.ts'
import { type LocalUser, type LocalUsers, localDirectory } from '../../src/authority/sign-on/users.ts'
import type { Peer } from '../../src/core/peer.ts'
import type { RunPolicy } from '../../src/core/run.ts'
import { createEngine, type Engine } from '../../src/engine/engine.ts'
import { createIds } from '../../src/platform/ids.ts'
import { createLocator, type Locator } from '../../src/platform/locator.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { createMetrics } from '../../src/platform/metrics.ts'
import type { Outbound, OutboundRequest, OutboundResponse } from '../../src/platform/outbound.ts'
import type { Random } from '../../src/platform/random.ts'
import { createMemoryStore } from '../../src/stores/memory/memory-store.ts'
import { inStore } from '../../src/stores/everywhere.ts'
import type { Store } from '../../src/stores/store.ts'
import { type Browser, createBrowser, formOf } from './browser.ts'
import { createFakeClock, type FakeClock } from './fake-clock.ts'
import { authorityUrl, createPartner, type Partner } from './partner.ts'

export interface KitOptions {
  readonly partners?: Readonly<Record<string, Partial<ConnectionSettings>>>
  readonly sessions?: Partial<AuthorityContext['sessions']>
  readonly signOn?: Partial<AuthorityContext['signOn']>
  readonly logout?: Partial<AuthorityContext['logout']>
  readonly redirects?: Pick<RedirectParts, 'validate' | 'allow'>
  readonly pingOne?: Partial<AuthorityContext['pingOne']>
  /** Where certificates of clients come from; absent: nobody shows one. */
  readonly clientCertificates?: Partial<Omit<CertificateSources, 'clock'>>
  /** Clients may register themselves; absent: they may not. */
  readonly registration?: Partial<RegistrationSettings>
  readonly saml?: Partial<AuthorityContext['saml']>
  readonly health?: Partial<AuthorityContext['health']>
  readonly baseUrl?: string
  readonly capacity?: number
  readonly startMs?: number
  /** Shared with other kits; instead of one that starts at `startMs`. */
  readonly clock?: FakeClock
  /** PEM certificates to encrypt to, by partner; for those whose settings say `encrypt`. */
  readonly encryptionPems?: Readonly<Record<string, string>>
  /** What partners encrypt to, with the certificate in metadata. */
  readonly decryption?: Decryption & { readonly certificate: string }
  /** Key of the identity provider, with its algorithm. */
  readonly ownKey?: OwnKey
  /** The same with more than one; the first signs. */
  readonly ownKeys?: readonly OwnKey[]
  /** Keys that sign tokens, in configured order; absent: `ownKey`. */
  readonly tokenKeys?: readonly KeyObject[]
  /** Connections beside those of `partners`. */
  readonly connections?: readonly { readonly settings: ConnectionSettings; readonly certificatePem: string }[]
  /** Identity providers that people may sign in at. */
  readonly identityProviders?: readonly { readonly settings: IdentityProviderSettings; readonly certificatePem: string }[]
  /** OpenID providers that people may sign in at; read over `network`. */
  readonly upstreams?: readonly OpenIdUpstreamSettings[]
  /** OpenID clients. */
  readonly clients?: readonly ClientSettings[]
  /** Applications by OpenToken, and those that sign people in. */
  readonly adapters?: { readonly applications?: readonly ApplicationSettings[]; readonly logins?: readonly LoginSettings[] }
  readonly adapterLogouts?: AuthorityContext['adapterLogouts']
  /** Instead of a new one in memory. */
  readonly store?: Store
  /** Letter of its group. */
  readonly group?: string
  /** Joins it with other groups. */
  readonly join?: (parts: Joined, authority: () => FastifyInstance) => Pick<AuthorityContext, 'store' | 'engine' | 'everywhere' | 'handOver'>
  readonly sessionsPerUserMax?: number
  /** Endings put the SRI on the revocation list. Absent: they do. */
  readonly revokesOnLogout?: boolean
  /** Instead of {@link users}. */
  readonly users?: AuthorityContext['users']
  readonly localUsers?: LocalUsers
  readonly passwords?: Partial<AuthorityContext['signOn']['passwords']>
  /** Answers server-to-server requests; absent: nobody does. */
  /** Transmitters of shared signals. */
  readonly transmitters?: readonly TransmitterSettings[]
  readonly fetchKeys?: AuthorityContext['fetchKeys']
  /** Instead of `network`, for shared signals. */
  readonly outbound?: Pick<Outbound, 'request'>
  readonly network?: (request: OutboundRequest) => Promise<Partial<OutboundResponse>>
}

/** What joining needs of one authority. */
export interface Joined {
  readonly store: Store
  readonly engine: Engine
  readonly clock: FakeClock
  readonly locator: Locator
  readonly connections: Connections
  readonly clients: Clients
}

/** A whole authority in memory with partners around it. */
export interface Kit extends AsyncDisposable {
  readonly app: FastifyInstance
  readonly ctx: AuthorityContext
  readonly clock: FakeClock
  readonly store: Store
  readonly partners: Readonly<Record<string, Partner>>
  readonly logged: { readonly level: string; readonly fields: Readonly<Record<string, unknown>> }[]
  readonly probed: string[]
  partner(id: string): Partner
  readonly pollReceiver: PollReceiver
  browser(): Browser
}

export const users: readonly (LocalUser & { readonly password: string })[] = [
  { username: 'ana', password: 'correct horse', passwordHash: 'hash:correct horse', attributes: { mail: ['ana@example.org'] }, isDisabled: false },
  { username: 'ben', password: 'battery staple', passwordHash: 'hash:battery staple', attributes: {}, isDisabled: false },
  { username: 'gone', password: 'was here', passwordHash: 'hash:was here', attributes: {}, isDisabled: true }
]

/** Passwords as they are kept in a kit: readable, and quick. */
export const passwords = {
  verify: async (hash: string, password: string) => hash === `hash:${password}`,
  hash: async (password: string) => `hash:${password}`,
  decoyHash: 'hash:'
}

/** {@link users}, and what becomes of them, in memory. */
export function createLocalUsers(known: readonly LocalUser[] = users): LocalUsers {
  const byName = new Map(known.map((user) => [user.username, user]))
  return {
    find: async (username) => byName.get(username.trim().toLowerCase()),
    all: async () => [...byName.values()],
    async replace(username, change) {
      const user = byName.get(username)
      if (user === undefined) return
      const ms = (text: string | undefined): number | undefined => (text === undefined ? undefined : Temporal.Instant.from(text).epochMilliseconds)
      const text = (atMs: number | undefined): string | undefined => (atMs === undefined ? undefined : Temporal.Instant.fromEpochMilliseconds(atMs).toString())
      const { passwordChangedAtMs, sessionsValidFromMs, mustChangePassword: _, passwordHash, ...rest } = user
      const [changedAt, validFrom] = [text(passwordChangedAtMs), text(sessionsValidFromMs)]
      const entry = change({
        username,
        password: passwordHash,
        ...(changedAt === undefined ? {} : { passwordChangedAt: changedAt }),
        ...(validFrom === undefined ? {} : { sessionsValidFrom: validFrom })
      })
      const [changedAtMs, validFromMs] = [ms(entry.passwordChangedAt), ms(entry.sessionsValidFrom)]
      byName.set(username, {
        ...rest,
        passwordHash: entry.password,
        ...(changedAtMs === undefined ? {} : { passwordChangedAtMs: changedAtMs }),
        ...(validFromMs === undefined ? {} : { sessionsValidFromMs: validFromMs })
      })
    }
  }
}

const policy: RunPolicy = {
  attemptsMax: 3,
  retryBaseMs: 10_000,
  retryCapMs: 60_000,
  sendTimeoutMs: 5_000,
  hopTimeoutMs: 8_000,
  frameTimeoutMs: 3_000,
  patienceMs: 8_000,
  deadlineMs: 24 * 3_600_000
}

/** Every kit signs with this key unless told otherwise. */
export const authorityPair: KeyPair = makeKeyPair('curfew')

export async function createKit(options: KitOptions = {}): Promise<Kit> {
  const clock = options.clock ?? createFakeClock(options.startMs)
  const random = seededRandom()
  const ids = createIds(random, options.group)
  const ownKeys: readonly OwnKey[] = options.ownKeys ?? [
    options.ownKey ?? { key: authorityPair.key, algorithm: 'ecdsa-sha256', certificate: authorityPair.certificate }
  ]
  const names = Object.entries(options.partners ?? { payroll: {}, intranet: {} })
  const partners = Object.fromEntries(
    await Promise.all(names.map(async ([id, settings]) => [id, await createPartner(id, clock, authorityPair, settings)] as const))
  )
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
    ...(options.identityProviders ?? []).map(({ settings, certificatePem }) => makeIdpConnection({ settings, ...parts(settings.id, certificatePem) }))
  ])
  const tokenKeys = await Promise.all((options.tokenKeys ?? [ownKeys[0]?.key ?? authorityPair.key]).map((key) => makeTokenKey(key, 'kit')))
  const configured = fixedClients((options.clients ?? []).map((settings) => makeClient(settings, tokenKeys)))
  const adapters = fixedAdapters([
    ...(options.adapters?.applications ?? []).map((settings) => makeApplicationAdapter(settings)),
    ...(options.adapters?.logins ?? []).map((settings) => makeLoginAdapter(settings))
  ])
  const locator = createLocator([Buffer.alloc(32, 7)], random, options.group)
  const peer = (id: string): Peer | undefined => connections.peer(id) ?? clients.peer(id) ?? adapters.peer(id) ?? upstreams.peer(id)
  const store = options.store ?? createMemoryStore({ capacity: options.capacity ?? 1000 })
  const registration = registrationOf(options, { configured, store, clock, random, keys: tokenKeys })
  const clients: Clients = registration?.clients ?? configured
  const metrics = createMetrics()
  const logged: { level: string; fields: Readonly<Record<string, unknown>> }[] = []
  const probed: string[] = []
  const note = (level: string) => (fields: object) => void logged.push({ level, fields: fields as Readonly<Record<string, unknown>> })
  const outbound = {
    request: async (request: OutboundRequest): Promise<OutboundResponse> => {
      if (options.network === undefined) throw new Error('nobody listens')
      return { status: 200, headers: { 'content-type': 'text/xml' }, body: Buffer.alloc(0), durationMs: 1, ...(await options.network(request)) }
    }
  }
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
  const signals = createSignals({ ...shared, settings, keys: tokenKeys, outbound: options.outbound ?? outbound, random })
  const upstreams = await openUpstreams(
    { clock, outbound, skewSeconds: 60, onProblem: (id) => note('warn')({ event: 'upstream.failed', id }) },
    options.upstreams ?? []
  )
  const saml = { ...samlSettings(options, ownKeys), ...options.saml }
  const artifacts = createArtifactShelf({ store, clock, random, saml })
  const engine = createEngine({
    store,
    ...(receiversOf({ clients }).length === 0 ? {} : { onSessionEnded: (run) => signals.ended(run) }),
    clock,
    random,
    ids,
    senders: [
      createSamlSender({ entityId: options.baseUrl ?? authorityUrl, connections, ids, outbound, random, artifacts }),
      createOidcSender({ issuer: options.baseUrl ?? authorityUrl, clients, keys: tokenKeys, ids, outbound, store }),
      createOpenTokenSender({ adapters, store, random, ids, locator }),
      createUpstreamSender({ baseUrl: options.baseUrl ?? authorityUrl, upstreams, ids, store })
    ],
    peer,
    meetPeers: (ids) => clients.meet(ids),
    policy,
    receipts: { sign: async () => 'receipt' },
    probe: async ({ url }) => {
      probed.push(url)
      return { reachable: true, durationMs: 1 }
    },
    logger: silentLogger,
    metrics,
    owner: 'test',
    leaseMs: 30_000,
    revocationMs: 490 * 60_000,
    ...(options.revokesOnLogout === undefined ? {} : { revokesOnLogout: options.revokesOnLogout }),
    registryMs: 1_440 * 60_000,
    sessionsPerUserMax: options.sessionsPerUserMax ?? 100,
    keepRunsMs: 86_400_000
  })
  await engine.start()
  signals.start()
  const groups = options.join?.({ store, engine, clock, locator, connections, clients }, () => app) ?? {
    store,
    engine,
    everywhere: inStore(store, () => clock.nowMs())
  }
  const ctx = contextOf(options, {
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
    ...(registration === undefined ? {} : { registration })
  })
  const pollReceiver = createPollReceiver({ ...ctx, outbound: options.outbound ?? outbound, random })
  const app: FastifyInstance = createAuthorityServer(ctx)
  await app.ready()
  return {
    app,
    ctx,
    clock,
    store,
    partners,
    logged,
    probed,
    pollReceiver,
    partner: (id) => partners[id] ?? fail(`no partner ${id}`),
    browser: () => createBrowser(app),
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
  | 'registration'
  | 'saml'
  | 'artifacts'
  | 'outbound'
> & {
  readonly tokenKeys: readonly TokenKey[]
  readonly random: Random
}

function contextOf(options: KitOptions, parts: Parts): AuthorityContext {
  const messages = createMessages()
  const brand = makeBrand({ organisation: 'Test' })
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
    users: options.users ?? localDirectory(options.localUsers ?? createLocalUsers(), passwords),
    secrets: { persistent: createSecretKey(Buffer.alloc(32, 1)), nameId: createSecretKey(Buffer.alloc(32, 2)) },
    csrf: createCsrf(createSecretKey(Buffer.alloc(32, 3))),
    sessions: { enabled: true, idleMinutes: 60, maxMinutes: 480, persistent: false, persistentReplaySeconds: 300, deviceType: 'private', ...options.sessions },
    signOn,
    logout,
    sriRevocationMs: 490 * 60_000,
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
    pageContext: (request, uiLocales) => {
      const language = chooseLanguage(undefined, request.headers['accept-language'], uiLocales)
      return { language, t: messages(language), brand, nonce: Buffer.from(random.bytes(16)).toString('base64'), path: request.url.split('?')[0] ?? '/' }
    },
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
function seededRandom(): Random {
  let counter = 0
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

/** Signs in at the form behind `path` and returns what the form's answer is. */
export async function signIn(browser: Browser, path: string, username = 'ana', password?: string, more: Readonly<Record<string, string>> = {}) {
  let page = await browser.get(path)
  for (let i = 0; i < 3 && page.statusCode === 303; i++) page = await browser.get(page.headers.location as string)
  const form = formOf(page.body)
  const secret = password ?? users.find((user) => user.username === username)?.password ?? ''
  return browser.post(form.action, { ...form.fields, username, password: secret, ...more })
}

/** Signs in to one partner and returns the verified Response. */
export async function signInTo(kit: Kit, browser: Browser, id: string, username = 'ana') {
  const partner = kit.partner(id)
  const first = await browser.get(await partner.ssoRedirect())
  if (first.statusCode === 200) return partner.readResponse(first.body).response
  const answered = await signIn(browser, first.headers.location as string, username)
  return partner.readResponse(answered.body).response
}
