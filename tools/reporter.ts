import { writeFileSync } from 'node:fs'
import { relative } from 'node:path'

/** One test as the acceptance report reads it. */
export interface TestResult {
  readonly name: string
  /** From the root of the repository. */
  readonly file: string
  readonly outcome: 'passed' | 'failed' | 'skipped'
  readonly reason?: string
  /** What ended a test that failed. */
  readonly failure?: TestFailure
  readonly ms: number
  /** Of one that passed alone: what had ended it beside others. */
  readonly unsteady?: string
  /** Of one that failed: what went wrong, its beginning. */
  readonly error?: string
}

export interface TestFailure {
  /** Something that the test says of what it saw, or anything else: an error on its way there, or its time was over. */
  readonly kind: 'assertion' | 'error' | 'timeout'
  /** First line of the message. */
  readonly text: string
}

/** So much of an error is kept. */
const errorMax = 2_000

/** One event of the runner, as far as a reporter here reads it. */
export interface TestEvent {
  readonly type: string
  readonly data: {
    readonly name: string
    readonly file?: string
    readonly nesting: number
    readonly skip?: string | boolean
    readonly todo?: string | boolean
    readonly message?: string
    readonly details?: {
      readonly duration_ms?: number
      readonly type?: string
      readonly error?: Error & { readonly cause?: unknown; readonly failureType?: string }
    }
  }
}

/** A reporter of Node's test runner: dots while it runs, failures in full, results as JSON for the tools. */
export default async function* reporter(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const results: TestResult[] = []
  const stderr = new Map<string | undefined, string>()
  const target = process.env['CURFEW_TEST_RESULTS']
  for await (const event of source) {
    if (event.type === 'test:stderr') stderr.set(event.data.file, (stderr.get(event.data.file) ?? '') + (event.data.message ?? ''))
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue
    const { name, skip, details } = event.data
    const file = relative(process.cwd(), event.data.file ?? '')
    // The tests of a suite are reported one by one; those of a suite that is left out are not, so the suite stands for them.
    if (details?.type === 'suite' && event.type === 'test:pass' && (skip === undefined || skip === false)) continue
    const failure = details?.error
    if (details?.type === 'suite' && failure?.failureType === 'subtestsFailed') continue
    const ms = Math.round(details?.duration_ms ?? 0)
    if (skip !== undefined && skip !== false) {
      results.push({ name, file, outcome: 'skipped', reason: skip === true || skip === '' ? 'no reason given' : String(skip), ms })
      yield 's'
    } else if (event.type === 'test:pass') {
      results.push({ name, file, outcome: 'passed', ms })
      yield '.'
    } else {
      const cause = failure?.cause
      const text = cause instanceof Error ? (cause.stack ?? cause.message) : typeof cause === 'string' ? cause : (failure?.message ?? 'failed')
      results.push({ name, file, outcome: 'failed', failure: failureOf(failure), ms, error: text.slice(0, errorMax) })
      yield `\n\nFAILED  ${name}\n        ${file}\n${text.replace(/^/gm, '        ')}\n\n`
    }
  }
  // What a file said on its way matters when something in it failed.
  const failedFiles = new Set(results.filter(({ outcome }) => outcome === 'failed').map(({ file }) => file))
  for (const [file = '', text] of stderr) if (failedFiles.has(relative(process.cwd(), file)) && text.trim() !== '') yield `\nstderr of ${file}\n${text}`
  if (target !== undefined) writeFileSync(target, JSON.stringify(results))
  yield '\n'
}

/** A property that does not hold carries the assertion as its cause. */
function failureOf(failure: (Error & { readonly cause?: unknown; readonly failureType?: string }) | undefined): TestFailure {
  const chain: unknown[] = []
  for (let one: unknown = failure; one instanceof Error && chain.length < causesMax; one = one.cause) chain.push(one)
  const isAssertion = chain.some((one) => (one as NodeJS.ErrnoException).code === 'ERR_ASSERTION')
  const last = chain[1] ?? chain[0]
  const text = (last instanceof Error ? last.message : 'failed').split('\n')[0] ?? ''
  if (isAssertion) return { kind: 'assertion', text }
  return { kind: failure?.failureType === 'testTimeoutFailure' ? 'timeout' : 'error', text }
}

const causesMax = 8
