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
   * Live sessions of whoever has this address, as an attribute or as user name.
   * @param address - in lower case
   */
  byAddress(address: string): Promise<Found<Session>>
  /** Live sessions, at most `max` of each group. */
  live(query: LiveQuery): Promise<Found<SessionSummary>>
  /** How many live sessions there are, in one entry for each group. Every one is looked at, page by page. */
  tally(query: TallyQuery): Promise<Found<LiveTally>>
}

export interface TallyQuery {
  readonly username?: string
  /** Users, each of whom may be meant; an identity provider may call somebody else the same. */
  readonly userKeys?: readonly UserKey[]
  readonly peerId?: PeerId
  /** Where the user signed in: an identity provider, or the form. */
  readonly sourceId?: string
  /** Only sessions that were opened before. */
  readonly beforeMs?: number
}

export interface LiveQuery extends TallyQuery {
  readonly max: number
}

/** Live sessions of one group. */
export interface LiveTally {
  readonly sessions: number
  readonly users: number
  /** Sessions that each application takes part in. */
  readonly applications: Readonly<Record<PeerId, number>>
}

/** What one store has. */
export function inStore(store: Pick<Store, 'findByUser' | 'findByAddress' | 'findByNameId' | 'findByIndex' | 'listSessions'>, nowMs: () => number): Everywhere {
  const all = <T>(found: readonly T[]): Found<T> => ({ found, unreached: [] })
  return {
    byUser: async (userKey) => all(await store.findByUser(userKey)),
    byName: async (peerId, nameIdValue) => all(await store.findByNameId(peerId, nameIdValue)),
    byIndex: async (peerId, sessionIndex) => {
      const one = await store.findByIndex(peerId, sessionIndex)
      return all(one === undefined ? [] : [one])
    },
    byAddress: async (address) => all(await store.findByAddress(address)),
    live: async ({ max, ...query }) => {
      const found: SessionSummary[] = []
      for await (const summary of liveSessions(store, query, nowMs())) if (found.push(summary) >= max) break
      return all(found)
    },
    tally: async (query) => all([await tallyOf(liveSessions(store, query, nowMs()))])
  }
}

/** Page by page, for as long as somebody wants more. */
async function* liveSessions(store: Pick<Store, 'listSessions'>, { userKeys, ...query }: TallyQuery, nowMs: number): AsyncGenerator<SessionSummary> {
  if (userKeys === undefined) yield* liveSessionsOf(store, query, nowMs)
  else for (const userKey of userKeys) yield* liveSessionsOf(store, { ...query, userKey }, nowMs)
}

async function* liveSessionsOf(
  store: Pick<Store, 'listSessions'>,
  { username, userKey, peerId, sourceId, beforeMs = Number.POSITIVE_INFINITY }: Omit<TallyQuery, 'userKeys'> & { readonly userKey?: UserKey },
  nowMs: number
): AsyncGenerator<SessionSummary> {
  let cursor: string | undefined
  do {
    const page = await store.listSessions({
      nowMs,
      state: 'live',
      limit: pageSize,
      ...(username === undefined ? {} : { username }),
      ...(userKey === undefined ? {} : { userKey }),
      ...(peerId === undefined ? {} : { peerId }),
      ...(cursor === undefined ? {} : { cursor })
    })
    for (const summary of page.items) {
      const { createdAtMs, sourceId: own } = summary.session
      if (createdAtMs < beforeMs && (sourceId === undefined || own === sourceId)) yield summary
    }
    cursor = page.nextCursor
  } while (cursor !== undefined)
}

async function tallyOf(sessions: AsyncIterable<SessionSummary>): Promise<LiveTally> {
  const users = new Set<string>()
  const applications: Record<PeerId, number> = {}
  let count = 0
  for await (const { session, participants } of sessions) {
    count += 1
    users.add(session.username)
    for (const peerId of new Set(participants.map((participant) => participant.peerId))) applications[peerId] = (applications[peerId] ?? 0) + 1
  }
  return { sessions: count, users: users.size, applications }
}

const pageSize = 500
