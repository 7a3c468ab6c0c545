import { CurfewError } from '../errors.ts'
import { attribute, childElements, is, text, type XmlElement } from '../xml/element.ts'
import { node, type XmlNode } from '../xml/writer.ts'
import { ns } from './names.ts'

const prefix = 'urn:oasis:names:tc:SAML:2.0:status:'
export const statusUri = {
  success: `${prefix}Success`,
  requester: `${prefix}Requester`,
  responder: `${prefix}Responder`,
  versionMismatch: `${prefix}VersionMismatch`,
  partialLogout: `${prefix}PartialLogout`,
  unknownPrincipal: `${prefix}UnknownPrincipal`,
  requestDenied: `${prefix}RequestDenied`,
  requestUnsupported: `${prefix}RequestUnsupported`,
  unsupportedBinding: `${prefix}UnsupportedBinding`,
  authnFailed: `${prefix}AuthnFailed`,
  noPassive: `${prefix}NoPassive`,
  noAuthnContext: `${prefix}NoAuthnContext`,
  invalidNameIdPolicy: `${prefix}InvalidNameIDPolicy`
} as const

/** Deepest nesting of status codes that is read. */
const subcodesMax = 8

/** Outcome of a request: one top-level code and any second-level codes, outermost first (Core 3.2.2.1). */
export interface Status {
  readonly code: string
  readonly subcodes: readonly string[]
  readonly message?: string
}

export const status = {
  success: (): Status => ({ code: statusUri.success, subcodes: [] }),
  partialLogout: (): Status => ({ code: statusUri.success, subcodes: [statusUri.partialLogout] }),
  requester: (sub?: string, message?: string): Status => make(statusUri.requester, sub, message),
  responder: (sub?: string, message?: string): Status => make(statusUri.responder, sub, message),
  /** The top level tells about the authority's own session alone. */
  isSuccess: (s: Status): boolean => s.code === statusUri.success,
  /** Somebody did not confirm, whatever the top level says. */
  isPartialLogout: (s: Status): boolean => s.subcodes.includes(statusUri.partialLogout),
  isUnknownPrincipal: (s: Status): boolean => s.code !== statusUri.success && s.subcodes.includes(statusUri.unknownPrincipal)
} as const

function make(code: string, sub: string | undefined, message: string | undefined): Status {
  return { code, subcodes: sub === undefined ? [] : [sub], ...(message === undefined ? {} : { message }) }
}

export function statusNode(s: Status): XmlNode {
  const inner = s.subcodes.reduceRight<XmlNode | undefined>((child, code) => node('samlp:StatusCode', { Value: code }, [child]), undefined)
  const message = s.message === undefined ? undefined : node('samlp:StatusMessage', {}, [s.message])
  return node('samlp:Status', {}, [node('samlp:StatusCode', { Value: s.code }, [inner]), message])
}

/** @throws CURFEW_SAML_STRUCTURE */
export function readStatus(element: XmlElement): Status {
  const [top, message] = childElements(element)
  if (!is(top, ns.samlp, 'StatusCode')) throw new CurfewError('CURFEW_SAML_STRUCTURE', { what: 'Status' })
  const subcodes: string[] = []
  let at: XmlElement | undefined = childElements(top)[0]
  while (at !== undefined) {
    if (!is(at, ns.samlp, 'StatusCode') || subcodes.length >= subcodesMax) throw new CurfewError('CURFEW_SAML_STRUCTURE', { what: 'StatusCode' })
    subcodes.push(attribute(at, 'Value') ?? '')
    at = childElements(at)[0]
  }
  const words = is(message, ns.samlp, 'StatusMessage') ? text(message).slice(0, 500) : undefined
  return { code: attribute(top, 'Value') ?? '', subcodes, ...(words === undefined ? {} : { message: words }) }
}
