import { CurfewError } from '../errors.ts'
import { attribute, childElements, is, isWhiteSpace, type XmlElement } from '../xml/element.ts'
import { parseXml } from '../xml/reader.ts'
import { CanonicalXml, node, write } from '../xml/writer.ts'
import { ns } from './names.ts'
import { type Received, receivedFrom } from './received.ts'

/** Value of the SOAPAction header of SAML messages, with its quotes. */
export const soapAction = '"http://www.oasis-open.org/committees/security"'

/** Wraps a signed message in a SOAP 1.1 envelope. @see saml-bindings-2.0-os section 3.2 */
export function encodeSoap(signedXml: string): string {
  return write(node('soap:Envelope', {}, [node('soap:Body', {}, [new CanonicalXml(signedXml)])]), { soap: ns.soap })
}

/** A SOAP fault: for a body that is no SAML message at all; SAML errors travel as a status. */
export function soapFault(code: 'Client' | 'Server', words: string): string {
  const fault = node('soap:Fault', {}, [node('faultcode', {}, [`soap:${code}`]), node('faultstring', {}, [words])])
  return write(node('soap:Envelope', {}, [node('soap:Body', {}, [fault])]), { soap: ns.soap })
}

/**
 * Reads the one SAML message of a SOAP 1.1 body.
 * @throws CURFEW_SAML_SOAP and all of the reader
 */
export function decodeSoap(bytes: Uint8Array): Received {
  const document = parseXml(bytes, 'message')
  const { root } = document
  if (!is(root, ns.soap, 'Envelope')) throw new CurfewError('CURFEW_SAML_SOAP', { why: 'no SOAP 1.1 envelope' })
  const parts = root.children.filter((child) => typeof child !== 'string')
  if (!root.children.every(isBetweenParts)) throw new CurfewError('CURFEW_SAML_SOAP', { why: 'text beside the Body' })
  const header = is(parts[0], ns.soap, 'Header') ? parts[0] : undefined
  const body = parts[header === undefined ? 0 : 1]
  if (!is(body, ns.soap, 'Body') || parts.length !== (header === undefined ? 1 : 2)) throw new CurfewError('CURFEW_SAML_SOAP', { why: 'no single Body' })
  const entries = header === undefined ? [] : childElements(header)
  const qualified = [...root.attributes, ...(header?.attributes ?? []), ...entries]
  if (!qualified.every(isQualified)) throw new CurfewError('CURFEW_SAML_SOAP', { why: 'an attribute or a header without a namespace' })
  if (entries.some(mustUnderstand)) throw new CurfewError('CURFEW_SAML_SOAP', { why: 'a header that must be understood' })
  const [message, ...more] = childElements(body)
  if (message === undefined || more.length > 0) throw new CurfewError('CURFEW_SAML_SOAP', { why: 'the Body holds no single message' })
  if (is(message, ns.soap, 'Fault')) throw new CurfewError('CURFEW_SAML_SOAP', { why: 'the partner answered with a fault' })
  return receivedFrom(document, message, { binding: 'soap' })
}

/** Anything but 0 asks for it; 1 is what the standard has. */
function mustUnderstand(element: XmlElement): boolean {
  return (attribute(element, 'mustUnderstand', ns.soap) ?? '0') !== '0'
}

/** White space, and the one backslash that SimpleSAMLphp up to 2.0 writes before the Header. */
function isBetweenParts(child: XmlElement | string): boolean {
  return typeof child !== 'string' || isWhiteSpace(child.replace('\\', ''))
}

/** No signature covers Envelope and Header. @see soap-1.1 sections 4.1.1 and 4.2 */
function isQualified({ namespace }: { readonly namespace: string }): boolean {
  return namespace !== ''
}
