import type { Artifact, Durability, Store } from '../store.ts'
import { grantGone } from '../fact.ts'
import { createCallNames } from './call-names.ts'
import { addEntries, dropEntries, type IndexEntry, membersOf } from './index-sets.ts'
import { pair, unpair } from './keys.ts'
import { maybeTexts, type RedisContext, texts, weakest } from './redis-context.ts'
import type { RedisTeller } from './redis-teller.ts'
import type { Answer } from './shards.ts'

type ArtifactCalls = Pick<Store, 'putArtifact' | 'getArtifact' | 'consumeArtifact' | 'dropArtifact' | 'dropGrant' | 'artifactsOf' | 'artifactsOfGrant'>

/** From this format on every node says when it puts something. */
const datedFormat = 3

/**
 * @param token - tells this process from every other; never used twice
 * @param format - the format that is written now, as far as this process has heard
 */
export function redisArtifacts(context: RedisContext, token: string, format: () => number): ArtifactCalls {
  const { shards, keys, teller } = context
  const newCall = createCallNames(token)
  return {
    async putArtifact(artifact, { isEnding = false } = {}) {
      const { kind, id, grantId, sessionId, untilMs, value, consumedAtMs } = artifact
      const name = pair(kind, id)
      await addEntries(context, entriesOf(context, artifact))
      const args = [
        name,
        String(untilMs),
        JSON.stringify(value) ?? 'null',
        consumedAtMs === undefined ? '' : String(consumedAtMs),
        grantId ?? '',
        sessionId ?? '',
        teller.artifact(kind, id),
        newCall()
      ]
      const bucket = keys.ofText(name)
      const { durability } = isEnding ? await putEnding(context, name, args, format() >= datedFormat) : await shards.write(bucket, 'artifact_put', args)
      return { value: 'stored', durability }
    },
    getArtifact: (kind, id, nowMs) => readArtifact(context, pair(kind, id), nowMs),
    async consumeArtifact(kind, id, nowMs) {
      const name = pair(kind, id)
      const args = [name, String(nowMs), teller.artifact(kind, id)]
      const { reply, durability } = await shards.write(keys.ofText(name), 'artifact_consume', [...args, newCall()], {
        again: { name: 'artifact_consume', args }
      })
      return { value: reply as 'consumed' | 'already' | 'unknown', durability }
    },
    async dropArtifact(kind, id) {
      const { isDropped, durability } = await drop(context, pair(kind, id), { fact: dropFact(teller, kind, id) })
      return { value: isDropped ? 'dropped' : 'unknown', durability }
    },
    async dropGrant(grantId) {
      const names = await membersOf(context, 'ig', grantId)
      const told = await tellGrant(context, grantId, names)
      const answers = await Promise.all(names.map((name) => drop(context, name, { grantId })))
      await dropEntries(
        context,
        names.map((member) => ({ bucket: keys.ofText(grantId), key: `ig:${grantId}`, member }))
      )
      const durability = answers.length === 0 ? 'local' : weakest([...told, ...answers.map((answer) => answer.durability)])
      return { value: answers.filter(({ isDropped }) => isDropped).length, durability }
    },
    async artifactsOf(sessionId, kind, nowMs, max) {
      const found = await Promise.all((await membersOf(context, 'is', pair(sessionId, kind))).map((name) => readArtifact(context, name, nowMs)))
      return found
        .filter((artifact) => artifact !== undefined)
        .filter((artifact) => artifact.sessionId === sessionId)
        .sort((a, b) => (a.id < b.id ? -1 : 1))
        .slice(0, max)
    },
    async artifactsOfGrant(grantId, kind, nowMs, max) {
      const names = (await membersOf(context, 'ig', grantId)).filter((name) => name.startsWith(pair(kind, '')))
      const found = await Promise.all(names.map((name) => readArtifact(context, name, nowMs)))
      return found
        .filter((artifact) => artifact !== undefined)
        .filter((artifact) => artifact.grantId === grantId)
        .sort((a, b) => (a.id < b.id ? -1 : 1))
        .slice(0, max)
    }
  }
}

/**
 * Puts what says that something ended. Where too few copies know that, it is put again until they do: else what it took the
 * place of would be good again with a copy that takes over. One that was put in its own place since stays.
 * @param isDated - no node is left that does not say when it puts something: whatever does not say so was there before
 */
async function putEnding({ shards, keys }: RedisContext, name: string, args: readonly string[], isDated: boolean): Promise<Answer> {
  const bucket = keys.ofText(name)
  const former = await shards.read(bucket, 'HGET', `a:${name}`, 'd')
  return shards.write(bucket, 'artifact_end', args, {
    isEnding: true,
    again: (answer) => ({ name: 'artifact_end_again', args: [...args, ...texts(answer), former === null ? '' : String(former), isDated ? '1' : ''] })
  })
}

function dropFact(teller: RedisTeller, kind: string, id: string): string {
  const service = teller.artifactService(kind)
  return service === undefined ? '' : teller.beginning({ kind: 'artifact-dropped', service, of: kind, id })
}

/** The fact comes before what it says is done: a crash between leaves a grant whose end the other regions know, too. */
async function tellGrant(context: RedisContext, grantId: string, names: readonly string[]): Promise<readonly Durability[]> {
  const { shards, keys, teller } = context
  if (!teller.isTold('referenceTokens') || names.length === 0) return []
  const found = (await Promise.all(names.map((name) => readArtifact(context, name, 0)))).filter((one) => one?.grantId === grantId)
  if (found.length === 0) return []
  const untilMs = Math.max(...found.map((one) => one?.untilMs ?? 0))
  const args = [pair(grantGone, grantId), String(untilMs), teller.fact({ kind: 'grant-dropped', service: 'referenceTokens', grantId, untilMs })]
  return [(await shards.write(keys.ofText(grantId), 'gone', args, { isEnding: true, again: { name: 'gone', args } })).durability]
}

/** Drops artifacts of these names, as another region told; `grantId`: only those under it, empty for any. */
export async function dropUnder(context: RedisContext, names: readonly string[], grantId: string): Promise<void> {
  for (const name of names) await drop(context, name, { grantId, isForeign: true })
}

interface Dropping {
  /** Only when it is under this grant; absent or empty: under any. */
  readonly grantId?: string
  /** What other regions are told; absent or empty: nothing. */
  readonly fact?: string
  /** Another region told it. */
  readonly isForeign?: boolean
}

/**
 * Drops an artifact, with what leads to it. Where too few copies know that, it is dropped again until they do: else a token
 * that was revoked would be good again with a copy that takes over. One that was put in its place since stays.
 */
async function drop(
  context: RedisContext,
  name: string,
  { grantId = '', fact = '', isForeign = false }: Dropping
): Promise<{ readonly isDropped: boolean; readonly durability: Durability }> {
  const { shards, keys } = context
  const bucket = keys.ofText(name)
  const [known, made] = await Promise.all([readArtifact(context, name, 0), shards.read(bucket, 'HGET', `a:${name}`, 'i')])
  const args = [name, grantId, fact, '']
  const { reply, durability, isRepeat } = await shards.write(bucket, 'artifact_drop', args, {
    isEnding: true,
    isForeign,
    again: { name: 'artifact_drop', args: [...args.slice(0, 3), made === null ? '' : String(made)] },
    // It was there, and after a lost answer it may be gone by this very call.
    isDone: (answer) => Number(answer) === 1 || known !== undefined
  })
  if (known !== undefined) await dropEntries(context, entriesOf(context, known))
  const wasUnder = known !== undefined && (grantId === '' || known.grantId === grantId)
  return { isDropped: Number(reply) === 1 || (isRepeat && wasUnder), durability }
}

/** The artifact of a name (kind and id). */
async function readArtifact({ shards, keys }: RedisContext, name: string, nowMs: number): Promise<Artifact | undefined> {
  const [until, doc, consumed, grantId, sessionId] = maybeTexts(await shards.read(keys.ofText(name), 'HMGET', `a:${name}`, 'u', 'd', 'c', 'g', 's'))
  if (doc === undefined || Number(until) <= nowMs) return undefined
  const [kind, id] = unpair(name)
  return {
    kind,
    id,
    ...(grantId === undefined ? {} : { grantId }),
    ...(sessionId === undefined ? {} : { sessionId: sessionId as NonNullable<Artifact['sessionId']> }),
    untilMs: Number(until),
    value: JSON.parse(doc) as unknown,
    ...(consumed === undefined ? {} : { consumedAtMs: Number(consumed) })
  }
}

export function entriesOf({ keys }: RedisContext, { kind, id, grantId, sessionId }: Artifact): readonly IndexEntry[] {
  const member = pair(kind, id)
  const ofSession = sessionId === undefined ? undefined : pair(sessionId, kind)
  return [
    ...(grantId === undefined ? [] : [{ bucket: keys.ofText(grantId), key: `ig:${grantId}`, member }]),
    ...(ofSession === undefined ? [] : [{ bucket: keys.ofText(ofSession), key: `is:${ofSession}`, member }])
  ]
}

/** Removes an artifact past its time, with everything that leads to it. */
export async function purgeArtifact(context: RedisContext, name: string, nowMs: number): Promise<number> {
  const known = await readArtifact(context, name, 0)
  const { reply } = await context.shards.write(context.keys.ofText(name), 'purge_timed', ['a:', 'ax', name, String(nowMs)], { isEnding: true })
  if (Number(reply) === 1 && known !== undefined) await dropEntries(context, entriesOf(context, known))
  return Number(reply)
}
