import { attribute, type XmlElement } from '../xml/element.ts'
import { readInstant } from './message.ts'

/** How long metadata may be used, and how soon it is to be read again (Metadata 2.3.1, 2.3.2 and 2.4.1). */
export interface Lifetime {
  readonly validUntil?: Temporal.Instant
  /** ISO 8601 duration as written. */
  readonly cacheDuration?: string
}

/** What one element says of itself; a duration that can't be read is a wish that nobody can follow. @throws CURFEW_SAML_STRUCTURE */
export function readLifetime(element: XmlElement): Lifetime {
  const validUntil = attribute(element, 'validUntil')
  const cacheDuration = attribute(element, 'cacheDuration')
  return {
    ...(validUntil === undefined ? {} : { validUntil: readInstant(validUntil, 'validUntil') }),
    ...(cacheDurationMs(cacheDuration) === undefined || cacheDuration === undefined ? {} : { cacheDuration })
  }
}

/** The earlier end and the shorter duration of both: an element says them of all that it encloses, too. */
export function within(outer: Lifetime, inner: Lifetime): Lifetime {
  const [validUntil] = [outer.validUntil, inner.validUntil].filter((one) => one !== undefined).toSorted((a, b) => Temporal.Instant.compare(a, b))
  const [cacheDuration] = [outer.cacheDuration, inner.cacheDuration]
    .filter((one) => one !== undefined)
    .toSorted((a, b) => (cacheDurationMs(a) ?? Number.POSITIVE_INFINITY) - (cacheDurationMs(b) ?? Number.POSITIVE_INFINITY))
  return { ...(validUntil === undefined ? {} : { validUntil }), ...(cacheDuration === undefined ? {} : { cacheDuration }) }
}

/** Months count as a February, so that none is taken for longer than it is. */
const monthsFrom = Temporal.PlainDate.from('2026-02-01')

/** The length of a `cacheDuration`; undefined: there is none, or it can't be read. */
export function cacheDurationMs(text: string | undefined): number | undefined {
  if (text === undefined || !text.startsWith('P')) return undefined
  try {
    return Temporal.Duration.from(text).total({ unit: 'milliseconds', relativeTo: monthsFrom })
  } catch {
    return undefined
  }
}
