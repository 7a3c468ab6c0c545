import { type MemoryState, pairKey } from './memory-state.ts'

/** Remembers that something was dropped or taken, so that a fact about it that comes late does not bring it back. */
export function addGone(state: MemoryState, kind: string, id: string, untilMs: number): void {
  const key = pairKey(kind, id)
  const known = state.replicated.gone.get(key)
  if (known === undefined || known.untilMs < untilMs) state.replicated.gone.set(key, { kind, id, untilMs })
}

export function isGone(state: MemoryState, kind: string, id: string): boolean {
  return state.replicated.gone.has(pairKey(kind, id))
}
