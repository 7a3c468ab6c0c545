import type { ParticipantId, SessionId } from '../../core/ids.ts'
import type { Participant } from '../../core/participant.ts'
import { dueHereAtMs, type Home } from '../activity.ts'
import { type EndedFact, type Fact, guardMs, isTaken, type Replication, type RunFact, type SessionFact, sessionOf } from '../fact.ts'
import { cursorNote, epochOf, factLog, type FactParts, type NumberedFact } from '../fact-log.ts'
import type { FactBatch, FactStore, LateStore } from '../fact-store.ts'
import { factsOfSession, joinFact, noSessionState, type SessionState } from '../session-state.ts'
import type { Ack, Durability, Store } from '../store.ts'
import { addEntries, dropEntries, participantEntries, placeOf, sessionEntries } from './index-sets.ts'
import type { Bucket } from './keys.ts'
import { type RedisContext, texts, weakest } from './redis-context.ts'
import { runEntriesOf } from './redis-run-rows.ts'
import type { Feed } from './redis-feed.ts'
import { applyServiceFact, bucketOfServiceFact, servicesPage } from './redis-service-facts.ts'
import { readParticipants, readStored, sessionDoc } from './session-rows.ts'

/** What the store does for other regions. */
export function redisFacts(
  context: RedisContext,
  {
    feed,
    lists,
    late,
    replication,
    token
  }: {
    readonly feed: Feed
    readonly late: LateStore
    readonly lists: Pick<Store, 'listSessions' | 'listRuns'>
    readonly replication: Replication
    readonly token: string
  }
): FactStore {
  const { shards, keys } = context
  const ofSession: FactStore['ofSession'] = async (id) => factsOfSession((await readState(context, id)).state)
  const parts = redisParts(context, replication, token)
  return {
    ...factLog(parts, { ...lists, ofSession }, replication),
    group: replication.group,
    ofSession,
    apply: (batch) => apply({ context, feed, replication }, batch),
    ...late,
    async lease(name, owner, nowMs, untilMs) {
      const { reply } = await shards.write(keys.common, 'lease', [name, owner, String(nowMs), String(untilMs)], { isEnding: true })
      return Number(reply) === 1
    }
  }
}

/** A stream goes on only where nothing could have happened without it: an opening that tells nothing ends it. */
export async function beginEpoch(context: RedisContext, replication: Replication | undefined, token: string): Promise<void> {
  const { shards, keys } = context
  const known = await shards.read(keys.common, 'HGET', 'notes', 'epoch')
  if (replication === undefined) {
    if (known !== null) await shards.write(keys.common, 'unnote', ['epoch'], { isEnding: true })
    return
  }
  if (known !== null && String(known).startsWith(`${epochOf(replication)}-`)) return
  await shards.write(keys.common, 'note', ['epoch', `${epochOf(replication)}-${token}`], { isEnding: true })
}

function redisParts(context: RedisContext, replication: Replication, token: string): FactParts {
  const { shards, keys } = context
  const after = async (index: number, position: number, max: number) => {
    const bucket = keys.buckets[index] ?? keys.common
    const [head = '0', floor = '0', length = '0', ...rest] = texts(await shards.readFunction(bucket, 'facts_after', String(position), String(max)))
    const facts: NumberedFact[] = []
    for (let i = 0; i + 1 < rest.length; i += 2) facts.push({ number: Number(rest[i]), fact: JSON.parse(rest[i + 1] ?? '') as Fact })
    return { head: Number(head), floor: Number(floor), length: Number(length), facts }
  }
  const note = async (name: string): Promise<string | undefined> => {
    const text = await shards.read(keys.common, 'HGET', 'notes', name)
    return text === null ? undefined : String(text)
  }
  return {
    parts: keys.buckets.length,
    ends: () => Promise.all(keys.buckets.map(({ index }) => after(index, 0, 0))),
    after: (positions, max) => Promise.all(positions.map((position, index) => after(index, position, max))),
    async drop(upTo) {
      await Promise.all(keys.buckets.map((bucket, i) => shards.write(bucket, 'drop_facts', [String(upTo[i] ?? 0)], { isEnding: true })))
    },
    async begin() {
      await beginEpoch(context, replication, token)
      return (await note('epoch')) ?? ''
    },
    note,
    async keepNote(name, text) {
      await shards.write(keys.common, 'note', [name, text], { isEnding: true })
    },
    services: (place, max) => servicesPage(context, replication, place, max)
  }
}

interface Joining {
  readonly context: RedisContext
  readonly feed: Feed
  readonly replication: Replication
}

/**
 * Facts first, in whatever order; then, when all are in, the cursor. What a crash leaves half done is done again, and a
 * fact that is known changes nothing. What too few copies have is joined again once they are back: nobody else sends it a
 * second time. Where that is too much to remember the cursor stays, and the facts come again, perhaps to another node.
 */
async function apply({ context, feed, replication }: Joining, { source, cursor, facts, nowMs }: FactBatch): Promise<Ack<'applied' | 'held'>> {
  const { shards, keys } = context
  const forgotten = shards.forgotten
  const joins = joinsOf(context, facts, { nowMs, home: replication })
  const revoked = facts.filter((fact) => fact.kind === 'revoked')
  const [durabilities, answers] = await Promise.all([
    Promise.all(joins.map(({ join }) => join())),
    // Owed by themselves: the list of revocations waits for nothing.
    Promise.all(revoked.map(({ sri, untilMs, atMs }) => feed.revoke(sri, untilMs, atMs, true)))
  ])
  for (const { bucket, join } of joins.filter((_, i) => durabilities[i] === 'degraded')) shards.owe(bucket, join)
  const durability = weakest([...durabilities, ...answers.map((answer) => answer.durability)])
  if (shards.forgotten !== forgotten) return { value: 'held', durability }
  if (cursor === undefined) return { value: 'applied', durability }
  const noted = await shards.write(keys.common, 'note', [cursorNote(source), cursor], { isEnding: true })
  return { value: 'applied', durability: weakest([durability, noted.durability]) }
}

/** Facts that are joined in one go, and the bucket that says whether copies are there. */
interface Join {
  readonly bucket: Bucket
  readonly join: () => Promise<Durability>
}

function joinsOf(context: RedisContext, facts: readonly Fact[], { nowMs, home }: Applying & { readonly home: Replication }): readonly Join[] {
  const { keys } = context
  const taken = facts.filter((fact) => isTaken(fact, home))
  const sessions = Map.groupBy(
    taken.filter((fact) => sessionOf(fact) !== undefined),
    (fact) => sessionOf(fact) as SessionId
  )
  return [
    ...[...sessions].map(([id, about]) => ({
      bucket: keys.ofSession(id),
      join: () => applySession(context, id, about as readonly SessionFact[], { nowMs, home })
    })),
    ...taken.flatMap((fact): readonly Join[] => {
      if (fact.kind === 'run') return [{ bucket: keys.ofSession(fact.run.sessionId), join: () => applyRun(context, fact) }]
      const bucket = bucketOfServiceFact(keys, fact)
      return bucket === undefined ? [] : [{ bucket, join: () => applyServiceFact(context, fact, nowMs) }]
    })
  ]
}

interface ReadState {
  readonly state: SessionState
  /** What the state was read from: the version of the session, the text of what waits for it. */
  readonly version: string
  readonly guard: string
}

async function readState(context: RedisContext, id: SessionId): Promise<ReadState> {
  const { shards, keys } = context
  const bucket = keys.ofSession(id)
  const [stored, participants, ending, guard] = await Promise.all([
    readStored(context, id),
    readParticipants(context, id),
    shards.read(bucket, 'HGET', `s:${id}`, 'ef'),
    shards.read(bucket, 'GET', `g:${id}`)
  ])
  const text = guard === null ? '' : String(guard)
  if (stored === undefined) return { state: text === '' ? noSessionState : readGuard(text), version: '', guard: text }
  const { session, keepUntilMs } = stored
  const state: SessionState = {
    session,
    participants: byParticipant(participants),
    late: new Set(),
    ...(keepUntilMs === undefined ? {} : { keepUntilMs }),
    ...(ending === null ? {} : { ending: JSON.parse(String(ending)) as EndedFact })
  }
  return { state, version: String(session.version), guard: text }
}

function readGuard(text: string): SessionState {
  const { participants, ...rest } = JSON.parse(text) as Omit<SessionState, 'participants' | 'late'> & { readonly participants: readonly Participant[] }
  return { ...rest, participants: byParticipant(participants), late: new Set() }
}

function byParticipant(participants: readonly Participant[]): ReadonlyMap<ParticipantId, Participant> {
  return new Map(participants.map((one) => [one.id, one]))
}

interface Applying {
  readonly nowMs: number
  readonly home: Home
}

const foreign = { isEnding: true, isForeign: true }

async function applySession(context: RedisContext, id: SessionId, facts: readonly SessionFact[], { nowMs, home }: Applying): Promise<Durability> {
  const { shards, keys } = context
  for (;;) {
    const read = await readState(context, id)
    const next = facts.reduce((state, fact) => joinFact(state, fact, home.group), read.state)
    const { session } = next
    const changed = [...next.participants.values()].filter((one) => read.state.session === undefined || read.state.participants.get(one.id) !== one)
    const before = read.state.session
    const hasNewCookies = before === undefined || before.tokenHash !== session?.tokenHash
    if (session !== undefined) {
      const told = toldOf(facts)
      const led = [...next.participants.values()].filter((one) => changed.includes(one) || told.participants.has(one.id))
      const ofSession = hasNewCookies || told.isOpening ? sessionEntries(context, session) : []
      await addEntries(context, [...ofSession, ...led.flatMap((one) => participantEntries(context, id, one))], foreign)
    }
    // Known already, and perhaps only here.
    if (next === read.state) return (await shards.write(keys.ofSession(id), 'touch_copies', [], { isEnding: true })).durability
    const args = session === undefined ? guardArguments(next, nowMs) : mergeArguments(next, session, { changed, home })
    const { reply, durability } = await shards.write(keys.ofSession(id), 'merge_session', [id, read.version, read.guard, ...args], { isEnding: true })
    if (reply !== 'merged') continue
    if (before !== undefined && session !== undefined && hasNewCookies) {
      const kept = new Set(sessionEntries(context, session).map(({ key }) => key))
      await dropEntries(
        context,
        sessionEntries(context, before).filter(({ key }) => !kept.has(key))
      )
    }
    return durability
  }
}

/**
 * What of these facts something leads to. That is written once more also where they are known: a node that joined them may
 * have been too full to remember it, and be gone.
 */
function toldOf(facts: readonly SessionFact[]): { readonly isOpening: boolean; readonly participants: ReadonlySet<ParticipantId> } {
  return {
    isOpening: facts.some(({ kind }) => kind === 'opened' || kind === 'renewed'),
    participants: new Set(facts.flatMap((fact) => (fact.kind === 'participant' ? [fact.participant.id] : [])))
  }
}

function guardArguments(next: SessionState, nowMs: number): readonly string[] {
  return [String(nowMs + guardMs), JSON.stringify({ ...next, participants: [...next.participants.values()], late: [] })]
}

function mergeArguments(
  { keepUntilMs, ending, late: owed }: SessionState,
  session: NonNullable<SessionState['session']>,
  { changed, home }: { readonly changed: readonly Participant[]; readonly home: Home }
): readonly string[] {
  return [
    '',
    '',
    String(session.version),
    String(session.lastActivityAtMs),
    String(session.idleExpiresAtMs),
    String(session.expiresAtMs),
    String(dueHereAtMs(session, home)),
    placeOf(session.createdAtMs, session.id),
    sessionDoc(session),
    session.end === undefined ? '' : JSON.stringify(session.end),
    String(keepUntilMs ?? 0),
    ending === undefined ? '' : JSON.stringify(ending),
    String(changed.length),
    ...changed.flatMap((one) => [one.id, JSON.stringify(one)]),
    String(owed.size),
    ...owed
  ]
}

async function applyRun(context: RedisContext, { run }: RunFact): Promise<Durability> {
  const { shards, keys } = context
  const { id, sessionId, startedAtMs, finishedAtMs, policy, version } = run
  const again = { name: 'first', args: [`j:${id}`, sessionId] }
  await shards.write(keys.ofText(id), again.name, again.args, { ...foreign, again })
  await addEntries(context, runEntriesOf(context, run), foreign)
  // The run of a region that is gone is never done.
  const doneAtMs = finishedAtMs ?? startedAtMs + policy.deadlineMs
  const args = [id, sessionId, placeOf(startedAtMs, id), String(version), String(doneAtMs), JSON.stringify(run)]
  return (await shards.write(keys.ofSession(sessionId), 'merge_run', args, { isEnding: true })).durability
}
