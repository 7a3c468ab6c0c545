import type { Config } from './schema.ts'

/** One thing that is wrong with the limits of a single authentication source. */
export interface SourceProblem {
  readonly path: readonly string[]
  readonly kind: 'unknown' | 'limits'
  readonly what: string
  readonly fix: string
}

/** Sources that nobody signs in at, and limits that contradict the global ones that they are put over. */
export function sourceProblems({ sessions, signOn, identityProviders }: Config): readonly SourceProblem[] {
  const known = [signOn.sourceId, ...identityProviders.map(({ id }) => id)]
  return Object.entries(sessions.sources).flatMap(([source, own]): readonly SourceProblem[] => {
    const path = ['sessions', 'sources', source]
    if (!known.includes(source)) return [{ path, kind: 'unknown', what: `nobody signs in at "${source}".`, fix: `Use one of: ${known.join(', ')}.` }]
    const idle = own.idleMinutes ?? sessions.idleMinutes
    const max = own.maxMinutes ?? sessions.maxMinutes
    if (idle === -1 || max === -1 || idle <= max) return []
    const key = own.maxMinutes === undefined ? 'idleMinutes' : 'maxMinutes'
    return [
      {
        path: [...path, key],
        kind: 'limits',
        what: `idle ${idle} and max ${max} minutes can not be used together.`,
        fix: 'Its maxMinutes must not be shorter than idleMinutes.'
      }
    ]
  })
}
