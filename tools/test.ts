import { spawn, spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { longestFirst } from './long-files.ts'
import type { TestResult } from './reporter.ts'

const repository = fileURLToPath(new URL('..', import.meta.url))

/** Of all random choices of tests. One for both tries: a second one with other choices would pass whatever was found. */
const seed = process.env['CURFEW_SEED'] ?? String(randomInt(2 ** 32))

/** Pure tests share one process; tests with servers, files and browsers get one each. */
const tiers = [
  { name: 'unit', pattern: '*.test.ts', isolation: 'none', concurrency: 2, timeoutMs: 60_000, msMax: 600_000 },
  // They wait for timers and for each other's processes: two more than there are cores.
  { name: 'integration', pattern: '*.it.ts', isolation: 'process', concurrency: availableParallelism() + 2, timeoutMs: 240_000, msMax: 3_600_000 },
  // Only when it is asked for: every combination of who ends a session and who hears it takes minutes. Most of them wait.
  { name: 'truth', pattern: '*.truth.ts', isolation: 'process', concurrency: 4, timeoutMs: 600_000, msMax: 1_800_000 }
] as const

/** Fewer pure files than this are not worth a second process, which loads the same modules again. */
const filesPerProcessMin = 20

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
 * on a machine with several of them at once; a test that passes alone is unsteady, which is said, and is a fault to look for.
 */
export async function runFailedAgain(root: string, results: readonly TestResult[]): Promise<readonly TestResult[]> {
  const firsts = results.filter(({ outcome, file }) => outcome === 'failed' && file.endsWith('.it.ts'))
  const files = [...new Set(firsts.map(({ file }) => file))]
  if (files.length === 0 || files.length > filesAgainMax) return results
  console.log(`Once more, one at a time: ${files.join(', ')}`)
  const again: TestResult[] = []
  for (const file of files) again.push(...(await runTests({ root, filters: [file], tier: 'integration', isAlone: true })))
  const unsteady = (result: TestResult): TestResult => {
    const first = firsts.find(({ name, file }) => name === result.name && file === result.file)
    return first === undefined || result.outcome !== 'passed' ? result : { ...result, unsteady: first.failure?.text ?? first.error ?? 'failed' }
  }
  return [...results.filter(({ file }) => !files.includes(file)), ...again.map(unsteady)]
}

/** More than so many are no matter of load. */
const filesAgainMax = 5

/** Runs the tiers one after the other and returns all results. */
export async function runTests(selection: Selection): Promise<readonly TestResult[]> {
  mkdirSync(join(selection.root, 'test-results'), { recursive: true })
  const results: TestResult[] = []
  for (const tier of tiers)
    if (selection.tier === undefined ? tier.name !== 'truth' : selection.tier === tier.name) results.push(...(await runTier(tier, selection)))
  return results
}

async function runTier(tier: Tier, { root, filters, isAlone = false }: Selection): Promise<readonly TestResult[]> {
  const files = globSync([`packages/*/test/**/${tier.pattern}`, `{attacks,demo,faults,sim,tools,interop}/**/test/**/${tier.pattern}`], { cwd: root }).filter(
    (file) => filters.length === 0 || filters.some((filter) => file.includes(filter))
  )
  if (files.length === 0) return []
  console.log(`${tier.name}: ${files.length} ${files.length === 1 ? 'file' : 'files'}`)
  if (tier.isolation === 'none') {
    const count = Math.max(1, Math.min(tier.concurrency, Math.floor(files.length / filesPerProcessMin)))
    const shares = Array.from({ length: count }, (_, i) => files.sort().filter((_file, at) => at % count === i))
    const args = ['--test', '--test-isolation=none', `--test-timeout=${tier.timeoutMs}`, '--test-force-exit', '--test-reporter', tool('reporter.ts')]
    return (await Promise.all(shares.map((share, i) => runProcess(tier, { root, name: `${tier.name}-${i}`, args: [...args, ...share] })))).flat()
  }
  const args = [tool('run-files.ts'), String(isAlone ? 1 : tier.concurrency), String(tier.timeoutMs), ...longestFirst(files)]
  return runProcess(tier, { root, name: tier.name, args, env: bundled(root) })
}

interface Run {
  readonly root: string
  /** Of the file with the results. */
  readonly name: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** Runs one process of a tier; one that died without results, or silently, counts as one failure. */
async function runProcess(tier: Tier, { root, name, args, env = {} }: Run): Promise<readonly TestResult[]> {
  const target = join(root, 'test-results', `${name}.json`)
  rmSync(target, { force: true })
  const child = spawn(process.execPath, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: tier.msMax,
    env: {
      ...process.env,
      ...env,
      CURFEW_TEST_RESULTS: target,
      CURFEW_SEED: seed,
      NODE_OPTIONS: '--disable-warning=ExperimentalWarning',
      // Hundreds of processes load the same modules: the first one strips and compiles them for all.
      NODE_COMPILE_CACHE: join(root, 'test-results/compiled'),
      // Inside a test of this runner the variable would turn the inner one into a part of the outer one.
      NODE_TEST_CONTEXT: undefined
    }
  })
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
  const failure = (what: string): TestResult => ({ name: `the ${tier.name} tier ${what}`, file: '', outcome: 'failed', ms: 0 })
  if (!existsSync(target)) return [failure(`ended without a result (exit ${String(code ?? signal)})`)]
  const results = JSON.parse(readFileSync(target, 'utf8')) as TestResult[]
  const isSilentFailure = code !== 0 && results.every((result) => result.outcome !== 'failed')
  return isSilentFailure ? [...results, failure(`exited with ${String(code ?? signal)}`)] : results
}

function tool(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url))
}

/**
 * Makes the program that tests start, for those that run this repository and not a planted one. It takes a second or two
 * and is made anew each time, so that it is never older than the sources.
 */
function bundled(root: string): Readonly<Record<string, string>> {
  if (relative(root, repository) !== '') return {}
  const made = spawnSync(process.execPath, [tool('program.ts')], { cwd: root, encoding: 'utf8' })
  if (made.status !== 0) throw new Error(`the program that tests start can not be made: ${made.error?.message ?? made.stderr}`)
  return { CURFEW_TEST_PROGRAM: made.stdout.trim() }
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
  const root = repository
  const filters = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
  console.log(`CURFEW_SEED=${seed}`)
  const tier = process.argv.find((argument) => argument.startsWith('--tier='))?.slice('--tier='.length)
  const results = await runFailedAgain(root, await runTests({ root, filters, ...(tier === undefined ? {} : { tier }) }))
  // A part of the tests says nothing about the acceptance table.
  if (filters.length === 0 && tier === undefined) writeFileSync(join(root, 'test-results/results.json'), JSON.stringify(results, null, 1))
  for (const line of summary(results)) console.log(line)
  if (results.some(({ outcome, unsteady }) => outcome === 'failed' || unsteady !== undefined)) console.log(`The same random choices: CURFEW_SEED=${seed}`)
  process.exitCode = results.some(({ outcome }) => outcome === 'failed') || results.every(({ outcome }) => outcome !== 'passed') ? 1 : 0
}
