import { CurfewError, isCurfewError, type TokenExpectation } from '@curfew/codecs'
import * as client from 'openid-client'
import type { PeerId } from '../../core/ids.ts'
import type { Peer } from '../../core/peer.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import type { Outbound } from '../../platform/outbound.ts'
import { outboundFetch } from './outbound-fetch.ts'
import type { OpenIdUpstreamSettings } from './settings.ts'

type KeySet = TokenExpectation['keys']

/** One OpenID provider upstream, as far as it is known. */
export interface OpenIdUpstream {
  readonly id: PeerId
  readonly name: string
  readonly settings: OpenIdUpstreamSettings
  /** What planning and pages see. */
  readonly peer: Peer
}

/** The OpenID providers that people may sign in at; look-ups see their latest configuration. */
export interface OpenIdUpstreams {
  byId(id: PeerId): OpenIdUpstream | undefined
  byIssuer(issuer: string): OpenIdUpstream | undefined
  peer(id: PeerId): Peer | undefined
  /** In configured order. */
  all(): readonly OpenIdUpstream[]
  /** What it published of itself, ready to talk to. @throws CURFEW_OIDC_PROVIDER when it can not be read */
  configuration(id: PeerId): Promise<client.Configuration>
  /** Its key set. `again`: read anew, at most once a minute, because a key is not in it. @throws CURFEW_OIDC_PROVIDER */
  keys(id: PeerId, again?: boolean): Promise<KeySet>
}

/** Providers whose configuration is kept up to date. */
export interface LiveUpstreams extends OpenIdUpstreams, AsyncDisposable {
  /** Reads one provider's configuration again. What was known stays when that fails. @throws CURFEW_OIDC_PROVIDER */
  refresh(id: PeerId): Promise<void>
}

export interface UpstreamsDeps {
  readonly clock: Clock
  readonly outbound: Pick<Outbound, 'request'>
  /** Seconds by which clocks may differ. */
  readonly skewSeconds: number
  /** A reading failed; what was known before stays. */
  onProblem(id: PeerId, error: unknown): void
}

const refreshMinutesDefault = 60
/** Until the first reading succeeded. */
const retryMinutes = 1
const keysAgainMs = 60_000

/** Reads the configuration of every provider; one that does not answer is asked again every minute. */
export async function openUpstreams(deps: UpstreamsDeps, list: readonly OpenIdUpstreamSettings[]): Promise<LiveUpstreams> {
  const sources = new Map(list.map((settings) => [settings.id, new Source(deps, settings)]))
  const sourceOf = (id: PeerId): Source => {
    const source = sources.get(id)
    if (source === undefined) throw new CurfewError('CURFEW_OIDC_PROVIDER', { connection: id, why: 'it is not configured' })
    return source
  }
  await Promise.all([...sources.values()].map((source) => source.start()))
  return {
    byId: (id) => sources.get(id)?.upstream(),
    byIssuer: (issuer) => [...sources.values()].find(({ settings }) => settings.issuer === issuer)?.upstream(),
    peer: (id) => sources.get(id)?.upstream().peer,
    all: () => [...sources.values()].map((source) => source.upstream()),
    configuration: (id) => sourceOf(id).configuration(),
    keys: (id, again = false) => sourceOf(id).keys(again),
    refresh: (id) =>
      sourceOf(id)
        .read()
        .then(() => undefined),
    async [Symbol.asyncDispose]() {
      for (const source of sources.values()) source.stop()
    }
  }
}

/** One provider that is read again and again. */
class Source {
  readonly settings: OpenIdUpstreamSettings
  readonly #deps: UpstreamsDeps
  readonly #ask: client.CustomFetch
  #known: client.Configuration | undefined
  #reading: Promise<client.Configuration> | undefined
  #keys: Promise<KeySet> | undefined
  #keysAtMs = Number.NEGATIVE_INFINITY
  #timer: Timer | undefined
  #isStopped = false

  constructor(deps: UpstreamsDeps, settings: OpenIdUpstreamSettings) {
    this.#deps = deps
    this.settings = settings
    this.#ask = outboundFetch(deps.outbound, settings.id)
  }

  async start(): Promise<void> {
    try {
      await this.read()
    } catch (error) {
      this.#deps.onProblem(this.settings.id, error)
    }
    if (this.#isStopped) return
    const minutes = this.#known === undefined ? retryMinutes : (this.settings.refreshMinutes ?? refreshMinutesDefault)
    this.#timer = this.#deps.clock.after(minutes * 60_000, () => void this.start())
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  async configuration(): Promise<client.Configuration> {
    return this.#known ?? this.read()
  }

  /** Requests at the same time share one reading. */
  read(): Promise<client.Configuration> {
    this.#reading ??= this.#discover().finally(() => (this.#reading = undefined))
    return this.#reading
  }

  async #discover(): Promise<client.Configuration> {
    const { issuer, clientId, algorithm, id } = this.settings
    const server = new URL(issuer)
    try {
      const found = await client.discovery(
        server,
        clientId,
        { ...(algorithm === undefined ? {} : { id_token_signed_response_alg: algorithm }), [client.clockTolerance]: this.#deps.skewSeconds },
        authenticationOf(this.settings),
        { [client.customFetch]: this.#ask, timeout: 10, execute: server.protocol === 'http:' ? [client.allowInsecureRequests] : [] }
      )
      if (found.serverMetadata().issuer !== issuer) throw new TypeError('it speaks of another issuer')
      // Tokens may be shown to others later: their signature counts, not only the connection they came by.
      client.enableNonRepudiationChecks(found)
      this.#known = found
      this.#keys = undefined
      return found
    } catch (cause) {
      throw new CurfewError('CURFEW_OIDC_PROVIDER', { connection: id, why: reasonOf(cause) }, { cause })
    }
  }

  async keys(again: boolean): Promise<KeySet> {
    const nowMs = this.#deps.clock.nowMs()
    if (again && nowMs - this.#keysAtMs >= keysAgainMs) this.#keys = undefined
    if (this.#keys === undefined) {
      this.#keysAtMs = nowMs
      const reading = this.#readKeys()
      this.#keys = reading
      reading.catch(() => {
        if (this.#keys === reading) this.#keys = undefined
      })
    }
    return this.#keys
  }

  async #readKeys(): Promise<KeySet> {
    const { jwks_uri: url } = (await this.configuration()).serverMetadata()
    try {
      const answer = await this.#ask(url ?? '', { method: 'GET', headers: { accept: 'application/json' }, body: undefined, redirect: 'manual' })
      const set = answer.status === 200 ? ((await answer.json()) as { readonly keys?: unknown }) : {}
      if (!Array.isArray(set.keys)) throw new TypeError('its key set is none')
      return set as KeySet
    } catch (cause) {
      throw new CurfewError('CURFEW_OIDC_PROVIDER', { connection: this.settings.id, why: reasonOf(cause) }, { cause })
    }
  }

  upstream(): OpenIdUpstream {
    const { settings } = this
    const name = settings.name ?? settings.id
    const metadata = this.#known?.serverMetadata()
    const endSession = settings.logout?.rpInitiated === false ? undefined : this.#known === undefined ? settings.issuer : metadata?.end_session_endpoint
    const urls = [settings.issuer, metadata?.authorization_endpoint, settings.homeUrl].filter((url) => url !== undefined)
    return {
      id: settings.id,
      name,
      settings,
      peer: {
        id: settings.id,
        name,
        protocol: 'oidc',
        role: 'upstream',
        entityId: settings.issuer,
        // A provider that was never reached may have an address: asking it is what shows that it is not reachable.
        channels: endSession === undefined ? [] : [{ kind: 'hop', binding: 'end-session', url: endSession }],
        mayBeAsked: true,
        returnsBrowser: settings.logout?.returnsBrowser ?? true,
        landing: { urls, domains: settings.domains ?? [] },
        ...(settings.logoUrl === undefined ? {} : { logoUrl: settings.logoUrl }),
        ...(settings.homeUrl === undefined ? {} : { homeUrl: settings.homeUrl })
      }
    }
  }
}

function authenticationOf({ clientSecret, authentication }: OpenIdUpstreamSettings): client.ClientAuth {
  const way = authentication ?? (clientSecret === undefined ? 'none' : 'clientSecretBasic')
  switch (way) {
    case 'none':
      return client.None()
    case 'clientSecretBasic':
      return client.ClientSecretBasic(clientSecret)
    case 'clientSecretPost':
      return client.ClientSecretPost(clientSecret)
  }
}

/** The first cause that says something. */
export function reasonOf(error: unknown): string {
  for (let at: unknown = error; at instanceof Error; at = at.cause) if (isCurfewError(at)) return at.code
  return error instanceof Error ? error.message.slice(0, 200) : 'unknown'
}
