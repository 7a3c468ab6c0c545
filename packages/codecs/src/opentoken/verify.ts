import { CurfewError } from '../errors.ts'
import type { OpenTokenKey } from './key.ts'
import type { OpenTokenPairs } from './payload.ts'
import { decodeOpenToken, encodeOpenToken } from './token.ts'

/** Keys of a payload that have a meaning of their own. */
export const openTokenNames = {
  subject: 'subject',
  notBefore: 'not-before',
  notOnOrAfter: 'not-on-or-after',
  renewUntil: 'renew-until',
  authnContext: 'authnContext'
} as const

const reserved: ReadonlySet<string> = new Set(Object.values(openTokenNames))

/** What the maker of a token says of a user. */
export interface OpenTokenStatement {
  readonly subject: string
  /** Further attributes by name, each with its values in order. */
  readonly attributes: Readonly<Record<string, readonly string[]>>
  /** SAML authentication context class reference. */
  readonly authnContext?: string
  readonly notBefore: Temporal.Instant
  readonly notOnOrAfter: Temporal.Instant
  /** Until then a new token may be made without a new sign-in. */
  readonly renewUntil?: Temporal.Instant
}

declare const proof: unique symbol // not exported: only verifyOpenToken() makes one

/** A statement whose token was proven, and is within its time. */
export type VerifiedOpenToken = OpenTokenStatement & {
  /** Tells this token from any other, for replay prevention. */
  readonly mac: string
  readonly [proof]: true
}

export interface OpenTokenExpectation {
  readonly keys: readonly OpenTokenKey[]
  readonly now: Temporal.Instant
  /** How far `not-before` may lie ahead, in seconds; 0 to 3600. Default: {@link notBeforeToleranceSecondsDefault}. */
  readonly notBeforeToleranceSeconds?: number
}

/** Clocks of two machines differ a little. */
export const notBeforeToleranceSecondsDefault = 5

/**
 * Reads a token for somebody who is to act on it: proven, with one subject, now within its time.
 * @throws those of {@link decodeOpenToken}
 * @throws CURFEW_OPENTOKEN_SUBJECT when there is not exactly one subject
 * @throws CURFEW_OPENTOKEN_TIME when it is not valid yet, or has no window of time that can be read
 * @throws CURFEW_OPENTOKEN_EXPIRED
 * @see draft-smith-opentoken-02, Payload Format
 */
export function verifyOpenToken(token: string, expected: OpenTokenExpectation): VerifiedOpenToken {
  const { pairs, mac } = decodeOpenToken(token, expected.keys)
  const statement = statementOf(pairs)
  const { now, notBeforeToleranceSeconds = notBeforeToleranceSecondsDefault } = expected
  const nowMs = now.epochMilliseconds
  if (nowMs >= statement.notOnOrAfter.epochMilliseconds) throw new CurfewError('CURFEW_OPENTOKEN_EXPIRED')
  if (nowMs + notBeforeToleranceSeconds * 1000 < statement.notBefore.epochMilliseconds) throw new CurfewError('CURFEW_OPENTOKEN_TIME', { key: 'not-before' })
  return { ...statement, mac } as VerifiedOpenToken
}

function statementOf(pairs: OpenTokenPairs): OpenTokenStatement {
  const subject = single(pairs, openTokenNames.subject)
  if (subject === undefined || subject === '') throw new CurfewError('CURFEW_OPENTOKEN_SUBJECT')
  const notBefore = timeOf(pairs, openTokenNames.notBefore)
  const notOnOrAfter = timeOf(pairs, openTokenNames.notOnOrAfter)
  const hasRenewal = pairs.some(([key]) => key === openTokenNames.renewUntil)
  if (notBefore.epochMilliseconds > notOnOrAfter.epochMilliseconds) throw new CurfewError('CURFEW_OPENTOKEN_TIME', { key: 'not-before' })
  const authnContext = pairs.find(([key]) => key === openTokenNames.authnContext)?.[1]
  const attributes: Record<string, string[]> = Object.create(null) as Record<string, string[]>
  for (const [key, value] of pairs) if (!reserved.has(key)) attributes[key] = [...(attributes[key] ?? []), value]
  return {
    subject,
    attributes: { ...attributes },
    notBefore,
    notOnOrAfter,
    ...(hasRenewal ? { renewUntil: timeOf(pairs, openTokenNames.renewUntil) } : {}),
    ...(authnContext === undefined ? {} : { authnContext })
  }
}

/** @throws CURFEW_OPENTOKEN_SUBJECT when two readers could choose differently */
function single(pairs: OpenTokenPairs, name: string): string | undefined {
  const [first, second] = pairs.filter(([key]) => key === name)
  if (second !== undefined) throw new CurfewError(name === openTokenNames.subject ? 'CURFEW_OPENTOKEN_SUBJECT' : 'CURFEW_OPENTOKEN_TIME', { key: name })
  return first?.[1]
}

function timeOf(pairs: OpenTokenPairs, name: string): Temporal.Instant {
  const text = single(pairs, name) ?? ''
  try {
    if (/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text)) return Temporal.Instant.from(text)
  } catch (cause) {
    throw new CurfewError('CURFEW_OPENTOKEN_TIME', { key: name }, { cause })
  }
  throw new CurfewError('CURFEW_OPENTOKEN_TIME', { key: name })
}

/**
 * Writes a token that says this of a user.
 * @throws those of {@link encodeOpenToken}; CURFEW_OPENTOKEN_WRITE for an attribute with a reserved name
 */
export function writeOpenToken(statement: OpenTokenStatement, key: OpenTokenKey, iv: Uint8Array): string {
  const taken = Object.keys(statement.attributes).find((name) => reserved.has(name))
  if (taken !== undefined || statement.subject === '') throw new CurfewError('CURFEW_OPENTOKEN_WRITE', { key: taken ?? openTokenNames.subject })
  const pairs: OpenTokenPairs = [
    [openTokenNames.notBefore, timeText(statement.notBefore)],
    ...(statement.authnContext === undefined ? [] : [[openTokenNames.authnContext, statement.authnContext] as const]),
    [openTokenNames.subject, statement.subject],
    ...Object.entries(statement.attributes).flatMap(([name, values]) => values.map((value) => [name, value] as const)),
    [openTokenNames.notOnOrAfter, timeText(statement.notOnOrAfter)],
    ...(statement.renewUntil === undefined ? [] : [[openTokenNames.renewUntil, timeText(statement.renewUntil)] as const])
  ]
  return encodeOpenToken(pairs, key, iv)
}

/** Whole seconds, UTC. */
function timeText(instant: Temporal.Instant): string {
  return instant.toString({ smallestUnit: 'second', roundingMode: 'floor' })
}
