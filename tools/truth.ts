import { existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestResult } from './reporter.ts'
import { runTests, summary } from './test.ts'
import { type ChannelTruth, isWhole, sectionsOf, truthSection, withSections } from './truth-table.ts'

/** `npm run truth`: the tables of who starts a logout and who hears of it, and whether `docs/truth-table.md` says what they found. `--write`: it does now. */
const root = fileURLToPath(new URL('..', import.meta.url))
const page = join(root, 'docs/truth-table.md')
const found = join(root, 'test-results/truth')

/** Each channel that ran is compared; `--write` changes the page only where a table is whole. */
function compared({ isToWrite, isEverything }: { readonly isToWrite: boolean; readonly isEverything: boolean }): readonly TestResult[] {
  const truths = globSync('*.json', { cwd: found })
    .sort()
    .map((file) => JSON.parse(readFileSync(join(found, file), 'utf8')) as ChannelTruth)
  const text = readFileSync(page, 'utf8')
  if (isToWrite) writeFileSync(page, withSections(text, truths.filter(isWhole)))
  const sections = sectionsOf(isToWrite ? readFileSync(page, 'utf8') : text)
  // A section that no test file stands behind any more says nothing.
  const stale = isEverything ? [...sections.keys()].filter((id) => truths.every((truth) => truth.id !== id)) : []
  const gone = stale.map(
    (id): TestResult => ({ name: `docs/truth-table.md has nothing that did not run: ${id}`, file: 'docs/truth-table.md', outcome: 'failed', ms: 0 })
  )
  const same = truths.map((truth): TestResult => {
    const isSame = sections.get(truth.id) === truthSection(truth)
    if (!isSame) for (const line of differing(sections.get(truth.id) ?? '', truthSection(truth))) console.log(line)
    return { name: `docs/truth-table.md says what the run found of ${truth.name}`, file: 'docs/truth-table.md', outcome: isSame ? 'passed' : 'failed', ms: 0 }
  })
  return [...same, ...gone]
}

function differing(said: string, ran: string): readonly string[] {
  const [a, b] = [said.split('\n'), ran.split('\n')]
  return [...a.filter((line) => !b.includes(line)).map((line) => `- ${line}`), ...b.filter((line) => !a.includes(line)).map((line) => `+ ${line}`)]
}

const filters = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
if (existsSync(found)) rmSync(found, { recursive: true })
const tests = await runTests({ root, filters, tier: 'truth' })
const results = [...tests, ...compared({ isToWrite: process.argv.includes('--write'), isEverything: filters.length === 0 })]
for (const line of summary(results)) console.log(line)
process.exitCode = results.some(({ outcome }) => outcome === 'failed') || tests.every(({ outcome }) => outcome !== 'passed') ? 1 : 0
