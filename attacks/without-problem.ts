import type { TestResult } from '../tools/reporter.ts'
import type { Defence } from './attack.ts'

/**
 * Why a test does not show that its defence is needed; undefined: it does. An error on the way to what the test wants to
 * say, or a test that waits for ever, shows that something is broken, not that the attack succeeds.
 */
export function problemWithout({ test, failsBy = 'assertion' }: Pick<Defence, 'test' | 'failsBy'>, results: readonly TestResult[]): string | undefined {
  const own = results.filter(({ name }) => name === test)
  if (own.length === 0) return 'the file can not be loaded without the defence'
  const failures = own.flatMap(({ failure }) => failure ?? [])
  if (failures.length === 0) return 'passes without the defence'
  const [first] = failures
  return failures.some(({ kind }) => kind === failsBy) ? undefined : `fails by ${first?.kind} and not by ${failsBy}: ${first?.text}`
}
