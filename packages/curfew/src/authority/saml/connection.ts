import {
  type Binding,
  bindingFromUri,
  CurfewError,
  type Decryption,
  type EntityDescriptor,
  type IDPRole,
  lifetimeOf,
  type PeerKeys,
  type SigningKey,
  type SPRole,
  sourceIdOf,
  type VerificationKey,
  verificationKeyFromCertificate
} from '@curfew/codecs'
import type { LogoutChannel, Peer } from '../../core/peer.ts'
import { encryptionOf, type PartnerEncryption } from './encryption.ts'
import type { ConnectionSettings, IdentityProviderSettings, NameIdKind, OwnKey, PartnerSettings, Profiles, SamlRole, SingleSignOnSettings } from './settings.ts'

/** Where a partner takes assertions. */
export interface ConsumerService {
  readonly binding: 'post' | 'artifact'
  readonly url: string
  readonly index: number
  readonly isDefault: boolean
}

/** Where a partner takes logout messages; all addresses are absolute. */
export interface LogoutService {
  readonly binding: Binding
  readonly url: string
  readonly responseUrl?: string
}

/** Where a partner exchanges its artifacts for messages, by the index that stands in them. */
export interface ArtifactResolutionService {
  readonly url: string
  readonly index: number
}

/** One SAML partner, ready to work with: settings and metadata joined, addresses absolute, keys read. */
interface Partner {
  readonly id: string
  readonly name: string
  readonly logoUrl?: string
  readonly homeUrl?: string
  readonly entityId: string
  /** What its artifacts name it by. */
  readonly sourceId: string
  readonly artifactResolution: readonly ArtifactResolutionService[]
  /** What planning and pages see. */
  readonly peer: Peer
  readonly verification: PeerKeys
  /** Where LogoutRequests to it go. */
  readonly logoutServices: readonly LogoutService[]
  /**
   * Where the answer to a LogoutRequest goes that it sent through the browser. Which bindings requests go by says
   * nothing of answers: whoever asks that way waits there.
   */
  readonly answerServices: readonly LogoutService[]
  readonly incomingBindings: ReadonlySet<Binding>
  readonly profiles: Profiles
  /** SAML attribute name to attribute of the user. */
  readonly attributes: Readonly<Record<string, string>>
  readonly signing: SigningKey
  /** Absent: nothing is encrypted for it. */
  readonly encryption?: PartnerEncryption
}

/** A service provider: we issue assertions to it. */
export interface SamlConnection extends Partner {
  readonly role: 'sp'
  readonly consumers: readonly ConsumerService[]
  readonly nameId: { readonly format: NameIdKind; readonly attribute?: string }
  readonly requireSignedAuthnRequests: boolean
  readonly signResponse: boolean
}

/** An identity provider: it issues assertions to us. */
export interface IdpConnection extends Partner {
  readonly role: 'idp'
  readonly singleSignOn: SingleSignOnSettings
  readonly responseBinding: 'post' | 'artifact'
  readonly nameIdFormat?: NameIdKind
  readonly username?: string
  readonly accountLinking?: 'off' | 'offered' | 'required'
  readonly targetUrl?: string
}

export type SamlPartner = SamlConnection | IdpConnection

/** The role this server has towards a partner. */
export function ownRole(partner: { readonly role: SamlRole }): SamlRole {
  return partner.role === 'sp' ? 'idp' : 'sp'
}

/** Everything that making a connection needs besides its settings. */
export interface ConnectionParts<S extends PartnerSettings = ConnectionSettings> {
  readonly settings: S
  readonly descriptor: EntityDescriptor | undefined
  /** PEM texts of `settings.certificates`. */
  readonly certificates: readonly string[]
  readonly ownKeys: readonly OwnKey[]
  /** PEM text of `settings.encryption.certificate`. */
  readonly encryptionCertificate?: string
  /** Keys that partners encrypt to. */
  readonly decryption?: Decryption
  readonly nowMs: number
}

/** Where no list is configured every binding of the partner's own messages is taken. */
const allBindings: readonly Binding[] = ['redirect', 'post', 'soap', 'artifact']

/**
 * Joins settings and metadata of a service provider.
 * @throws CURFEW_CONFIG_CONNECTION when the partner can't be worked with: no entity ID, nowhere to send assertions,
 *   a relative address without a base, no key of that algorithm, metadata past its `validUntil`
 */
export function makeConnection(parts: ConnectionParts): SamlConnection {
  const { settings, descriptor } = parts
  const role = descriptor?.sp
  const attribute = settings.nameId?.attribute
  const consumers = consumersOf(settings, role)
  const landingUrls = consumers.map(({ url }) => url)
  return {
    ...makePartner(parts, role, 'sp', landingUrls),
    role: 'sp',
    consumers,
    nameId: { format: settings.nameId?.format ?? 'unspecified', ...(attribute === undefined ? {} : { attribute }) },
    requireSignedAuthnRequests: settings.requireSignedAuthnRequests ?? role?.authnRequestsSigned ?? false,
    signResponse: settings.signResponse ?? false
  }
}

/** The same for an identity provider: nowhere to send requests for sign-in, or no key to judge it by, is refused. */
export function makeIdpConnection(parts: ConnectionParts<IdentityProviderSettings>): IdpConnection {
  const { settings, descriptor } = parts
  const role = descriptor?.idp
  const singleSignOn = singleSignOnOf(settings, role)
  const partner = makePartner(parts, role, 'idp', [singleSignOn.url])
  if (partner.verification.keys.length === 0) throw unusable(settings, 'it has no certificate to check its signatures with')
  return {
    ...partner,
    role: 'idp',
    singleSignOn,
    responseBinding: settings.responseBinding ?? 'post',
    ...(settings.nameIdFormat === undefined ? {} : { nameIdFormat: settings.nameIdFormat }),
    ...(settings.username === undefined ? {} : { username: settings.username }),
    ...(settings.accountLinking === undefined ? {} : { accountLinking: settings.accountLinking }),
    ...(settings.targetUrl === undefined ? {} : { targetUrl: settings.targetUrl })
  }
}

/** An identity provider that speaks unasked could sign a browser in as somebody else: that is switched on by hand. */
const profileDefaults: Readonly<Record<SamlRole, Profiles>> = {
  sp: { idpInitiatedSso: true, spInitiatedSso: true, idpInitiatedSlo: true, spInitiatedSlo: true },
  idp: { idpInitiatedSso: false, spInitiatedSso: true, idpInitiatedSlo: true, spInitiatedSlo: true }
}

function makePartner(parts: ConnectionParts<PartnerSettings>, role: SPRole | IDPRole | undefined, kind: SamlRole, landingUrls: readonly string[]): Partner {
  const { settings, descriptor } = parts
  const entityId = settings.entityId ?? descriptor?.entityId
  if (entityId === undefined) throw unusable(settings, 'it has neither an entityId nor metadata')
  const validUntilMs = descriptor === undefined ? undefined : lifetimeOf(descriptor, kind).validUntil?.epochMilliseconds
  if (validUntilMs !== undefined && validUntilMs <= parts.nowMs) throw unusable(settings, 'its metadata is past its validUntil')
  const logout = knownLogout(settings, role)
  const logoutServices = logoutServicesOf(settings, logout)
  const profiles = { ...profileDefaults[kind], ...defined(settings.profiles) }
  const logos = role?.ui?.logos ?? []
  // Pages load nothing from elsewhere: a picture that stands in the metadata itself is the one that can be shown.
  const logoUrl = settings.logoUrl ?? (logos.find(({ url }) => url.startsWith('data:image/')) ?? logos[0])?.url
  const shown = {
    id: settings.id,
    name: settings.name ?? displayName(role) ?? settings.id,
    ...(logoUrl === undefined ? {} : { logoUrl }),
    ...(settings.homeUrl === undefined ? {} : { homeUrl: settings.homeUrl })
  }
  const peer: Peer = {
    ...shown,
    protocol: 'saml',
    role: kind === 'sp' ? 'application' : 'upstream',
    entityId,
    channels: channelsOf(logoutServices, settings.frames ?? false),
    mayBeAsked: kind === 'sp' ? profiles.idpInitiatedSlo : profiles.spInitiatedSlo,
    returnsBrowser: settings.returnsBrowser ?? true,
    landing: { urls: [...landingUrls, ...(settings.homeUrl === undefined ? [] : [settings.homeUrl])], domains: settings.domains ?? [] }
  }
  return {
    ...shown,
    entityId,
    sourceId: sourceIdOf(entityId),
    artifactResolution: artifactResolutionOf(settings, role),
    peer,
    verification: { entityId, keys: verificationKeys(parts, role), ...decryptionOf(parts) },
    logoutServices,
    answerServices: [...(logout.configured ?? []), ...logout.published].filter(({ binding }) => binding !== 'soap'),
    incomingBindings: new Set(settings.incomingBindings ?? allBindings),
    profiles,
    attributes: settings.attributes ?? {},
    signing: signingKey(parts),
    ...partnerEncryption(parts, role, entityId)
  }
}

function decryptionOf({ settings, decryption }: ConnectionParts<PartnerSettings>): Pick<PeerKeys, 'decryption'> {
  return decryption === undefined ? {} : { decryption: { ...decryption, allowsCbc: settings.allowCbc ?? false } }
}

function partnerEncryption(parts: ConnectionParts<PartnerSettings>, role: SPRole | IDPRole | undefined, entityId: string): Pick<Partner, 'encryption'> {
  const encryption = encryptionOf(parts.settings, role?.keys ?? [], parts.encryptionCertificate, entityId)
  if (typeof encryption === 'string') throw unusable(parts.settings, encryption)
  return encryption === undefined ? {} : { encryption }
}

function verificationKeys({ certificates }: ConnectionParts<PartnerSettings>, role: SPRole | IDPRole | undefined): readonly VerificationKey[] {
  const published = role?.keys.filter((key) => key.use !== 'encryption').flatMap((key) => key.certificates) ?? []
  return (certificates.length > 0 ? certificates : published).map(verificationKeyFromCertificate)
}

function signingKey({ settings, ownKeys }: ConnectionParts<PartnerSettings>): SigningKey {
  const own = settings.algorithm === undefined ? ownKeys[0] : ownKeys.find((key) => keyType(key.algorithm) === keyType(settings.algorithm ?? key.algorithm))
  if (own === undefined) throw unusable(settings, 'no signing key fits its algorithm')
  return { ...own, algorithm: settings.algorithm ?? own.algorithm, embedCertificate: settings.embedCertificate ?? true }
}

function keyType(algorithm: string): string {
  return algorithm.startsWith('ecdsa') ? 'ec' : 'rsa'
}

function consumersOf(settings: ConnectionSettings, role: SPRole | undefined): readonly ConsumerService[] {
  const configured = settings.acs?.map((acs, i) => ({
    binding: acs.binding,
    url: absolute(settings, acs.url),
    index: acs.index ?? i,
    isDefault: acs.default ?? false
  }))
  const published = role?.assertionConsumerServices.flatMap((acs): readonly ConsumerService[] => {
    const binding = bindingFromUri(acs.binding)
    if (binding !== 'post' && binding !== 'artifact') return []
    return [{ binding, url: absolute(settings, acs.location), index: acs.index, isDefault: acs.isDefault }]
  })
  const consumers = configured ?? published ?? []
  if (consumers.length === 0) throw unusable(settings, 'it has no assertion consumer service by HTTP POST or Artifact')
  return consumers
}

/** The first configured, or from metadata by Redirect: a short request fits into an address. */
function singleSignOnOf(settings: IdentityProviderSettings, role: IDPRole | undefined): SingleSignOnSettings {
  const published = (role?.singleSignOnServices ?? []).flatMap(({ binding: uri, location }): readonly SingleSignOnSettings[] => {
    const binding = bindingFromUri(uri)
    return binding === undefined || binding === 'soap' ? [] : [{ binding, url: location }]
  })
  const chosen =
    settings.sso?.[0] ?? published.find(({ binding }) => binding === 'redirect') ?? published.find(({ binding }) => binding === 'post') ?? published[0]
  if (chosen === undefined) throw unusable(settings, 'it has no single sign-on service by HTTP Redirect, POST or Artifact')
  return { binding: chosen.binding, url: absolute(settings, chosen.url) }
}

/** What the configuration says, or the metadata. */
interface KnownLogout {
  readonly configured: readonly LogoutService[] | undefined
  readonly published: readonly LogoutService[]
}

function knownLogout(settings: PartnerSettings, role: SPRole | IDPRole | undefined): KnownLogout {
  const published = (role?.singleLogoutServices ?? []).flatMap((slo) => {
    const binding = bindingFromUri(slo.binding)
    return binding === undefined ? [] : [service(settings, binding, slo.location, slo.responseLocation)]
  })
  return { configured: settings.slo?.map((slo) => service(settings, slo.binding, slo.url, slo.responseUrl)), published }
}

/**
 * Where requests go: in configured order, or in that of the metadata with server-to-server first: it needs no browser
 * and proves most. Artifacts come last then: both servers have to reach each other for them.
 */
function logoutServicesOf({ outgoingBindings }: PartnerSettings, { configured, published }: KnownLogout): readonly LogoutService[] {
  const all = configured ?? published
  if (outgoingBindings !== undefined) return outgoingBindings.flatMap((binding) => all.filter((slo) => slo.binding === binding))
  return configured ?? published.toSorted((a, b) => publishedRank[a.binding] - publishedRank[b.binding])
}

const publishedRank: Readonly<Record<Binding, number>> = { soap: 0, redirect: 1, post: 1, artifact: 2 }

function artifactResolutionOf(settings: PartnerSettings, role: SPRole | IDPRole | undefined): readonly ArtifactResolutionService[] {
  const configured = settings.artifactResolution?.map((one, i) => ({ url: absolute(settings, one.url), index: one.index ?? i }))
  const published = (role?.artifactResolutionServices ?? []).filter((one) => bindingFromUri(one.binding) === 'soap')
  return configured ?? published.map(({ location, index }) => ({ url: absolute(settings, location), index }))
}

function service(settings: PartnerSettings, binding: Binding, url: string, responseUrl: string | undefined): LogoutService {
  return { binding, url: absolute(settings, url), ...(responseUrl === undefined ? {} : { responseUrl: absolute(settings, responseUrl) }) }
}

/** A frame is tried before the same address as a hop; the hop stays as what is left when the frame says nothing. */
function channelsOf(services: readonly LogoutService[], framesWork: boolean): readonly LogoutChannel[] {
  return services.flatMap((slo): LogoutChannel[] => {
    if (slo.binding === 'soap') return [{ kind: 'server', binding: 'soap', url: slo.url }]
    const way = { binding: slo.binding, url: slo.url, ...(slo.responseUrl === undefined ? {} : { responseUrl: slo.responseUrl }) }
    return framesWork
      ? [
          { kind: 'frame', ...way },
          { kind: 'hop', ...way }
        ]
      : [{ kind: 'hop', ...way }]
  })
}

/** Relative addresses resolve against the base address of the connection (AC-142). */
function absolute(settings: PartnerSettings, url: string): string {
  const resolved = URL.parse(url) ?? (settings.baseUrl === undefined ? null : URL.parse(url, settings.baseUrl))
  if (resolved === null) throw unusable(settings, `${url} is relative and the connection has no baseUrl`)
  if (resolved.protocol !== 'https:' && resolved.protocol !== 'http:') throw unusable(settings, `${url} is neither http nor https`)
  return URL.canParse(url) ? url : resolved.href
}

function displayName(role: SPRole | IDPRole | undefined): string | undefined {
  const names = role?.ui?.displayNames
  return names?.['en'] ?? (names === undefined ? undefined : Object.values(names)[0])
}

function defined<T extends object>(value: T | undefined): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value ?? {}).filter(([, v]) => v !== undefined)) as { [K in keyof T]?: Exclude<T[K], undefined> }
}

function unusable(settings: PartnerSettings, reason: string): CurfewError {
  return new CurfewError('CURFEW_CONFIG_CONNECTION', { connection: settings.id, reason })
}
