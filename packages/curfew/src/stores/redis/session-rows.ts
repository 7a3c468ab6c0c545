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
  const reply = await shards.read(keys.ofSession(id), 'HMGET', `s:${id}`, ...sessionFields, 'k', 'r')
  const session = sessionOf(reply)
  if (session === undefined) return undefined
  const [keep, revoked] = maybeTexts(reply).slice(sessionFields.length)
  return {
    session,
    ...(keep === undefined ? {} : { keepUntilMs: Number(keep) }),
    ...(revoked === undefined ? {} : { revokedUntilMs: Number(revoked) })
  }
}

const sessionFields = ['v', 'a', 'i', 'e', 'd'] as const

function sessionOf(reply: Reply): Session | undefined {
  const [version, last, idle, end, doc] = reply as readonly (string | null)[]
  if (doc === undefined || doc === null) return undefined
  const session = JSON.parse(doc) as { -readonly [Name in keyof Session]: Session[Name] }
  session.version = Number(version)
  session.lastActivityAtMs = Number(last)
  session.idleExpiresAtMs = Number(idle)
  if (end !== undefined && end !== null) session.end = JSON.parse(end) as SessionEnd
  return session
}

export function readSession({ shards, keys }: Pick<RedisContext, 'shards' | 'keys'>, id: SessionId): Promise<Session | undefined> {
  return shards.read(keys.ofSession(id), 'HMGET', `s:${id}`, ...sessionFields).then(sessionOf)
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
