import type { SessionId } from '../../core/ids.ts'
import type { LateParticipants, LateRunOpening, LateStore } from '../fact-store.ts'
import type { Ack } from '../store.ts'
import { storeError } from '../store-error.ts'
import { addEntries } from './index-sets.ts'
import { ofAll, type RedisContext, texts } from './redis-context.ts'
import { claimRunId, dropUnopened, indexMessages, isRunThere, runArguments, runEntriesOf } from './redis-run-rows.ts'
import { readParticipants, readSession } from './session-rows.ts'

/** Participants that the end of their session did not know, and the run that tells them. */
export function redisLate(context: RedisContext): LateStore {
  return {
    late: (max) => late(context, max),
    openLateRun: (opening) => openLateRun(context, opening)
  }
}

async function late(context: RedisContext, max: number): Promise<readonly LateParticipants[]> {
  const { shards } = context
  const ids = await ofAll(context, async (bucket) => texts(await shards.read(bucket, 'SRANDMEMBER', 'late', String(max))))
  const found = await Promise.all(
    ids
      .flat()
      .slice(0, max)
      .map(async (text) => {
        const id = text as SessionId
        const [session, participants] = await Promise.all([readSession(context, id), readParticipants(context, id)])
        const bucket = context.keys.ofSession(id)
        const owed = new Set(texts(await shards.read(bucket, 'SMEMBERS', `late:${id}`)))
        if (session !== undefined) return [{ session, participants: participants.filter((one) => owed.has(one.id)) }]
        // Left by a former version: its session was past keeping.
        await shards.write(bucket, 'forget_late', [id], { isEnding: true })
        return []
      })
  )
  return found.flat()
}

async function openLateRun(context: RedisContext, { sessionId, participantIds, run, effects }: LateRunOpening): Promise<Ack<'opened' | 'nothing'>> {
  await claimRunId(context, run)
  await addEntries(context, runEntriesOf(context, run))
  const bucket = context.keys.ofSession(sessionId)
  const fact = context.teller.fact({ kind: 'run', service: 'sessions', run })
  const args = [sessionId, fact, String(participantIds.length), ...participantIds, ...runArguments(context, bucket, run, effects)]
  const { reply, durability, isRepeat } = await context.shards.write(bucket, 'open_late_run', args, { isEnding: true })
  if (reply === 'taken' && !isRepeat) throw storeError('CURFEW_STORE_RUN_EXISTS', { runId: run.id })
  const isOpened = reply === 'opened' || (isRepeat && (await isRunThere(context, run)))
  await (isOpened ? indexMessages(context, run) : dropUnopened(context, run))
  return { value: isOpened ? 'opened' : 'nothing', durability }
}
