import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TestResult } from '../tools/reporter.ts'
import { type AttackClass, type Defence, type Edit, edited } from './attack.ts'
import { problemWithout } from './without-problem.ts'
import { attackClasses } from './classes/index.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
/** A test that waits for ever without its defence has failed. */
const testTimeoutMs = 30_000

interface Judged {
  readonly defence: Defence
  /** Absent: the defence holds, and its test notices when it does not. */
  readonly problem?: string
}

/** Runs tests of one file, by name, in a process of their own, with some sources edited. */
async function run(file: string, names: readonly string[], edits: readonly Edit[]): Promise<readonly TestResult[]> {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-defences-'))
  const target = join(folder, 'results.json')
  const patterns = [...new Set(names)].map((name) => `--test-name-pattern=${name.replaceAll(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`)}$`)
  const flags = [
    '--test',
    '--test-isolation=none',
    `--test-timeout=${testTimeoutMs}`,
    '--test-force-exit',
    `--test-reporter=${join(root, 'tools/reporter.ts')}`
  ]
  const child = spawn(process.execPath, [...flags, ...patterns, file], {
    cwd: root,
    stdio: 'ignore',
    // By the environment, so that the hook is in worker threads and in child processes, too.
    env: {
      ...process.env,
      CURFEW_TEST_RESULTS: target,
      CURFEW_WITHOUT: JSON.stringify(edits),
      NODE_OPTIONS: `--disable-warning=ExperimentalWarning --import=${join(root, 'attacks/without.ts')}`,
      NODE_TEST_CONTEXT: undefined
    }
  })
  await new Promise((resolve) => child.on('close', resolve))
  try {
    return existsSync(target) ? (JSON.parse(readFileSync(target, 'utf8')) as TestResult[]) : []
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Edits whose text is not there any more. */
function anchorProblem({ edits }: Defence): string | undefined {
  try {
    for (const edit of edits) edited(readFileSync(join(root, edit.file), 'utf8'), edit)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  return undefined
}

/** As things are, the test is there and passes. */
async function judgeWith({ defences }: { readonly defences: readonly Defence[] }): Promise<readonly Judged[]> {
  const results = await run(
    defences[0]?.file ?? '',
    defences.map(({ test }) => test),
    []
  )
  return defences.map((defence) => {
    const own = results.filter(({ name }) => name === defence.test)
    if (own.length === 0) return { defence, problem: `${defence.file} has no such test` }
    const bad = own.find(({ outcome }) => outcome !== 'passed')
    return bad === undefined
      ? { defence }
      : { defence, problem: `${bad.outcome} although nothing is taken away${bad.reason === undefined ? '' : `: ${bad.reason}`}` }
  })
}

/** Without the defence the test fails by what it says of what it saw, and nothing but the test. */
async function judgeWithout(defence: Defence): Promise<Judged> {
  const results = await run(defence.file, [defence.test], defence.edits)
  const problem = problemWithout(defence, results)
  return problem === undefined ? { defence } : { defence, problem }
}

/** Works on several at once, as many as there are processors; what measures time comes last, one by one. */
async function each<T extends { readonly alone?: boolean | undefined }, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = []
  const worker = async (waiting: T[]): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) results.push(await work(next))
  }
  const together = items.filter(({ alone }) => alone !== true)
  await Promise.all(Array.from({ length: availableParallelism() }, () => worker(together)))
  await worker(items.filter(({ alone }) => alone === true))
  return results
}

/** Judges all defences; those whose test does not pass as things are, or whose text is gone, are not tried without. */
async function judge(classes: readonly AttackClass[]): Promise<readonly Judged[]> {
  const all = classes.flatMap(({ defences }) => defences)
  const refused = all.flatMap((defence): readonly Judged[] => {
    const problem = anchorProblem(defence)
    return problem === undefined ? [] : [{ defence, problem }]
  })
  const anchored = all.filter((defence) => refused.every((judged) => judged.defence !== defence))
  const files = [...Map.groupBy(anchored, ({ file }) => file).values()].map((defences) => ({ defences, alone: defences.some(({ alone }) => alone) }))
  const passing = (await each(files, judgeWith)).flat()
  const tried = await each(
    passing.filter(({ problem }) => problem === undefined).map(({ defence }) => defence),
    judgeWithout
  )
  return [...refused, ...passing.filter(({ problem }) => problem !== undefined), ...tried]
}

const filters = process.argv.slice(2)
const isWanted = (text: string): boolean => filters.length === 0 || filters.some((filter) => text.toLowerCase().includes(filter.toLowerCase()))
const wanted = attackClasses
  .map(({ name, defences }) => ({ name, defences: defences.filter(({ test, file }) => isWanted(`${name} ${test} ${file}`)) }))
  .filter(({ defences }) => defences.length > 0)
const judged = await judge(wanted)
for (const { name, defences } of wanted) {
  const bad = judged.filter(({ defence, problem }) => problem !== undefined && defences.includes(defence))
  console.log(`${bad.length === 0 ? 'ok    ' : 'FAILED'}  ${name} (${defences.length})`)
  for (const { defence, problem = '' } of bad) console.log(`        ${defence.test}\n        without ${defence.without}: ${problem}`)
}
const failed = judged.filter(({ problem }) => problem !== undefined).length
console.log(`${judged.length - failed} passed, ${failed} failed`)
process.exitCode = failed === 0 && judged.length > 0 ? 0 : 1
