import { CurfewError } from '../errors.ts'
import { signatureOf } from '../dsig/enveloped.ts'
import { type SignableParts, signEnveloped } from '../dsig/sign.ts'
import type { SigningKey } from '../dsig/keys.ts'
import { attribute, childElements, is, text, type XmlElement } from '../xml/element.ts'
import { type CanonicalXml, node, writeAround, type XmlNode } from '../xml/writer.ts'
import { ns, valueCharactersMax } from './names.ts'

/** What every request and response has (Core 3.2). */
export interface MessageHeader {
  readonly id: string
  readonly issuer: string
  readonly issueInstant: Temporal.Instant
  readonly destination?: string
}

/** A message before its signature; sign it with {@link signMessage} or send the unsigned form by Redirect. */
export type { SignableParts }

const writing = { samlp: ns.samlp, saml: ns.saml, aslo: ns.aslo, art: ns.samlp }

/** Writes a message so that the Signature goes directly after `Issuer`. */
export function messageParts(
  name: string,
  header: MessageHeader,
  attributes: Readonly<Record<string, string | undefined>>,
  children: readonly (XmlNode | CanonicalXml | undefined)[]
): SignableParts {
  const root = node(name, { ID: header.id, Version: '2.0', IssueInstant: instantText(header.issueInstant), Destination: header.destination, ...attributes }, [
    node('saml:Issuer', {}, [header.issuer]),
    ...children
  ])
  return { ...writeAround(root, writing, 1), id: header.id }
}

/** Signs a message by construction; the result is what goes on the wire by POST and SOAP. */
export function signMessage(parts: SignableParts, key: SigningKey): Promise<string> {
  return signEnveloped(parts, key)
}

/** UTC with milliseconds and `Z`. */
export function instantText(instant: Temporal.Instant): string {
  return instant.toString({ smallestUnit: 'millisecond' })
}

/**
 * Reads an xs:dateTime with a time zone.
 * @throws CURFEW_SAML_STRUCTURE
 */
export function readInstant(value: string | undefined, what: string): Temporal.Instant {
  const quickMs = value === undefined ? undefined : plainUtcMs(value)
  if (quickMs !== undefined) return Temporal.Instant.fromEpochMilliseconds(quickMs)
  if (value === undefined || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/.test(value))
    throw new CurfewError('CURFEW_SAML_STRUCTURE', { what })
  try {
    return Temporal.Instant.from(value)
  } catch (cause) {
    throw new CurfewError('CURFEW_SAML_STRUCTURE', { what }, { cause })
  }
}

/**
 * `2026-03-01T09:00:00Z`, with three digits of a second or none: what nearly everybody writes, and quick to tell. Days
 * that only some months have, leap seconds and everything else are left to the full reader.
 */
function plainUtcMs(value: string): number | undefined {
  const { length } = value
  if ((length !== 20 && length !== 24) || value.charCodeAt(length - 1) !== 0x5a) return undefined
  for (let i = 0; i < length - 1; i++) {
    const c = value.charCodeAt(i)
    const mark = plainUtc.charCodeAt(i)
    if (mark === 0x30 ? c < 0x30 || c > 0x39 : c !== mark) return undefined
  }
  const year = twoDigits(value, 0) * 100 + twoDigits(value, 2)
  const month = twoDigits(value, 5)
  const day = twoDigits(value, 8)
  const hour = twoDigits(value, 11)
  const minute = twoDigits(value, 14)
  const second = twoDigits(value, 17)
  // Years before 100 mean others to Date.
  if (year < 100 || month < 1 || month > 12 || day < 1 || day > 28 || hour > 23 || minute > 59 || second > 59) return undefined
  return Date.UTC(year, month - 1, day, hour, minute, second, length === 20 ? 0 : twoDigits(value, 20) * 10 + digit(value, 22))
}

function twoDigits(value: string, at: number): number {
  return digit(value, at) * 10 + digit(value, at + 1)
}

function digit(value: string, at: number): number {
  return value.charCodeAt(at) - 0x30
}

const plainUtc = '0000-00-00T00:00:00.000'

export function optionalInstant(value: string | undefined, what: string): Temporal.Instant | undefined {
  return value === undefined ? undefined : readInstant(value, what)
}

/** The children of a message after Issuer, Signature and Extensions, and what stood before them. */
export interface MessageBody {
  readonly header: MessageHeader
  readonly extensions: XmlElement | undefined
  readonly rest: readonly XmlElement[]
}

/**
 * Reads what all messages share, by absolute position: Issuer, Signature (already proved or absent), Extensions.
 * @throws CURFEW_SAML_STRUCTURE, CURFEW_SAML_VERSION
 */
export function readMessage(element: XmlElement): MessageBody {
  if (attribute(element, 'Version') !== '2.0') throw new CurfewError('CURFEW_SAML_VERSION')
  const children = childElements(element)
  const [issuer] = children
  if (!is(issuer, ns.saml, 'Issuer')) throw new CurfewError('CURFEW_SAML_STRUCTURE', { what: 'Issuer' })
  const signature = signatureOf(element)
  let next = signature === undefined ? 1 : 2
  const extensions = is(children[next], ns.samlp, 'Extensions') ? children[next] : undefined
  if (extensions !== undefined) next += 1
  const destination = attribute(element, 'Destination')
  const header = {
    id: requiredAttribute(element, 'ID'),
    issuer: issuerText(issuer),
    issueInstant: readInstant(attribute(element, 'IssueInstant'), 'IssueInstant'),
    ...(destination === undefined || destination === '' ? {} : { destination })
  }
  return { header, extensions, rest: children.slice(next) }
}

/** @throws CURFEW_SAML_STRUCTURE when the format is anything but an entity identifier */
export function issuerText(element: XmlElement): string {
  const format = attribute(element, 'Format')
  if (format !== undefined && format !== 'urn:oasis:names:tc:SAML:2.0:nameid-format:entity')
    throw new CurfewError('CURFEW_SAML_STRUCTURE', { what: 'Issuer Format' })
  const value = text(element).trim()
  if (value === '' || value.length > valueCharactersMax) throw new CurfewError('CURFEW_SAML_STRUCTURE', { what: 'Issuer' })
  return value
}

export function requiredAttribute(element: XmlElement, name: string): string {
  const value = attribute(element, name)
  if (value === undefined || value === '' || value.length > valueCharactersMax)
    throw new CurfewError('CURFEW_SAML_STRUCTURE', { what: `${element.name} ${name}` })
  return value
}

/** xs:boolean. */
export function booleanAttribute(element: XmlElement, name: string): boolean | undefined {
  const value = attribute(element, name)
  if (value === undefined) return undefined
  if (value === 'true' || value === '1') return true
  if (value === 'false' || value === '0') return false
  throw new CurfewError('CURFEW_SAML_STRUCTURE', { what: `${element.name} ${name}` })
}
