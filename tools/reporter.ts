import { writeFileSync } from 'node:fs'

/** One test as the acceptance report reads it. */
export interface TestResult {
  readonly name: string
  readonly file: string
  readonly outcome: 'passed' | 'failed' | 'skipped'
  readonly reason?: string
  readonly ms: number
}

interface TestEvent {
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
  const target = process.env['CURFEW_TEST_RESULTS']
  for await (const event of source) {
    if (event.type === 'test:stderr' || event.type === 'test:stdout') {
      if (event.type === 'test:stderr' && (event.data.message ?? '').trim() !== '') yield `${event.data.message ?? ''}`
      continue
    }
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue
    const { name, file = '', skip, details } = event.data
    if (details?.type === 'suite' && event.type === 'test:pass') continue
    const failure = details?.error
    if (details?.type === 'suite' && failure?.failureType === 'subtestsFailed') continue
    const ms = Math.round(details?.duration_ms ?? 0)
    if (skip !== undefined && skip !== false) {
      results.push({ name, file, outcome: 'skipped', reason: String(skip), ms })
      yield 's'
    } else if (event.type === 'test:pass') {
      results.push({ name, file, outcome: 'passed', ms })
      yield '.'
    } else {
      results.push({ name, file, outcome: 'failed', ms })
      const cause = failure?.cause
      const text = cause instanceof Error ? (cause.stack ?? cause.message) : typeof cause === 'string' ? cause : (failure?.message ?? 'failed')
      yield `\n\nFAILED  ${name}\n        ${file}\n${text.replace(/^/gm, '        ')}\n\n`
    }
  }
  if (target !== undefined) writeFileSync(target, JSON.stringify(results))
  yield '\n'
}
