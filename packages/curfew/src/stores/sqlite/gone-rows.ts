import type { FactRows } from '../apply-facts.ts'
import { type Database, prepare } from './driver.ts'

/** Remembers what was dropped or taken. */
export function goneRows(db: Database): Pick<FactRows, 'isGone' | 'addGone'> {
  const gone = prepare<{ readonly n: number }>(db, 'SELECT count(*) AS n FROM gone WHERE kind = ? AND id = ?')
  const add = prepare(
    db,
    'INSERT INTO gone (kind, id, until_ms) VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET until_ms = max(until_ms, excluded.until_ms)'
  )
  return {
    isGone: (kind, id) => gone.get(kind, id)?.n === 1,
    addGone: (kind, id, untilMs) => void add.run(kind, id, untilMs)
  }
}
