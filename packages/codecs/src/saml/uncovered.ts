import { CurfewError } from '../errors.ts'
import { childElements, hasOnly, is, text, type XmlElement } from '../xml/element.ts'
import { ns } from './names.ts'

const messageAttributes = ['ID', 'Version', 'IssueInstant', 'Destination', 'Consent', 'InResponseTo']
const issuerAttributes = ['NameQualifier', 'SPNameQualifier', 'Format', 'SPProvidedID']

/**
 * Holds an answer to its schema that no signature covers, because only what it carries is signed: its attributes,
 * Issuer, Extensions and Status. Whoever carries the message can change them, and nothing that others refuse is to get in there.
 *
 * @param element - a Response or an ArtifactResponse, whose parts were read already
 * @throws CURFEW_SAML_STRUCTURE
 * @see saml-core-2.0-os section 3.2.2
 */
export function requireUncovered(element: XmlElement): void {
  const [issuer, ...parts] = childElements(element)
  const status = parts.find((part) => is(part, ns.samlp, 'Status'))
  const extensions = parts.find((part) => is(part, ns.samlp, 'Extensions'))
  const isPlain =
    hasOnly(element, messageAttributes) &&
    (issuer === undefined || hasOnly(issuer, issuerAttributes)) &&
    (extensions === undefined || areExtensions(extensions)) &&
    (status === undefined || isStatus(status))
  if (!isPlain) throw new CurfewError('CURFEW_SAML_STRUCTURE', { what: `the unsigned ${element.name}` })
}

/** Of other namespaces than the protocol's, and at least one. */
function areExtensions(extensions: XmlElement): boolean {
  const inner = childElements(extensions)
  return hasOnly(extensions, []) && inner.length > 0 && inner.every(({ namespace }) => namespace !== '' && namespace !== ns.samlp)
}

function isStatus(status: XmlElement): boolean {
  const [code, ...parts] = childElements(status)
  const message = is(parts[0], ns.samlp, 'StatusMessage') ? parts[0] : undefined
  const [detail, ...more] = parts.filter((part) => part !== message)
  return (
    hasOnly(status, []) &&
    isCode(code) &&
    (message === undefined || (hasOnly(message, []) && text(message).length >= 0)) &&
    (detail === undefined || (is(detail, ns.samlp, 'StatusDetail') && hasOnly(detail, []))) &&
    more.length === 0
  )
}

/** How deep codes stand inside each other was judged where they were read. */
function isCode(code: XmlElement | undefined): boolean {
  if (!is(code, ns.samlp, 'StatusCode') || !hasOnly(code, ['Value'])) return false
  const [inner, ...more] = childElements(code)
  return more.length === 0 && (inner === undefined || isCode(inner))
}
