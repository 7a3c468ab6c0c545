import { CurfewError } from '@curfew/codecs'
import { orAborted } from './or-aborted.ts'

/** What a relying party needs of its provider's configuration. */
export interface OpenIdProvider {
  readonly issuer: string
  readonly authorizationEndpoint: string
  readonly tokenEndpoint: string
  readonly jwksUri: string
  readonly endSessionEndpoint?: string
  /** The frame that says whether the session changed, where the provider has one. */
  readonly checkSessionIframe?: string
  /** Where the provider is an authority with a revocation feed. */
  readonly revocationFeedEndpoint?: string
  /** Where clients go that prove themselves by a certificate; what is absent is where it is for all others (RFC 8705 section 5). */
  readonly certified: { readonly tokenEndpoint?: string; readonly revocationFeedEndpoint?: string }
}

/** A request to the provider, by whatever client the application has; the guard follows no redirects. */
export type Fetch = (
  url: string,
  init?: {
    readonly method?: string
    readonly headers?: Readonly<Record<string, string>>
    readonly body?: string
    readonly redirect?: 'error'
    readonly signal?: AbortSignal
  }
) => Promise<{
  readonly status: number
  json(): Promise<unknown>
}>

type KeySet = { readonly keys: readonly Readonly<Record<string, unknown>>[] }

/** The provider's configuration and keys, read when they are needed and kept. */
export interface ProviderSource {
  configuration(): Promise<OpenIdProvider>
  /** The configuration is read anew when it is needed next; while that fails, or takes longer than two seconds, the former one goes on. */
  renewConfiguration(): void
  /** Those that are known: nobody waits for a provider whose keys of yesterday would do. */
  keys(): Promise<KeySet>
  /**
   * Reads the keys again, at most once in `againMs` (a minute): a token of tomorrow's key must not be refused, nor anybody
   * make us busy. Who asks while they are read waits for the same answer.
   */
  freshKeys(nowMs: number, againMs?: number): Promise<KeySet | undefined>
}

const keysAgainMs = 60_000
/** A provider that says nothing for so long does not answer. */
const answerMsMax = 10_000
/** Nobody waits longer for a configuration that is read anew; it is taken over when it comes. */
const renewalMsMax = 2_000

/**
 * Asks a provider, for a bounded time, also where the client of the application knows no signals.
 * @throws whatever the client throws, or the reason of the signal
 */
export function inTime<T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const signal = AbortSignal.timeout(answerMsMax)
  return orAborted(ask(signal), signal)
}

/** @throws CURFEW_OIDC_PROVIDER when it does not answer, or not with what belongs there */
export function createProviderSource(issuer: string, request: Fetch): ProviderSource {
  let known: OpenIdProvider | undefined
  let isCurrent = false
  let reading: Promise<OpenIdProvider> | undefined
  let keys: KeySet | undefined
  let keysComing: Promise<KeySet> | undefined
  let keysAtMs = Number.NEGATIVE_INFINITY
  const readAnew = async (): Promise<OpenIdProvider> => {
    try {
      known = await readConfiguration(issuer, request)
      isCurrent = true
      return known
    } finally {
      reading = undefined
    }
  }
  const configuration = async (): Promise<OpenIdProvider> => {
    if (known !== undefined && isCurrent) return known
    reading ??= readAnew()
    if (known === undefined) return reading
    const former = known
    return orAborted(reading, AbortSignal.timeout(renewalMsMax)).catch(() => former)
  }
  const readKeys = async (): Promise<KeySet> => {
    try {
      const { jwksUri } = await configuration()
      keys = await readKeySet(jwksUri, request)
      return keys
    } finally {
      keysComing = undefined
    }
  }
  return {
    configuration,
    renewConfiguration() {
      isCurrent = false
    },
    keys: async () => keys ?? (keysComing ??= readKeys()),
    async freshKeys(nowMs, againMs = keysAgainMs) {
      if (keysComing !== undefined) return keysComing
      if (nowMs - keysAtMs < againMs) return undefined
      keysAtMs = nowMs
      keysComing = readKeys()
      return keysComing
    }
  }
}

async function readConfiguration(issuer: string, request: Fetch): Promise<OpenIdProvider> {
  const document = await readJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, request)
  const text = (name: string, of = document): string | undefined => (typeof of[name] === 'string' ? of[name] : undefined)
  const [authorizationEndpoint, tokenEndpoint, jwksUri] = [text('authorization_endpoint'), text('token_endpoint'), text('jwks_uri')]
  // A configuration that speaks of another issuer could hand our codes to somebody else.
  if (text('issuer') !== issuer || authorizationEndpoint === undefined || tokenEndpoint === undefined || jwksUri === undefined) {
    throw new CurfewError('CURFEW_OIDC_PROVIDER', { issuer, why: 'its configuration is not that of this issuer' })
  }
  const endSessionEndpoint = text('end_session_endpoint')
  const checkSessionIframe = text('check_session_iframe')
  const revocationFeedEndpoint = text(feedEndpoint)
  const certified = aliasesIn(document)
  const [certifiedToken, certifiedFeed] = [text('token_endpoint', certified), text(feedEndpoint, certified)]
  return {
    issuer,
    authorizationEndpoint,
    tokenEndpoint,
    jwksUri,
    ...(endSessionEndpoint === undefined ? {} : { endSessionEndpoint }),
    ...(checkSessionIframe === undefined ? {} : { checkSessionIframe }),
    ...(revocationFeedEndpoint === undefined ? {} : { revocationFeedEndpoint }),
    certified: {
      ...(certifiedToken === undefined ? {} : { tokenEndpoint: certifiedToken }),
      ...(certifiedFeed === undefined ? {} : { revocationFeedEndpoint: certifiedFeed })
    }
  }
}

const feedEndpoint = 'curfew_revocation_feed_endpoint'

function aliasesIn(document: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const aliases = document['mtls_endpoint_aliases']
  return typeof aliases === 'object' && aliases !== null ? (aliases as Readonly<Record<string, unknown>>) : {}
}

async function readKeySet(url: string, request: Fetch): Promise<KeySet> {
  const { keys } = await readJson(url, request)
  if (!Array.isArray(keys)) throw new CurfewError('CURFEW_OIDC_PROVIDER', { why: 'its key set is none' })
  return { keys: keys as KeySet['keys'] }
}

async function readJson(url: string, request: Fetch): Promise<Readonly<Record<string, unknown>>> {
  try {
    return await inTime(async (signal) => {
      const answer = await request(url, { redirect: 'error', signal })
      if (answer.status !== 200) throw new CurfewError('CURFEW_OIDC_PROVIDER', { status: answer.status })
      return (await answer.json()) as Readonly<Record<string, unknown>>
    })
  } catch (cause) {
    throw new CurfewError('CURFEW_OIDC_PROVIDER', { why: 'it does not answer' }, { cause })
  }
}
