import { CurfewError } from '../errors.ts'
import { type SignedView, signatureOf } from '../dsig/enveloped.ts'
import { attribute, childElements, is, text, type XmlDocument, type XmlElement } from '../xml/element.ts'
import { parseXml } from '../xml/reader.ts'
import { type Binding, ns } from './names.ts'

export type MessageKind = 'AuthnRequest' | 'Response' | 'LogoutRequest' | 'LogoutResponse' | ResolutionKind
/** Messages between the servers of two partners that fetch another message: by SOAP alone, and never inside of one. */
export type ResolutionKind = 'ArtifactResolve' | 'ArtifactResponse'

const kinds: ReadonlySet<string> = new Set(['AuthnRequest', 'Response', 'LogoutRequest', 'LogoutResponse'] satisfies MessageKind[])
const resolutionKinds: ReadonlySet<string> = new Set(['ArtifactResolve', 'ArtifactResponse'] satisfies ResolutionKind[])

/**
 * A message as it came in, decoded and read but not trusted. Only `claimed` may be looked at, and only to find the
 * partner whose keys judge it, and the group that has what it is about; the content comes out of the `verify...` functions alone.
 */
export interface Received {
  readonly binding: Binding
  readonly kind: MessageKind
  readonly claimed: {
    readonly issuer?: string
    readonly id: string
    readonly inResponseTo?: string
    readonly destination?: string
    /** What an ArtifactResolve asks for. */
    readonly artifact?: string
  }
  readonly relayState?: string
  /** It carries a signature; nothing is said about its worth. */
  readonly isSigned: boolean
  readonly [content]: Content
}

/** Key of what only this package reads. Not exported by the package. */
export const content: unique symbol = Symbol('content')

export interface Content {
  readonly document: XmlDocument
  readonly element: XmlElement
  /** HTTP Redirect: the octets that the query signature covers, and the signature. */
  readonly query?: { readonly octets: string; readonly algorithm: string; readonly signature: Buffer }
  readonly carrier?: Carrier
}

/** HTTP Artifact: the judged answer of the artifact's issuer that a message came in. */
export interface Carrier {
  /** Entity ID of the partner that was asked. */
  readonly peer: string
  /** What its signature around the message proves; absent: the answer was not signed. */
  readonly signed?: SignedView
}

export interface ReceivedParts {
  readonly binding: Binding
  readonly relayState?: string
  readonly query?: Content['query']
  readonly carrier?: Carrier
}

/** Reads the XML of a message and looks at what it claims. `root` is the element inside a SOAP body, else the root. */
export function receive(xml: Uint8Array, parts: ReceivedParts): Received {
  const document = parseXml(xml, 'message')
  return receivedFrom(document, document.root, parts)
}

export function receivedFrom(document: XmlDocument, element: XmlElement, parts: ReceivedParts): Received {
  const isKnown = kinds.has(element.name) || (parts.binding === 'soap' && resolutionKinds.has(element.name))
  if (element.namespace !== ns.samlp || !isKnown) throw new CurfewError('CURFEW_SAML_STRUCTURE', { what: element.name.slice(0, 60) })
  const id = attribute(element, 'ID')
  if (id === undefined) throw new CurfewError('CURFEW_SAML_STRUCTURE', { what: 'ID' })
  const [first] = childElements(element)
  const issuer = is(first, ns.saml, 'Issuer') ? text(first).trim().slice(0, 1024) : undefined
  const inResponseTo = attribute(element, 'InResponseTo')
  const destination = attribute(element, 'Destination')
  const asked = element.name === 'ArtifactResolve' ? childElements(element).find((child) => is(child, ns.samlp, 'Artifact')) : undefined
  return {
    binding: parts.binding,
    kind: element.name as MessageKind,
    claimed: {
      id,
      ...(issuer === undefined ? {} : { issuer }),
      ...(inResponseTo === undefined ? {} : { inResponseTo }),
      ...(destination === undefined ? {} : { destination }),
      ...(asked === undefined ? {} : { artifact: text(asked).trim().slice(0, 1024) })
    },
    // By HTTP Redirect an enveloped signature means nothing: only the one in the query counts.
    isSigned: parts.binding === 'redirect' ? parts.query !== undefined : signatureOf(element) !== undefined || parts.carrier?.signed !== undefined,
    ...(parts.relayState === undefined ? {} : { relayState: parts.relayState }),
    [content]: {
      document,
      element,
      ...(parts.query === undefined ? {} : { query: parts.query }),
      ...(parts.carrier === undefined ? {} : { carrier: parts.carrier })
    }
  }
}
