import { type Fact, goneFact, grantGone, guardMs, type Replication, transactionGone } from '../fact.ts'
import { joinArtifact, type VersionedArtifact } from '../join-artifact.ts'
import type { Artifact, Durability } from '../store.ts'
import { addEntries } from './index-sets.ts'
import { type Bucket, type Keys, pair, unpair } from './keys.ts'
import { dropUnder, entriesOf } from './redis-artifacts.ts'
import { maybeTexts, type RedisContext, texts } from './redis-context.ts'
import type { Reply } from './link.ts'

/** Where a fact that stands by itself is joined; undefined for those about sessions, runs and revocations, which are joined elsewhere. */
export function bucketOfServiceFact(keys: Keys, fact: Fact): Bucket | undefined {
  switch (fact.kind) {
    case 'opened':
    case 'participant':
    case 'active':
    case 'renewed':
    case 'ended':
    case 'run':
    case 'revoked':
      return undefined
    case 'replay':
      return keys.ofText(pair(fact.issuer, fact.id))
    case 'failed-sign-in':
    case 'sign-ins-cleared':
      return keys.ofText(fact.userKey)
    case 'transaction':
    case 'transaction-taken':
      return keys.ofText(fact.key)
    case 'artifact':
      return keys.ofText(pair(fact.artifact.kind, fact.artifact.id))
    case 'artifact-dropped':
      return keys.ofText(pair(fact.of, fact.id))
    case 'grant-dropped':
      return keys.ofText(fact.grantId)
  }
}

/** Joins a fact that stands by itself. */
export async function applyServiceFact(context: RedisContext, fact: Fact, nowMs: number): Promise<Durability> {
  const { shards, keys, teller } = context
  const write = async (bucket: Bucket, name: string, args: readonly string[]): Promise<Durability> =>
    (await shards.write(bucket, name, args, { isEnding: true })).durability
  switch (fact.kind) {
    case 'opened':
    case 'participant':
    case 'active':
    case 'renewed':
    case 'ended':
    case 'run':
    case 'revoked':
      return 'replicated'
    case 'replay': {
      const name = pair(fact.issuer, fact.id)
      return write(keys.ofText(name), 'replay', [name, String(fact.untilMs), '0', ''])
    }
    case 'failed-sign-in': {
      const { userKey, origin, number, atMs, untilMs } = fact
      return write(keys.ofText(userKey), 'merge_failure', [userKey, teller.group, origin, String(number), String(atMs), String(untilMs)])
    }
    case 'sign-ins-cleared': {
      const { userKey, upTo, untilMs } = fact
      const entries = Object.entries(upTo)
      const args = [
        userKey,
        teller.group,
        String(Math.max(untilMs, nowMs + guardMs)),
        String(entries.length),
        ...entries.flatMap(([origin, n]) => [origin, String(n)])
      ]
      return write(keys.ofText(userKey), 'merge_cleared', args)
    }
    case 'transaction':
      return write(keys.ofText(fact.key), 'merge_tx', [fact.key, pair(transactionGone, fact.key), String(fact.untilMs), JSON.stringify(fact.value) ?? 'null'])
    case 'transaction-taken':
      return write(keys.ofText(fact.key), 'merge_tx_taken', [fact.key, pair(transactionGone, fact.key), String(Math.max(fact.untilMs, nowMs + guardMs))])
    case 'artifact':
      return applyArtifact(context, fact)
    case 'artifact-dropped': {
      const name = pair(fact.of, fact.id)
      const durability = await write(keys.ofText(name), 'gone', [name, String(Math.max(fact.untilMs, nowMs + guardMs)), ''])
      await dropUnder(context, [name], '')
      return durability
    }
    case 'grant-dropped': {
      const name = pair(grantGone, fact.grantId)
      // The mark first: whatever comes under the grant from now on sees it.
      const durability = await write(keys.ofText(fact.grantId), 'gone', [name, String(Math.max(fact.untilMs, nowMs + guardMs)), ''])
      const under = texts(await shards.read(keys.ofText(fact.grantId), 'SMEMBERS', `ig:${fact.grantId}`))
      await dropUnder(context, under, fact.grantId)
      return durability
    }
  }
}

async function applyArtifact(context: RedisContext, fact: VersionedArtifact): Promise<Durability> {
  const { shards, keys } = context
  const { kind, id, grantId } = fact.artifact
  const name = pair(kind, id)
  const bucket = keys.ofText(name)
  let durability: Durability = 'local'
  for (;;) {
    const known = await readVersioned(context, name, bucket)
    const { artifact, version } = joinArtifact(known?.stored, fact)
    await addEntries(context, entriesOf(context, artifact), { isEnding: true, isForeign: true })
    const args = [
      name,
      known?.text ?? '   ',
      String(version),
      String(artifact.untilMs),
      JSON.stringify(artifact.value) ?? 'null',
      artifact.consumedAtMs === undefined ? '' : String(artifact.consumedAtMs),
      artifact.grantId ?? '',
      artifact.sessionId ?? ''
    ]
    const written = await shards.write(bucket, 'merge_artifact', args, { isEnding: true })
    durability = written.durability
    if (written.reply !== 'changed') break
  }
  // Looked at after writing: a grant that was dropped meanwhile takes this with it.
  if (grantId !== undefined && (await shards.read(keys.ofText(grantId), 'EXISTS', `z:${pair(grantGone, grantId)}`)) === 1)
    await dropUnder(context, [name], grantId)
  return durability
}

/** The artifact of a name and the text that tells whether it changed. */
async function readVersioned(
  { shards }: RedisContext,
  name: string,
  bucket: Bucket
): Promise<{ readonly stored: VersionedArtifact; readonly text: string } | undefined> {
  const [version, until, consumed, doc, grantId, sessionId] = maybeTexts(await shards.read(bucket, 'HMGET', `a:${name}`, 'n', 'u', 'c', 'd', 'g', 's'))
  if (doc === undefined) return undefined
  const [kind, id] = unpair(name)
  const artifact: Artifact = {
    kind,
    id,
    untilMs: Number(until),
    value: JSON.parse(doc) as unknown,
    ...(grantId === undefined ? {} : { grantId }),
    ...(sessionId === undefined ? {} : { sessionId: sessionId as NonNullable<Artifact['sessionId']> }),
    ...(consumed === undefined ? {} : { consumedAtMs: Number(consumed) })
  }
  return { stored: { artifact, version: Number(version ?? 1) }, text: [version, until, consumed, doc].map((field) => field ?? '').join(' ') }
}

/** Lists of every bucket that name what is not a session or a run. */
const lists = ['vx', 'yx', 'lx', 'lcx', 'ax', 'tx', 'zx'] as const

/** One list of one bucket after the other; a place is the number of the pair and where in the list. */
export async function servicesPage(
  context: RedisContext,
  replication: Replication,
  place: string | undefined,
  max: number
): Promise<{ readonly facts: readonly Fact[]; readonly place?: string }> {
  const { buckets } = context.keys
  const [index = '0', offset = '0'] = (place ?? '0 0').split(' ')
  const [list, bucket] = [lists[Math.floor(Number(index) / buckets.length)], buckets[Number(index) % buckets.length]]
  if (list === undefined || bucket === undefined) return { facts: [] }
  const [next, page] = (await context.shards.read(bucket, 'ZSCAN', list, offset, 'COUNT', String(max))) as readonly [string, Reply]
  const found = texts(page)
  const members = found.filter((_, i) => i % 2 === 0)
  const scores = found.filter((_, i) => i % 2 === 1)
  const facts = await Promise.all(members.map((member, i) => factsOf(context, replication, { list, bucket, member, untilMs: Number(scores[i]) })))
  const isLast = next === '0' && Number(index) + 1 === lists.length * buckets.length
  return { facts: facts.flat(), ...(isLast ? {} : { place: next === '0' ? `${Number(index) + 1} 0` : `${index} ${next}` }) }
}

interface Listed {
  readonly list: (typeof lists)[number]
  readonly bucket: Bucket
  readonly member: string
  readonly untilMs: number
}

async function factsOf(context: RedisContext, { artifacts, group }: Replication, { list, bucket, member, untilMs }: Listed): Promise<readonly Fact[]> {
  const { shards } = context
  switch (list) {
    case 'vx': {
      const [until, at] = maybeTexts(await shards.read(bucket, 'HMGET', `v:${member}`, 'u', 'a'))
      return until === undefined ? [] : [{ kind: 'revoked', service: 'revocations', sri: member, untilMs: Number(until), atMs: Number(at) }]
    }
    case 'yx': {
      const [issuer, id] = unpair(member)
      return [{ kind: 'replay', service: 'assertionReplay', issuer, id, untilMs }]
    }
    case 'lx': {
      const at = member.lastIndexOf('\0')
      const [userKey, name] = [member.slice(0, at), member.slice(at + 1)]
      const atMs = await shards.read(bucket, 'ZSCORE', `l:${userKey}`, name)
      if (atMs === null) return []
      const colon = name.indexOf(':')
      const [origin, number] = colon < 0 ? [group, Number(name)] : [name.slice(0, colon), Number(name.slice(colon + 1))]
      return [{ kind: 'failed-sign-in', service: 'accountLocking', userKey, origin, number, atMs: Number(atMs), untilMs }]
    }
    case 'lcx': {
      const fields = texts(await shards.read(bucket, 'HGETALL', `lc:${member}`))
      const pairs = fields.flatMap((origin, i) => (i % 2 === 0 && origin !== '' ? [[origin, Number(fields[i + 1])] as const] : []))
      return [{ kind: 'sign-ins-cleared', service: 'accountLocking', userKey: member, upTo: Object.fromEntries(pairs), untilMs }]
    }
    case 'ax': {
      const service = artifacts[unpair(member)[0]]
      const known = service === undefined ? undefined : await readVersioned(context, member, bucket)
      return service === undefined || known === undefined ? [] : [{ kind: 'artifact', service, ...known.stored }]
    }
    case 'tx': {
      const [until, doc] = maybeTexts(await shards.read(bucket, 'HMGET', `t:${member}`, 'u', 'd'))
      if (doc === undefined) return []
      return [{ kind: 'transaction', service: 'transactions', key: member, value: JSON.parse(doc) as unknown, untilMs: Number(until) }]
    }
    case 'zx': {
      const [kind, id] = unpair(member)
      return [goneFact(kind, id, untilMs, artifacts)]
    }
  }
}
