import type { ParticipantId, SessionId } from '../../core/ids.ts'
import type { Participant } from '../../core/participant.ts'
import type { Session, SessionEnd } from '../../core/session.ts'
import { inJoinOrder } from '../facts.ts'
import type { Reply } from './link.ts'
import { maybeTexts, type RedisContext, texts } from './redis-context.ts'

/** What never changes of a session, as text. */
export function sessionDoc({ version: _v, lastActivityAtMs: _a, idleExpiresAtMs: _i, end: _e, ...rest }: Session): string {
  return JSON.stringify(rest)
}

/** A session as stored, with what is beside its document. */
export interface StoredSession {
  readonly session: Session
  readonly keepUntilMs?: number
  /** Until when its SRI is revoked by its own end; only while that is not on the list yet. */
  readonly revokedUntilMs?: number
}

export async function readStored({ shards, keys }: Pick<RedisContext, 'shards' | 'keys'>, id: SessionId): Promise<StoredSession | undefined> {
  const reply = await shards.read(keys.ofSession(id), 'HMGET', `s:${id}`, 'v', 'a', 'i', 'e', 'k', 'r', 'd')
  return storedOf(reply)
}

function storedOf(reply: Reply): StoredSession | undefined {
  const [version, last, idle, end, keep, revoked, doc] = maybeTexts(reply)
  if (doc === undefined) return undefined
  const fixed = JSON.parse(doc) as Omit<Session, 'version' | 'lastActivityAtMs' | 'idleExpiresAtMs'>
  const session: Session = {
    ...fixed,
    version: Number(version),
    lastActivityAtMs: Number(last),
    idleExpiresAtMs: Number(idle),
    ...(end === undefined ? {} : { end: JSON.parse(end) as SessionEnd })
  }
  return {
    session,
    ...(keep === undefined ? {} : { keepUntilMs: Number(keep) }),
    ...(revoked === undefined ? {} : { revokedUntilMs: Number(revoked) })
  }
}

export async function readSession(context: Pick<RedisContext, 'shards' | 'keys'>, id: SessionId): Promise<Session | undefined> {
  return (await readStored(context, id))?.session
}

/** Sessions of these ids that are there. */
export async function readSessions(context: Pick<RedisContext, 'shards' | 'keys'>, ids: readonly string[]): Promise<readonly Session[]> {
  const found = await Promise.all(ids.map((id) => readSession(context, id as SessionId)))
  return found.filter((session) => session !== undefined)
}

export async function readParticipants({ shards, keys }: Pick<RedisContext, 'shards' | 'keys'>, id: SessionId): Promise<readonly Participant[]> {
  return inJoinOrder(texts(await shards.read(keys.ofSession(id), 'HVALS', `p:${id}`)).map((doc) => JSON.parse(doc) as Participant))
}

export async function readParticipant({ shards, keys }: Pick<RedisContext, 'shards' | 'keys'>, session: SessionId, id: ParticipantId): Promise<string> {
  return String((await shards.read(keys.ofSession(session), 'HGET', `p:${session}`, id)) ?? '')
}
