import { spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestResult } from './reporter.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = join(root, 'test-results')

/** The two tiers: pure tests share one process, tests with servers, files and browsers get one each. */
const tiers = [
  { name: 'unit', pattern: '*.test.ts', flags: ['--test-isolation=none', '--test-timeout=60000', '--test-force-exit'] },
  {
    name: 'integration',
    pattern: '*.it.ts',
    flags: [`--test-concurrency=${Math.max(2, availableParallelism())}`, '--test-timeout=240000', '--test-force-exit']
  }
] as const

/** Runs one tier and returns its results; a runner that died without any counts as one failure. */
export function runTier(tier: (typeof tiers)[number], filters: readonly string[]): readonly TestResult[] {
  const files = globSync([`packages/*/test/**/${tier.pattern}`, `{demo,sim,tools,interop}/test/**/${tier.pattern}`], { cwd: root }).filter(
    (file) => filters.length === 0 || filters.some((filter) => file.includes(filter))
  )
  if (files.length === 0) return []
  const target = join(folder, `${tier.name}.json`)
  rmSync(target, { force: true })
  console.log(`${tier.name}: ${files.length} files`)
  const child = spawnSync(process.execPath, ['--test', ...tier.flags, '--test-reporter', join(root, 'tools/reporter.ts'), ...files.sort()], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, CURFEW_TEST_RESULTS: target, NODE_OPTIONS: '--disable-warning=ExperimentalWarning' }
  })
  if (!existsSync(target)) return [{ name: `the ${tier.name} tier ended without a result (exit ${child.status})`, file: '', outcome: 'failed', ms: 0 }]
  const results = JSON.parse(readFileSync(target, 'utf8')) as TestResult[]
  const isSilentFailure = child.status !== 0 && results.every((result) => result.outcome !== 'failed')
  return isSilentFailure ? [...results, { name: `the ${tier.name} tier exited with ${child.status}`, file: '', outcome: 'failed', ms: 0 }] : results
}

/** Prints what was skipped and why, and the closing line. */
export function summarise(results: readonly TestResult[]): boolean {
  const count = (outcome: TestResult['outcome']): number => results.filter((result) => result.outcome === outcome).length
  for (const reason of new Set(results.filter((r) => r.outcome === 'skipped').map((r) => r.reason))) console.log(`skipped: ${reason ?? ''}`)
  const skipped = count('skipped') === 0 ? '' : `, ${count('skipped')} skipped`
  console.log(`${count('passed')} passed, ${count('failed')} failed${skipped}`)
  return count('failed') === 0 && count('passed') > 0
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  mkdirSync(folder, { recursive: true })
  const filters = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
  const only = process.argv.find((argument) => argument.startsWith('--tier='))?.slice('--tier='.length)
  const results = tiers.filter((tier) => only === undefined || tier.name === only).flatMap((tier) => runTier(tier, filters))
  if (filters.length === 0 && only === undefined) writeFileSync(join(folder, 'results.json'), JSON.stringify(results, null, 1))
  process.exitCode = summarise(results) ? 0 : 1
}
