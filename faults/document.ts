import { readFileSync, writeFileSync } from 'node:fs'
import type { FaultCase } from './cases.ts'
import { together } from './judge.ts'
import { cellsOf, head, readCells, type Row } from './table.ts'

const file = new URL('../docs/reliability.md', import.meta.url)
const [begin, end] = ['<!-- faults -->', '<!-- /faults -->']

/**
 * Puts one row into the table of the document; the others stay as they were measured before.
 * @param isMore - its rounds come on top of those that are there
 */
export function writeRow(all: readonly FaultCase[], row: Row, isMore: boolean): void {
  const text = readFileSync(file, 'utf8')
  const [before = '', rest = ''] = text.split(begin)
  const [table = '', after = ''] = rest.split(end)
  const known = new Map(table.split('\n').flatMap((line) => (line.startsWith('| ') ? [[line.split(' | ')[0]?.slice(2) ?? '', line]] : [])))
  known.set(row.one.what, cellsOf(isMore ? joined(known.get(row.one.what), row) : row))
  const rows = all.flatMap(({ what }) => known.get(what) ?? [])
  writeFileSync(file, [before + begin, ...head, ...rows, end + after].join('\n'))
}

/** Rounds that were not held against the records of applications do not count beside those that were. */
export function joined(before: string | undefined, row: Row): Row {
  if (before === undefined) return row
  const { verdict, rounds } = readCells(before)
  if (verdict.told === undefined && row.verdict.told !== undefined) return row
  return { one: row.one, verdict: together([verdict, row.verdict]), rounds: rounds + row.rounds }
}
