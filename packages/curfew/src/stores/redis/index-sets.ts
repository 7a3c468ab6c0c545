import type { SessionId } from '../../core/ids.ts'
import type { Participant } from '../../core/participant.ts'
import { addressesOf, type Session } from '../../core/session.ts'
import type { Durability } from '../store.ts'
import { type Bucket, padded, pair } from './keys.ts'
import { type RedisContext, texts, weakest } from './redis-context.ts'
import type { Promised } from './shards.ts'

/**
 * Looking up by something else than the id. An entry is written before the fact that it leads to and says nothing by
 * itself: whoever reads looks at the fact. So a crash between the two leaves an entry that leads nowhere.
 */
export interface IndexEntry {
  readonly bucket: Bucket
  readonly key: string
  readonly member: string
  /** A list in the order of its members, not a set. */
  readonly isList?: true
}

export function sessionEntries({ keys }: Pick<RedisContext, 'keys'>, session: Session): readonly IndexEntry[] {
  const { id, tokenHash, persistentTokenHash, userKey, username, sri, createdAtMs } = session
  const set = (text: string, key: string): IndexEntry => ({ bucket: keys.ofText(text), key, member: id })
  return [
    set(tokenHash, `ik:${tokenHash}`),
    ...(persistentTokenHash === undefined ? [] : [set(persistentTokenHash, `ip:${persistentTokenHash}`)]),
    set(userKey, `iu:${userKey}`),
    set(sri, `ir:${sri}`),
    ...addressesOf(session).map((address) => set(address, `ia:${address}`)),
    { bucket: keys.ofText(username), key: `in:${username}`, member: placeOf(createdAtMs, id), isList: true }
  ]
}

export function participantEntries({ keys }: Pick<RedisContext, 'keys'>, sessionId: SessionId, participant: Participant): readonly IndexEntry[] {
  const { peerId, nameId, sessionIndex } = participant
  const name = pair(peerId, nameId.value)
  const index = pair(peerId, sessionIndex)
  return [
    { bucket: keys.ofText(name), key: `im:${name}`, member: sessionId },
    { bucket: keys.ofText(index), key: `ix:${index}`, member: sessionId }
  ]
}

/** Where an entry stands in a list that is read newest first. */
export function placeOf(atMs: number, id: string): string {
  return `${padded(atMs)} ${id}`
}

/**
 * Writes entries and says how safe all of them are: a fact that nobody can look up is as good as lost.
 *
 * @param promised - an ending is not refused for want of copies; without a word it is one
 */
export async function addEntries(
  { shards }: Pick<RedisContext, 'shards'>,
  entries: readonly IndexEntry[],
  promised: Pick<Promised, 'isEnding' | 'isForeign'> = { isEnding: true }
): Promise<Durability> {
  const answers = await Promise.all(
    entries.map(({ bucket, key, member, isList }) => {
      const again = { name: isList ? 'list_add' : 'set_add', args: [key, member] }
      // What is no ending may be refused where the memory is full: then the plain command will do.
      if (promised.isEnding === true) return shards.write(bucket, again.name, again.args, { ...promised, again })
      return shards.writeKey(bucket, isList ? ['ZADD', key, '0', member] : ['SADD', key, member], { ...promised, again })
    })
  )
  return weakest(answers.map(({ durability }) => durability))
}

export async function dropEntries({ shards }: Pick<RedisContext, 'shards'>, entries: readonly IndexEntry[]): Promise<void> {
  await Promise.all(
    entries.map(({ bucket, key, member, isList }) => shards.write(bucket, isList ? 'list_drop' : 'set_drop', [key, member], { isEnding: true }))
  )
}

/** Members of a set that is found by its own text. */
export async function membersOf({ shards, keys }: Pick<RedisContext, 'shards' | 'keys'>, kind: string, text: string): Promise<readonly string[]> {
  return texts(await shards.read(keys.ofText(text), 'SMEMBERS', `${kind}:${text}`))
}
