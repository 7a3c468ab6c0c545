import { CurfewError } from '@curfew/codecs'
import type { PeerId } from '../../core/ids.ts'
import type { LogoutChannel, Peer } from '../../core/peer.ts'
import type {
  ClientAuthentication,
  ClientSettings,
  LogoutMode,
  SessionValidation,
  SessionValidationSettings,
  SubjectKind,
  TokenAlgorithm,
  TokenKey
} from './settings.ts'
import type { CertificateSubject } from './mutual-tls/settings.ts'
import { encryptionKeyOf, type TokenEncryption } from './token-encryption.ts'
import { validationOf } from './session-validation.ts'
import type { SignalSubject } from '../shared-signals/settings.ts'

/** One OpenID client, ready to work with. */
export interface OidcClient {
  readonly id: PeerId
  readonly clientId: string
  readonly name: string
  readonly secret?: string
  /** SHA-256 of its secret, base64url, where nothing else is kept of it. */
  readonly secretHash?: string
  readonly authentication: ClientAuthentication
  /** Which certificate it has, where an authority vouches for it. */
  readonly certificateSubject?: CertificateSubject
  readonly certificateBoundAccessTokens: boolean
  readonly jwks?: { readonly keys: readonly Readonly<Record<string, unknown>>[] }
  readonly jwksUri?: string
  readonly redirectUris: readonly string[]
  readonly postLogoutRedirectUris: readonly string[]
  readonly scopes: readonly string[]
  readonly refreshTokens: boolean
  readonly accessTokenSeconds: number
  /** Whom its self-contained access tokens are for; undefined when they are opaque. */
  readonly accessTokenAudience?: readonly string[]
  readonly refreshTokenSeconds: number
  readonly idTokenSeconds: number
  readonly algorithm: TokenAlgorithm
  readonly subject: SubjectKind
  readonly asksConsent: boolean
  readonly claims: Readonly<Record<string, string>>
  readonly requirePkce: boolean
  readonly sessionValidation: SessionValidation
  readonly encryption?: TokenEncryption
  /** It is remembered in the sessions it takes part in, and told when they end (AC-169). */
  readonly trackSessions: boolean
  readonly logoutTokenSeconds: number
  readonly revocationFeed: boolean
  readonly sessionRevocation: boolean
  readonly sessionManagement: boolean
  readonly revocationEndsSession: boolean
  /** It may have a stream of shared signals; what that calls the user. */
  readonly signalSubject?: SignalSubject
  readonly homeUrl?: string
  /** What planning and pages see. */
  readonly peer: Peer
}

/** The clients of this authority. */
export interface Clients {
  byId(id: PeerId): OidcClient | undefined
  byClientId(clientId: string): OidcClient | undefined
  peer(id: PeerId): Peer | undefined
  /** In configured order, then those that this node knows of which registered themselves. */
  all(): readonly OidcClient[]
  /** Those of the configuration: whom the operator trusts. */
  configured(): readonly OidcClient[]
  /** The client as it is now, wherever it registered. */
  find(clientId: string): Promise<OidcClient | undefined>
  /** Has those known to the calls that can not wait. */
  meet(ids: readonly PeerId[]): Promise<void>
}

/** @throws CURFEW_CONFIG_CONNECTION when a client identifier stands twice */
export function fixedClients(list: readonly OidcClient[]): Clients {
  const ids = new Map(list.map((client) => [client.id, client]))
  const clientIds = new Map(list.map((client) => [client.clientId, client]))
  const twice = list.find((client) => ids.get(client.id) !== client || clientIds.get(client.clientId) !== client)
  if (twice !== undefined)
    throw new CurfewError('CURFEW_CONFIG_CONNECTION', { connection: twice.id, reason: 'its id or client identifier belongs to another client' })
  return {
    byId: (id) => ids.get(id),
    byClientId: (clientId) => clientIds.get(clientId),
    peer: (id) => ids.get(id)?.peer,
    all: () => list,
    configured: () => list,
    find: async (clientId) => clientIds.get(clientId),
    meet: async () => undefined
  }
}

/** Where a gateway takes its cookie from the browser. */
const gatewayPicture = '/pa/oidc/logout.png'

/** Scopes that every client may ask for unless its settings say otherwise. */
const scopesDefault: readonly string[] = ['openid', 'profile', 'email']

/**
 * Checks one client's settings and fills in what they leave open; `forAll` is what all clients share.
 * @throws CURFEW_CONFIG_CONNECTION when it can't be worked with: no way to authenticate, a logout mode without an
 *   address, an address on another origin than its redirects, no key of its algorithm
 */
export function makeClient(settings: ClientSettings, keys: readonly TokenKey[], forAll?: SessionValidationSettings): OidcClient {
  const clientId = settings.clientId ?? settings.id
  const authentication = settings.authentication ?? (settings.clientSecret === undefined ? 'none' : 'clientSecretBasic')
  requireCredentials(settings, authentication)
  const proven = (['sharedSignals', 'revocationFeed', 'sessionRevocation', 'sessionManagement'] as const).find((name) => settings[name])
  if (proven !== undefined && authentication === 'none') throw unusable(settings, `${proven} needs a client that proves who it is`)
  const algorithm = settings.idTokenAlgorithm ?? keys[0]?.algorithms[0]
  if (algorithm === undefined || !keys.some((key) => key.algorithms.includes(algorithm)))
    throw unusable(settings, `no key of this server signs ${algorithm ?? 'tokens'}`)
  const shown = {
    name: settings.name ?? settings.id,
    ...(settings.logoUrl === undefined ? {} : { logoUrl: settings.logoUrl }),
    ...(settings.homeUrl === undefined ? {} : { homeUrl: settings.homeUrl })
  }
  return {
    id: settings.id,
    clientId,
    ...shown,
    authentication,
    certificateBoundAccessTokens: settings.certificateBoundAccessTokens ?? false,
    redirectUris: settings.redirectUris,
    postLogoutRedirectUris: settings.postLogoutRedirectUris ?? [],
    scopes: settings.scopes ?? scopesDefault,
    refreshTokens: settings.refreshTokens ?? false,
    accessTokenSeconds: (settings.accessTokenMinutes ?? 10) * 60,
    refreshTokenSeconds: (settings.refreshTokenDays ?? 30) * 86_400,
    idTokenSeconds: (settings.idTokenMinutes ?? 10) * 60,
    algorithm,
    subject: settings.subject ?? 'public',
    asksConsent: settings.consent === 'ask',
    claims: settings.claims ?? {},
    requirePkce: settings.requirePkce ?? true,
    sessionValidation: validationOf(settings.sessionValidation, forAll),
    trackSessions: settings.logout?.trackSessions ?? true,
    logoutTokenSeconds: settings.logout?.tokenSeconds ?? 300,
    revocationFeed: settings.revocationFeed ?? settings.sessionRevocation ?? false,
    sessionRevocation: settings.sessionRevocation ?? false,
    sessionManagement: settings.sessionManagement ?? false,
    revocationEndsSession: settings.revocationEndsSession ?? false,
    peer: {
      id: settings.id,
      ...shown,
      protocol: 'oidc',
      role: 'application',
      entityId: clientId,
      channels: channelsOf(settings),
      ...(settings.logout?.pingAccessLogoutCapable === true ? { picturePath: settings.logout.picturePath ?? gatewayPicture } : {}),
      mayBeAsked: true,
      ...(settings.offlineGrants === 'end' ? { endsOfflineGrants: true as const } : {}),
      returnsBrowser: true,
      landing: landingOf(settings)
    },
    ...audienceOf(settings),
    ...encryptionOf(settings),
    ...(settings.sharedSignals === undefined ? {} : { signalSubject: settings.sharedSignals.subject ?? 'session' }),
    ...(settings.clientSecret === undefined ? {} : { secret: settings.clientSecret }),
    ...(settings.clientSecretHash === undefined ? {} : { secretHash: settings.clientSecretHash }),
    ...(settings.certificateSubject === undefined ? {} : { certificateSubject: settings.certificateSubject }),
    ...(settings.jwks === undefined ? {} : { jwks: settings.jwks }),
    ...(settings.jwksUri === undefined ? {} : { jwksUri: settings.jwksUri })
  }
}

/** A client that registered itself lends no landing page: whoever could register would choose where sign-outs end. */
function landingOf({ isRegistered = false, redirectUris, homeUrl, domains = [] }: ClientSettings): NonNullable<Peer['landing']> {
  if (isRegistered) return { urls: [], domains: [] }
  return { urls: [...redirectUris, ...(homeUrl === undefined ? [] : [homeUrl])], domains }
}

function requireCredentials(settings: ClientSettings, authentication: ClientAuthentication): void {
  const isSecret = authentication === 'clientSecretBasic' || authentication === 'clientSecretPost'
  if (isSecret && settings.clientSecret === undefined && settings.clientSecretHash === undefined)
    throw unusable(settings, 'it authenticates with a secret and has none')
  if (authentication === 'privateKeyJwt' && settings.jwks === undefined && settings.jwksUri === undefined)
    throw unusable(settings, 'it authenticates with a key, and neither jwks nor jwksUri is given')
  if ((authentication === 'tlsClientAuth') !== (settings.certificateSubject !== undefined))
    throw unusable(settings, 'authentication tlsClientAuth and certificateSubject go together')
  const hasCertificate = settings.jwks?.keys.some(({ x5c }) => Array.isArray(x5c) && x5c.length > 0) ?? settings.jwksUri !== undefined
  if (authentication === 'selfSignedTlsClientAuth' && !hasCertificate)
    throw unusable(settings, 'it authenticates with a certificate of its own, and neither jwks has one (x5c) nor is there a jwksUri')
}

/** RFC 9068 section 2.2: a readable token says whom it is for. */
function audienceOf(settings: ClientSettings): { readonly accessTokenAudience?: readonly string[] } {
  const { accessTokenFormat = 'reference', accessTokenAudience = [] } = settings
  const isReadable = accessTokenFormat === 'jwt'
  if (isReadable !== accessTokenAudience.length > 0) throw unusable(settings, 'accessTokenFormat: jwt and accessTokenAudience go together')
  return isReadable ? { accessTokenAudience } : {}
}

function encryptionOf(settings: ClientSettings): { readonly encryption?: TokenEncryption } {
  const { tokenEncryption: wanted, jwks } = settings
  if (wanted === undefined) return {}
  const key = encryptionKeyOf(jwks?.keys ?? [], wanted.algorithm)
  if (key === undefined) throw unusable(settings, `no key in jwks can be encrypted to with ${wanted.algorithm}`)
  return { encryption: { ...wanted, key } }
}

/** Server to server first: it alone brings an answer. */
function channelsOf(settings: ClientSettings): readonly LogoutChannel[] {
  const { logout } = settings
  if (logout === undefined) return []
  const has = (mode: LogoutMode): boolean => logout.modes.includes(mode)
  const uris = logout.frontChannelUris ?? []
  if (has('backChannel') && logout.backChannelUri === undefined) throw unusable(settings, 'logout mode backChannel needs backChannelUri')
  if ((has('frontChannel') || has('pingFrontChannel')) && uris.length === 0) throw unusable(settings, 'its logout mode needs frontChannelUris')
  for (const uri of uris) requireOwnOrigin(settings, uri)
  if (logout.backChannelUri !== undefined) requireBackChannel(settings, logout.backChannelUri)
  const back: readonly LogoutChannel[] =
    has('backChannel') && logout.backChannelUri !== undefined ? [{ kind: 'server', binding: 'back-channel', url: logout.backChannelUri }] : []
  const front = has('frontChannel') ? uris.map((url): LogoutChannel => ({ kind: 'frame', binding: 'front-channel', url })) : []
  const images = has('pingFrontChannel') ? uris.map((url): LogoutChannel => ({ kind: 'frame', binding: 'image', url })) : []
  return [...back, ...front, ...images]
}

/**
 * OpenID Back-Channel Logout 1.0 section 2.2: no fragment, and https unless the client is confidential. This machine
 * is let through: nothing leaves it.
 */
function requireBackChannel(settings: ClientSettings, uri: string): void {
  const url = URL.parse(uri)
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '' && !uri.includes('#')
  if (!isPlain) throw unusable(settings, `${uri} is no plain address, or has a fragment`)
  const credentials = [settings.clientSecret, settings.clientSecretHash, settings.jwks, settings.jwksUri, settings.certificateSubject]
  const isConfidential = credentials.some((credential) => credential !== undefined)
  const isHere = /^(localhost|.*\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)
  if (url.protocol === 'http:' && !isConfidential && !isHere) throw unusable(settings, `${uri} is not https, and a public client needs it`)
}

/** OpenID Front-Channel Logout 1.0 section 2: scheme, host and port are those of a redirect address; no fragment. */
function requireOwnOrigin(settings: ClientSettings, uri: string): void {
  const url = URL.parse(uri)
  const isOwn = url !== null && settings.redirectUris.some((redirect) => URL.parse(redirect)?.origin === url.origin)
  if (!isOwn || uri.includes('#')) throw unusable(settings, `${uri} has a fragment, or another origin than its redirect addresses`)
}

function unusable(settings: ClientSettings, reason: string): CurfewError {
  return new CurfewError('CURFEW_CONFIG_CONNECTION', { connection: settings.id, reason })
}
