import { CurfewError } from '../errors.ts'
import { attribute, childElements, is, text, type XmlElement } from '../xml/element.ts'
import { node } from '../xml/writer.ts'
import type { Open } from '../xmlenc/decrypt.ts'
import type { Seal } from '../xmlenc/encrypt.ts'
import { instantText, type MessageHeader, messageParts, optionalInstant, readMessage, type SignableParts } from './message.ts'
import { encryptedIdNode, type NameID, nameIdNode, readNameId } from './name-id.ts'
import { ns, sessionIndexesMax, valueCharactersMax } from './names.ts'

/** A wish to end sessions of one principal (Core 3.7.1). */
export interface LogoutRequest extends MessageHeader {
  readonly kind: 'LogoutRequest'
  readonly notOnOrAfter?: Temporal.Instant
  readonly reason?: string
  readonly consent?: string
  readonly subject: NameID
  /** Empty: every session of the subject with this partner. */
  readonly sessionIndexes: readonly string[]
  /** The requester wants no LogoutResponse (asynchronous single logout extension). */
  readonly asynchronous: boolean
}

/** @param seal - encrypts the subject for the reader; absent: it is written as it is */
export function serialiseLogoutRequest(m: LogoutRequest, seal?: Seal): SignableParts {
  const extensions = m.asynchronous ? node('samlp:Extensions', {}, [node('aslo:Asynchronous')]) : undefined
  const subject = seal === undefined ? nameIdNode(m.subject) : encryptedIdNode(m.subject, seal)
  return messageParts(
    'samlp:LogoutRequest',
    m,
    { NotOnOrAfter: m.notOnOrAfter === undefined ? undefined : instantText(m.notOnOrAfter), Reason: m.reason, Consent: m.consent },
    [extensions, subject, ...m.sessionIndexes.map((index) => node('samlp:SessionIndex', {}, [index]))]
  )
}

/**
 * @throws CURFEW_SAML_STRUCTURE, CURFEW_SAML_LIMIT with more than {@link sessionIndexesMax} indexes, and those of
 *   {@link readNameId}
 */
export function readLogoutRequest(element: XmlElement, open: Open): LogoutRequest {
  const { header, extensions, rest } = readMessage(element)
  const [subject, ...indexes] = rest
  if (indexes.length > sessionIndexesMax) throw new CurfewError('CURFEW_SAML_LIMIT', { what: 'SessionIndex', maximum: sessionIndexesMax })
  const notOnOrAfter = optionalInstant(attribute(element, 'NotOnOrAfter'), 'NotOnOrAfter')
  const reason = attribute(element, 'Reason')
  const consent = attribute(element, 'Consent')
  return {
    kind: 'LogoutRequest',
    ...header,
    subject: readNameId(subject, open),
    sessionIndexes: indexes.map(readSessionIndex),
    asynchronous: extensions !== undefined && childElements(extensions).some((child) => is(child, ns.aslo, 'Asynchronous')),
    ...(notOnOrAfter === undefined ? {} : { notOnOrAfter }),
    ...(reason === undefined ? {} : { reason }),
    ...(consent === undefined ? {} : { consent })
  }
}

function readSessionIndex(element: XmlElement): string {
  const value = is(element, ns.samlp, 'SessionIndex') ? text(element) : ''
  if (value === '' || value.length > valueCharactersMax) throw new CurfewError('CURFEW_SAML_STRUCTURE', { what: 'SessionIndex' })
  return value
}
