import type { FaultCase } from './cases.ts'

/** What `--help` says. */
export function helpText(all: readonly Pick<FaultCase, 'id' | 'what'>[]): string {
  const width = Math.max(...all.map(({ id }) => id.length))
  return `npm run faults -- [options]

Breaks what real nodes of Curfew stand on, under load, and holds what they promised against what is there afterwards
(docs/reliability.md). Needs root or user namespaces.

  --only=A,B     these faults and no others
  --rounds=N     so many rounds of each (20)
  --seed=N       decides what happens by chance (1)
  --verbose      also say what came of each round
  --write        put the figures into docs/reliability.md
  --add          with --write: add the rounds to those that are there
  --help         this text

Faults:
${all.map(({ id, what }) => `  ${id.padEnd(width)}  ${what}`).join('\n')}`
}
