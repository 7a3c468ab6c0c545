import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestResult } from './reporter.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** A row of docs/acceptance.md with what the tests say of it. */
export interface AcceptanceRow {
  readonly id: string
  readonly behaviour: string
  readonly state: 'covered' | 'failing' | 'missing'
  readonly tests: number
}

/** Joins the table and the results: a row is covered when tests carry its id and all of them passed. */
export function acceptanceRows(table: string, results: readonly TestResult[]): readonly AcceptanceRow[] {
  return [...table.matchAll(/^\| (AC-\d{3}) \| (.*?) \| [^|]* \|$/gm)].map(([, id = '', behaviour = '']) => {
    const tests = results.filter((result) => new RegExp(`\\b${id}\\b`).test(result.name) && result.outcome !== 'skipped')
    const isFailing = tests.some((test) => test.outcome === 'failed')
    return { id, behaviour, tests: tests.length, state: isFailing ? 'failing' : tests.length > 0 ? 'covered' : 'missing' }
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = join(root, 'test-results/results.json')
  if (!existsSync(path)) {
    console.error('There are no test results yet. Run: npm test')
    process.exitCode = 1
  } else {
    const rows = acceptanceRows(readFileSync(join(root, 'docs/acceptance.md'), 'utf8'), JSON.parse(readFileSync(path, 'utf8')) as TestResult[])
    for (const { id, state, behaviour, tests } of rows)
      console.log(`${state.padEnd(7)}  ${id}  ${state === 'missing' ? '' : `${tests} ${tests === 1 ? 'test' : 'tests'}: `}${behaviour.slice(0, 110)}`)
    const count = (state: AcceptanceRow['state']): number => rows.filter((row) => row.state === state).length
    console.log(`${rows.length} rows: ${count('covered')} covered, ${count('failing')} failing, ${count('missing')} missing`)
    process.exitCode = count('failing') + count('missing') === 0 ? 0 : 1
  }
}
