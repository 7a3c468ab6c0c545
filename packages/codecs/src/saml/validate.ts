import { CurfewError } from '../errors.ts'
import type { ArtifactResolve } from './artifact-resolve.ts'
import type { AuthnRequest } from './authn-request.ts'
import type { LogoutRequest } from './logout-request.ts'
import type { LogoutResponse } from './logout-response.ts'
import type { MessageHeader } from './message.ts'
import { bearerMethod } from './names.ts'
import type { Response } from './response.ts'
import { status } from './status.ts'
import { proofOf, type Verified } from './verify.ts'

/** Clocks may differ by this much, in seconds. */
export const skewSecondsDefault = 60
/** A message without an expiry of its own is accepted for so long after it was issued, in seconds. */
export const messageAgeSecondsMax = 300

/** What the reader knows: its time and the addresses that it answers at. */
export interface ValidationContext {
  readonly now: Temporal.Instant
  /** Configured addresses, never taken from the request. */
  readonly destinations: readonly string[]
  readonly skewSeconds?: number
}

/**
 * The rules every LogoutRequest must pass after its signature.
 * @throws CURFEW_SAML_DESTINATION_WRONG, CURFEW_SAML_ISSUE_INSTANT, CURFEW_SAML_EXPIRED
 * @see saml-core-2.0-os section 3.7.1
 */
export function validateLogoutRequest(message: Verified<LogoutRequest>, context: ValidationContext): void {
  requireDestination(message, context)
  requireIssueInstant(message, context, message.notOnOrAfter === undefined)
  requireBefore(message.notOnOrAfter, context)
}

/** As {@link validateLogoutRequest}; that `inResponseTo` names an open request is the caller's to find out. */
export function validateLogoutResponse(message: Verified<LogoutResponse>, context: ValidationContext): void {
  requireDestination(message, context)
  requireIssueInstant(message, context, true)
}

/**
 * An AuthnRequest that is not signed need not name a destination; a wrong one is refused all the same.
 * @throws CURFEW_SAML_DESTINATION_WRONG, CURFEW_SAML_ISSUE_INSTANT, CURFEW_SAML_EXPIRED
 */
export function validateAuthnRequest(message: Verified<AuthnRequest>, context: ValidationContext): void {
  if (message.destination !== undefined || mustNameDestination(message)) requireDestination(message, context)
  requireIssueInstant(message, context, true)
}

/** As {@link validateAuthnRequest}: by SOAP the address need not be named. That the artifact is the requester's is the caller's to find out. */
export function validateArtifactResolve(message: Verified<ArtifactResolve>, context: ValidationContext): void {
  if (message.destination !== undefined) requireDestination(message, context)
  requireIssueInstant(message, context, true)
}

export interface ResponseContext {
  readonly now: Temporal.Instant
  readonly skewSeconds?: number
  /** Assertion consumer service that the Response came to. */
  readonly consumerUrl: string
  /** Entity ID of the reader. */
  readonly audience: string
  /** Request that was answered; absent: unsolicited, and then no confirmation may name one. */
  readonly inResponseTo?: string
}

/**
 * The rules of the Web Browser SSO profile for the reader of a Response. One that is not signed itself, but in its
 * assertion, need not name a Destination: the Recipient of the assertion says the same.
 * @throws CURFEW_SAML_DESTINATION_WRONG, CURFEW_SAML_RESPONSE_STATUS, CURFEW_SAML_CONDITIONS, CURFEW_SAML_AUDIENCE_WRONG,
 *   CURFEW_SAML_SUBJECT_CONFIRMATION, CURFEW_SAML_IN_RESPONSE_TO
 * @see saml-profiles-2.0-os section 4.1.4.3
 */
export function validateResponse(message: Verified<Response>, context: ResponseContext): void {
  const { assertion, destination } = message
  if (destination === undefined ? mustNameDestination(message) : destination !== context.consumerUrl)
    throw new CurfewError('CURFEW_SAML_DESTINATION_WRONG', { got: (destination ?? 'none').slice(0, 200), expected: context.consumerUrl })
  if (assertion === undefined || !status.isSuccess(message.status))
    throw new CurfewError('CURFEW_SAML_RESPONSE_STATUS', { status: message.status.code, detail: message.status.subcodes.join(' ') })
  if (message.inResponseTo !== context.inResponseTo) throw new CurfewError('CURFEW_SAML_IN_RESPONSE_TO')
  const skewMs = (context.skewSeconds ?? skewSecondsDefault) * 1000
  const nowMs = context.now.epochMilliseconds
  const { notBefore, notOnOrAfter, audienceRestrictions } = assertion.conditions
  if (notBefore !== undefined && nowMs + skewMs < notBefore.epochMilliseconds) throw new CurfewError('CURFEW_SAML_CONDITIONS', { what: 'not yet valid' })
  if (notOnOrAfter !== undefined && nowMs - skewMs >= notOnOrAfter.epochMilliseconds)
    throw new CurfewError('CURFEW_SAML_CONDITIONS', { what: 'no longer valid' })
  if (audienceRestrictions.length === 0 || !audienceRestrictions.every((audiences) => audiences.includes(context.audience))) {
    throw new CurfewError('CURFEW_SAML_AUDIENCE_WRONG', { expected: context.audience })
  }
  const isConfirmed = assertion.subject.confirmations.some(
    (c) =>
      c.method === bearerMethod &&
      c.recipient === context.consumerUrl &&
      c.notOnOrAfter !== undefined &&
      nowMs - skewMs < c.notOnOrAfter.epochMilliseconds &&
      c.notBefore === undefined &&
      c.inResponseTo === context.inResponseTo
  )
  if (!isConfirmed) throw new CurfewError('CURFEW_SAML_SUBJECT_CONFIRMATION')
}

/** Which entry of the replay cache a request takes, and how long it must stay there. */
export function replayEntry(
  message: Verified<LogoutRequest> | Verified<AuthnRequest>,
  skewSeconds = skewSecondsDefault
): { readonly issuer: string; readonly id: string; readonly untilMs: number } {
  const own = message.kind === 'LogoutRequest' ? message.notOnOrAfter?.epochMilliseconds : undefined
  const until = own ?? message.issueInstant.epochMilliseconds + messageAgeSecondsMax * 1000
  return { issuer: message.issuer, id: message.id, untilMs: until + skewSeconds * 1000 }
}

/**
 * Signed and sent through the browser: without a Destination whoever received it could pass it on to somebody else.
 * What comes for an artifact was fetched from who issued it, by the one it is for.
 * @see saml-bindings-2.0-os sections 3.4.5.2 and 3.5.5.2
 */
function mustNameDestination(message: Verified<object>): boolean {
  const { binding, covers } = proofOf(message)
  return (binding === 'redirect' || binding === 'post') && covers === 'message'
}

function requireDestination(message: MessageHeader, context: ValidationContext): void {
  if (message.destination === undefined || !context.destinations.includes(message.destination)) {
    throw new CurfewError('CURFEW_SAML_DESTINATION_WRONG', { got: (message.destination ?? 'none').slice(0, 200), expected: context.destinations.join(' ') })
  }
}

function requireIssueInstant(message: MessageHeader, context: ValidationContext, limitsAge: boolean): void {
  const skewMs = (context.skewSeconds ?? skewSecondsDefault) * 1000
  const ageMs = context.now.epochMilliseconds - message.issueInstant.epochMilliseconds
  if (ageMs < -skewMs) throw new CurfewError('CURFEW_SAML_ISSUE_INSTANT', { secondsAhead: Math.round(-ageMs / 1000) })
  if (limitsAge && ageMs > messageAgeSecondsMax * 1000 + skewMs) throw new CurfewError('CURFEW_SAML_EXPIRED', { ageSeconds: Math.round(ageMs / 1000) })
}

function requireBefore(notOnOrAfter: Temporal.Instant | undefined, context: ValidationContext): void {
  const skewMs = (context.skewSeconds ?? skewSecondsDefault) * 1000
  if (notOnOrAfter !== undefined && context.now.epochMilliseconds - skewMs >= notOnOrAfter.epochMilliseconds) throw new CurfewError('CURFEW_SAML_EXPIRED')
}
