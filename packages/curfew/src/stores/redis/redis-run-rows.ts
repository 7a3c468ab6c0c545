import type { RunId, SessionId } from '../../core/ids.ts'
import type { Effect, LogoutRun } from '../../core/run.ts'
import { messagesOf } from '../facts.ts'
import type { Durability } from '../store.ts'
import { storeError } from '../store-error.ts'
import { dropEntries, type IndexEntry, placeOf } from './index-sets.ts'
import { type Bucket, padded, pair } from './keys.ts'
import type { RedisContext } from './redis-context.ts'

/** The arguments that every function takes for a new run. */
export function runArguments({ keys }: Pick<RedisContext, 'keys'>, bucket: Bucket, run: LogoutRun, effects: readonly Effect[]): readonly string[] {
  return [
    run.id,
    run.sessionId,
    placeOf(run.startedAtMs, run.id),
    String(run.version),
    run.state,
    finishedText(run),
    JSON.stringify(run),
    String(keys.buckets.length),
    String(bucket.index),
    ...effectArguments(effects)
  ]
}

export function effectArguments(effects: readonly Effect[]): readonly string[] {
  return [String(effects.length), ...effects.flatMap((effect) => [String(effect.dueAtMs), JSON.stringify(effect)])]
}

/** When a run was done, empty while it is open. */
export function finishedText({ state, finishedAtMs }: LogoutRun): string {
  return state === 'done' && finishedAtMs !== undefined ? String(finishedAtMs) : ''
}

export function runEntriesOf({ keys }: Pick<RedisContext, 'keys'>, run: LogoutRun): readonly IndexEntry[] {
  const { id, tokenHash, username, startedAtMs } = run
  return [
    { bucket: keys.ofText(tokenHash), key: `jk:${tokenHash}`, member: id },
    { bucket: keys.ofText(username), key: `jn:${username}`, member: placeOf(startedAtMs, id), isList: true }
  ]
}

/** Every effect has a number of its own in the whole store, and its bucket is in it. */
export function effectText(id: number): string {
  return padded(id)
}

export function bucketOfEffect({ keys }: Pick<RedisContext, 'keys'>, id: number): number {
  return (id - 1) % keys.buckets.length
}

/** Where a run is: with its session. Remembered, because it never changes. */
export async function sessionOfRun(context: RedisContext, runId: RunId): Promise<SessionId | undefined> {
  const known = context.runSessions.get(runId)
  if (known !== undefined) return known
  const found = await context.shards.read(context.keys.ofText(runId), 'GET', `j:${runId}`)
  if (found === null) return undefined
  const sessionId = String(found) as SessionId
  context.runSessions.set(runId, sessionId)
  return sessionId
}

export async function readRun(context: RedisContext, runId: RunId): Promise<LogoutRun | undefined> {
  const sessionId = await sessionOfRun(context, runId)
  if (sessionId === undefined) return undefined
  const doc = await context.shards.read(context.keys.ofSession(sessionId), 'HGET', `r:${runId}`, 'd')
  return doc === null ? undefined : (JSON.parse(String(doc)) as LogoutRun)
}

/**
 * Says where a run will be, before it is there.
 * @throws CURFEW_STORE_RUN_EXISTS when the id belongs to a run of another session
 */
export async function claimRunId(context: RedisContext, run: LogoutRun): Promise<Durability> {
  const known = await context.shards.read(context.keys.ofText(run.id), 'GET', `j:${run.id}`)
  if (known !== null && String(known) !== run.sessionId) {
    const at = context.keys.ofSession(String(known) as SessionId)
    if ((await context.shards.read(at, 'EXISTS', `r:${run.id}`)) !== 0) throw storeError('CURFEW_STORE_RUN_EXISTS', { runId: run.id })
  }
  context.runSessions.delete(run.id)
  if (known !== null && String(known) === run.sessionId) return 'replicated'
  const again = { name: 'put', args: [`j:${run.id}`, run.sessionId] }
  return (await context.shards.write(context.keys.ofText(run.id), again.name, again.args, { isEnding: true, again })).durability
}

/**
 * Takes back what was written to lead to a run that was not opened after all: somebody else was first, or the plan came too
 * late. Looked at first, because after a lost answer it may be there.
 */
export async function dropUnopened(context: RedisContext, run: LogoutRun): Promise<void> {
  if (!(await isRunThere(context, run))) await dropRunEntries(context, run)
}

export async function isRunThere(
  { shards, keys }: Pick<RedisContext, 'shards' | 'keys'>,
  { id, sessionId }: Pick<LogoutRun, 'id' | 'sessionId'>
): Promise<boolean> {
  return Number(await shards.read(keys.ofSession(sessionId), 'EXISTS', `r:${id}`)) === 1
}

/** Removes what leads to a run. */
export async function dropRunEntries(context: RedisContext, run: LogoutRun): Promise<void> {
  await Promise.all([
    dropEntries(context, runEntriesOf(context, run)),
    context.shards.write(context.keys.ofText(run.id), 'drop_if', [`j:${run.id}`, run.sessionId], { isEnding: true })
  ])
  context.runSessions.delete(run.id)
}

/** Makes every attempt findable by its message id; the first run that used an id keeps it. */
export async function indexMessages(context: RedisContext, run: LogoutRun, known?: LogoutRun): Promise<void> {
  const before = new Set(known === undefined ? [] : [...messagesOf(known)].map(({ peerId, messageId }) => pair(peerId, messageId)))
  const fresh = [...messagesOf(run)].filter(({ peerId, messageId }) => !before.has(pair(peerId, messageId)))
  await Promise.all(
    fresh.map(({ peerId, messageId, deliveryId }) => {
      const name = pair(peerId, messageId)
      const again = { name: 'first', args: [`m:${name}`, pair(run.id, deliveryId)] }
      return context.shards.write(context.keys.ofText(name), again.name, again.args, { isEnding: true, again })
    })
  )
}
