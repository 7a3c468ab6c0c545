import type { ClusterMode } from '../../src/config/groups.ts'
import type { Artifact, Store } from '../../src/stores/store.ts'

export interface Seen {
  readonly groups: ClusterMode
  /** Lets the groups tell each other what is new. */
  readonly settle: () => Promise<void>
}

/**
 * The stores of all nodes as a test sees them, which does not know how many there are: what nodes tell each other has been
 * told, what subclusters keep to themselves is listed together, and what a test puts in the place of a call is so for all.
 */
export function storeSeen(stores: readonly Store[], { groups, settle }: Seen): Store {
  const [first] = stores
  if (first === undefined) throw new Error('there is no store')
  const together: Partial<Store> = groups === 'subclusters' ? listedTogether(stores) : groups === 'regions' ? { listAudit: auditOf(stores) } : {}
  return new Proxy(first, {
    get(store, name) {
      const value: unknown = Reflect.get(together, name) ?? Reflect.get(store, name, store)
      if (typeof value !== 'function') return value
      return async (...args: unknown[]) => {
        await settle()
        return (value as (...args: unknown[]) => unknown).apply(store, args)
      }
    },
    set: (_store, name, value) => stores.every((store) => Reflect.set(store, name, value))
  })
}

async function ofEach<T>(stores: readonly Store[], ask: (store: Store) => Promise<readonly T[]>): Promise<T[]> {
  return (await Promise.all(stores.map(ask))).flat()
}

/** What happened in a group stands in its own log. */
function auditOf(stores: readonly Store[]): Store['listAudit'] {
  return async (query) => (await ofEach(stores, (store) => store.listAudit(query))).sort((a, b) => a.atMs - b.atMs)
}

/** Without what the groups have told each other. */
function once(artifacts: readonly Artifact[]): readonly Artifact[] {
  return [...new Map(artifacts.map((artifact) => [artifact.id, artifact])).values()]
}

function listedTogether(stores: readonly Store[]): Partial<Store> {
  const each = <T>(ask: (store: Store) => Promise<readonly T[]>): Promise<T[]> => ofEach(stores, ask)
  return {
    findByUser: async (userKey) => (await each((store) => store.findByUser(userKey))).sort((a, b) => a.createdAtMs - b.createdAtMs),
    findByAddress: async (address) => (await each((store) => store.findByAddress(address))).sort((a, b) => a.createdAtMs - b.createdAtMs),
    async listSessions(query) {
      const items = await each(async (store) => (await store.listSessions(query)).items)
      return { items: items.sort((a, b) => b.session.createdAtMs - a.session.createdAtMs).slice(0, query.limit) }
    },
    async listRuns(query) {
      const items = await each(async (store) => (await store.listRuns(query)).items)
      return { items: items.sort((a, b) => b.startedAtMs - a.startedAtMs).slice(0, query.limit) }
    },
    async getSession(sessionId) {
      for (const store of stores) {
        const session = await store.getSession(sessionId)
        if (session !== undefined) return session
      }
      return undefined
    },
    async getParticipants(sessionId) {
      for (const store of stores) {
        const participants = await store.getParticipants(sessionId)
        if (participants.length > 0) return participants
      }
      return []
    },
    countLiveSessions: async () => (await Promise.all(stores.map((store) => store.countLiveSessions()))).reduce((sum, count) => sum + count, 0),
    listAudit: auditOf(stores),
    artifactsOf: async (sessionId, kind, nowMs, max) => once(await each((store) => store.artifactsOf(sessionId, kind, nowMs, max))),
    artifactsOfGrant: async (grantId, kind, nowMs, max) => once(await each((store) => store.artifactsOfGrant(grantId, kind, nowMs, max)))
  }
}
