import { CurfewError } from '../errors.ts'
import type { SignableParts } from '../dsig/sign.ts'
import { attribute, childElements, is, text, type XmlElement } from '../xml/element.ts'
import { node, write, writeAround, type XmlNode } from '../xml/writer.ts'
import type { Open } from '../xmlenc/decrypt.ts'
import type { Seal } from '../xmlenc/encrypt.ts'
import { instantText, issuerText, optionalInstant, readInstant, requiredAttribute } from './message.ts'
import { encryptedIdNode, type NameID, nameIdNode, readNameId } from './name-id.ts'
import { ns } from './names.ts'

/** What the identity provider says of a user to one service provider (Core 2.3.3). */
export interface Assertion {
  readonly id: string
  readonly issuer: string
  readonly issueInstant: Temporal.Instant
  readonly subject: { readonly nameId: NameID; readonly confirmations: readonly SubjectConfirmation[] }
  readonly conditions: Conditions
  readonly authnStatement?: AuthnStatement
  readonly attributes: readonly AssertionAttribute[]
}

export interface SubjectConfirmation {
  readonly method: string
  readonly recipient?: string
  readonly notOnOrAfter?: Temporal.Instant
  readonly notBefore?: Temporal.Instant
  readonly inResponseTo?: string
}

export interface Conditions {
  readonly notBefore?: Temporal.Instant
  readonly notOnOrAfter?: Temporal.Instant
  /** Every restriction must hold; each holds when one of its audiences is the reader. */
  readonly audienceRestrictions: readonly (readonly string[])[]
}

export interface AuthnStatement {
  readonly authnInstant: Temporal.Instant
  readonly sessionIndex?: string
  readonly sessionNotOnOrAfter?: Temporal.Instant
  readonly classRef: string
}

export interface AssertionAttribute {
  readonly name: string
  readonly nameFormat?: string
  readonly friendlyName?: string
  readonly values: readonly string[]
}

/** Most attributes of one assertion, and most values of one attribute. */
const attributesMax = 200
const valuesMax = 500

/** @param seal - encrypts the NameID for the reader; absent: it is written as it is */
export function serialiseAssertion(a: Assertion, seal?: Seal): SignableParts {
  const nameId = seal === undefined ? nameIdNode(a.subject.nameId) : encryptedIdNode(a.subject.nameId, seal)
  const root = node('saml:Assertion', { ID: a.id, Version: '2.0', IssueInstant: instantText(a.issueInstant) }, [
    node('saml:Issuer', {}, [a.issuer]),
    node('saml:Subject', {}, [nameId, ...a.subject.confirmations.map(confirmationNode)]),
    conditionsNode(a.conditions),
    a.authnStatement === undefined ? undefined : authnStatementNode(a.authnStatement),
    a.attributes.length === 0 ? undefined : node('saml:AttributeStatement', {}, a.attributes.map(attributeNode))
  ])
  return { ...writeAround(root, { saml: ns.saml }, 1), id: a.id }
}

/** Encrypts an assertion for its reader (Core 2.3.4). @param signedAssertion - the assertion as `signMessage` returned it */
export function encryptAssertion(signedAssertion: string, seal: Seal): string {
  return write(node('saml:EncryptedAssertion', {}, [seal(signedAssertion)]), { saml: ns.saml })
}

function confirmationNode(c: SubjectConfirmation): XmlNode {
  return node('saml:SubjectConfirmation', { Method: c.method }, [
    node('saml:SubjectConfirmationData', {
      InResponseTo: c.inResponseTo,
      NotBefore: optionalText(c.notBefore),
      NotOnOrAfter: optionalText(c.notOnOrAfter),
      Recipient: c.recipient
    })
  ])
}

function conditionsNode(c: Conditions): XmlNode {
  return node(
    'saml:Conditions',
    { NotBefore: optionalText(c.notBefore), NotOnOrAfter: optionalText(c.notOnOrAfter) },
    c.audienceRestrictions.map((audiences) =>
      node(
        'saml:AudienceRestriction',
        {},
        audiences.map((audience) => node('saml:Audience', {}, [audience]))
      )
    )
  )
}

function authnStatementNode(s: AuthnStatement): XmlNode {
  return node(
    'saml:AuthnStatement',
    { AuthnInstant: instantText(s.authnInstant), SessionIndex: s.sessionIndex, SessionNotOnOrAfter: optionalText(s.sessionNotOnOrAfter) },
    [node('saml:AuthnContext', {}, [node('saml:AuthnContextClassRef', {}, [s.classRef])])]
  )
}

function attributeNode(a: AssertionAttribute): XmlNode {
  return node(
    'saml:Attribute',
    { Name: a.name, NameFormat: a.nameFormat, FriendlyName: a.friendlyName },
    a.values.map((value) => node('saml:AttributeValue', {}, [value]))
  )
}

function optionalText(instant: Temporal.Instant | undefined): string | undefined {
  return instant === undefined ? undefined : instantText(instant)
}

/**
 * Reads an assertion by absolute position. Statements that SAML allows and this product has no use for are passed over.
 * @throws CURFEW_SAML_STRUCTURE, CURFEW_SAML_ENCRYPTED, and those of `readNameId`
 */
export function readAssertion(element: XmlElement, open: Open): Assertion {
  if (attribute(element, 'Version') !== '2.0') throw new CurfewError('CURFEW_SAML_VERSION')
  const children = childElements(element)
  const issuer = children[0]
  if (!is(issuer, ns.saml, 'Issuer')) throw broken('Assertion Issuer')
  let at = is(children[1], ns.ds, 'Signature') ? 2 : 1
  const subject = children[at]
  if (!is(subject, ns.saml, 'Subject')) throw broken('Subject')
  at += 1
  const conditions = is(children[at], ns.saml, 'Conditions') ? children[at] : undefined
  if (conditions !== undefined) at += 1
  const statements = children.slice(at)
  if (statements.some((child) => child.namespace !== ns.saml || !statementNames.has(child.name))) throw broken('Assertion')
  const authn = statements.filter((child) => is(child, ns.saml, 'AuthnStatement'))
  if (authn.length > 1) throw broken('AuthnStatement')
  const [statement] = authn
  return {
    id: requiredAttribute(element, 'ID'),
    issuer: issuerText(issuer),
    issueInstant: readInstant(attribute(element, 'IssueInstant'), 'IssueInstant'),
    subject: readSubject(subject, open),
    conditions: conditions === undefined ? { audienceRestrictions: [] } : readConditions(conditions),
    attributes: statements.filter((child) => is(child, ns.saml, 'AttributeStatement')).flatMap(readAttributes),
    ...(statement === undefined ? {} : { authnStatement: readAuthnStatement(statement) })
  }
}

/** `Advice` may hold other assertions: refused. */
const statementNames = new Set(['AuthnStatement', 'AttributeStatement', 'AuthzDecisionStatement'])

function readSubject(element: XmlElement, open: Open): Assertion['subject'] {
  const [nameId, ...confirmations] = childElements(element)
  return { nameId: readNameId(nameId, open), confirmations: confirmations.map(readConfirmation) }
}

function readConfirmation(element: XmlElement): SubjectConfirmation {
  if (!is(element, ns.saml, 'SubjectConfirmation')) throw broken('SubjectConfirmation')
  const data = childElements(element).find((child) => is(child, ns.saml, 'SubjectConfirmationData'))
  const recipient = data && attribute(data, 'Recipient')
  const inResponseTo = data && attribute(data, 'InResponseTo')
  const notOnOrAfter = optionalInstant(data && attribute(data, 'NotOnOrAfter'), 'NotOnOrAfter')
  const notBefore = optionalInstant(data && attribute(data, 'NotBefore'), 'NotBefore')
  return {
    method: requiredAttribute(element, 'Method'),
    ...(recipient === undefined ? {} : { recipient }),
    ...(inResponseTo === undefined ? {} : { inResponseTo }),
    ...(notOnOrAfter === undefined ? {} : { notOnOrAfter }),
    ...(notBefore === undefined ? {} : { notBefore })
  }
}

const harmlessConditions = new Set(['OneTimeUse', 'ProxyRestriction'])

/** A condition that is not understood makes the assertion unusable (Core 2.5.1). */
function readConditions(element: XmlElement): Conditions {
  const notBefore = optionalInstant(attribute(element, 'NotBefore'), 'NotBefore')
  const notOnOrAfter = optionalInstant(attribute(element, 'NotOnOrAfter'), 'NotOnOrAfter')
  const audienceRestrictions: (readonly string[])[] = []
  for (const child of childElements(element)) {
    const name = child.namespace === ns.saml ? child.name : 'foreign condition'
    if (name === 'AudienceRestriction') audienceRestrictions.push(childElements(child).map((audience) => text(audience).trim()))
    else if (!harmlessConditions.has(name)) throw new CurfewError('CURFEW_SAML_CONDITIONS', { what: name })
  }
  return { audienceRestrictions, ...(notBefore === undefined ? {} : { notBefore }), ...(notOnOrAfter === undefined ? {} : { notOnOrAfter }) }
}

function readAuthnStatement(element: XmlElement): AuthnStatement {
  const context = childElements(element).find((child) => is(child, ns.saml, 'AuthnContext'))
  const classRef = context === undefined ? undefined : childElements(context).find((child) => is(child, ns.saml, 'AuthnContextClassRef'))
  const sessionIndex = attribute(element, 'SessionIndex')
  const sessionNotOnOrAfter = optionalInstant(attribute(element, 'SessionNotOnOrAfter'), 'SessionNotOnOrAfter')
  return {
    authnInstant: readInstant(attribute(element, 'AuthnInstant'), 'AuthnInstant'),
    classRef: classRef === undefined ? '' : text(classRef).trim(),
    ...(sessionIndex === undefined ? {} : { sessionIndex }),
    ...(sessionNotOnOrAfter === undefined ? {} : { sessionNotOnOrAfter })
  }
}

function readAttributes(element: XmlElement): readonly AssertionAttribute[] {
  const attributes = childElements(element)
  if (attributes.length > attributesMax) throw new CurfewError('CURFEW_SAML_LIMIT', { what: 'Attribute', maximum: attributesMax })
  return attributes.map((child) => {
    if (is(child, ns.saml, 'EncryptedAttribute')) throw new CurfewError('CURFEW_SAML_ENCRYPTED', { what: 'EncryptedAttribute' })
    if (!is(child, ns.saml, 'Attribute')) throw broken('Attribute')
    const values = childElements(child)
    if (values.length > valuesMax) throw new CurfewError('CURFEW_SAML_LIMIT', { what: 'AttributeValue', maximum: valuesMax })
    const nameFormat = attribute(child, 'NameFormat')
    const friendlyName = attribute(child, 'FriendlyName')
    return {
      name: requiredAttribute(child, 'Name'),
      values: values.map(valueText),
      ...(nameFormat === undefined ? {} : { nameFormat }),
      ...(friendlyName === undefined ? {} : { friendlyName })
    }
  })
}

/** A value is text; one that is a NameID element (as eduPersonTargetedID) is read as its text. */
function valueText(element: XmlElement): string {
  const [only, ...more] = element.children.filter((child) => typeof child !== 'string')
  if (only === undefined) return text(element)
  if (more.length > 0 || !is(only, ns.saml, 'NameID')) throw broken('AttributeValue')
  return text(only)
}

function broken(what: string): CurfewError {
  return new CurfewError('CURFEW_SAML_STRUCTURE', { what })
}
