import { readFileSync, writeFileSync } from 'node:fs'
import type { FaultCase } from './cases.ts'
import { cellsOf, head, type Row } from './table.ts'

const file = new URL('../docs/reliability.md', import.meta.url)
const [begin, end] = ['<!-- faults -->', '<!-- /faults -->']

/** Puts one row into the table of the document; the others stay as they were measured before. */
export function writeRow(all: readonly FaultCase[], row: Row): void {
  const text = readFileSync(file, 'utf8')
  const [before = '', rest = ''] = text.split(begin)
  const [table = '', after = ''] = rest.split(end)
  const known = new Map(table.split('\n').flatMap((line) => (line.startsWith('| ') ? [[line.split(' | ')[0]?.slice(2) ?? '', line]] : [])))
  known.set(row.one.what, cellsOf(row))
  const rows = all.flatMap(({ what }) => known.get(what) ?? [])
  writeFileSync(file, [before + begin, ...head, ...rows, end + after].join('\n'))
}
