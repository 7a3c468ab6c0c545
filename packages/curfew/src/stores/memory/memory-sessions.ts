import type { PeerId, SessionId } from '../../core/ids.ts'
import type { Participant } from '../../core/participant.ts'
import type { Effect, LogoutRun } from '../../core/run.ts'
import { addressesOf, type Session } from '../../core/session.ts'
import { isAfter, newestFirst, readCursor, writeCursor } from '../cursor.ts'
import { type Activity, dueAtMs, dueHereAtMs, joinActivity, toldShare } from '../activity.ts'
import type { EndedFact } from '../fact.ts'
import { inJoinOrder, joinParticipant, joinRenewal, tombstoneUntilMs } from '../facts.ts'
import type { EndCommit, EndResult, Page, Renewal, RunOpening, SessionParticipant, SessionQuery, SessionSummary, Store } from '../store.ts'
import { storeError } from '../store-error.ts'
import { addEffects, indexMessages } from './memory-runs.ts'
import { addRevocation } from './memory-services.ts'
import { isWantedSession } from '../wanted.ts'
import { type MemoryContext, type MemoryState, memoryDurability as durability, type StoredSession } from './memory-state.ts'

type SessionCalls = Pick<
  Store,
  | 'openSession'
  | 'addParticipant'
  | 'endSession'
  | 'openRun'
  | 'touch'
  | 'renewSession'
  | 'getSession'
  | 'getParticipants'
  | 'findSessionByToken'
  | 'findSessionByPersistentToken'
  | 'findByNameId'
  | 'findByIndex'
  | 'findByUser'
  | 'findByAddress'
  | 'listSessions'
  | 'countLiveSessions'
  | 'dueSessions'
>

export function memorySessions(context: MemoryContext): SessionCalls {
  const { state, write } = context
  return {
    openSession: (session) => write('openSession', (all) => ({ value: openSession(all, session, context), durability })),
    addParticipant: (sessionId, participant) => write('addParticipant', (all) => ({ value: addParticipant(all, sessionId, participant, context), durability })),
    endSession: (commit) => write('endSession', (all) => ({ value: endSession(all, commit, context), durability })),
    openRun: (opening) => write('openRun', (all) => ({ value: openRun(all, opening, context), durability })),
    touch: (sessionId, lastActivityAtMs, idleExpiresAtMs) =>
      write('touch', (all) => ({
        value: touch(all, sessionId, { lastActivityAtMs, idleExpiresAtMs }, context),
        durability
      })),
    renewSession: (sessionId, renewal) => write('renewSession', (all) => ({ value: renewSession(all, sessionId, renewal, context), durability })),
    getSession: async (sessionId) => state().sessions.get(sessionId)?.session,
    getParticipants: async (sessionId) => inJoinOrder(state().sessions.get(sessionId)?.participants.values() ?? []),
    findSessionByToken: async (tokenHash) => preferred(state(), (session) => session.tokenHash === tokenHash),
    findSessionByPersistentToken: async (hash) => preferred(state(), (session) => session.persistentTokenHash === hash),
    findByNameId: async (peerId, value) => matches(state(), peerId, (p) => p.nameId.value === value).sort(byAge),
    findByIndex: async (peerId, sessionIndex) =>
      matches(state(), peerId, (p) => p.sessionIndex === sessionIndex).sort(
        (a, b) => b.participant.lastIssuedAtMs - a.participant.lastIssuedAtMs || byAge(a, b)
      )[0],
    findByUser: async (userKey) => live(state(), (session) => session.userKey === userKey).sort(oldestFirst),
    findByAddress: async (address) => live(state(), (session) => addressesOf(session).includes(address)).sort(oldestFirst),
    listSessions: async (query) => listSessions(state(), query),
    countLiveSessions: async () => state().count.liveSessions,
    dueSessions: async (nowMs, max) =>
      live(state(), (session) => dueHereAtMs(session, context.replication) <= nowMs)
        .sort((a, b) => dueAtMs(a) - dueAtMs(b) || compare(a.id, b.id))
        .slice(0, max)
  }
}

type Telling = Pick<MemoryContext, 'replication' | 'tell' | 'capacity'>

function openSession(state: MemoryState, session: Session, { capacity, tell }: Telling): 'opened' | 'exists' | 'full' {
  if (state.sessions.has(session.id)) return 'exists'
  if (state.count.liveSessions >= capacity) return 'full'
  state.count.liveSessions += 1
  const { end: _, ...opened } = session
  state.sessions.set(session.id, { session: opened, participants: new Map() })
  tell(state, { kind: 'opened', service: 'sessions', session: opened })
  return 'opened'
}

function addParticipant(
  state: MemoryState,
  sessionId: SessionId,
  given: Participant,
  { replication, tell }: Telling
): 'added' | 'exists' | 'ended' | 'unknown' {
  const stored = state.sessions.get(sessionId)
  if (stored === undefined) return 'unknown'
  if (stored.session.end !== undefined) return 'ended'
  const participant = replication === undefined ? given : { ...given, group: replication.group }
  const known = stored.participants.get(participant.id)
  const joined = known === undefined ? participant : joinParticipant(known, participant)
  if (joined !== known) {
    const participants = new Map(stored.participants).set(participant.id, joined)
    state.sessions.set(sessionId, {
      ...stored,
      participants,
      session: { ...stored.session, version: stored.session.version + 1 }
    })
    tell(state, { kind: 'participant', service: 'sessions', sessionId, participant: joined })
  }
  return known === undefined ? 'added' : 'exists'
}

function endSession(state: MemoryState, commit: EndCommit, context: Telling): EndResult {
  const stored = state.sessions.get(commit.sessionId)
  if (stored === undefined) return { kind: 'unknown' }
  if (stored.session.end !== undefined) return { kind: 'already', runId: stored.session.end.runId }
  if (stored.session.version !== commit.expectedVersion) return { kind: 'changed' }
  if (state.runs.has(commit.run.id)) throw storeError('CURFEW_STORE_RUN_EXISTS', { runId: commit.run.id })
  const session: Session = { ...stored.session, version: stored.session.version + 1, end: commit.end }
  const keepUntilMs = tombstoneUntilMs(session, Math.max(commit.end.atMs, commit.keptUntilMs ?? 0), commit.revokedUntilMs, stored.participants.values())
  const ended = { ...stored, session, keepUntilMs }
  state.sessions.set(session.id, ended)
  state.count.liveSessions -= 1
  if (commit.revokedUntilMs !== undefined) addRevocation(state, session.sri, commit.revokedUntilMs, commit.end.atMs)
  addRun(state, commit.run, commit.effects, context)
  const group = context.replication?.group
  if (group !== undefined) {
    const known = [...stored.participants.values()].map(({ id, lastIssuedAtMs }) => ({ id, lastIssuedAtMs }))
    const ending: EndedFact = { kind: 'ended', service: 'sessions', sessionId: session.id, group, end: commit.end, keptUntilMs: keepUntilMs, known }
    state.sessions.set(session.id, { ...ended, ending })
    context.tell(state, ending)
  }
  return { kind: 'ended' }
}

function openRun(state: MemoryState, { sessionId, expectedVersion, run, effects }: RunOpening, context: Telling): 'opened' | 'changed' | 'ended' | 'unknown' {
  const session = state.sessions.get(sessionId)?.session
  if (session === undefined) return 'unknown'
  if (session.end !== undefined) return 'ended'
  if (session.version !== expectedVersion) return 'changed'
  addRun(state, run, effects, context)
  return 'opened'
}

/** @throws CURFEW_STORE_RUN_EXISTS */
export function addRun(state: MemoryState, run: LogoutRun, effects: readonly Effect[], { tell }: Pick<Telling, 'tell'>): void {
  if (state.runs.has(run.id)) throw storeError('CURFEW_STORE_RUN_EXISTS', { runId: run.id })
  state.runs.set(run.id, run)
  indexMessages(state, run)
  addEffects(state, run.id, effects)
  tell(state, { kind: 'run', service: 'sessions', run })
}

function touch(state: MemoryState, sessionId: SessionId, reported: Activity, { tell }: Telling): 'touched' | 'ended' | 'unknown' {
  const stored = state.sessions.get(sessionId)
  if (stored === undefined) return 'unknown'
  if (stored.session.end !== undefined) return 'ended'
  const activity = joinActivity(stored.session, reported, stored.session.expiresAtMs)
  const isToTell = activity.lastActivityAtMs - (stored.toldAtMs ?? stored.session.createdAtMs) >= stored.session.idleTimeoutMs * toldShare
  state.sessions.set(sessionId, {
    ...stored,
    session: { ...stored.session, ...activity },
    ...(isToTell ? { toldAtMs: activity.lastActivityAtMs } : {})
  })
  if (isToTell) tell(state, { kind: 'active', service: 'sessions', sessionId, ...activity })
  return 'touched'
}

function renewSession(state: MemoryState, sessionId: SessionId, renewal: Renewal, { tell }: Telling): 'renewed' | 'ended' | 'unknown' {
  const stored = state.sessions.get(sessionId)
  if (stored === undefined) return 'unknown'
  if (stored.session.end !== undefined) return 'ended'
  const session = joinRenewal(stored.session, renewal)
  if (session === stored.session) return 'renewed'
  state.sessions.set(sessionId, { ...stored, session })
  tell(state, { kind: 'renewed', service: 'sessions', sessionId, renewal })
  return 'renewed'
}

function live(state: MemoryState, wanted: (session: Session) => boolean): Session[] {
  const found: Session[] = []
  for (const { session } of state.sessions.values()) if (session.end === undefined && wanted(session)) found.push(session)
  return found
}

function preferred(state: MemoryState, wanted: (session: Session) => boolean): Session | undefined {
  let best: Session | undefined
  for (const { session } of state.sessions.values()) {
    if (wanted(session) && (best === undefined || isPreferred(session, best))) best = session
  }
  return best
}

function isPreferred(a: Session, b: Session): boolean {
  if ((a.end === undefined) !== (b.end === undefined)) return a.end === undefined
  return newestFirst(place(a), place(b)) < 0
}

function matches(state: MemoryState, peerId: PeerId, wanted: (participant: Participant) => boolean): SessionParticipant[] {
  const found: SessionParticipant[] = []
  for (const { session, participants } of state.sessions.values()) {
    for (const participant of participants.values()) {
      if (participant.peerId === peerId && wanted(participant)) found.push({ session, participant })
    }
  }
  return found
}

function listSessions(state: MemoryState, query: SessionQuery): Page<SessionSummary> {
  const after = readCursor(query.cursor)
  const found = [...state.sessions.values()]
    .filter((stored) => isWanted(stored, query) && isAfter(place(stored.session), after))
    .sort((a, b) => newestFirst(place(a.session), place(b.session)))
  const shown = found.slice(0, query.limit)
  const items = shown.map(({ session, participants }) => ({
    session,
    participants: inJoinOrder(participants.values()).map(({ id, peerId }) => ({ id, peerId }))
  }))
  const last = items.at(-1)
  return last === undefined || found.length <= query.limit ? { items } : { items, nextCursor: writeCursor(place(last.session)) }
}

function isWanted({ session, participants }: StoredSession, query: SessionQuery): boolean {
  if (!isWantedSession(session, query)) return false
  return query.peerId === undefined || [...participants.values()].some((participant) => participant.peerId === query.peerId)
}

function place(session: Session): { readonly atMs: number; readonly id: string } {
  return { atMs: session.createdAtMs, id: session.id }
}

function oldestFirst(a: Session, b: Session): number {
  return a.createdAtMs - b.createdAtMs || compare(a.id, b.id)
}

function byAge(a: SessionParticipant, b: SessionParticipant): number {
  return oldestFirst(a.session, b.session) || compare(a.participant.id, b.participant.id)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
