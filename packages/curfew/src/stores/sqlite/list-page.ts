import { type ListPlace, writeCursor } from '../cursor.ts'

/** One row of a list in its order: newest first, then by id downwards. `hit`: it passes the filters without index. */
export interface ScannedRow {
  readonly id: string
  readonly at_ms: number
  readonly hit: number
}

/**
 * Takes the ids of one page from rows in order, looking at `scannedMax` rows at most, so that no question blocks the
 * thread for long. A page cut short by that has a cursor after the last row that was looked at.
 */
export function takePage(rows: Iterable<ScannedRow>, limit: number, scannedMax: number): { readonly ids: readonly string[]; readonly nextCursor?: string } {
  const found: ListPlace[] = []
  let scanned = 0
  for (const row of rows) {
    const place = { atMs: row.at_ms, id: row.id }
    const last = found.at(-1)
    if (row.hit === 1 && found.length === limit && last !== undefined) return { ids: idsOf(found), nextCursor: writeCursor(last) }
    if (row.hit === 1) found.push(place)
    scanned += 1
    if (scanned >= scannedMax) return { ids: idsOf(found), nextCursor: writeCursor(place) }
  }
  return { ids: idsOf(found) }
}

function idsOf(places: readonly ListPlace[]): readonly string[] {
  return places.map(({ id }) => id)
}
