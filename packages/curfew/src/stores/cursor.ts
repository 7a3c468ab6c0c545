import { storeError } from './store-error.ts'

/** Place in a list that is ordered newest first, then by id downwards. */
export interface ListPlace {
  readonly atMs: number
  readonly id: string
}

/** Before every entry of a list. */
export const listStart: ListPlace = { atMs: Number.MAX_SAFE_INTEGER, id: '\u{10ffff}' }

/** Writes a place as the opaque text that callers hand back. */
export function writeCursor(place: ListPlace): string {
  return Buffer.from(`${place.atMs}.${place.id}`).toString('base64url')
}

/** @throws CURFEW_STORE_CURSOR when the text is not a cursor of ours */
export function readCursor(text: string | undefined): ListPlace {
  if (text === undefined) return listStart
  const match = /^(-?\d{1,16})\.(.+)$/su.exec(Buffer.from(text, 'base64url').toString())
  const atMs = Number(match?.[1])
  if (match?.[2] === undefined || !Number.isSafeInteger(atMs)) throw storeError('CURFEW_STORE_CURSOR')
  return { atMs, id: match[2] }
}

/** True when `a` comes after the place in a list that is ordered newest first. */
export function isAfter(a: ListPlace, place: ListPlace): boolean {
  return a.atMs < place.atMs || (a.atMs === place.atMs && a.id < place.id)
}

/** Newest first, then by id downwards. */
export function newestFirst(a: ListPlace, b: ListPlace): number {
  if (a.atMs !== b.atMs) return b.atMs - a.atMs
  return a.id < b.id ? 1 : a.id > b.id ? -1 : 0
}
