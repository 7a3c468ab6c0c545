import type { AuditRecord, Store } from '../stores/store.ts'
import type { EventGap } from './schemas.ts'

export type AuditLine = AuditRecord & { readonly id: number }
type ReadsAudit = Pick<Store, 'listAudit'>

/** The last line that a reader was told: its number, and its time, by which a line that took its place is known. */
export interface Position {
  readonly id: number
  readonly atMs: number
}

const beginning: Position = { id: 0, atMs: 0 }
/** Lines are in the order in which they were written; the times that they tell may be so far out of it. */
export const disorderMs = 5_000

export function positionText({ id, atMs }: Position): string {
  return `${id}-${atMs}`
}

export function readPosition(text: string): Position | undefined {
  const [, id, atMs] = /^(\d{1,16})-(\d{1,16})$/.exec(text) ?? []
  return id === undefined || atMs === undefined ? undefined : { id: Number(id), atMs: Number(atMs) }
}

/** Behind the newest line. A store reads forwards only, so that its end is searched for, by less than a hundred short questions. */
export async function newestPosition(store: ReadsAudit): Promise<Position> {
  let low = await nextAfter(store, 0)
  if (low === undefined) return beginning
  let high: number | undefined
  for (let step = 1; high === undefined; step *= 2) {
    const next = await nextAfter(store, low.id + step)
    if (next === undefined) high = low.id + step
    else low = next
  }
  while (low.id < high) {
    const middle = Math.floor((low.id + high) / 2)
    const next = await nextAfter(store, middle)
    if (next === undefined) high = middle
    else low = next
  }
  return low
}

/** Before the first line that may tell of `sinceMs` or later. */
export async function positionAt(store: ReadsAudit, sinceMs: number): Promise<Position> {
  let low: Position = beginning
  let high = (await newestPosition(store)).id
  while (low.id < high) {
    const middle = Math.floor((low.id + high) / 2)
    const next = await nextAfter(store, middle)
    if (next === undefined || next.atMs >= sinceMs - disorderMs) high = middle
    else low = next
  }
  return low
}

async function nextAfter(store: ReadsAudit, afterId: number): Promise<AuditLine | undefined> {
  const [line] = await store.listAudit({ afterId, limit: 1 })
  return line
}

export interface Batch {
  readonly lines: readonly AuditLine[]
  /** Behind the last of them. */
  readonly position: Position
  readonly hasMore: boolean
  readonly gap?: Pick<EventGap, 'why'>
}

/**
 * The lines behind a position. The line at the position is read along: where it is another one, or gone with what came
 * after it, the log is not the one that the reader knows.
 */
export async function readAfter(store: ReadsAudit, position: Position, max: number): Promise<Batch> {
  const found = await store.listAudit({ afterId: Math.max(0, position.id - 1), limit: max + 1 })
  const [first] = found
  if (first === undefined) {
    if (position.id === 0) return { lines: [], position, hasMore: false }
    return { lines: [], position: await newestPosition(store), hasMore: false, gap: { why: 'store-went-back' } }
  }
  const isKnown = first.id === position.id && first.atMs === position.atMs
  const lines = isKnown ? found.slice(1) : found.slice(0, max)
  const gap = isKnown ? undefined : gapBefore(first, position)
  return { lines, position: lines.at(-1) ?? position, hasMore: found.length > max, ...(gap === undefined ? {} : { gap }) }
}

/** The numbers of some stores leave room between them, so that nobody can say how many lines are missing. */
function gapBefore(first: AuditLine, { id }: Position): Batch['gap'] {
  if (first.id === id) return { why: 'store-went-back' }
  return id === 0 || first.id === id + 1 ? undefined : { why: 'trimmed' }
}
