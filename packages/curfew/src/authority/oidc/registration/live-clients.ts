import type { PeerId } from '../../../core/ids.ts'
import { registeredClientsMax } from '../../../core/limits.ts'
import { createLoop } from '../../../engine/loop.ts'
import type { Clock } from '../../../platform/clock.ts'
import type { Random } from '../../../platform/random.ts'
import type { Artifact, Store } from '../../../stores/store.ts'
import { type Clients, makeClient, type OidcClient } from '../client.ts'
import type { SessionValidationSettings, TokenKey } from '../settings.ts'
import { isRegisteredId, type RegisteredClient, settingsOf } from './registered-client.ts'

export interface LiveClientsDeps {
  readonly store: Pick<Store, 'putArtifact' | 'getArtifact' | 'dropArtifact' | 'artifactsOfGrant'>
  readonly clock: Clock
  readonly random: Pick<Random, 'fraction'>
  readonly keys: readonly TokenKey[]
  readonly validation?: SessionValidationSettings | undefined
  /** Scopes of a registered client that names none. */
  readonly scopes: readonly string[]
  onProblem(error: unknown): void
}

/** The configured clients, and those that registered themselves. */
export interface LiveClients extends Clients {
  start(): void
  stop(): Promise<void>
  /** @throws CURFEW_CONFIG_CONNECTION when it could not be worked with */
  register(clientId: string, record: RegisteredClient): Promise<OidcClient>
  record(clientId: string): Promise<RegisteredClient | undefined>
  /** It is no client any more; sessions that it took part in can still tell it of their end. */
  remove(clientId: string): Promise<boolean>
  /** How many there are, about: other nodes may be registering some now. */
  count(): Promise<number>
  list(): Promise<readonly { readonly clientId: string; readonly record: RegisteredClient }[]>
}

const kind = 'RegisteredClient'
const removedKind = 'RemovedClient'
/** All registered clients are kept under one name, so that they can be listed. */
const listed = 'registered-clients'
/** A registered client stays until it is removed: a hundred years. */
const keptMs = 100 * 365 * 86_400_000
/** How long a removed client is known to those who tell it that a session ended. */
const removedKeptMs = 400 * 86_400_000
/** How often the list is read for what other nodes registered; who is asked for is read at once. */
const lookMs = 5_000

/**
 * The store has the registered clients; each node keeps those it knows of in memory, because much of what is asked for
 * a client can not wait. {@link Clients.find} reads the store each time, so that a removed client is none anywhere from
 * that moment on.
 */
export function createLiveClients(configured: Clients, deps: LiveClientsDeps): LiveClients {
  const { store, clock } = deps
  const known = new Map<string, { readonly record: RegisteredClient; readonly client: OidcClient }>()
  const removed = new Map<string, OidcClient>()
  const make = (clientId: string, record: RegisteredClient): OidcClient => makeClient(settingsOf(clientId, record, deps.scopes), deps.keys, deps.validation)
  /** One that the configuration of today can not serve is none, and hurts no other. */
  const tryMake = (clientId: string, record: RegisteredClient): OidcClient | undefined => {
    try {
      return make(clientId, record)
    } catch (error) {
      deps.onProblem(error)
      return undefined
    }
  }
  const keep = (clientId: string, record: RegisteredClient): OidcClient | undefined => {
    const held = known.get(clientId)
    if (held?.record.version === record.version) return held.client
    const client = tryMake(clientId, record)
    if (client === undefined) known.delete(clientId)
    else known.set(clientId, { record, client })
    return client
  }
  const forget = (clientId: string, gone: Artifact): void => {
    known.delete(clientId)
    const client = removed.get(clientId) ?? tryMake(clientId, gone.value as RegisteredClient)
    if (client !== undefined) removed.set(clientId, client)
  }
  const load = async (clientId: string): Promise<OidcClient | undefined> => {
    const nowMs = clock.nowMs()
    const gone = await store.getArtifact(removedKind, clientId, nowMs)
    if (gone !== undefined) {
      forget(clientId, gone)
      return undefined
    }
    const found = await store.getArtifact(kind, clientId, nowMs)
    if (found !== undefined) return keep(clientId, found.value as RegisteredClient)
    known.delete(clientId)
    return undefined
  }
  const readAll = (): Promise<readonly Artifact[]> => store.artifactsOfGrant(listed, kind, clock.nowMs(), registeredClientsMax)
  const refresh = async (): Promise<void> => {
    const all = await readAll()
    const ids = new Set(all.map(({ id }) => id))
    for (const clientId of known.keys()) if (!ids.has(clientId)) await load(clientId)
    for (const { id, value } of all) keep(id, value as RegisteredClient)
  }
  const loop = createLoop({
    clock,
    intervalMs: lookMs,
    fraction: () => deps.random.fraction(),
    work: async () => {
      await refresh()
      return false
    },
    onError: (error) => deps.onProblem(error)
  })
  const byId = (id: PeerId): OidcClient | undefined => configured.byId(id) ?? known.get(id)?.client ?? removed.get(id)
  return {
    byId,
    byClientId: (clientId) => configured.byClientId(clientId) ?? known.get(clientId)?.client,
    peer: (id) => byId(id)?.peer,
    configured: () => configured.all(),
    all: () => [...configured.all(), ...[...known.values()].map(({ client }) => client)],
    find: async (clientId) => configured.byClientId(clientId) ?? (isRegisteredId(clientId) ? load(clientId) : undefined),
    async meet(ids) {
      for (const id of ids) if (isRegisteredId(id) && byId(id) === undefined) await load(id)
    },
    start: () => loop.start(),
    stop: () => loop.stop(),
    async register(clientId, record) {
      const client = make(clientId, record)
      await store.putArtifact({ kind, id: clientId, grantId: listed, untilMs: clock.nowMs() + keptMs, value: record })
      known.set(clientId, { record, client })
      return client
    },
    async record(clientId) {
      if (!isRegisteredId(clientId) || (await load(clientId)) === undefined) return undefined
      return known.get(clientId)?.record
    },
    async remove(clientId) {
      const nowMs = clock.nowMs()
      const found = isRegisteredId(clientId) ? await store.getArtifact(kind, clientId, nowMs) : undefined
      if (found === undefined) return false
      // First the mark: a change that comes at the same moment can not bring the client back.
      await store.putArtifact({ kind: removedKind, id: clientId, untilMs: nowMs + removedKeptMs, value: found.value }, { isEnding: true })
      await store.dropArtifact(kind, clientId)
      await load(clientId)
      return true
    },
    count: async () => (await readAll()).length,
    async list() {
      const all = await readAll()
      const gone = await Promise.all(all.map(({ id }) => store.getArtifact(removedKind, id, clock.nowMs())))
      return all.filter((_, i) => gone[i] === undefined).map(({ id, value }) => ({ clientId: id, record: value as RegisteredClient }))
    }
  }
}
