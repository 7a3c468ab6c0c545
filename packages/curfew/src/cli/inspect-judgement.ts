import type { Terminal } from './terminal.ts'

/** One judged property: what it is, whether it is good, why. `unknown` says what would be needed to know. */
export interface Judgement {
  readonly what: string
  readonly verdict: 'ok' | 'warn' | 'fail' | 'unknown'
  readonly why: string
}

/** One line per judgement. The word carries the meaning, the colour repeats it. */
export function judgementLines(judgements: readonly Judgement[], { style }: Pick<Terminal, 'style'>): readonly string[] {
  const styles = { ok: 'green', warn: 'yellow', fail: 'red', unknown: 'dim' } as const
  return judgements.map(({ what, verdict, why }) => `  ${style(styles[verdict], verdict.padEnd(7))} ${what}: ${why}`)
}
