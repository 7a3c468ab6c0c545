import { relative } from 'node:path'
import reporter, { type TestEvent } from '../reporter.ts'

/** How far one file is. */
interface Tally {
  good: number
  not: number
  ms: number
}

/**
 * A reporter of Node's test runner that says which file is through, in the place of dots: two runs write to one terminal, and
 * a mode takes minutes. Failures are shown in full as they come.
 */
export default async function* progress(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const { CURFEW_TEST_MODE: mode = '' } = process.env
  const shown: string[] = []
  const watched = linePerFile(source, (line) => shown.push(`${mode}  ${line}\n`))
  for await (const text of reporter(watched)) {
    yield* shown.splice(0)
    if (text !== '.' && text !== 's') yield text
  }
  yield* shown.splice(0)
}

/** Hands every event on, and tells of a file once the next one begins. */
async function* linePerFile(source: AsyncIterable<TestEvent>, tell: (line: string) => void): AsyncGenerator<TestEvent> {
  const tallies = new Map<string, Tally>()
  let current: string | undefined
  const finish = (): void => {
    const tally = current === undefined ? undefined : tallies.get(current)
    if (tally !== undefined) tell(`${relative('packages/curfew/test', current ?? '')}: ${tally.good} good, ${tally.not} not, ${Math.round(tally.ms / 1000)} s`)
  }
  for await (const event of source) {
    const { file, details } = event.data
    if (file !== undefined && details?.type === 'test' && (event.type === 'test:pass' || event.type === 'test:fail')) {
      const name = relative(process.cwd(), file)
      if (name !== current) finish()
      current = name
      const tally = tallies.get(name) ?? { good: 0, not: 0, ms: 0 }
      tally[event.type === 'test:pass' ? 'good' : 'not'] += 1
      tally.ms += details.duration_ms ?? 0
      tallies.set(name, tally)
    }
    yield event
  }
  finish()
}
