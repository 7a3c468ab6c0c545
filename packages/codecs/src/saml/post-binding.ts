import { strictBase64 } from '../base64.ts'
import { CurfewError } from '../errors.ts'
import { messageLimits } from '../xml/limits.ts'
import { relayStateBytesMax } from './names.ts'
import { type Received, receive } from './received.ts'

/** The fields of the form that carries a signed message by HTTP POST. @see saml-bindings-2.0-os section 3.5.4 */
export function encodePost(
  signedXml: string,
  options: { readonly parameter: 'SAMLRequest' | 'SAMLResponse'; readonly relayState?: string }
): { readonly fields: Readonly<Record<string, string>> } {
  const message = Buffer.from(signedXml).toString('base64')
  return { fields: { [options.parameter]: message, ...(options.relayState === undefined ? {} : { RelayState: options.relayState }) } }
}

/**
 * Reads a message received by HTTP POST.
 * @param fields - name and value pairs of the form, decoded, in order
 * @throws CURFEW_SAML_QUERY, CURFEW_SAML_BASE64, CURFEW_XML_LIMIT and all of the reader
 */
export function decodePost(fields: Iterable<readonly [string, string]>): Received {
  const found = new Map<string, string>()
  for (const [name, value] of fields) {
    if (name !== 'SAMLRequest' && name !== 'SAMLResponse' && name !== 'RelayState') continue
    if (found.has(name)) throw new CurfewError('CURFEW_SAML_QUERY', { why: `${name} stands twice` })
    found.set(name, value)
  }
  const request = found.get('SAMLRequest')
  const message = request ?? found.get('SAMLResponse')
  if (message === undefined || (request !== undefined && found.has('SAMLResponse')))
    throw new CurfewError('CURFEW_SAML_QUERY', { why: 'it must hold exactly one message' })
  if (message.length > messageLimits.documentBytesMax * 1.5)
    throw new CurfewError('CURFEW_XML_LIMIT', { what: 'document bytes', maximum: messageLimits.documentBytesMax })
  const relayState = found.get('RelayState')
  if (relayState !== undefined && Buffer.byteLength(relayState) > relayStateBytesMax)
    throw new CurfewError('CURFEW_SAML_QUERY', { why: 'RelayState is too long' })
  const received = receive(strictBase64(message, 'whitespace'), { binding: 'post', ...(relayState === undefined ? {} : { relayState }) })
  const isRequest = received.kind === 'AuthnRequest' || received.kind === 'LogoutRequest'
  if (isRequest !== (request !== undefined)) throw new CurfewError('CURFEW_SAML_QUERY', { why: 'the parameter does not fit the message' })
  return received
}
