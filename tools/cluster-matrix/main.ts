import { execFileSync } from 'node:child_process'
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { modes, type Mode } from '../../packages/curfew/test/support/modes.ts'
import type { TestResult } from '../reporter.ts'
import { type ModeResults, matrixPage } from './page.ts'
import { type ModeServers, startModeServers } from '../../packages/curfew/test/support/mode-servers.ts'
import { serverVersion } from '../../packages/curfew/test/stores/redis/servers.ts'
import { startRunner } from './runner.ts'
import { suiteOf } from './suites.ts'
import { whyLeftOut } from './left-out.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = join(root, 'test-results/cluster-matrix')
const page = 'docs/clustering-matrix.md'
/** What is run; changes that are not committed do not show. */
const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim()
const runMsMax = 3_600_000

const helpText = `npm run cluster-matrix -- [options] [part of a file name ...]

Runs the functional suite, unchanged, once in each cluster mode, with real servers for each, and prints what passed.
What each file gave is kept in test-results/cluster-matrix.

  --mode=A,B     these modes and no others: ${modes.join(', ')}
  --shard=N/M    the Nth of M parts of the files (1/1)
  --jobs=N       so many tests at a time (2)
  --turns=N      nodes take requests in the order that this seed gives, in the place of one after the other
  --write        write ${page} of all that is kept
  --help         this text`

/**
 * Runs the functional suite, unchanged, once in each cluster mode, with real servers for each, and prints what passed:
 * `--mode=adaptive,regions` runs a part of the modes, parts of file names run a part of the tests, and so does `--shard=2/4`;
 * `--jobs=1` runs one test at a time; `--turns=7` lets the nodes take requests in the order that the seed gives, in the place of
 * one after the other.
 * What each file gave is kept in test-results, with the commit and the errors; `--write` writes the page of all that is kept.
 */
const { values, positionals } = parseArgs({
  options: {
    mode: { type: 'string' },
    shard: { type: 'string', default: '1/1' },
    jobs: { type: 'string', default: '2' },
    turns: { type: 'string' },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false }
  },
  allowPositionals: true
})
const unknown = values.mode?.split(',').filter((mode) => !modes.some((one) => one === mode)) ?? []
if (values.help || unknown.length > 0) {
  if (unknown.length > 0) console.log(`No mode is called ${unknown.join(' or ')}.\n`)
  console.log(helpText)
  process.exit(unknown.length > 0 ? 1 : 0)
}
const [shard = 1, shardCount = 1] = values.shard.split('/').map(Number)
/** Processes that run tests at once, beside those of servers. */
const jobs = Number(values.jobs)
const wanted = values.mode === undefined ? modes : modes.filter((mode) => values.mode?.split(',').includes(mode))
mkdirSync(folder, { recursive: true })
// What tests and servers write is not worth a disk: SQLite waits for it at every commit.
if (existsSync('/dev/shm')) process.env['TMPDIR'] = '/dev/shm'
// Servers and runners end with this process: whoever stops it gets an orderly end.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
const results: ModeResults[] = []
for (const mode of wanted) {
  const result = await runMode(mode)
  results.push(result)
  keep(result)
}
const failures = results.flatMap(({ mode, counted }) => counted.filter(({ outcome }) => outcome === 'failed').map((test) => ({ mode, ...test })))
for (const { mode, name, file } of failures) console.log(`FAILED   in ${mode}: ${name}  ${file}`)
if (values.write)
  writeFileSync(
    join(root, page),
    matrixPage(
      modes.flatMap((mode) => kept(mode) ?? []),
      suiteFiles()
    )
  )
const passed = results.reduce((sum, { counted }) => sum + counted.filter(({ outcome }) => outcome === 'passed').length, 0)
console.log(`${passed} passed, ${failures.length} failed`)
process.exitCode = failures.length === 0 && passed > 0 ? 0 : 1

function keptFile(mode: Mode): string {
  return join(folder, `${mode}.kept.json`)
}

function kept(mode: Mode): ModeResults | undefined {
  return existsSync(keptFile(mode)) ? (JSON.parse(readFileSync(keptFile(mode), 'utf8')) as ModeResults) : undefined
}

/** What files gave now takes the place of what they gave before. */
function keep({ mode, files, since, versions, counted, left }: ModeResults): void {
  const before = kept(mode)
  const stays = before?.files.some((file) => !files.includes(file)) ?? false
  const isOld = ({ file }: TestResult): boolean => file !== '' && !files.includes(file)
  const merged: ModeResults = {
    mode,
    files: [...new Set([...(before?.files ?? []), ...files])],
    since: stays ? (before?.since ?? since) : since,
    versions,
    counted: [...(before?.counted ?? []).filter(isOld), ...counted],
    left: [...(before?.left ?? []).filter(isOld), ...left]
  }
  writeFileSync(keptFile(mode), JSON.stringify(merged))
}

function suiteFiles(): readonly string[] {
  return globSync('packages/curfew/test/**/*.{test,it}.ts', { cwd: root })
    .filter((file) => suiteOf(file) !== undefined)
    .toSorted()
}

async function runMode(mode: Mode): Promise<ModeResults> {
  const startedMs = performance.now()
  await using servers = await startModeServers(mode)
  const files = suiteFiles()
    .filter((_file, at) => at % shardCount === shard - 1)
    .filter((file) => positionals.length === 0 || positionals.some((part) => file.includes(part)))
  const together = files.filter((file) => file.endsWith('.test.ts'))
  const alone = files.filter((file) => file.endsWith('.it.ts'))
  const parts = Array.from({ length: jobs }, (_, i) => together.filter((_file, at) => at % jobs === i))
  const runs = await Promise.all(parts.map((part, i) => runFiles(mode, servers, `${mode}-${i}`, part, ['--test-isolation=none'])))
  runs.push(await runFiles(mode, servers, `${mode}-alone`, alone, [`--test-concurrency=${jobs}`]))
  const started = new Set(runs.flatMap((run) => run.started))
  const all = runs.flatMap((run) => run.results)
  const judged = all.filter(({ file }) => file === '' || started.has(file)).map((test) => ({ ...test, why: whyLeftOut(test.file, test.name, mode) }))
  const counted = judged.flatMap(({ why, ...test }) => (why === undefined ? [{ ...test, commit }] : []))
  const left = judged.flatMap(({ why, ...test }) => (why === undefined ? [] : [{ ...test, why }]))
  const count = (outcome: TestResult['outcome']): number => counted.filter((test) => test.outcome === outcome).length
  console.log(
    `${mode} (${versionsOf(mode)}): ${count('passed')} good, ${count('failed')} not, ${left.length} left out, ${Math.round((performance.now() - startedMs) / 1000)} s`
  )
  // Of files whose process died nobody knows what they give.
  const since = Temporal.Now.plainDateISO('UTC').toString()
  return { mode, files: counted.some(({ file }) => file === '') ? [] : files, since, versions: versionsOf(mode), counted, left }
}

function versionsOf(mode: Mode): string {
  const { node, sqlite = '' } = process.versions
  const store = mode === 'sqlite' ? `SQLite ${sqlite}` : serverVersion
  return `Node.js ${node}, ${store}`
}

interface FilesRun {
  readonly results: readonly TestResult[]
  /** Files in which an authority was started in the mode. */
  readonly started: readonly string[]
}

/** Runs some test files in one process of the test runner; one that dies without results counts as a failure. */
async function runFiles(mode: Mode, { groups }: ModeServers, name: string, files: readonly string[], flags: readonly string[]): Promise<FilesRun> {
  if (files.length === 0) return { results: [], started: [] }
  const [target, log] = [join(folder, `${name}.json`), join(folder, `${name}.started`)]
  for (const file of [target, log]) rmSync(file, { force: true })
  const reporter = fileURLToPath(new URL('progress.ts', import.meta.url))
  const child = startRunner(process.execPath, ['--test', ...flags, '--test-timeout=120000', '--test-force-exit', '--test-reporter', reporter, ...files], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: runMsMax,
    env: {
      ...process.env,
      CURFEW_TEST_MODE: mode,
      CURFEW_TEST_SERVERS: JSON.stringify(groups),
      CURFEW_TEST_STARTED: log,
      ...(values.turns === undefined ? {} : { CURFEW_TEST_TURNS: values.turns }),
      CURFEW_TEST_RESULTS: target,
      NODE_OPTIONS: '--disable-warning=ExperimentalWarning'
    }
  })
  const status = await new Promise<string>((resolve) => child.on('exit', (code, signal) => resolve(String(code ?? signal))))
  if (!existsSync(target)) return { results: [{ name: `${name} ended without results (exit ${status})`, file: '', outcome: 'failed', ms: 0 }], started: [] }
  return {
    results: JSON.parse(readFileSync(target, 'utf8')) as TestResult[],
    started: existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []
  }
}
