import {
  cacheDurationMs,
  CurfewError,
  type Decryption,
  type EntityDescriptor,
  lifetimeOf,
  parseMetadata,
  verificationKeyFromCertificate,
  verifyMetadata
} from '@curfew/codecs'
import type { PeerId } from '../../core/ids.ts'
import type { Peer } from '../../core/peer.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import { type ConnectionParts, type IdpConnection, makeConnection, makeIdpConnection, type SamlConnection, type SamlPartner } from './connection.ts'
import { changesBetween, createMetadataJournal, type MetadataChange, type MetadataState } from './metadata-drift.ts'
import type { ConnectionSettings, IdentityProviderSettings, OwnKey, PartnerSettings, SamlRole } from './settings.ts'

/** The SAML partners of this authority; look-ups see the latest metadata. One entity may be a partner in both roles. */
export interface Connections {
  byId(id: PeerId): SamlPartner | undefined
  /** By entity ID, among the service providers. */
  application(entityId: string): SamlConnection | undefined
  /** By entity ID, among the identity providers. */
  identityProvider(entityId: string): IdpConnection | undefined
  peer(id: PeerId): Peer | undefined
  /** In configured order, as all lists here. */
  applications(): readonly SamlConnection[]
  identityProviders(): readonly IdpConnection[]
  all(): readonly SamlPartner[]
}

/** What the configuration says of all SAML partners. */
export interface ConnectionsSettings {
  readonly applications: readonly ConnectionSettings[]
  readonly identityProviders: readonly IdentityProviderSettings[]
}

/** Connections whose metadata is kept up to date. */
export interface LiveConnections extends Connections, AsyncDisposable {
  /** Reads the metadata of one connection again. What was known stays when that fails. @throws what was wrong */
  refresh(id: PeerId): Promise<void>
  /** What the readings of its metadata came to; undefined for a partner without metadata. */
  metadata(id: PeerId): MetadataState | undefined
}

export interface ConnectionsDeps {
  readonly clock: Clock
  readonly ownKeys: readonly OwnKey[]
  /** Keys that partners encrypt to; absent: nothing encrypted is taken. */
  readonly decryption?: Decryption
  readFile(path: string): Promise<Uint8Array>
  /** Reads metadata over the one outbound door. */
  fetchMetadata(url: string): Promise<Uint8Array>
  /** A refresh failed; the connection goes on with what it had, as long as that is valid. */
  onProblem(id: PeerId, error: unknown): void
  /** A refresh brought something else than was known. */
  onChange?(id: PeerId, changes: readonly MetadataChange[]): void
}

const refreshMinutesDefault = 60
/** A partner may ask to be read more often than configured, but not more often than this. */
export const cacheMinutesMin = 5
/** Until the first reading succeeded. */
const retryMinutes = 1
/** A timer runs for no longer than this; what ends later is looked at again. */
const timerMsMax = 24 * 3_600_000

/** A fixed set of connections. @throws CURFEW_CONFIG_CONNECTION when an id, or an entity ID in one role, stands twice */
export function fixedConnections(list: readonly SamlPartner[]): Connections {
  const applications = list.filter((partner) => partner.role === 'sp')
  const identityProviders = list.filter((partner) => partner.role === 'idp')
  const ids = uniqueBy(list, (partner) => partner.id)
  const byApplication = uniqueBy(applications, (partner) => partner.entityId)
  const byProvider = uniqueBy(identityProviders, (partner) => partner.entityId)
  return {
    byId: (id) => ids.get(id),
    application: (entityId) => byApplication.get(entityId),
    identityProvider: (entityId) => byProvider.get(entityId),
    peer: (id) => ids.get(id)?.peer,
    applications: () => applications,
    identityProviders: () => identityProviders,
    all: () => list
  }
}

function uniqueBy<P extends SamlPartner>(list: readonly P[], key: (partner: P) => string): ReadonlyMap<string, P> {
  const map = new Map(list.map((partner) => [key(partner), partner]))
  const twice = list.find((partner) => map.get(key(partner)) !== partner)
  if (twice !== undefined)
    throw new CurfewError('CURFEW_CONFIG_CONNECTION', { connection: twice.id, reason: 'its id or entity ID belongs to another connection' })
  return map
}

/**
 * Reads all connections and keeps those with a metadata address fresh. A partner whose metadata address does not
 * answer yet is left out and asked again every minute: one partner that is down must not keep everybody signed out.
 * @throws CURFEW_CONFIG_CONNECTION, CURFEW_SAML_METADATA for connections that are read from files
 */
export async function openConnections(deps: ConnectionsDeps, settings: ConnectionsSettings): Promise<LiveConnections> {
  const sources = [...settings.applications.map((one) => sourceOf(deps, one, 'sp')), ...settings.identityProviders.map((one) => sourceOf(deps, one, 'idp'))]
  const loaded = new Map<PeerId, Loaded>()
  const timers = new Map<PeerId, Timer>()
  const journal = createMetadataJournal()
  const inOrder = (): readonly SamlPartner[] => sources.flatMap((one) => loaded.get(one.id)?.partner ?? [])
  let current = fixedConnections([])
  /** Nothing has changed when it throws. */
  const take = (one: Source, read: Loaded): void => {
    const before = loaded.get(one.id)?.partner
    if (before !== undefined) requireSameEntity(before, read.partner)
    requireOwnEntity(read.partner, inOrder())
    const changes = before === undefined ? [] : changesBetween(before, read.partner, deps.clock.nowMs())
    loaded.set(one.id, read)
    current = fixedConnections(inOrder())
    const { validUntilMs } = read
    if (one.metadata !== undefined) journal.succeeded(one.id, { atMs: deps.clock.nowMs(), changes, ...(validUntilMs === undefined ? {} : { validUntilMs }) })
    if (changes.length > 0) deps.onChange?.(one.id, changes)
  }
  const failed = (id: PeerId, error: unknown): void => {
    journal.failed(id, deps.clock.nowMs(), error)
    deps.onProblem(id, error)
  }
  // Read at once and taken in order: of two that turn out to be one entity it is always the later that is left out.
  const readings = sources.toSorted((a, b) => Number(isRemote(a)) - Number(isRemote(b))).map((one) => ({ one, reading: one.load() }))
  await Promise.allSettled(readings.map(({ reading }) => reading))
  for (const { one, reading } of readings) {
    try {
      take(one, await reading)
    } catch (error) {
      if (!isRemote(one)) throw error
      failed(one.id, error)
    }
  }
  const refresh = async (id: PeerId): Promise<void> => {
    const own = sources.find((one) => one.id === id)
    if (own === undefined) throw new CurfewError('CURFEW_SAML_PEER_UNKNOWN', { connection: id })
    take(own, await own.load())
  }
  /** Metadata past its end is not used, whoever fails to give newer one. */
  const dropEnded = (one: Source): void => {
    const untilMs = loaded.get(one.id)?.validUntilMs
    if (untilMs === undefined || untilMs > deps.clock.nowMs()) return
    loaded.delete(one.id)
    current = fixedConnections(inOrder())
  }
  let isStopped = false
  const schedule = (one: Source): void => {
    // A reading that was under way at the stop ends after it.
    if (isStopped) return
    const delayMs = nextReadingMs(one, loaded.get(one.id), deps.clock.nowMs())
    if (delayMs === undefined) return
    timers.set(one.id, deps.clock.after(Math.min(delayMs, timerMsMax), delayMs > timerMsMax ? () => schedule(one) : () => void readAgain(one)))
  }
  const readAgain = async (one: Source): Promise<void> => {
    try {
      await refresh(one.id)
    } catch (error) {
      failed(one.id, error)
      dropEnded(one)
    } finally {
      schedule(one)
    }
  }
  for (const one of sources) schedule(one)
  return {
    byId: (id) => current.byId(id),
    application: (entityId) => current.application(entityId),
    identityProvider: (entityId) => current.identityProvider(entityId),
    peer: (id) => current.peer(id),
    applications: () => current.applications(),
    identityProviders: () => current.identityProviders(),
    all: () => current.all(),
    refresh,
    metadata: (id) => journal.of(id),
    async [Symbol.asyncDispose]() {
      isStopped = true
      for (const timer of timers.values()) timer.cancel()
      timers.clear()
    }
  }
}

function isRemote({ metadata }: Source): boolean {
  return metadata?.url !== undefined
}

/** In what time metadata is read again: after its interval or that of the partner, and when it ends. Undefined: never. */
function nextReadingMs({ metadata }: Source, loaded: Loaded | undefined, nowMs: number): number | undefined {
  if (metadata === undefined) return undefined
  if (loaded === undefined) return retryMinutes * 60_000
  const ends = loaded.validUntilMs === undefined ? [] : [Math.max(0, loaded.validUntilMs - nowMs)]
  const soonest = Math.min(...ends, ...(metadata.url === undefined ? [] : intervalsMs(metadata, loaded)))
  return Number.isFinite(soonest) ? soonest : undefined
}

function intervalsMs({ refreshMinutes = refreshMinutesDefault }: NonNullable<PartnerSettings['metadata']>, { cacheMs }: Loaded): readonly number[] {
  return [refreshMinutes * 60_000, ...(cacheMs === undefined ? [] : [Math.max(cacheMs, cacheMinutesMin * 60_000)])]
}

/** Sessions are remembered by entity ID: another one under the same connection is another partner. */
function requireSameEntity(before: SamlPartner, after: SamlPartner): void {
  if (before.entityId === after.entityId) return
  const reason = `its metadata now names another entity ID, ${after.entityId}; give entityId in the connection and start again if that is right`
  throw new CurfewError('CURFEW_CONFIG_CONNECTION', { connection: before.id, reason })
}

/** A message names its sender by entity ID: it must lead to one connection. */
function requireOwnEntity({ id, role, entityId }: SamlPartner, known: readonly SamlPartner[]): void {
  const holder = known.find((one) => one.id !== id && one.role === role && one.entityId === entityId)
  if (holder !== undefined)
    throw new CurfewError('CURFEW_CONFIG_CONNECTION', { connection: id, reason: `its entity ID ${entityId} belongs to the connection ${holder.id}` })
}

/** One partner as it is read again and again. */
interface Source {
  readonly id: PeerId
  readonly metadata: PartnerSettings['metadata']
  load(): Promise<Loaded>
}

interface Loaded {
  readonly partner: SamlPartner
  /** Its metadata may not be used from then on. */
  readonly validUntilMs?: number
  /** After so long the partner asks for its metadata to be read again. */
  readonly cacheMs?: number
}

function sourceOf(deps: ConnectionsDeps, settings: ConnectionSettings | IdentityProviderSettings, role: SamlRole): Source {
  return {
    id: settings.id,
    metadata: settings.metadata,
    async load() {
      const parts = { ...(await loadParts(deps, settings, role)), settings }
      const partner = role === 'sp' ? makeConnection(parts) : makeIdpConnection(parts)
      const { validUntil, cacheDuration } = parts.descriptor === undefined ? {} : lifetimeOf(parts.descriptor, role)
      const cacheMs = cacheDurationMs(cacheDuration)
      return { partner, ...(validUntil === undefined ? {} : { validUntilMs: validUntil.epochMilliseconds }), ...(cacheMs === undefined ? {} : { cacheMs }) }
    }
  }
}

/** Reads the files and metadata of one partner. */
async function loadParts(deps: ConnectionsDeps, settings: PartnerSettings, role: SamlRole): Promise<Omit<ConnectionParts, 'settings'>> {
  const decode = new TextDecoder()
  const certificates = await Promise.all((settings.certificates ?? []).map(async (path) => decode.decode(await deps.readFile(path))))
  const encrypting = settings.encryption?.certificate
  const encryptionCertificate = encrypting === undefined ? {} : { encryptionCertificate: decode.decode(await deps.readFile(encrypting)) }
  const descriptor = await loadDescriptor(deps, settings, role)
  const decryption = deps.decryption === undefined ? {} : { decryption: deps.decryption }
  return { descriptor, certificates, ...encryptionCertificate, ...decryption, ownKeys: deps.ownKeys, nowMs: deps.clock.nowMs() }
}

async function loadDescriptor(deps: ConnectionsDeps, settings: PartnerSettings, role: SamlRole): Promise<EntityDescriptor | undefined> {
  const { metadata } = settings
  if (metadata === undefined) return undefined
  const bytes = metadata.url === undefined ? await deps.readFile(metadata.file ?? '') : await deps.fetchMetadata(metadata.url)
  if (metadata.certificate !== undefined) {
    const pem = new TextDecoder().decode(await deps.readFile(metadata.certificate))
    verifyMetadata(bytes, [verificationKeyFromCertificate(pem)])
  }
  const partners = parseMetadata(bytes).filter((entity) => entity[role] !== undefined)
  const found = settings.entityId === undefined && partners.length === 1 ? partners[0] : partners.find((entity) => entity.entityId === settings.entityId)
  if (found === undefined) {
    const what = role === 'sp' ? 'service provider' : 'identity provider'
    throw new CurfewError('CURFEW_CONFIG_CONNECTION', { connection: settings.id, reason: `its metadata holds no ${what} of that entity ID` })
  }
  return found
}
