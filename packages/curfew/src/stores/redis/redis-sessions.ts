import { isCurfewError } from '@curfew/codecs'
import type { ParticipantId, PeerId, SessionId } from '../../core/ids.ts'
import type { Participant } from '../../core/participant.ts'
import type { LogoutRun } from '../../core/run.ts'
import type { Session, SessionEnd } from '../../core/session.ts'
import { newestFirst, readCursor, writeCursor } from '../cursor.ts'
import { dueAtMs } from '../activity.ts'
import type { EndedFact } from '../fact.ts'
import { joinParticipant, joinRenewal, tombstoneUntilMs } from '../facts.ts'
import { storeError } from '../store-error.ts'
import type { Ack, Durability, EndCommit, EndResult, Page, Renewal, RunOpening, SessionParticipant, SessionQuery, SessionSummary, Store } from '../store.ts'
import { isWantedSession } from '../wanted.ts'
import { addEntries, dropEntries, type IndexEntry, membersOf, participantEntries, placeOf, sessionEntries } from './index-sets.ts'
import { pair } from './keys.ts'
import type { Reply } from './link.ts'
import { byAddress } from './session-addresses.ts'
import { newest, type Source } from './newest.ts'
import { ofAll, type RedisContext, texts, total, weakest } from './redis-context.ts'
import { type Feed } from './redis-feed.ts'
import { claimRunId, dropUnopened, indexMessages, runArguments, runEntriesOf } from './redis-run-rows.ts'
import { createSessionCapacity } from './session-capacity.ts'
import { readParticipant, readParticipants, readSession, readSessions, sessionDoc } from './session-rows.ts'

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

export function redisSessions(context: RedisContext, feed: Feed, nowMs: () => number): SessionCalls {
  const capacity = createSessionCapacity(context.capacity, () => total(context, 'ZCARD', 'due'))
  return {
    async openSession(session) {
      admit(context, session.id, sessionEntries(context, session))
      return capacity.open((isFull) => openSession(context, session, isFull))
    },
    async addParticipant(sessionId, participant) {
      admit(context, sessionId, participantEntries(context, sessionId, participant))
      return addParticipant(context, sessionId, participant)
    },
    endSession: (commit) => endSession(context, feed, commit),
    openRun: (opening) => openRun(context, opening),
    async touch(sessionId, lastActivityAtMs, idleExpiresAtMs) {
      const { reply, durability } = await context.shards.write(context.keys.ofSession(sessionId), 'touch', [
        sessionId,
        String(lastActivityAtMs),
        String(idleExpiresAtMs),
        context.teller.fact({ kind: 'active', service: 'sessions', sessionId, lastActivityAtMs, idleExpiresAtMs }),
        context.teller.takeOverMs(sessionId)
      ])
      return { value: wordOf(reply) as 'touched' | 'ended' | 'unknown', durability }
    },
    renewSession: (sessionId, renewal) => renewSession(context, sessionId, renewal),
    getSession: (sessionId) => readSession(context, sessionId),
    getParticipants: (sessionId) => readParticipants(context, sessionId),
    findSessionByToken: async (tokenHash) =>
      preferred((await readSessions(context, await membersOf(context, 'ik', tokenHash))).filter((session) => session.tokenHash === tokenHash)),
    findSessionByPersistentToken: async (hash) =>
      preferred((await readSessions(context, await membersOf(context, 'ip', hash))).filter((session) => session.persistentTokenHash === hash)),
    findByNameId: async (peerId, value) => (await matches(context, 'im', peerId, value, (p) => p.nameId.value === value)).sort(byAge),
    findByIndex: async (peerId, index) =>
      (await matches(context, 'ix', peerId, index, (p) => p.sessionIndex === index)).sort(
        (a, b) => b.participant.lastIssuedAtMs - a.participant.lastIssuedAtMs || byAge(a, b)
      )[0],
    findByUser: async (userKey) =>
      (await readSessions(context, await membersOf(context, 'iu', userKey)))
        .filter((session) => session.userKey === userKey && session.end === undefined)
        .sort(oldestFirst),
    findByAddress: byAddress(context, nowMs),
    listSessions: (query) => listSessions(context, query),
    countLiveSessions: () => total(context, 'ZCARD', 'due'),
    dueSessions: (nowMs, max) => dueSessions(context, nowMs, max)
  }
}

/** @throws CURFEW_STORE_OVERLOADED */
function admit({ shards, keys }: RedisContext, sessionId: SessionId, entries: readonly IndexEntry[]): void {
  shards.admit([keys.ofSession(sessionId), ...entries.map(({ bucket }) => bucket)])
}

/** @param isFull - absent: there is room */
async function openSession(context: RedisContext, given: Session, isFull?: () => Promise<boolean>): Promise<Ack<'opened' | 'exists' | 'full'>> {
  const { end: _, ...session } = given
  const bucket = context.keys.ofSession(session.id)
  const isThere = isFull !== undefined && (await context.shards.read(bucket, 'EXISTS', `s:${session.id}`)) === 1
  if (isFull !== undefined && !isThere && (await isFull())) return { value: 'full', durability: 'local' }
  const added = sessionEntries(context, session)
  /** Only then is it certain that the session is not there: what leads to it goes as well. */
  const dropWhereFull = async (error: unknown): Promise<never> => {
    if (isCurfewError(error) && error.code === 'CURFEW_STORE_MEMORY_FULL') await dropEntries(context, added)
    throw error
  }
  const entries = isThere ? 'replicated' : await addEntries(context, added, {}).catch(dropWhereFull)
  const doc = sessionDoc(session)
  const args = [
    session.id,
    String(session.version),
    String(session.lastActivityAtMs),
    String(session.idleExpiresAtMs),
    String(session.expiresAtMs),
    String(dueAtMs(session)),
    placeOf(session.createdAtMs, session.id),
    doc,
    context.teller.fact({ kind: 'opened', service: 'sessions', session })
  ]
  const { reply, durability, isRepeat } = await context.shards
    .write(bucket, 'open_session', args, { again: { name: 'open_session', args } })
    .catch(dropWhereFull)
  const [word, known = ''] = texts(reply)
  if (word === 'exists' && known !== doc && !isThere) await dropOthers(context, added, JSON.parse(known) as Session)
  // After a lost answer the session that is there may be the one that this call opened.
  const isOurs = word === 'opened' || (isRepeat && known === doc)
  return { value: isOurs ? 'opened' : 'exists', durability: weakest([entries, durability]) }
}

/** What leads to a session by something that it does not have is of no use to anybody. */
async function dropOthers(context: RedisContext, entries: readonly IndexEntry[], session: Session): Promise<void> {
  const kept = new Set(sessionEntries(context, session).map(({ key }) => key))
  await dropEntries(
    context,
    entries.filter(({ key }) => !kept.has(key))
  )
}

async function addParticipant(context: RedisContext, sessionId: SessionId, given: Participant): Promise<Ack<'added' | 'exists' | 'ended' | 'unknown'>> {
  const { group } = context.teller
  const participant = group === '' ? given : { ...given, group }
  const bucket = context.keys.ofSession(sessionId)
  let known = ''
  let entries: Durability = 'replicated'
  for (;;) {
    const joined = known === '' ? participant : joinParticipant(JSON.parse(known) as Participant, participant)
    const doc = joined === participant || known === '' ? JSON.stringify(joined) : sameOr(known, joined)
    if (doc !== known) entries = weakest([entries, await addEntries(context, participantEntries(context, sessionId, joined), {})])
    const args = [sessionId, participant.id, known, doc, context.teller.fact({ kind: 'participant', service: 'sessions', sessionId, participant: joined })]
    const { reply, durability: own, isRepeat } = await context.shards.write(bucket, 'add_participant', args, { again: { name: 'add_participant', args } })
    const durability = weakest([entries, own])
    const [word = '', found = ''] = texts(reply)
    if (word !== 'joined-with') return { value: word as 'added' | 'exists' | 'ended' | 'unknown', durability }
    if (isRepeat && found === doc) return { value: known === '' ? 'added' : 'exists', durability }
    known = found === '' ? await readParticipant(context, sessionId, participant.id) : found
  }
}

/** The look-up by the new cookies is written before, the one by the former ones goes afterwards. */
async function renewSession(context: RedisContext, sessionId: SessionId, renewal: Renewal): Promise<Ack<'renewed' | 'ended' | 'unknown'>> {
  const bucket = context.keys.ofSession(sessionId)
  for (;;) {
    const known = await context.shards.read(bucket, 'HGET', `s:${sessionId}`, 'd')
    const session = await readSession(context, sessionId)
    if (known === null || session === undefined) return { value: 'unknown', durability: 'local' }
    const renewed = joinRenewal(session, renewal)
    const doc = renewed === session ? String(known) : sessionDoc(renewed)
    const added = sessionEntries(context, renewed)
    const entries = renewed === session ? 'replicated' : await addEntries(context, added, {})
    const args = [sessionId, String(known), doc, context.teller.fact({ kind: 'renewed', service: 'sessions', sessionId, renewal })]
    const { reply, durability } = await context.shards.write(bucket, 'renew_session', args, { again: { name: 'renew_session', args } })
    const word = wordOf(reply)
    if (word === 'changed') continue
    await (word === 'renewed' ? dropOthers(context, sessionEntries(context, session), renewed) : dropOthers(context, added, session))
    return { value: word as 'renewed' | 'ended' | 'unknown', durability: weakest([entries, durability]) }
  }
}

/** The text that is stored where the join changed nothing, so that it compares equal. */
function sameOr(known: string, joined: Participant): string {
  const doc = JSON.stringify(joined)
  return JSON.stringify(JSON.parse(known)) === doc ? known : doc
}

async function endSession(context: RedisContext, feed: Feed, commit: EndCommit): Promise<Ack<EndResult>> {
  const { sessionId, expectedVersion, end, revokedUntilMs, run } = commit
  const session = await readSession(context, sessionId)
  if (session === undefined) return { value: { kind: 'unknown' }, durability: 'local' }
  if (session.end !== undefined) return { value: { kind: 'already', runId: session.end.runId }, durability: 'local' }
  if (session.version !== expectedVersion) return { value: { kind: 'changed' }, durability: 'local' }
  // The version that was read is the one that is written, so these are the participants of that moment.
  const participants = await readParticipants(context, sessionId)
  const keepUntilMs = tombstoneUntilMs(session, Math.max(end.atMs, commit.keptUntilMs ?? 0), revokedUntilMs, participants)
  const entries = weakest([await claimRunId(context, run), await addEntries(context, runEntriesOf(context, run))])
  const bucket = context.keys.ofSession(sessionId)
  const args = [
    sessionId,
    String(expectedVersion),
    JSON.stringify(end),
    String(keepUntilMs),
    revokedUntilMs === undefined ? '' : String(revokedUntilMs),
    session.sri,
    String(end.atMs),
    endFact(context, { sessionId, end, keptUntilMs: keepUntilMs, participants }),
    context.teller.fact({ kind: 'run', service: 'sessions', run }),
    JSON.stringify(Object.fromEntries(participants.map(({ id, lastIssuedAtMs }) => [id, lastIssuedAtMs]))),
    ...runArguments(context, bucket, run, commit.effects)
  ]
  const { reply, durability, isRepeat } = await context.shards.write(bucket, 'end_session', args, {
    isEnding: true,
    again: { name: 'reassert_end', args },
    // A plan that came too late is made again: sent once more, it would end the session without those that joined meanwhile.
    isDone: (answer) => isEndOf(run, answer)
  })
  const [word, known] = texts(reply)
  if (word === 'taken') throw storeError('CURFEW_STORE_RUN_EXISTS', { runId: run.id })
  if (word !== 'ended') await dropUnopened(context, run)
  if (word === 'unknown' || word === 'changed') return { value: { kind: word }, durability }
  if (word === 'already') {
    const { runId } = JSON.parse(known ?? '{}') as Session['end'] & object
    return { value: isRepeat && isEndOf(run, reply) ? { kind: 'ended' } : { kind: 'already', runId }, durability }
  }
  try {
    await indexMessages(context, run)
    if (revokedUntilMs !== undefined) await feed.publish({ sessionId, sri: session.sri, untilMs: revokedUntilMs, atMs: end.atMs })
  } catch (error) {
    // It has ended, though the disk of the server filled up just now: who reads the list next puts the revocation there.
    if (!isCurfewError(error) || error.code !== 'CURFEW_STORE_DISK_FULL') throw error
  }
  return { value: { kind: 'ended' }, durability: weakest([entries, durability]) }
}

/** Whether the session has ended by this run, as far as the answer says. */
function isEndOf({ id }: LogoutRun, reply: Reply): boolean {
  const [word, known] = texts(reply)
  return word === 'ended' || (word === 'already' && (JSON.parse(known ?? '{}') as Partial<SessionEnd>).runId === id)
}

interface Ending {
  readonly sessionId: SessionId
  readonly end: SessionEnd
  readonly keptUntilMs: number
  readonly participants: readonly Participant[]
}

/** Kept with the session also where sessions are not told: what it says is needed when that changes. */
function endFact({ teller: { group } }: RedisContext, { sessionId, end, keptUntilMs, participants }: Ending): string {
  if (group === '') return ''
  const known = participants.map(({ id, lastIssuedAtMs }) => ({ id, lastIssuedAtMs }))
  const ending: EndedFact = { kind: 'ended', service: 'sessions', sessionId, group, end, keptUntilMs, known }
  return JSON.stringify(ending)
}

async function openRun(
  context: RedisContext,
  { sessionId, expectedVersion, run, effects }: RunOpening
): Promise<Ack<'opened' | 'changed' | 'ended' | 'unknown'>> {
  const session = await readSession(context, sessionId)
  if (session === undefined) return { value: 'unknown', durability: 'local' }
  if (session.end !== undefined) return { value: 'ended', durability: 'local' }
  if (session.version !== expectedVersion) return { value: 'changed', durability: 'local' }
  const entries = weakest([await claimRunId(context, run), await addEntries(context, runEntriesOf(context, run))])
  const bucket = context.keys.ofSession(sessionId)
  const fact = context.teller.fact({ kind: 'run', service: 'sessions', run })
  const inserted = [fact, ...runArguments(context, bucket, run, effects)]
  const { reply, durability, isRepeat } = await context.shards.write(bucket, 'open_run', [sessionId, String(expectedVersion), ...inserted], {
    isEnding: true,
    again: { name: 'reassert_run', args: [sessionId, ...inserted] },
    // After a lost answer the run that is there may be the one that this call opened.
    isDone: (answer) => wordOf(answer) === 'opened' || wordOf(answer) === 'taken'
  })
  const word = wordOf(reply)
  if (word === 'taken' && !isRepeat) throw storeError('CURFEW_STORE_RUN_EXISTS', { runId: run.id })
  const value = word === 'taken' ? 'opened' : (word as 'opened' | 'changed' | 'ended' | 'unknown')
  await (value === 'opened' ? indexMessages(context, run) : dropUnopened(context, run))
  return { value, durability: weakest([entries, durability]) }
}

async function matches(
  context: RedisContext,
  kind: string,
  peerId: PeerId,
  text: string,
  wanted: (participant: Participant) => boolean
): Promise<SessionParticipant[]> {
  const ids = await membersOf(context, kind, pair(peerId, text))
  const found = await Promise.all(
    ids.map(async (id) => {
      const [session, participants] = await Promise.all([readSession(context, id as SessionId), readParticipants(context, id as SessionId)])
      if (session === undefined) return []
      return participants.filter((participant) => participant.peerId === peerId && wanted(participant)).map((participant) => ({ session, participant }))
    })
  )
  return found.flat()
}

async function dueSessions(context: RedisContext, nowMs: number, max: number): Promise<readonly Session[]> {
  const lists = await ofAll(context, async (bucket) =>
    texts(await context.shards.read(bucket, 'ZRANGE', 'due', '-inf', String(nowMs), 'BYSCORE', 'LIMIT', '0', String(max)))
  )
  const found = (await readSessions(context, lists.flat())).filter((session) => session.end === undefined && dueAtMs(session) <= nowMs)
  return [...found].sort((a, b) => dueAtMs(a) - dueAtMs(b) || compare(a.id, b.id)).slice(0, max)
}

/** Sessions one call of the list looks at. */
const scannedMax = 10_000

async function listSessions(context: RedisContext, query: SessionQuery): Promise<Page<SessionSummary>> {
  const after = readCursor(query.cursor)
  const items: SessionSummary[] = []
  let looked = 0
  for await (const place of candidates(context, query, after)) {
    if (query.sinceMs !== undefined && place.atMs < query.sinceMs) break
    const summary = await summaryOf(context, place.id as SessionId, query)
    if (summary !== undefined) {
      const last = items.at(-1)
      if (items.length === query.limit && last !== undefined) return { items, nextCursor: writeCursor(placeIn(last.session)) }
      items.push(summary)
    }
    looked += 1
    if (looked === scannedMax) return { items, nextCursor: writeCursor(place) }
  }
  return { items }
}

async function* candidates(context: RedisContext, query: SessionQuery, after: ReturnType<typeof readCursor>): AsyncGenerator<{ atMs: number; id: string }> {
  if (query.userKey !== undefined) {
    const sessions = await readSessions(context, await membersOf(context, 'iu', query.userKey))
    const places = sessions.map(placeIn).sort(newestFirst)
    yield* places.filter((place) => newestFirst(after, place) < 0)
    return
  }
  const { username } = query
  const sources: readonly Source[] =
    username === undefined
      ? context.keys.buckets.map((bucket) => ({ bucket, key: 'list' }))
      : [{ bucket: context.keys.ofText(username), key: `in:${username}` }]
  yield* newest(context, sources, after, query.limit + 1)
}

async function summaryOf(context: RedisContext, id: SessionId, query: SessionQuery): Promise<SessionSummary | undefined> {
  const session = await readSession(context, id)
  if (session === undefined || !isWantedSession(session, query)) return undefined
  const participants = await readParticipants(context, id)
  if (query.peerId !== undefined && participants.every(({ peerId }) => peerId !== query.peerId)) return undefined
  return { session, participants: participants.map(({ id: participantId, peerId }): { id: ParticipantId; peerId: PeerId } => ({ id: participantId, peerId })) }
}

/** Removes an ended session past keeping, with everything that leads to it. */
export async function purgeSession(context: RedisContext, id: SessionId, nowMs: number): Promise<number> {
  const session = await readSession(context, id)
  if (session === undefined) return 0
  const participants = await readParticipants(context, id)
  const bucket = context.keys.ofSession(id)
  const { reply } = await context.shards.write(bucket, 'purge_session', [id, String(nowMs), placeOf(session.createdAtMs, id)], { isEnding: true })
  if (Number(reply) === 0) return 0
  await dropEntries(context, [...sessionEntries(context, session), ...participants.flatMap((one) => participantEntries(context, id, one))])
  return 1
}

function placeIn(session: Session): { readonly atMs: number; readonly id: string } {
  return { atMs: session.createdAtMs, id: session.id }
}

function preferred(sessions: readonly Session[]): Session | undefined {
  return [...sessions].sort((a, b) => Number(a.end !== undefined) - Number(b.end !== undefined) || newestFirst(placeIn(a), placeIn(b)))[0]
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

function wordOf(reply: unknown): string {
  return Array.isArray(reply) ? String(reply[0]) : String(reply)
}
