import type { KeyObject } from 'node:crypto'
import type { Decryption, EntityDescriptor } from '@curfew/codecs'
import { withHashedKeys } from '../../src/authority/sign-on/hashed-keys.ts'
import { type KeyPair, makeKeyPair } from './key-pairs.ts'
import type { FastifyInstance } from 'fastify'
import type { AuthorityContext } from '../../src/authority/context.ts'
import type { Clients } from '../../src/authority/oidc/client.ts'
import type { CertificateSources } from '../../src/authority/oidc/mutual-tls/client-certificates.ts'

import type { RegistrationSettings } from '../../src/authority/oidc/registration/settings.ts'
import type { ApplicationSettings, LoginSettings } from '../../src/authority/opentoken/settings.ts'
import type { ClientSettings } from '../../src/authority/oidc/settings.ts'
import type { Connections } from '../../src/authority/saml/connections.ts'
import type { ConnectionSettings, IdentityProviderSettings, OwnKey } from '../../src/authority/saml/settings.ts'
import type { OpenIdUpstreamSettings } from '../../src/authority/oidc-rp/settings.ts'
import type { RedirectParts } from '../../src/authority/redirects.ts'
import type { PollReceiver } from '../../src/authority/shared-signals/poll-receiver.ts'
import type { TransmitterSettings } from '../../src/authority/shared-signals/settings.ts'
import { type LocalUser, type LocalUsers, localDirectory } from '../../src/authority/sign-on/users.ts'
import type { RunPolicy } from '../../src/core/run.ts'
import type { Engine } from '../../src/engine/engine.ts'
import type { Locator } from '../../src/platform/locator.ts'
import type { Outbound, OutboundRequest, OutboundResponse, ProbeResult } from '../../src/platform/outbound.ts'
import type { Signals, SignalsHome } from '../../src/authority/shared-signals/signals.ts'
import type { Store } from '../../src/stores/store.ts'
import { type Browser, createBrowser, formOf } from './browser.ts'
import { createFakeClock, type FakeClock } from './fake-clock.ts'
import type { Surroundings } from './node.ts'
import { noteStart, type Setting } from '../support/modes.ts'
import type { NodeStores } from '../support/node-stores.ts'
import { startNodes } from './nodes.ts'
import { createPartner, type Partner } from './partner.ts'

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
  /** How long a sign-in in progress waits; 30 unless something else is said. */
  readonly transactionMinutes?: number
  /** How long attributes outlive their session; 1440 unless something else is said. */
  readonly attributeMinutes?: number
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
  readonly identityProviders?: readonly {
    readonly settings: IdentityProviderSettings
    readonly certificatePem: string
    readonly descriptor?: EntityDescriptor
  }[]
  /** OpenID providers that people may sign in at; read over `network`. */
  readonly upstreams?: readonly OpenIdUpstreamSettings[]
  /** OpenID clients. */
  readonly clients?: readonly ClientSettings[]
  /** Applications by OpenToken, and those that sign people in. */
  readonly adapters?: { readonly applications?: readonly ApplicationSettings[]; readonly logins?: readonly LoginSettings[] }
  readonly adapterLogouts?: AuthorityContext['adapterLogouts']
  /** Instead of a new one in memory. */
  readonly store?: Store
  /** Takes over from an authority that stopped, on its stores. */
  readonly after?: Kit
  /** Nodes on real servers, instead of what the whole run has. */
  readonly setting?: Setting
  /** Letter of its group. */
  readonly group?: string
  /** Joins it with other groups. */
  readonly join?: (parts: Joined, authority: () => FastifyInstance) => Pick<AuthorityContext, 'store' | 'engine' | 'everywhere' | 'handOver'>
  /** The transmitter that keeps the streams of all groups; absent: this one. */
  readonly signalsHome?: SignalsHome
  readonly sessionsPerUserMax?: number
  /** How long a revoked session stays on the list. Default: 490. */
  readonly revocationMinutes?: number
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
  /** Whether a server answers at an address; absent: every one does. */
  readonly probe?: (url: string) => Promise<ProbeResult>
  /** Instead of the limits of the kit. */
  readonly policy?: Partial<RunPolicy>
}

/** What joining needs of one authority. */
export interface Joined {
  readonly store: Store
  readonly engine: Engine
  readonly locator: Locator
  readonly connections: Connections
  readonly clients: Clients
  readonly signals: Signals
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
  /** The store of each node; absent: it is the one of the test. */
  readonly nodeStores?: NodeStores
  browser(): Browser
  /** Every node of it ends; what is in the stores stays for whoever comes {@link KitOptions.after} it. */
  stop(): Promise<void>
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

/** Every kit signs with this key unless told otherwise. */
export const authorityPair: KeyPair = makeKeyPair('curfew')

/** One authority, in memory or as the mode of this run of the tests has it: then its requests go to each of its nodes in turn. */
export async function createKit(options: KitOptions = {}): Promise<Kit> {
  if (options.store === undefined && options.join === undefined) noteStart()
  const clock = options.clock ?? createFakeClock(options.startMs)
  const ownKeys: readonly OwnKey[] = options.ownKeys ?? [
    options.ownKey ?? { key: authorityPair.key, algorithm: 'ecdsa-sha256', certificate: authorityPair.certificate }
  ]
  const names = Object.entries(options.partners ?? { payroll: {}, intranet: {} })
  const partners = Object.fromEntries(
    await Promise.all(names.map(async ([id, settings]) => [id, await createPartner(id, clock, authorityPair, settings)] as const))
  )
  const users = options.users ?? localDirectory(options.localUsers ?? createLocalUsers(), passwords)
  const around: Surroundings = {
    partners,
    ownKeys,
    users: options.sessions?.hashUserKeys === true ? withHashedKeys(users) : users,
    logged: [],
    probed: [],
    outbound: {
      async request(request: OutboundRequest): Promise<OutboundResponse> {
        if (options.network === undefined) throw new Error('nobody listens')
        return { status: 200, headers: { 'content-type': 'text/xml' }, body: Buffer.alloc(0), durationMs: 1, ...(await options.network(request)) }
      }
    }
  }
  const { app, appOfBrowser, ctx, store, pollReceiver, nodeStores, stop, [Symbol.asyncDispose]: dispose } = await startNodes(options, around, clock)
  return {
    app,
    ctx,
    clock,
    store,
    partners,
    logged: around.logged,
    probed: around.probed,
    pollReceiver,
    partner: (id) => partners[id] ?? fail(`no partner ${id}`),
    ...(nodeStores === undefined ? {} : { nodeStores }),
    browser: () => createBrowser(appOfBrowser()),
    stop,
    [Symbol.asyncDispose]: dispose
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
