import { attribute, childElements, describeReceived, is, type MessageDescription, type Received, type XmlElement } from '@curfew/codecs'
import type { Show } from './inspect-shorten.ts'
import type { Times } from './inspect-times.ts'

/** What a person sees of a message and what is judged. Nothing of it has been verified. */
export interface InspectedMessage {
  readonly description: MessageDescription
  readonly times: Times
  /** In full, for comparing; never printed as it is. */
  readonly nameId?: string
  readonly sessionIndexes: readonly string[]
}

const protocol = 'urn:oasis:names:tc:SAML:2.0:protocol'
const assertion = 'urn:oasis:names:tc:SAML:2.0:assertion'

/** The message inside a SOAP envelope, or the element itself. */
export function messageElement(root: XmlElement): XmlElement {
  const body = root.name === 'Envelope' ? childElements(root).find((child) => child.name === 'Body') : undefined
  return (body === undefined ? undefined : childElements(body)[0]) ?? root
}

/** Reads a message for people. @param show - what stands where a name or an attribute of a person is */
export function readMessage(received: Received, element: XmlElement, show: Show): InspectedMessage {
  const described = describeReceived(received)
  const issued = within(element, assertion, 'Assertion')
  const subject = issued === undefined ? element : within(issued, assertion, 'Subject')
  const nameId = textOf(within(subject, assertion, 'NameID'))
  const attributes = attributesOf(issued, show)
  const isEncrypted = within(element, assertion, 'EncryptedAssertion') !== undefined || within(subject, assertion, 'EncryptedID') !== undefined
  const fields = {
    ...described.fields,
    ...(nameId === undefined ? {} : { NameID: show(nameId) }),
    ...(isEncrypted ? { Encrypted: 'yes; only the recipient can read it' } : {}),
    ...(received.relayState === undefined ? {} : { RelayState: show(received.relayState) }),
    ...(attributes.length === 0 ? {} : { Attributes: attributes })
  }
  return {
    description: { ...described, fields },
    times: timesOf(received.kind, element, issued),
    sessionIndexes: sessionIndexesOf(element, issued),
    ...(nameId === undefined ? {} : { nameId })
  }
}

function attributesOf(issued: XmlElement | undefined, show: Show): readonly string[] {
  const statements = issued === undefined ? [] : childElements(issued).filter((child) => is(child, assertion, 'AttributeStatement'))
  return statements
    .flatMap((statement) => childElements(statement))
    .map(
      (one) =>
        `${attribute(one, 'Name') ?? 'encrypted'} = ${childElements(one)
          .map((value) => show(textOf(value) ?? ''))
          .join(', ')}`
    )
}

function sessionIndexesOf(element: XmlElement, issued: XmlElement | undefined): readonly string[] {
  const named = childElements(element).filter((child) => is(child, protocol, 'SessionIndex'))
  const statement = within(issued, assertion, 'AuthnStatement')
  const opened = statement === undefined ? undefined : attribute(statement, 'SessionIndex')
  return [...named.map((child) => textOf(child) ?? ''), ...(opened === undefined ? [] : [opened])]
}

/** A Response lives as long as the conditions of its assertion. */
function timesOf(kind: Received['kind'], element: XmlElement, issued: XmlElement | undefined): Times {
  const conditions = within(issued, assertion, 'Conditions')
  const issuedAtMs = instantOf(element, 'IssueInstant')
  const notBeforeAtMs = instantOf(conditions, 'NotBefore')
  const expiresAtMs = instantOf(element, 'NotOnOrAfter') ?? instantOf(conditions, 'NotOnOrAfter')
  return {
    limitsAge: kind !== 'Response' && expiresAtMs === undefined,
    ...(issuedAtMs === undefined ? {} : { issuedAtMs }),
    ...(notBeforeAtMs === undefined ? {} : { notBeforeAtMs }),
    ...(expiresAtMs === undefined ? {} : { expiresAtMs })
  }
}

function instantOf(element: XmlElement | undefined, name: string): number | undefined {
  const atMs = Date.parse((element === undefined ? undefined : attribute(element, name)) ?? '')
  return Number.isNaN(atMs) ? undefined : atMs
}

function within(element: XmlElement | undefined, namespace: string, name: string): XmlElement | undefined {
  return element === undefined ? undefined : childElements(element).find((child) => is(child, namespace, name))
}

/** All text below an element: an attribute value may hold elements. */
function textOf(element: XmlElement | undefined): string | undefined {
  return element?.children.map((child) => (typeof child === 'string' ? child : (textOf(child) ?? ''))).join('')
}
