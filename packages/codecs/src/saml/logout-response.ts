import { CurfewError } from '../errors.ts'
import { attribute, is, type XmlElement } from '../xml/element.ts'
import { type MessageHeader, messageParts, readMessage, type SignableParts } from './message.ts'
import { ns } from './names.ts'
import { readStatus, type Status, statusNode } from './status.ts'

/** The answer to a LogoutRequest (Core 3.7.2). */
export interface LogoutResponse extends MessageHeader {
  readonly kind: 'LogoutResponse'
  readonly inResponseTo?: string
  readonly status: Status
}

export function serialiseLogoutResponse(m: LogoutResponse): SignableParts {
  return messageParts('samlp:LogoutResponse', m, { InResponseTo: m.inResponseTo }, [statusNode(m.status)])
}

/** @throws CURFEW_SAML_STRUCTURE */
export function readLogoutResponse(element: XmlElement): LogoutResponse {
  const { header, rest } = readMessage(element)
  const [statusElement, ...more] = rest
  if (!is(statusElement, ns.samlp, 'Status') || more.length > 0) throw new CurfewError('CURFEW_SAML_STRUCTURE', { what: 'LogoutResponse' })
  const inResponseTo = attribute(element, 'InResponseTo')
  return { kind: 'LogoutResponse', ...header, status: readStatus(statusElement), ...(inResponseTo === undefined ? {} : { inResponseTo }) }
}
