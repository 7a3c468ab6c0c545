import type { UserKey } from '../../core/ids.ts'
import { messagesOf } from '../facts.ts'
import type { Store } from '../store.ts'
import { type MemoryContext, type MemoryState, memoryDurability as durability, pairKey } from './memory-state.ts'

type ServiceCalls = Pick<
  Store,
  | 'revoke'
  | 'isRevoked'
  | 'revocationFeed'
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
  const { state, write } = context
  return {
    revoke: (sri, untilMs, atMs) => write('revoke', (all) => ({ value: addRevocation(all, sri, untilMs, atMs), durability })),
    isRevoked: async (sri, nowMs) => (state().revocations.get(sri)?.untilMs ?? nowMs) > nowMs,
    revocationFeed: async (cursor, max) => [...state().revocations.values()].filter((entry) => entry.cursor > cursor).slice(0, max),
    replaySeen: (issuer, id, untilMs, nowMs) =>
      write('replaySeen', (all) => {
        const key = pairKey(issuer, id)
        const known = all.replays.get(key) ?? nowMs
        if (untilMs > known) all.replays.set(key, untilMs)
        return { value: known > nowMs ? 'seen' : 'fresh', durability }
      }),
    lockBump: (userKey, nowMs, windowMs) =>
      write('lockBump', (all) => {
        all.failedSignIns.set(userKey, [...(all.failedSignIns.get(userKey) ?? []), { atMs: nowMs, untilMs: nowMs + windowMs }])
        return { value: failedSignIns(all, userKey, nowMs, windowMs), durability }
      }),
    lockRead: async (userKey, nowMs, windowMs) => failedSignIns(state(), userKey, nowMs, windowMs),
    lockClear: (userKey) =>
      write('lockClear', (all) => {
        all.failedSignIns.delete(userKey)
        return { value: 'cleared', durability }
      }),
    txCreate: (key, value, untilMs) =>
      write('txCreate', (all) => {
        if (all.transactions.has(key)) return { value: 'exists', durability }
        all.transactions.set(key, { untilMs, json: JSON.stringify(value) ?? 'null' })
        return { value: 'created', durability }
      }),
    txGet: async (key, nowMs) => transaction(state(), key, nowMs),
    txTake: (key, nowMs) =>
      write('txTake', (all) => {
        const value = transaction(all, key, nowMs)
        all.transactions.delete(key)
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
  left -= purgeFailedSignIns(state, nowMs, left)
  remove(
    state.runs,
    (run) => (run.state === 'done' && run.finishedAtMs !== undefined ? run.finishedAtMs + keepRunsMs : undefined),
    (run) => {
      for (const { peerId, messageId } of messagesOf(run)) {
        const key = pairKey(peerId, messageId)
        if (state.messages.get(key)?.runId === run.id) state.messages.delete(key)
      }
      for (const effect of state.effects.values()) if (effect.runId === run.id) state.effects.delete(effect.id)
    }
  )
  return max - left
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
