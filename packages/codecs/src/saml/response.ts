import { CurfewError } from '../errors.ts'
import { attribute, is, type XmlElement } from '../xml/element.ts'
import { CanonicalXml } from '../xml/writer.ts'
import type { Assertion } from './assertion.ts'
import { type MessageHeader, messageParts, readMessage, type SignableParts } from './message.ts'
import { ns } from './names.ts'
import { readStatus, type Status, statusNode } from './status.ts'

/** The answer to an AuthnRequest, or an unsolicited one (Core 3.3.3). */
export interface Response extends MessageHeader {
  readonly kind: 'Response'
  readonly inResponseTo?: string
  readonly status: Status
  /** Present when the status is Success. */
  readonly assertion?: Assertion
}

/** @param assertion - as `signMessage` or `encryptAssertion` returned it; absent for an error */
export function serialiseResponse(m: Omit<Response, 'assertion'>, assertion?: string): SignableParts {
  return messageParts('samlp:Response', m, { InResponseTo: m.inResponseTo }, [
    statusNode(m.status),
    assertion === undefined ? undefined : new CanonicalXml(assertion)
  ])
}

/** A Response whose assertion element has not been judged yet. */
export interface ResponseParts {
  readonly response: Omit<Response, 'assertion'>
  /** `Assertion` or `EncryptedAssertion`. */
  readonly assertion: XmlElement | undefined
}

/**
 * Reads a Response by absolute position: Status, then nothing or exactly one Assertion or EncryptedAssertion.
 * @throws CURFEW_SAML_STRUCTURE, CURFEW_SAML_ASSERTION_COUNT
 */
export function readResponse(element: XmlElement): ResponseParts {
  const { header, rest } = readMessage(element)
  const [statusElement, assertion, ...more] = rest
  if (!is(statusElement, ns.samlp, 'Status')) throw new CurfewError('CURFEW_SAML_STRUCTURE', { what: 'Response' })
  const isAssertion = is(assertion, ns.saml, 'Assertion') || is(assertion, ns.saml, 'EncryptedAssertion')
  if (more.length > 0 || (assertion !== undefined && !isAssertion)) throw new CurfewError('CURFEW_SAML_ASSERTION_COUNT', { found: rest.length - 1 })
  const inResponseTo = attribute(element, 'InResponseTo')
  return { response: { kind: 'Response', ...header, status: readStatus(statusElement), ...(inResponseTo === undefined ? {} : { inResponseTo }) }, assertion }
}
