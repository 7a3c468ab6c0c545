import { createHash } from 'node:crypto'
import { attribute, childElements, is, text, type XmlElement } from '../xml/element.ts'
import { ns } from './names.ts'
import { content, type Received } from './received.ts'

/** A received message in words, for a person who looks into a problem. Nothing in it has been verified. */
export interface MessageDescription {
  readonly kind: string
  readonly binding: string
  readonly isSigned: boolean
  readonly signatureAlgorithm?: string
  readonly fields: Readonly<Record<string, string | readonly string[]>>
}

/** Describes a message without trusting it. Identifiers of users are shortened: first characters and a hash prefix. */
export function describeReceived(received: Received): MessageDescription {
  const { element, query } = received[content]
  const fields: Record<string, string | readonly string[]> = {}
  for (const name of [
    'ID',
    'InResponseTo',
    'IssueInstant',
    'Destination',
    'NotOnOrAfter',
    'Reason',
    'Consent',
    'AssertionConsumerServiceURL',
    'ForceAuthn',
    'IsPassive'
  ]) {
    const value = attribute(element, name)
    if (value !== undefined) fields[name] = value
  }
  const children = childElements(element)
  const issuer = children.find((child) => is(child, ns.saml, 'Issuer'))
  if (issuer !== undefined) fields['Issuer'] = text(issuer)
  const indexes = children.filter((child) => is(child, ns.samlp, 'SessionIndex')).map((child) => text(child))
  if (indexes.length > 0) fields['SessionIndex'] = indexes
  const status = children.find((child) => is(child, ns.samlp, 'Status'))
  if (status !== undefined) fields['Status'] = statusWords(status)
  Object.assign(fields, describeResolution(received, children))
  Object.assign(fields, describeSubject(children))
  if (received.relayState !== undefined) fields['RelayState'] = redact(received.relayState)
  const algorithm = query?.algorithm ?? signatureMethod(children)
  return {
    kind: received.kind,
    binding: received.binding,
    isSigned: received.isSigned,
    fields,
    ...(algorithm === undefined ? {} : { signatureAlgorithm: algorithm })
  }
}

/** First four characters and a hash prefix: enough to compare, too little to use. */
export function redact(value: string): string {
  return `${value.slice(0, 4)}... (sha256 ${createHash('sha256').update(value).digest('hex').slice(0, 8)})`
}

/** What an ArtifactResolve asks for, or an ArtifactResponse holds. The artifact itself is worth as much as its message. */
function describeResolution({ kind }: Received, children: readonly XmlElement[]): Record<string, string> {
  const last = children.at(-1)
  if (last === undefined) return {}
  if (kind === 'ArtifactResolve') return { Artifact: redact(text(last)) }
  if (kind !== 'ArtifactResponse') return {}
  const isMessage = last.namespace === ns.samlp && last.name !== 'Status'
  return { Message: isMessage ? `${last.name} ${attribute(last, 'ID') ?? ''}` : 'none' }
}

function describeSubject(children: readonly XmlElement[]): Record<string, string | readonly string[]> {
  const nameId = children.find((child) => is(child, ns.saml, 'NameID'))
  if (nameId !== undefined) return nameIdFields(nameId)
  if (children.some((child) => is(child, ns.saml, 'EncryptedID'))) return { NameID: 'encrypted' }
  if (children.some((child) => is(child, ns.saml, 'EncryptedAssertion'))) return { Assertion: 'encrypted' }
  const assertion = children.find((child) => is(child, ns.saml, 'Assertion'))
  if (assertion === undefined) return {}
  const parts = childElements(assertion)
  const subject = parts.find((child) => is(child, ns.saml, 'Subject'))
  const inner = subject === undefined ? undefined : childElements(subject).find((child) => is(child, ns.saml, 'NameID'))
  const isHidden = subject !== undefined && childElements(subject).some((child) => is(child, ns.saml, 'EncryptedID'))
  const statement = parts.find((child) => is(child, ns.saml, 'AuthnStatement'))
  const attributes = parts.filter((child) => is(child, ns.saml, 'AttributeStatement')).flatMap((child) => childElements(child))
  const index = statement === undefined ? undefined : attribute(statement, 'SessionIndex')
  return {
    Assertion: attribute(assertion, 'ID') ?? '',
    ...(inner === undefined ? (isHidden ? { NameID: 'encrypted' } : {}) : nameIdFields(inner)),
    ...(index === undefined ? {} : { SessionIndex: index }),
    Attributes: attributes.map((child) => attribute(child, 'Name') ?? '')
  }
}

function nameIdFields(element: XmlElement): Record<string, string> {
  return { NameID: redact(text(element)), 'NameID Format': attribute(element, 'Format') ?? 'none' }
}

function statusWords(element: XmlElement): readonly string[] {
  const codes: string[] = []
  let at = childElements(element)[0]
  while (at !== undefined && codes.length < 8) {
    codes.push(attribute(at, 'Value') ?? '')
    at = childElements(at)[0]
  }
  return codes
}

function signatureMethod(children: readonly XmlElement[]): string | undefined {
  const signature = children.find((child) => is(child, ns.ds, 'Signature'))
  const info = signature === undefined ? undefined : childElements(signature)[0]
  const method = info === undefined ? undefined : childElements(info).find((child) => is(child, ns.ds, 'SignatureMethod'))
  return method === undefined ? undefined : attribute(method, 'Algorithm')
}
