import type { GroupLetter } from '../core/group.ts'
import type { Store } from '../stores/store.ts'

/** As long as a sign-in page may stay open: a transaction that was handed over is kept so long, and so is where it went. */
export const handedMs = 30 * 60_000

/** The group that a transaction of this one was handed to, as an answer tells it; nothing where none was. */
export async function handedTo(store: Pick<Store, 'txGet'>, key: string, nowMs: number): Promise<{ readonly at?: GroupLetter }> {
  const at = await store.txGet(noteKey(key), nowMs)
  return typeof at === 'string' ? { at } : {}
}

/** Remembers where a transaction went, for a browser that comes back here. */
export async function noteHanded(store: Pick<Store, 'txCreate' | 'txTake'>, key: string, to: GroupLetter, nowMs: number): Promise<void> {
  await forgetHanded(store, key, nowMs)
  await store.txCreate(noteKey(key), to, nowMs + handedMs)
}

/** It is here again. */
export async function forgetHanded(store: Pick<Store, 'txTake'>, key: string, nowMs: number): Promise<void> {
  await store.txTake(noteKey(key), nowMs)
}

function noteKey(key: string): string {
  return `handed:${key}`
}
