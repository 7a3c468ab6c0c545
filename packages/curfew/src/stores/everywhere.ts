import type { PeerId, UserKey } from '../core/ids.ts'
import type { Session } from '../core/session.ts'
import type { SessionParticipant, SessionSummary, Store } from './store.ts'

/** What was found, and which groups could not be asked: there may be more. */
export interface Found<T> {
  readonly found: readonly T[]
  /** Ids of groups. */
  readonly unreached: readonly string[]
}

/** Looks for sessions in every group of the authority; where there is one store only, in that. */
export interface Everywhere {
  /** Live sessions of a user. */
  byUser(userKey: UserKey): Promise<Found<Session>>
  byName(peerId: PeerId, nameIdValue: string): Promise<Found<SessionParticipant>>
  /** An index of ours names its group, and only that one is asked. */
  byIndex(peerId: PeerId, sessionIndex: string): Promise<Found<SessionParticipant>>
  /**
   * Live sessions of whoever has this address, as a value of one of these attributes or as user name. There is no index of
   * them: every live session is looked at.
   * @param address - in lower case
   */
  byAddress(address: string, attributes: readonly string[]): Promise<Found<Session>>
  /** Live sessions, at most `max` of each group. */
  live(query: LiveQuery): Promise<Found<SessionSummary>>
}

export interface LiveQuery {
  readonly username?: string
  readonly peerId?: PeerId
  readonly max: number
}

/** What one store has. */
export function inStore(store: Pick<Store, 'findByUser' | 'findByNameId' | 'findByIndex' | 'listSessions'>, nowMs: () => number): Everywhere {
  const all = <T>(found: readonly T[]): Found<T> => ({ found, unreached: [] })
  return {
    byUser: async (userKey) => all(await store.findByUser(userKey)),
    byName: async (peerId, nameIdValue) => all(await store.findByNameId(peerId, nameIdValue)),
    byIndex: async (peerId, sessionIndex) => {
      const one = await store.findByIndex(peerId, sessionIndex)
      return all(one === undefined ? [] : [one])
    },
    byAddress: async (address, attributes) => {
      const found = await liveSessions(store, { max: Number.MAX_SAFE_INTEGER }, nowMs())
      return all(found.map(({ session }) => session).filter((session) => hasAddress(session, address, attributes)))
    },
    live: async (query) => all(await liveSessions(store, query, nowMs()))
  }
}

function hasAddress({ attributes: known, username }: Session, address: string, attributes: readonly string[]): boolean {
  return [username, ...attributes.flatMap((name) => known[name] ?? [])].some((value) => value.toLowerCase() === address)
}

/** Page by page, until there are enough. */
async function liveSessions(store: Pick<Store, 'listSessions'>, { username, peerId, max }: LiveQuery, nowMs: number): Promise<readonly SessionSummary[]> {
  const found: SessionSummary[] = []
  let cursor: string | undefined
  do {
    const page = await store.listSessions({
      nowMs,
      state: 'live',
      limit: Math.min(max, 500),
      ...(username === undefined ? {} : { username }),
      ...(peerId === undefined ? {} : { peerId }),
      ...(cursor === undefined ? {} : { cursor })
    })
    found.push(...page.items)
    cursor = page.nextCursor
  } while (cursor !== undefined && found.length < max)
  return found.slice(0, max)
}
