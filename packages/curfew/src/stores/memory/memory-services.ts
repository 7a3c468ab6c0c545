import type { UserKey } from '../../core/ids.ts'
import type { LogoutRun } from '../../core/run.ts'
import { clearedBy, joinCleared } from '../cleared.ts'
import { type Replication, transactionGone } from '../fact.ts'
import { messagesOf } from '../facts.ts'
import type { Store } from '../store.ts'
import { addGone } from './memory-gone.ts'
import { type MemoryContext, type MemoryState, memoryDurability as durability, pairKey } from './memory-state.ts'

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
  | 'purge'
>

export function memoryServices(context: MemoryContext): ServiceCalls {
  const { state, write, tell, replication } = context
  return {
    revoke: (sri, untilMs, atMs) => write('revoke', (all) => ({ value: addRevocation(all, sri, untilMs, atMs), durability })),
    isRevoked: async (sri, nowMs) => (state().revocations.get(sri)?.untilMs ?? nowMs) > nowMs,
    revocationFeed: async (cursor, max) => [...state().revocations.values()].filter((entry) => entry.cursor > cursor).slice(0, max),
    revocationList: async () => ({ id: state().listId, end: state().count.cursor }),
    replaySeen: (issuer, id, untilMs, nowMs) =>
      write('replaySeen', (all) => {
        const key = pairKey(issuer, id)
        const known = all.replays.get(key) ?? nowMs
        if (untilMs > known) {
          all.replays.set(key, untilMs)
          tell(all, { kind: 'replay', service: 'assertionReplay', issuer, id, untilMs })
        }
        return { value: known > nowMs ? 'seen' : 'fresh', durability }
      }),
    lockBump: (userKey, nowMs, windowMs) =>
      write('lockBump', (all) => {
        const failure = { atMs: nowMs, untilMs: nowMs + windowMs }
        const name = nameOfNext(all, replication)
        all.failedSignIns.set(userKey, [...(all.failedSignIns.get(userKey) ?? []), { ...failure, ...name }])
        if (name !== undefined) tell(all, { kind: 'failed-sign-in', service: 'accountLocking', userKey, ...failure, ...name })
        return { value: failedSignIns(all, userKey, nowMs, windowMs), durability }
      }),
    lockRead: async (userKey, nowMs, windowMs) => failedSignIns(state(), userKey, nowMs, windowMs),
    lockClear: (userKey) =>
      write('lockClear', (all) => {
        const cleared = clearedBy(all.failedSignIns.get(userKey) ?? [])
        all.failedSignIns.delete(userKey)
        if (cleared !== undefined) {
          all.replicated.cleared.set(userKey, joinCleared(all.replicated.cleared.get(userKey), cleared))
          tell(all, { kind: 'sign-ins-cleared', service: 'accountLocking', userKey, ...cleared })
        }
        return { value: 'cleared', durability }
      }),
    txCreate: (key, value, untilMs) =>
      write('txCreate', (all) => {
        if (all.transactions.has(key)) return { value: 'exists', durability }
        all.transactions.set(key, { untilMs, json: JSON.stringify(value) ?? 'null' })
        tell(all, { kind: 'transaction', service: 'transactions', key, value, untilMs })
        return { value: 'created', durability }
      }),
    txGet: async (key, nowMs) => transaction(state(), key, nowMs),
    txTake: (key, nowMs) =>
      write('txTake', (all) => {
        const value = transaction(all, key, nowMs)
        const untilMs = all.transactions.get(key)?.untilMs
        all.transactions.delete(key)
        if (untilMs !== undefined && replication?.services.transactions === true) {
          addGone(all, transactionGone, key, untilMs)
          tell(all, { kind: 'transaction-taken', service: 'transactions', key, untilMs })
        }
        return { value, durability }
      }),
    appendAudit: (record) =>
      write('appendAudit', (all) => {
        all.audit.push({ ...record, id: all.audit.length + 1 })
        return { value: 'appended', durability }
      }),
    listAudit: async ({ afterId = 0, limit, userKey }) =>
      state()
        .audit.filter((record) => record.id > afterId && (userKey === undefined || record.userKey === userKey))
        .slice(0, limit),
    purge: (nowMs, keepRunsMs, max) => write('purge', (all) => purge(all, nowMs, keepRunsMs, max))
  }
}

/** Number and origin of a failed sign-in, where other regions are told of it. */
function nameOfNext({ replicated }: MemoryState, replication: Replication | undefined): { readonly origin: string; readonly number: number } | undefined {
  return replication?.services.accountLocking === true ? { origin: replication.group, number: replicated.count.last + 1 } : undefined
}

/** Puts an SRI on the revocation list, or moves it to the end of the feed when it is to stay longer. */
export function addRevocation(state: MemoryState, sri: string, untilMs: number, atMs: number): 'revoked' | 'known' {
  const known = state.revocations.get(sri)
  if (known !== undefined && known.untilMs >= untilMs) return 'known'
  state.count.cursor += 1
  state.revocations.delete(sri)
  state.revocations.set(sri, { cursor: state.count.cursor, sri, untilMs, atMs: known?.atMs ?? atMs })
  return known === undefined ? 'revoked' : 'known'
}

function failedSignIns(state: MemoryState, userKey: UserKey, nowMs: number, windowMs: number): number {
  return (state.failedSignIns.get(userKey) ?? []).filter(({ atMs }) => atMs > nowMs - windowMs && atMs <= nowMs).length
}

function transaction(state: MemoryState, key: string, nowMs: number): unknown {
  const stored = state.transactions.get(key)
  return stored === undefined || stored.untilMs <= nowMs ? undefined : JSON.parse(stored.json)
}

/** Oldest first within each kind, kind after kind, until `max` entries are gone. */
function purge(state: MemoryState, nowMs: number, keepRunsMs: number, max: number): number {
  let left = max
  const remove = <K, V>(map: Map<K, V>, untilOf: (value: V) => number | undefined, gone?: (value: V) => void) => {
    const past = [...map].filter(([, value]) => (untilOf(value) ?? Number.POSITIVE_INFINITY) <= nowMs)
    past.sort(([k, v], [l, w]) => (untilOf(v) ?? 0) - (untilOf(w) ?? 0) || (k < l ? -1 : 1))
    for (const [key, value] of past.slice(0, left)) {
      map.delete(key)
      gone?.(value)
      left -= 1
    }
  }
  remove(state.sessions, (stored) => stored.keepUntilMs)
  remove(state.revocations, (entry) => entry.untilMs)
  remove(state.replays, (untilMs) => untilMs)
  remove(state.transactions, (stored) => stored.untilMs)
  remove(state.artifacts, (stored) => stored.untilMs)
  remove(state.replicated.guards, (guard) => guard.untilMs)
  remove(state.replicated.gone, (gone) => gone.untilMs)
  remove(state.replicated.cleared, (cleared) => cleared.untilMs)
  left -= purgeFailedSignIns(state, nowMs, left)
  remove(
    state.runs,
    (run) => (run.state === 'done' && run.finishedAtMs !== undefined ? run.finishedAtMs + keepRunsMs : copyUntilMs(state, run, keepRunsMs)),
    (run) => {
      state.replicated.copies.delete(run.id)
      for (const { peerId, messageId } of messagesOf(run)) {
        const key = pairKey(peerId, messageId)
        if (state.messages.get(key)?.runId === run.id) state.messages.delete(key)
      }
      for (const effect of state.effects.values()) if (effect.runId === run.id) state.effects.delete(effect.id)
    }
  )
  return max - left
}

/** The run of a region that is gone is never done. */
function copyUntilMs({ replicated }: MemoryState, run: LogoutRun, keepRunsMs: number): number | undefined {
  return replicated.copies.has(run.id) ? run.startedAtMs + run.policy.deadlineMs + keepRunsMs : undefined
}

function purgeFailedSignIns(state: MemoryState, nowMs: number, max: number): number {
  const past = [...state.failedSignIns]
    .flatMap(([userKey, failures]) => failures.map((failure) => ({ userKey, failure })))
    .filter(({ failure }) => failure.untilMs <= nowMs)
    .sort((a, b) => a.failure.untilMs - b.failure.untilMs || (a.userKey < b.userKey ? -1 : 1))
    .slice(0, max)
  for (const { userKey, failure } of past) {
    const rest = (state.failedSignIns.get(userKey) ?? []).filter((other) => other !== failure)
    if (rest.length === 0) state.failedSignIns.delete(userKey)
    else state.failedSignIns.set(userKey, rest)
  }
  return past.length
}
