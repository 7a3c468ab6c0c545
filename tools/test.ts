import { spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestResult } from './reporter.ts'

/** The tiers: pure tests share one process, tests with servers, files and browsers get one each. */
const tiers = [
  { name: 'unit', pattern: '*.test.ts', flags: ['--test-isolation=none', '--test-timeout=60000', '--test-force-exit'], msMax: 600_000 },
  {
    name: 'integration',
    pattern: '*.it.ts',
    // They wait for timers and for each other's processes: one more than there are cores.
    flags: [`--test-concurrency=${availableParallelism() + 1}`, '--test-timeout=240000', '--test-force-exit'],
    msMax: 3_600_000
  },
  // Only when it is asked for: every combination of who ends a session and who hears it takes minutes. Most of them wait.
  { name: 'truth', pattern: '*.truth.ts', flags: ['--test-concurrency=4', '--test-timeout=600000', '--test-force-exit'], msMax: 1_800_000 }
] as const

type Tier = (typeof tiers)[number]

/** Which tests of which repository. */
export interface Selection {
  readonly root: string
  /** Parts of file names; all files without any. */
  readonly filters: readonly string[]
  readonly tier?: string
  /** One file at a time. */
  readonly isAlone?: boolean
}

/**
 * Runs the failed files of the integration tier once more, one at a time. They start real servers, browsers and Redis
 * on a machine with three of them at once; a test that passes alone is unsteady, which is said, and is a fault to look for.
 */
export function runFailedAgain(root: string, results: readonly TestResult[]): readonly TestResult[] {
  const firsts = results.filter(({ outcome, file }) => outcome === 'failed' && file.endsWith('.it.ts'))
  const files = [...new Set(firsts.map(({ file }) => file))]
  if (files.length === 0 || files.length > filesAgainMax) return results
  console.log(`Once more, one at a time: ${files.join(', ')}`)
  const again = files.flatMap((file) => runTests({ root, filters: [file], tier: 'integration', isAlone: true }))
  const unsteady = (result: TestResult): TestResult => {
    const first = firsts.find(({ name, file }) => name === result.name && file === result.file)
    return first === undefined || result.outcome !== 'passed' ? result : { ...result, unsteady: first.failure?.text ?? first.error ?? 'failed' }
  }
  return [...results.filter(({ file }) => !files.includes(file)), ...again.map(unsteady)]
}

/** More than so many are no matter of load. */
const filesAgainMax = 5

/** Runs the tiers one after the other and returns all results. */
export function runTests(selection: Selection): readonly TestResult[] {
  mkdirSync(join(selection.root, 'test-results'), { recursive: true })
  return tiers.filter(({ name }) => (selection.tier === undefined ? name !== 'truth' : selection.tier === name)).flatMap((tier) => runTier(tier, selection))
}

/** Runs one tier; a runner that died without results, or silently, counts as one failure. */
function runTier(tier: Tier, { root, filters, isAlone = false }: Selection): readonly TestResult[] {
  const files = globSync([`packages/*/test/**/${tier.pattern}`, `{attacks,demo,faults,sim,tools,interop}/**/test/**/${tier.pattern}`], { cwd: root }).filter(
    (file) => filters.length === 0 || filters.some((filter) => file.includes(filter))
  )
  if (files.length === 0) return []
  const target = join(root, 'test-results', `${tier.name}.json`)
  rmSync(target, { force: true })
  console.log(`${tier.name}: ${files.length} ${files.length === 1 ? 'file' : 'files'}`)
  const reporter = fileURLToPath(new URL('reporter.ts', import.meta.url))
  const child = spawnSync(
    process.execPath,
    ['--test', ...tier.flags, ...(isAlone ? ['--test-concurrency=1'] : []), '--test-reporter', reporter, ...files.sort()],
    {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      timeout: tier.msMax,
      env: {
        ...process.env,
        CURFEW_TEST_RESULTS: target,
        NODE_OPTIONS: '--disable-warning=ExperimentalWarning',
        // Hundreds of processes load the same modules: the first one strips and compiles them for all.
        NODE_COMPILE_CACHE: join(root, 'test-results/compiled'),
        // Inside a test of this runner the variable would turn the inner one into a part of the outer one.
        NODE_TEST_CONTEXT: undefined
      }
    }
  )
  const failure = (what: string): TestResult => ({ name: `the ${tier.name} tier ${what}`, file: '', outcome: 'failed', ms: 0 })
  if (!existsSync(target))
    return [failure(`ended without a result (exit ${String(child.status ?? child.signal)}${child.error === undefined ? '' : `, ${child.error.message}`})`)]
  const results = JSON.parse(readFileSync(target, 'utf8')) as TestResult[]
  const isSilentFailure = child.status !== 0 && results.every((result) => result.outcome !== 'failed')
  return isSilentFailure ? [...results, failure(`exited with ${String(child.status ?? child.signal)}`)] : results
}

/** What was skipped and why, what failed and where, and the closing line. */
export function summary(results: readonly TestResult[]): readonly string[] {
  const count = (outcome: TestResult['outcome']): number => results.filter((result) => result.outcome === outcome).length
  const skipped = Map.groupBy(
    results.filter(({ outcome }) => outcome === 'skipped'),
    ({ reason }) => reason ?? ''
  )
  const unsteady = results.filter((result) => result.unsteady !== undefined)
  return [
    ...[...skipped].map(([reason, tests]) => `skipped  ${reason}: ${tests.map(({ name }) => name).join('; ')}`),
    ...results.filter(({ outcome }) => outcome === 'failed').map(({ name, file }) => `FAILED   ${name}  ${file}`),
    ...unsteady.map(({ name, file, unsteady: text }) => `UNSTEADY ${name}  ${file}: failed beside others (${text}), passed alone`),
    ...(results.length === 0 ? ['No test fits.'] : []),
    [
      `${count('passed')} passed, ${count('failed')} failed`,
      ...(count('skipped') === 0 ? [] : [`${count('skipped')} skipped`]),
      ...(unsteady.length === 0 ? [] : [`${unsteady.length} unsteady`])
    ].join(', ')
  ]
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const filters = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
  const tier = process.argv.find((argument) => argument.startsWith('--tier='))?.slice('--tier='.length)
  const results = runFailedAgain(root, runTests({ root, filters, ...(tier === undefined ? {} : { tier }) }))
  // A part of the tests says nothing about the acceptance table.
  if (filters.length === 0 && tier === undefined) writeFileSync(join(root, 'test-results/results.json'), JSON.stringify(results, null, 1))
  for (const line of summary(results)) console.log(line)
  process.exitCode = results.some(({ outcome }) => outcome === 'failed') || results.every(({ outcome }) => outcome !== 'passed') ? 1 : 0
}
