import { CurfewError } from '../errors.ts'
import { attribute, childElements, is, text, type XmlElement } from '../xml/element.ts'
import { node } from '../xml/writer.ts'
import { type NameID, nameIdNode, readPlainNameId } from './name-id.ts'
import { booleanAttribute, type MessageHeader, messageParts, readMessage, type SignableParts } from './message.ts'
import { ns, valueCharactersMax } from './names.ts'

/** A wish to have the user signed in (Core 3.4.1). */
export interface AuthnRequest extends MessageHeader {
  readonly kind: 'AuthnRequest'
  readonly assertionConsumerServiceURL?: string
  readonly assertionConsumerServiceIndex?: number
  readonly protocolBinding?: string
  readonly forceAuthn: boolean
  readonly isPassive: boolean
  /** Who is to be signed in, and nobody else (Core 3.4.1.4). */
  readonly subject?: NameID
  readonly nameIdPolicy?: NameIDPolicy
  readonly requestedAuthnContext?: RequestedAuthnContext
}

export interface NameIDPolicy {
  readonly format?: string
  readonly allowCreate: boolean
  readonly spNameQualifier?: string
}

export interface RequestedAuthnContext {
  readonly comparison: 'exact' | 'minimum' | 'maximum' | 'better'
  readonly classRefs: readonly string[]
}

/** Most context classes of one request. */
const classRefsMax = 32

export function serialiseAuthnRequest(m: AuthnRequest): SignableParts {
  const policy = m.nameIdPolicy
  const context = m.requestedAuthnContext
  return messageParts(
    'samlp:AuthnRequest',
    m,
    {
      AssertionConsumerServiceURL: m.assertionConsumerServiceURL,
      AssertionConsumerServiceIndex: m.assertionConsumerServiceIndex?.toString(),
      ProtocolBinding: m.protocolBinding,
      ForceAuthn: m.forceAuthn ? 'true' : undefined,
      IsPassive: m.isPassive ? 'true' : undefined
    },
    [
      m.subject === undefined ? undefined : node('saml:Subject', {}, [nameIdNode(m.subject)]),
      policy === undefined
        ? undefined
        : node('samlp:NameIDPolicy', { AllowCreate: policy.allowCreate ? 'true' : 'false', Format: policy.format, SPNameQualifier: policy.spNameQualifier }),
      context === undefined
        ? undefined
        : node(
            'samlp:RequestedAuthnContext',
            { Comparison: context.comparison },
            context.classRefs.map((ref) => node('saml:AuthnContextClassRef', {}, [ref]))
          )
    ]
  )
}

/** @throws CURFEW_SAML_STRUCTURE, also for a Subject that is encrypted, CURFEW_SAML_LIMIT */
export function readAuthnRequest(element: XmlElement): AuthnRequest {
  const { header, rest } = readMessage(element)
  const url = attribute(element, 'AssertionConsumerServiceURL')
  const index = attribute(element, 'AssertionConsumerServiceIndex')
  const binding = attribute(element, 'ProtocolBinding')
  const subject = rest.find((child) => is(child, ns.saml, 'Subject'))
  const policy = rest.find((child) => is(child, ns.samlp, 'NameIDPolicy'))
  const context = rest.find((child) => is(child, ns.samlp, 'RequestedAuthnContext'))
  if (rest.some((child) => !authnRequestParts.has(child.name) || (child.namespace !== ns.samlp && child.namespace !== ns.saml))) {
    throw new CurfewError('CURFEW_SAML_STRUCTURE', { what: 'AuthnRequest' })
  }
  if (index !== undefined && !/^\d{1,5}$/.test(index)) throw new CurfewError('CURFEW_SAML_STRUCTURE', { what: 'AssertionConsumerServiceIndex' })
  return {
    kind: 'AuthnRequest',
    ...header,
    forceAuthn: booleanAttribute(element, 'ForceAuthn') ?? false,
    isPassive: booleanAttribute(element, 'IsPassive') ?? false,
    ...(url === undefined ? {} : { assertionConsumerServiceURL: url.slice(0, valueCharactersMax) }),
    ...(index === undefined ? {} : { assertionConsumerServiceIndex: Number(index) }),
    ...(binding === undefined ? {} : { protocolBinding: binding }),
    ...(subject === undefined ? {} : { subject: readPlainNameId(childElements(subject)[0]) }),
    ...(policy === undefined ? {} : { nameIdPolicy: readPolicy(policy) }),
    ...(context === undefined ? {} : { requestedAuthnContext: readContext(context) })
  }
}

const authnRequestParts = new Set(['Subject', 'NameIDPolicy', 'Conditions', 'RequestedAuthnContext', 'Scoping'])

function readPolicy(element: XmlElement): NameIDPolicy {
  const format = attribute(element, 'Format')
  const spNameQualifier = attribute(element, 'SPNameQualifier')
  return {
    allowCreate: booleanAttribute(element, 'AllowCreate') ?? false,
    ...(format === undefined ? {} : { format }),
    ...(spNameQualifier === undefined ? {} : { spNameQualifier })
  }
}

function readContext(element: XmlElement): RequestedAuthnContext {
  const comparison = attribute(element, 'Comparison') ?? 'exact'
  if (comparison !== 'exact' && comparison !== 'minimum' && comparison !== 'maximum' && comparison !== 'better') {
    throw new CurfewError('CURFEW_SAML_STRUCTURE', { what: 'RequestedAuthnContext Comparison' })
  }
  const refs = childElements(element).filter((child) => is(child, ns.saml, 'AuthnContextClassRef'))
  if (refs.length > classRefsMax) throw new CurfewError('CURFEW_SAML_LIMIT', { what: 'AuthnContextClassRef', maximum: classRefsMax })
  return { comparison, classRefs: refs.map((ref) => text(ref).trim()) }
}
