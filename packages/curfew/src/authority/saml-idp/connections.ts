import { CurfewError, type EntityDescriptor, parseMetadata, verificationKeyFromCertificate, verifyMetadata } from '@curfew/codecs'
import type { PeerId } from '../../core/ids.ts'
import type { Peer } from '../../core/peer.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import { makeConnection, type SamlConnection } from './connection.ts'
import type { ConnectionSettings, OwnKey } from './settings.ts'

/** The partners of this authority; look-ups see the latest metadata. */
export interface Connections {
  byId(id: PeerId): SamlConnection | undefined
  byEntityId(entityId: string): SamlConnection | undefined
  peer(id: PeerId): Peer | undefined
  /** In configured order. */
  all(): readonly SamlConnection[]
}

/** Connections whose metadata is kept up to date. */
export interface LiveConnections extends Connections, AsyncDisposable {
  /** Reads the metadata of one connection again. What was known stays when that fails. @throws what was wrong */
  refresh(id: PeerId): Promise<void>
}

export interface ConnectionsDeps {
  readonly clock: Clock
  readonly ownKeys: readonly OwnKey[]
  readFile(path: string): Promise<Uint8Array>
  /** Reads metadata over the one outbound door. */
  fetchMetadata(url: string): Promise<Uint8Array>
  /** A refresh failed; the connection goes on with what it had. */
  onProblem(id: PeerId, error: unknown): void
}

const refreshMinutesDefault = 60
/** Until the first reading succeeded. */
const retryMinutes = 1

/** A fixed set of connections. @throws CURFEW_CONFIG_CONNECTION when an id or an entity ID stands twice */
export function fixedConnections(list: readonly SamlConnection[]): Connections {
  const ids = new Map(list.map((connection) => [connection.id, connection]))
  const entityIds = new Map(list.map((connection) => [connection.entityId, connection]))
  if (ids.size < list.length || entityIds.size < list.length) {
    const twice = list.find((c) => ids.get(c.id) !== c || entityIds.get(c.entityId) !== c)
    throw new CurfewError('CURFEW_CONFIG_CONNECTION', { connection: twice?.id ?? '', reason: 'its id or entity ID belongs to another connection' })
  }
  return { byId: (id) => ids.get(id), byEntityId: (entityId) => entityIds.get(entityId), peer: (id) => ids.get(id)?.peer, all: () => list }
}

/**
 * Reads all connections and keeps those with a metadata address fresh. A partner whose metadata address does not
 * answer yet is left out and asked again every minute: one partner that is down must not keep everybody signed out.
 * @throws CURFEW_CONFIG_CONNECTION, CURFEW_SAML_METADATA for connections that are read from files
 */
export async function openConnections(deps: ConnectionsDeps, settings: readonly ConnectionSettings[]): Promise<LiveConnections> {
  const loaded = new Map<PeerId, SamlConnection>()
  const timers = new Map<PeerId, Timer>()
  const inOrder = (): readonly SamlConnection[] => settings.flatMap((one) => loaded.get(one.id) ?? [])
  const load = async (one: ConnectionSettings): Promise<void> => {
    loaded.set(one.id, await loadConnection(deps, one))
  }
  await Promise.all(settings.map((one) => (one.metadata?.url === undefined ? load(one) : load(one).catch((error: unknown) => deps.onProblem(one.id, error)))))
  let current = fixedConnections(inOrder())
  const refresh = async (id: PeerId): Promise<void> => {
    const own = settings.find((one) => one.id === id)
    if (own === undefined) throw new CurfewError('CURFEW_SAML_PEER_UNKNOWN', { connection: id })
    await load(own)
    current = fixedConnections(inOrder())
  }
  const schedule = (one: ConnectionSettings): void => {
    if (one.metadata?.url === undefined) return
    const minutes = loaded.has(one.id) ? (one.metadata.refreshMinutes ?? refreshMinutesDefault) : retryMinutes
    const again = (): void => schedule(one)
    const run = (): void =>
      void refresh(one.id)
        .catch((error: unknown) => deps.onProblem(one.id, error))
        .then(again)
    timers.set(one.id, deps.clock.after(minutes * 60_000, run))
  }
  for (const one of settings) schedule(one)
  return {
    byId: (id) => current.byId(id),
    byEntityId: (entityId) => current.byEntityId(entityId),
    peer: (id) => current.peer(id),
    all: () => current.all(),
    refresh,
    async [Symbol.asyncDispose]() {
      for (const timer of timers.values()) timer.cancel()
      timers.clear()
    }
  }
}

/** Reads the files and metadata of one connection. */
export async function loadConnection(deps: ConnectionsDeps, settings: ConnectionSettings): Promise<SamlConnection> {
  const decode = new TextDecoder()
  const certificates = await Promise.all((settings.certificates ?? []).map(async (path) => decode.decode(await deps.readFile(path))))
  const descriptor = await loadDescriptor(deps, settings)
  return makeConnection({ settings, descriptor, certificates, ownKeys: deps.ownKeys, nowMs: deps.clock.nowMs() })
}

async function loadDescriptor(deps: ConnectionsDeps, settings: ConnectionSettings): Promise<EntityDescriptor | undefined> {
  const { metadata } = settings
  if (metadata === undefined) return undefined
  const bytes = metadata.url === undefined ? await deps.readFile(metadata.file ?? '') : await deps.fetchMetadata(metadata.url)
  if (metadata.certificate !== undefined) {
    const pem = new TextDecoder().decode(await deps.readFile(metadata.certificate))
    verifyMetadata(bytes, [verificationKeyFromCertificate(pem)])
  }
  const partners = parseMetadata(bytes).filter((entity) => entity.sp !== undefined)
  const found = settings.entityId === undefined && partners.length === 1 ? partners[0] : partners.find((entity) => entity.entityId === settings.entityId)
  if (found === undefined) {
    throw new CurfewError('CURFEW_CONFIG_CONNECTION', { connection: settings.id, reason: 'its metadata holds no service provider of that entity ID' })
  }
  return found
}
