import type { EventView } from './schemas.ts'

/** Which events are wanted: every word that is given has to fit, each by one of its values. */
export interface EventFilter {
  /** User name or user key. */
  readonly user?: readonly string[]
  readonly app?: readonly string[]
  /** Names, or beginnings such as `session.*`. */
  readonly event?: readonly string[]
  /** An outcome, or `failed` or `confirmed` for those of a kind. */
  readonly outcome?: readonly string[]
  readonly session?: readonly string[]
  readonly run?: readonly string[]
  readonly code?: readonly string[]
}

/** The words of a filter. */
export const filterWords = ['user', 'app', 'event', 'outcome', 'session', 'run', 'code'] as const satisfies readonly (keyof EventFilter)[]

export function isWanted(filter: EventFilter, event: Omit<EventView, 'position'>): boolean {
  const { user, app, event: name, outcome, session, run, code } = filter
  return (
    fits(user, (value) => event.user === value || event.user?.endsWith(`:${value}`) === true) &&
    fits(app, (value) => event.peer === value) &&
    fits(name, (value) => (value.endsWith('.*') ? event.event.startsWith(value.slice(0, -1)) : event.event === value)) &&
    fits(outcome, (value) => isOutcome(value, event)) &&
    fits(session, (value) => event.session === value) &&
    fits(run, (value) => event.run === value) &&
    fits(code, (value) => event.code === value)
  )
}

function fits(values: readonly string[] | undefined, test: (value: string) => boolean): boolean {
  return values === undefined || values.some(test)
}

const confirmed: ReadonlySet<string | undefined> = new Set(['ended', 'already-ended'])
/** Tried, and nothing proves that it came to the sign-out. */
const failed: ReadonlySet<string | undefined> = new Set(['refused', 'unreachable', 'timed-out', 'unconfirmed'])

function isOutcome(value: string, { event, outcome }: Pick<EventView, 'event' | 'outcome'>): boolean {
  if (value === 'failed') return event === 'attempt.failed' || failed.has(outcome)
  if (value === 'confirmed') return confirmed.has(outcome)
  return outcome === value
}
