import type { Artifact, Store } from '../store.ts'
import { addEntries, dropEntries, type IndexEntry, membersOf } from './index-sets.ts'
import { pair } from './keys.ts'
import { maybeTexts, type RedisContext } from './redis-context.ts'

type ArtifactCalls = Pick<Store, 'putArtifact' | 'getArtifact' | 'consumeArtifact' | 'dropArtifact' | 'dropGrant' | 'artifactsOf' | 'artifactsOfGrant'>

export function redisArtifacts(context: RedisContext): ArtifactCalls {
  const { shards, keys } = context
  return {
    async putArtifact(artifact) {
      const { kind, id, grantId, sessionId, untilMs, value, consumedAtMs } = artifact
      const name = pair(kind, id)
      await addEntries(context, entriesOf(context, artifact))
      const args = [
        name,
        String(untilMs),
        JSON.stringify(value) ?? 'null',
        consumedAtMs === undefined ? '' : String(consumedAtMs),
        grantId ?? '',
        sessionId ?? ''
      ]
      const { durability } = await shards.write(keys.ofText(name), 'artifact_put', args)
      return { value: 'stored', durability }
    },
    getArtifact: (kind, id, nowMs) => readArtifact(context, pair(kind, id), nowMs),
    async consumeArtifact(kind, id, nowMs) {
      const name = pair(kind, id)
      const { reply, durability } = await shards.write(keys.ofText(name), 'artifact_consume', [name, String(nowMs)])
      return { value: reply as 'consumed' | 'already' | 'unknown', durability }
    },
    async dropArtifact(kind, id) {
      const name = pair(kind, id)
      const known = await readArtifact(context, name, 0)
      const { reply, durability } = await shards.write(keys.ofText(name), 'artifact_drop', [name, ''], { isEnding: true })
      if (known !== undefined) await dropEntries(context, entriesOf(context, known))
      return { value: Number(reply) === 0 ? 'unknown' : 'dropped', durability }
    },
    async dropGrant(grantId) {
      const names = await membersOf(context, 'ig', grantId)
      const answers = await Promise.all(names.map((name) => shards.write(keys.ofText(name), 'artifact_drop', [name, grantId], { isEnding: true })))
      await dropEntries(
        context,
        names.map((member) => ({ bucket: keys.ofText(grantId), key: `ig:${grantId}`, member }))
      )
      return { value: answers.reduce((sum, { reply }) => sum + Number(reply), 0), durability: answers[0]?.durability ?? 'local' }
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

/** The artifact of a name (kind and id). */
async function readArtifact({ shards, keys }: RedisContext, name: string, nowMs: number): Promise<Artifact | undefined> {
  const [until, doc, consumed, grantId, sessionId] = maybeTexts(await shards.read(keys.ofText(name), 'HMGET', `a:${name}`, 'u', 'd', 'c', 'g', 's'))
  if (doc === undefined || Number(until) <= nowMs) return undefined
  const at = name.indexOf(':')
  const length = Number(name.slice(0, at))
  return {
    kind: name.slice(at + 1, at + 1 + length),
    id: name.slice(at + 1 + length),
    ...(grantId === undefined ? {} : { grantId }),
    ...(sessionId === undefined ? {} : { sessionId: sessionId as NonNullable<Artifact['sessionId']> }),
    untilMs: Number(until),
    value: JSON.parse(doc) as unknown,
    ...(consumed === undefined ? {} : { consumedAtMs: Number(consumed) })
  }
}

function entriesOf({ keys }: RedisContext, { kind, id, grantId, sessionId }: Artifact): readonly IndexEntry[] {
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
