import type { RunId } from '../../core/ids.ts'
import type { Effect, LogoutRun } from '../../core/run.ts'
import { isAfter, newestFirst, readCursor, writeCursor } from '../cursor.ts'
import { messagesOf } from '../facts.ts'
import type { ClaimedEffect, EffectClaim, Page, RunCommit, RunQuery, Store } from '../store.ts'
import { isWantedRun } from '../wanted.ts'
import { type MemoryContext, type MemoryState, memoryDurability as durability, pairKey, type StoredEffect } from './memory-state.ts'

type RunCalls = Pick<Store, 'getRun' | 'listRuns' | 'findOpenRunByToken' | 'findByMessage' | 'commitRun' | 'claimEffects' | 'releaseEffects' | 'nextEffectAtMs'>

export function memoryRuns(context: MemoryContext): RunCalls {
  const { state, write } = context
  return {
    getRun: async (runId) => state().runs.get(runId),
    listRuns: async (query) => listRuns(state(), query),
    findOpenRunByToken: async (tokenHash) =>
      [...state().runs.values()].filter((run) => run.state === 'open' && run.tokenHash === tokenHash).sort((a, b) => newestFirst(place(a), place(b)))[0],
    findByMessage: async (peerId, messageId) => state().messages.get(pairKey(peerId, messageId)),
    commitRun: (commit) => write('commitRun', (all) => ({ value: commitRun(all, commit, context), durability })),
    claimEffects: (claim) => write('claimEffects', (all) => claimEffects(all, claim)),
    releaseEffects: (owner) => write('releaseEffects', (all) => ({ value: releaseEffects(all, owner), durability })),
    nextEffectAtMs: async () => {
      let next: number | undefined
      for (const { readyAtMs } of state().effects.values()) next = Math.min(readyAtMs, next ?? readyAtMs)
      return next
    }
  }
}

/** Makes every attempt of the run findable by its message id; the first run that used an id keeps it. */
export function indexMessages(state: MemoryState, run: LogoutRun): void {
  for (const { peerId, messageId, deliveryId } of messagesOf(run)) {
    const key = pairKey(peerId, messageId)
    if (!state.messages.has(key)) state.messages.set(key, { runId: run.id, deliveryId })
  }
}

export function addEffects(state: MemoryState, runId: RunId, effects: readonly Effect[]): void {
  for (const effect of effects) {
    state.count.effectId += 1
    const id = state.count.effectId
    state.effects.set(id, { id, runId, effect, readyAtMs: effect.dueAtMs })
  }
}

function commitRun(state: MemoryState, { run, effects, settled }: RunCommit, { tell }: Pick<MemoryContext, 'tell'>): 'committed' | 'changed' | 'unknown' {
  const known = state.runs.get(run.id)
  if (known === undefined || state.replicated.copies.has(run.id)) return 'unknown'
  if (run.version !== known.version + 1) return 'changed'
  state.runs.set(run.id, run)
  indexMessages(state, run)
  for (const id of settled) if (state.effects.get(id)?.runId === run.id) state.effects.delete(id)
  addEffects(state, run.id, effects)
  if (run.state === 'done') tell(state, { kind: 'run', service: 'sessions', run })
  return 'committed'
}

function claimEffects(state: MemoryState, { owner, nowMs, leaseMs, max }: EffectClaim): readonly ClaimedEffect[] {
  const leased = new Set<RunId>()
  const ready: StoredEffect[] = []
  for (const stored of state.effects.values()) {
    if (stored.readyAtMs <= nowMs) ready.push(stored)
    else if (stored.owner !== undefined && stored.owner !== owner) leased.add(stored.runId)
  }
  const claimed = ready
    .filter(({ runId }) => !leased.has(runId))
    .sort((a, b) => a.readyAtMs - b.readyAtMs || a.id - b.id)
    .slice(0, max)
  for (const stored of claimed) state.effects.set(stored.id, { ...stored, owner, readyAtMs: nowMs + leaseMs })
  return claimed.map(({ id, runId, effect }) => ({ id, runId, effect }))
}

function releaseEffects(state: MemoryState, owner: string): number {
  let released = 0
  for (const stored of state.effects.values()) {
    if (stored.owner !== owner) continue
    const { owner: _, ...free } = stored
    state.effects.set(stored.id, { ...free, readyAtMs: stored.effect.dueAtMs })
    released += 1
  }
  return released
}

function listRuns(state: MemoryState, query: RunQuery): Page<LogoutRun> {
  const after = readCursor(query.cursor)
  const found = [...state.runs.values()].filter((run) => isWantedRun(run, query) && isAfter(place(run), after)).sort((a, b) => newestFirst(place(a), place(b)))
  const items = found.slice(0, query.limit)
  const last = items.at(-1)
  return last === undefined || found.length <= query.limit ? { items } : { items, nextCursor: writeCursor(place(last)) }
}

function place(run: LogoutRun): { readonly atMs: number; readonly id: string } {
  return { atMs: run.startedAtMs, id: run.id }
}
