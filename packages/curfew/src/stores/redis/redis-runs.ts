import { createHash } from 'node:crypto'
import type { DeliveryId, RunId } from '../../core/ids.ts'
import type { Effect, LogoutRun } from '../../core/run.ts'
import { newestFirst, readCursor, writeCursor } from '../cursor.ts'
import { messagesOf } from '../facts.ts'
import type { Ack, ClaimedEffect, EffectClaim, Page, RunCommit, RunQuery, Store } from '../store.ts'
import { isWantedRun } from '../wanted.ts'
import { membersOf, placeOf } from './index-sets.ts'
import { type Bucket, pair, unpair } from './keys.ts'
import { newest, type Source } from './newest.ts'
import { ofAll, type RedisContext, texts } from './redis-context.ts'
import { bucketOfEffect, dropRunEntries, effectArguments, effectText, finishedText, indexMessages, readRun, sessionOfRun } from './redis-run-rows.ts'

type RunCalls = Pick<Store, 'getRun' | 'listRuns' | 'findOpenRunByToken' | 'findByMessage' | 'commitRun' | 'claimEffects' | 'releaseEffects' | 'nextEffectAtMs'>

export function redisRuns(context: RedisContext): RunCalls {
  return {
    getRun: (runId) => readRun(context, runId),
    listRuns: (query) => listRuns(context, query),
    async findOpenRunByToken(tokenHash) {
      const ids = await membersOf(context, 'jk', tokenHash)
      const runs = await Promise.all(ids.map((id) => readRun(context, id as RunId)))
      return runs.filter((run) => run?.state === 'open' && run.tokenHash === tokenHash).sort((a, b) => newestFirst(placeIn(a), placeIn(b)))[0]
    },
    findByMessage: (peerId, messageId) => findByMessage(context, pair(peerId, messageId)),
    commitRun: (commit) => commitRun(context, commit),
    claimEffects: (claim) => claimEffects(context, claim),
    async releaseEffects(owner) {
      const answers = await ofAll(context, (bucket) => context.shards.write(bucket, 'release', [owner], { isEnding: true }))
      const value = answers.reduce((sum, { reply }) => sum + Number(reply), 0)
      return { value, durability: answers[0]?.durability ?? 'local' }
    },
    async nextEffectAtMs() {
      const heads = await ofAll(context, async (bucket) => Number(texts(await context.shards.read(bucket, 'ZRANGE', 'ready', '0', '0', 'WITHSCORES'))[1]))
      const known = heads.filter((at) => !Number.isNaN(at))
      return known.length === 0 ? undefined : Math.min(...known)
    }
  }
}

async function findByMessage(context: RedisContext, name: string): Promise<{ readonly runId: RunId; readonly deliveryId: string } | undefined> {
  const found = await context.shards.read(context.keys.ofText(name), 'GET', `m:${name}`)
  if (found === null) return undefined
  const [runId, deliveryId] = unpair(String(found))
  return { runId: runId as RunId, deliveryId: deliveryId as DeliveryId }
}

async function commitRun(context: RedisContext, { run, before, effects, settled }: RunCommit): Promise<Ack<'committed' | 'changed' | 'unknown'>> {
  const sessionId = await sessionOfRun(context, run.id)
  if (sessionId === undefined) return { value: 'unknown', durability: 'local' }
  const bucket = context.keys.ofSession(sessionId)
  const own = settled.filter((id) => id > 0 && bucketOfEffect(context, id) === bucket.index).map(effectText)
  const doc = JSON.stringify(run)
  const args = [
    run.id,
    String(run.version),
    run.state,
    finishedText(run),
    doc,
    String(context.keys.buckets.length),
    String(bucket.index),
    run.state === 'done' ? context.teller.fact({ kind: 'run', service: 'sessions', run }) : '',
    before === undefined ? '' : createHash('sha1').update(JSON.stringify(before)).digest('hex'),
    String(own.length),
    ...own,
    ...effectArguments(effects)
  ]
  const { reply, durability, isRepeat } = await context.shards.write(bucket, 'commit_run', args, {
    isEnding: true,
    // Else a copy that takes over would have the effects done once more. One that has another run by then refuses it.
    again: { name: 'commit_run', args },
    isDone: (answer) => {
      const [is, has] = texts(answer)
      return is === 'committed' || (is === 'changed' && has === doc)
    }
  })
  const [word, stored] = texts(reply)
  const value = word === 'changed' && isRepeat && stored === doc ? 'committed' : (word as 'committed' | 'changed' | 'unknown')
  // The message of an attempt leaves only after this call: whoever answers it finds the entry.
  if (value === 'committed') await indexMessages(context, run)
  return { value, durability }
}

async function claimEffects(context: RedisContext, { owner, nowMs, leaseMs, max }: EffectClaim): Promise<readonly ClaimedEffect[]> {
  const heads = await ofAll(context, async (bucket) => ({
    bucket,
    atMs: Number(texts(await context.shards.read(bucket, 'ZRANGE', 'ready', '0', '0', 'WITHSCORES'))[1])
  }))
  const due = heads.filter(({ atMs }) => atMs <= nowMs).sort((a, b) => a.atMs - b.atMs)
  const claimed: ClaimedEffect[] = []
  for (const { bucket } of due) {
    if (claimed.length >= max) break
    const { reply } = await context.shards.write(bucket, 'claim', [owner, String(nowMs), String(nowMs + leaseMs), String(max - claimed.length)], {
      isEnding: true
    })
    const found = texts(reply)
    for (let i = 0; i + 2 < found.length; i += 3) {
      claimed.push({ id: Number(found[i]), runId: found[i + 1] as RunId, effect: JSON.parse(found[i + 2] ?? '') as Effect })
    }
    await rememberPlaces(context, bucket, claimed)
  }
  return claimed
}

/** A run lies in the bucket of its effects: it is carried on also where the entry that leads to it was lost. */
async function rememberPlaces(context: RedisContext, bucket: Bucket, claimed: readonly ClaimedEffect[]): Promise<void> {
  const fresh = [...new Set(claimed.map(({ runId }) => runId))].filter((runId) => !context.runSessions.has(runId))
  await Promise.all(
    fresh.map(async (runId) => {
      const doc = await context.shards.read(bucket, 'HGET', `r:${runId}`, 'd')
      if (doc !== null) context.runSessions.set(runId, (JSON.parse(String(doc)) as LogoutRun).sessionId)
    })
  )
}

/** Runs one call of the list looks at; fewer than sessions, their documents are larger. */
const scannedMax = 2_000

async function listRuns(context: RedisContext, query: RunQuery): Promise<Page<LogoutRun>> {
  const after = readCursor(query.cursor)
  const items: LogoutRun[] = []
  let looked = 0
  for await (const place of candidates(context, query, after)) {
    if (query.sinceMs !== undefined && place.atMs < query.sinceMs) break
    const run = await readRun(context, place.id as RunId)
    if (run !== undefined && isWantedRun(run, query)) {
      const last = items.at(-1)
      if (items.length === query.limit && last !== undefined) return { items, nextCursor: writeCursor(placeIn(last)) }
      items.push(run)
    }
    looked += 1
    if (looked === scannedMax) return { items, nextCursor: writeCursor(place) }
  }
  return { items }
}

async function* candidates(context: RedisContext, query: RunQuery, after: ReturnType<typeof readCursor>): AsyncGenerator<{ atMs: number; id: string }> {
  const { sessionId, username } = query
  if (sessionId !== undefined) {
    const ids = texts(await context.shards.read(context.keys.ofSession(sessionId), 'SMEMBERS', `rs:${sessionId}`))
    const runs = await Promise.all(ids.map((id) => readRun(context, id as RunId)))
    const places = runs.filter((run) => run !== undefined).map(placeIn)
    yield* places.sort(newestFirst).filter((place) => newestFirst(after, place) < 0)
    return
  }
  const sources: readonly Source[] =
    username === undefined
      ? context.keys.buckets.map((bucket) => ({ bucket, key: 'runs' }))
      : [{ bucket: context.keys.ofText(username), key: `jn:${username}` }]
  yield* newest(context, sources, after, query.limit + 1)
}

/** Removes a run that was done before, with everything that leads to it; also one whose place nobody knows any more. */
export async function purgeRun(
  context: RedisContext,
  runId: RunId,
  { bucket, finishedBeforeMs }: { readonly bucket: Bucket; readonly finishedBeforeMs: number }
): Promise<number> {
  const doc = await context.shards.read(bucket, 'HGET', `r:${runId}`, 'd')
  if (doc === null) {
    // It would stand in the way of those after it for ever.
    await context.shards.write(bucket, 'list_drop', ['done', runId], { isEnding: true })
    return 1
  }
  const run = JSON.parse(String(doc)) as LogoutRun
  const args = [runId, run.sessionId, placeOf(run.startedAtMs, runId), String(finishedBeforeMs)]
  const { reply } = await context.shards.write(bucket, 'purge_run', args, { isEnding: true })
  if (Number(reply) === 0) return 0
  await Promise.all([
    dropRunEntries(context, run),
    ...[...messagesOf(run)].map(({ peerId, messageId, deliveryId }) => {
      const name = pair(peerId, messageId)
      return context.shards.write(context.keys.ofText(name), 'drop_if', [`m:${name}`, pair(runId, deliveryId)], { isEnding: true })
    })
  ])
  return 1
}

function placeIn(run: { readonly startedAtMs: number; readonly id: string } | undefined): { readonly atMs: number; readonly id: string } {
  return { atMs: run?.startedAtMs ?? 0, id: run?.id ?? '' }
}
