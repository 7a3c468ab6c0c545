import { CurfewError } from '../errors.ts'

export interface XmlAttribute {
  /** Local name. */
  readonly name: string
  readonly prefix: string
  /** Name as written: `prefix:name`, or the local name alone. */
  readonly qualifiedName: string
  /** Namespace name; empty for an attribute without prefix. */
  readonly namespace: string
  readonly value: string
}

/** One element as read. Trees are never changed after parsing. */
export interface XmlElement {
  /** Local name. */
  readonly name: string
  readonly prefix: string
  /** Name as written: `prefix:name`, or the local name alone. */
  readonly qualifiedName: string
  readonly namespace: string
  readonly attributes: readonly XmlAttribute[]
  /** Namespaces declared on this element itself. */
  readonly namespaces: readonly XmlNamespace[]
  readonly children: readonly (XmlElement | string)[]
  readonly parent: XmlElement | undefined
}

export interface XmlNamespace {
  readonly prefix: string
  readonly uri: string
}

export interface XmlDocument {
  readonly root: XmlElement
  /** Elements by the value of `ID`, `Id`, `id` or `xml:id`; values are unique in a document. */
  readonly ids: ReadonlyMap<string, XmlElement>
}

/** Value of an attribute; without `namespace` the one that has none. */
export function attribute(element: XmlElement, name: string, namespace = ''): string | undefined {
  for (const candidate of element.attributes) {
    if (candidate.name === name && candidate.namespace === namespace) return candidate.value
  }
  return undefined
}

const schemaInstance = 'http://www.w3.org/2001/XMLSchema-instance'
/** What XML Schema itself puts on elements. It is read nowhere. */
const schemaAttributes = ['type', 'nil', 'schemaLocation', 'noNamespaceSchemaLocation']

/**
 * True for an element without attributes but these, which have no prefix, and the four that every schema allows everywhere.
 * Declarations of namespaces are none.
 * @see xmlschema-1 section 2.6
 */
export function hasOnly(element: XmlElement, names: readonly string[]): boolean {
  return element.attributes.every(({ name, namespace }) =>
    namespace === '' ? names.includes(name) : namespace === schemaInstance && schemaAttributes.includes(name)
  )
}

/** True for an element of exactly this namespace and local name. The prefix never matters. */
export function is(element: XmlElement | undefined, namespace: string, name: string): element is XmlElement {
  return element !== undefined && element.name === name && element.namespace === namespace
}

/**
 * The element children of an element that holds elements only.
 * @throws CURFEW_XML_TEXT_UNEXPECTED when text other than white space stands between them
 */
export function childElements(element: XmlElement): readonly XmlElement[] {
  const { children } = element
  if (holdsElementsAlone(children)) return children
  const elements: XmlElement[] = []
  for (const child of children) {
    if (typeof child !== 'string') elements.push(child)
    else if (!isWhiteSpace(child)) throw new CurfewError('CURFEW_XML_TEXT_UNEXPECTED', { element: element.name })
  }
  return elements
}

/**
 * The text of an element that holds text only, exactly as written.
 * @throws CURFEW_XML_ELEMENT_UNEXPECTED when it holds an element
 */
export function text(element: XmlElement): string {
  const { children } = element
  if (children.length === 0) return ''
  const [only] = children
  if (children.length > 1 || typeof only !== 'string') throw new CurfewError('CURFEW_XML_ELEMENT_UNEXPECTED', { element: element.name })
  return only
}

function holdsElementsAlone(children: readonly (XmlElement | string)[]): children is readonly XmlElement[] {
  for (const child of children) if (typeof child === 'string') return false
  return true
}

/** True for white space as XML has it, and for nothing at all. */
export function isWhiteSpace(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i)
    if (c !== 0x20 && c !== 0x0a && c !== 0x09 && c !== 0x0d) return false
  }
  return true
}
