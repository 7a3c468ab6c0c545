import type { GroupLetter } from '../core/group.ts'
import type { Store } from '../stores/store.ts'

/** As long as a sign-in page may stay open: a transaction that was handed over is kept so long, and so is where it went. */
export const handedMs = 30 * 60_000

/** How long the group that it was handed to may ask for it again: the answer may have been lost on its way. */
const againMs = 30_000

/** The group that a transaction of this one was handed to, as an answer tells it; nothing where none was. */
export async function handedTo(store: Pick<Store, 'txGet'>, key: string, nowMs: number): Promise<{ readonly at?: GroupLetter }> {
  const at = await store.txGet(noteKey(key), nowMs)
  return typeof at === 'string' ? { at } : {}
}

/** Remembers where a transaction went, for a browser that comes back here, and what went there, for an answer that is lost. */
export async function noteHanded(store: Pick<Store, 'txCreate' | 'txTake'>, key: string, sent: Handed, nowMs: number): Promise<void> {
  await forgetHanded(store, key, nowMs)
  await store.txCreate(againKey(key), sent, nowMs + againMs)
  await store.txCreate(noteKey(key), sent.to, nowMs + handedMs)
  // Whoever has it next from there has not had it before.
  await store.txTake(takenKey(key), nowMs)
}

/** It is here again. */
export async function forgetHanded(store: Pick<Store, 'txTake'>, key: string, nowMs: number): Promise<void> {
  await store.txTake(noteKey(key), nowMs)
  await store.txTake(againKey(key), nowMs)
}

/** What was handed to this group a moment ago, for one that says that it has never had it. */
export async function handedBefore(store: Pick<Store, 'txGet'>, key: string, to: GroupLetter, nowMs: number): Promise<Handed | undefined> {
  const sent = (await store.txGet(againKey(key), nowMs)) as Handed | undefined
  return sent?.to === to ? sent : undefined
}

/** This group has had it. */
export async function wasTaken(store: Pick<Store, 'txGet'>, key: string, nowMs: number): Promise<boolean> {
  return (await store.txGet(takenKey(key), nowMs)) !== undefined
}

/**
 * Remembers that this group has it; false when another request of this group got the same.
 * @param askedAtMs - what was taken before that was another hand-over
 */
export async function noteTaken(store: Pick<Store, 'txGet' | 'txTake' | 'txCreate'>, key: string, askedAtMs: number, nowMs: number): Promise<boolean> {
  const known = await store.txGet(takenKey(key), nowMs)
  if (typeof known === 'number' && known < askedAtMs) await store.txTake(takenKey(key), nowMs)
  return (await store.txCreate(takenKey(key), nowMs, nowMs + handedMs)).value === 'created'
}

/** A transaction on its way to another group. */
export interface Handed {
  readonly to: GroupLetter
  readonly value: unknown
}

function noteKey(key: string): string {
  return `handed:${key}`
}

function againKey(key: string): string {
  return `handed-again:${key}`
}

function takenKey(key: string): string {
  return `handed-here:${key}`
}
