import type { AuditRecord, Store } from '../store.ts'
import { transactionGone } from '../fact.ts'
import { createCallNames } from './call-names.ts'
import { membersOf } from './index-sets.ts'
import { pair } from './keys.ts'
import type { Reply } from './link.ts'
import { maybeTexts, type RedisContext, texts } from './redis-context.ts'
import type { Feed } from './redis-feed.ts'
import type { SessionId } from '../../core/ids.ts'
import { readStored } from './session-rows.ts'

type ServiceCalls = Pick<
  Store,
  | 'revoke'
  | 'isRevoked'
  | 'revocationFeed'
  | 'revocationList'
  | 'replaySeen'
  | 'lockBump'
  | 'lockRead'
  | 'lockClear'
  | 'txCreate'
  | 'txGet'
  | 'txTake'
  | 'appendAudit'
  | 'listAudit'
>

/** For so long it is kept who took a transaction, or was first with an id: longer than a call is sent again. */
const firstKeptMs = 60_000

/** @param token - tells this process from every other; never used twice */
export function redisServices(context: RedisContext, feed: Feed, token: string): ServiceCalls {
  const { shards, keys, teller } = context
  const newCall = createCallNames(token)
  return {
    async revoke(sri, untilMs, atMs) {
      const { reply, durability } = await feed.revoke(sri, untilMs, atMs)
      return { value: texts(reply)[0] === 'revoked' ? 'revoked' : 'known', durability }
    },
    isRevoked: (sri, nowMs) => isRevoked(context, sri, nowMs),
    revocationFeed: (cursor, max) => feed.read(cursor, max),
    revocationList: () => feed.mark(),
    async replaySeen(issuer, id, untilMs, nowMs) {
      const name = pair(issuer, id)
      const args = [name, String(untilMs), String(nowMs), teller.fact({ kind: 'replay', service: 'assertionReplay', issuer, id, untilMs })]
      const by = [newCall(), String(nowMs + firstKeptMs)]
      const { reply, durability } = await shards.write(keys.ofText(name), 'replay', [...args, ...by], { again: { name: 'replay', args } })
      return { value: reply === 'fresh' ? 'fresh' : 'seen', durability }
    },
    async lockBump(userKey, nowMs, windowMs) {
      const failure = { userKey, origin: teller.group, atMs: nowMs, untilMs: nowMs + windowMs }
      const fact = teller.beginning({ kind: 'failed-sign-in', service: 'accountLocking', ...failure })
      const args = [userKey, String(nowMs), String(nowMs + windowMs), String(nowMs - windowMs), fact]
      const { reply, durability } = await shards.write(keys.ofText(userKey), 'lock_bump', args, { isEnding: true })
      return { value: Number(reply), durability }
    },
    lockRead: async (userKey, nowMs, windowMs) =>
      Number(await shards.read(keys.ofText(userKey), 'ZCOUNT', `l:${userKey}`, `(${nowMs - windowMs}`, String(nowMs))),
    async lockClear(userKey) {
      const { durability } = await shards.write(
        keys.ofText(userKey),
        'lock_clear',
        [userKey, teller.group, teller.beginning({ kind: 'sign-ins-cleared', service: 'accountLocking', userKey })],
        { isEnding: true }
      )
      return { value: 'cleared', durability }
    },
    async txCreate(key, value, untilMs) {
      const fact = teller.fact({ kind: 'transaction', service: 'transactions', key, value, untilMs })
      const args = [key, String(untilMs), JSON.stringify(value) ?? 'null', fact, newCall()]
      const { reply, durability } = await shards.write(keys.ofText(key), 'tx_create', args)
      return { value: reply === 'created' ? 'created' : 'exists', durability }
    },
    txGet: async (key, nowMs) => transaction(await shards.read(keys.ofText(key), 'HMGET', `t:${key}`, 'u', 'd'), nowMs),
    async txTake(key, nowMs) {
      const args = [key, pair(transactionGone, key), teller.beginning({ kind: 'transaction-taken', service: 'transactions', key })]
      const bucket = keys.ofText(key)
      const known = await shards.read(bucket, 'HMGET', `t:${key}`, 'u', 'd')
      const [knownUntil, knownValue] = maybeTexts(known)
      const { reply, durability } = await shards.write(bucket, 'tx_take', [...args, '', newCall(), String(nowMs + firstKeptMs)], {
        isEnding: true,
        // Else what is good once would be there again with a copy that takes over. What is created under its key since stays.
        again: (answer) => ({ name: 'tx_take', args: [...args, texts(answer)[0] ?? String(knownUntil)] }),
        // It was there, and after a lost answer it may be gone by this very call.
        isDone: (answer) => texts(answer).length > 0 || knownUntil !== undefined
      })
      const [untilMs, value] = maybeTexts(reply)
      // Taken by this very call, whose first answer was lost: by its time it is what was read before.
      const isTakenBefore = untilMs !== undefined && value === undefined && untilMs === knownUntil && knownValue !== undefined
      return { value: transaction(isTakenBefore ? known : reply, nowMs), durability }
    },
    async appendAudit(record) {
      const { durability } = await shards.write(keys.common, 'audit', [record.userKey ?? '', String(context.auditMax), JSON.stringify(record)], {
        isEnding: true
      })
      return { value: 'appended', durability }
    },
    listAudit: (query) => listAudit(context, query)
  }
}

/** On the list, or on its way there: the end of a session counts from the step that writes it. */
async function isRevoked(context: RedisContext, sri: string, nowMs: number): Promise<boolean> {
  const untilMs = await context.shards.read(context.keys.ofText(sri), 'HGET', `v:${sri}`, 'u')
  if (untilMs !== null && Number(untilMs) > nowMs) return true
  const ids = await membersOf(context, 'ir', sri)
  const stored = await Promise.all(ids.map((id) => readStored(context, id as SessionId)))
  return stored.some((one) => one?.session.sri === sri && (one.revokedUntilMs ?? nowMs) > nowMs)
}

function transaction(reply: Reply, nowMs: number): unknown {
  const [untilMs, json] = maybeTexts(reply)
  return json === undefined || Number(untilMs) <= nowMs ? undefined : JSON.parse(json)
}

type Line = AuditRecord & { readonly id: number }

async function listAudit({ shards, keys }: RedisContext, { afterId = 0, limit, userKey }: Parameters<Store['listAudit']>[0]): Promise<readonly Line[]> {
  const { common } = keys
  if (userKey === undefined) return linesOf(await shards.read(common, 'XRANGE', 'audit', `(${afterId}-0`, '+', 'COUNT', String(limit)))
  // What leads to lines that are gone would take the places of those that are there.
  const [first] = linesOf(await shards.read(common, 'XRANGE', 'audit', '-', '+', 'COUNT', '1'))
  const from = first === undefined || first.id <= afterId ? `(${afterId}` : String(first.id)
  const ids = texts(await shards.read(common, 'ZRANGE', `au:${userKey}`, from, '+inf', 'BYSCORE', 'LIMIT', '0', String(limit)))
  const lines = await Promise.all(ids.map(async (id) => linesOf(await shards.read(common, 'XRANGE', 'audit', `${id}-0`, `${id}-0`))))
  return lines.flat()
}

function linesOf(reply: Reply): readonly Line[] {
  return ((reply ?? []) as readonly Reply[]).map((entry) => {
    const [id, fields] = entry as readonly [string, readonly string[]]
    return { ...(JSON.parse(fields[1] ?? '{}') as AuditRecord), id: Number.parseInt(id, 10) }
  })
}
