import type { XmlAttribute, XmlElement } from './element.ts'

export interface CanonicaliseOptions {
  /** A child subtree to leave out: the Signature, for the enveloped-signature transform. */
  readonly omit?: XmlElement
  /** Prefixes of an InclusiveNamespaces PrefixList; `#default` is written as the empty string. */
  readonly inclusivePrefixes?: readonly string[]
}

/**
 * Exclusive canonical form of an element without comments.
 * @see xml-exc-c14n (W3C Recommendation, 18 July 2002) section 3
 */
export function canonicalise(apex: XmlElement, options: CanonicaliseOptions = {}): string {
  return element(apex, emptyScope, options, true)
}

/** What has been rendered so far on the way down: prefix to namespace name. */
type Rendered = Readonly<Record<string, string>>
const emptyScope: Rendered = Object.freeze(Object.create(null)) as Rendered

function element(el: XmlElement, rendered: Rendered, options: CanonicaliseOptions, isApex: boolean): string {
  const name = el.prefix === '' ? el.name : `${el.prefix}:${el.name}`
  const declarations = needed(el, rendered, options.inclusivePrefixes)
  let scope = rendered
  let out = `<${name}`
  if (declarations.length > 0) {
    const next = Object.assign(Object.create(null), rendered) as Record<string, string>
    for (const [prefix, uri] of declarations) {
      out += prefix === '' ? ` xmlns="${escapeAttribute(uri)}"` : ` xmlns:${prefix}="${escapeAttribute(uri)}"`
      next[prefix] = uri
    }
    scope = next
  }
  for (const a of sorted(el.attributes)) out += ` ${a.prefix === '' ? a.name : `${a.prefix}:${a.name}`}="${escapeAttribute(a.value)}"`
  out += '>'
  for (const child of el.children) {
    if (typeof child === 'string') out += escapeText(child)
    else if (!isApex || child !== options.omit) out += element(child, scope, options, false)
  }
  return `${out}</${name}>`
}

/** Namespaces that this element visibly uses (or that the PrefixList asks for) and that are not in force yet. */
function needed(el: XmlElement, rendered: Rendered, inclusive: readonly string[] | undefined): readonly (readonly [string, string])[] {
  const found: [string, string][] = []
  consider(found, rendered, el.prefix, el.namespace)
  for (const a of el.attributes) if (a.prefix !== '' && a.prefix !== 'xml') consider(found, rendered, a.prefix, a.namespace)
  for (const prefix of inclusive ?? []) {
    const uri = inScope(el, prefix)
    if (uri !== undefined) consider(found, rendered, prefix, uri)
  }
  return found.length < 2 ? found : found.sort((a, b) => (a[0] < b[0] ? -1 : 1))
}

function consider(found: [string, string][], rendered: Rendered, prefix: string, uri: string): void {
  if ((rendered[prefix] ?? '') === uri && (prefix === '' || rendered[prefix] !== undefined)) return
  for (const [known] of found) if (known === prefix) return
  found.push([prefix, uri])
}

function inScope(el: XmlElement, prefix: string): string | undefined {
  for (let at: XmlElement | undefined = el; at !== undefined; at = at.parent) {
    for (const declared of at.namespaces) if (declared.prefix === prefix) return declared.uri
  }
  return undefined
}

/** Attributes without namespace first, by name; then by namespace name and local name. */
function sorted(attributes: readonly XmlAttribute[]): readonly XmlAttribute[] {
  if (attributes.length < 2) return attributes
  return [...attributes].sort((a, b) => (a.namespace === b.namespace ? (a.name < b.name ? -1 : 1) : a.namespace < b.namespace ? -1 : 1))
}

/** Escapes text as canonical XML does. */
export function escapeText(value: string): string {
  if (!/[&<>\r]/.test(value)) return value
  return value.replace(/[&<>\r]/g, (c) => (c === '&' ? '&amp;' : c === '<' ? '&lt;' : c === '>' ? '&gt;' : '&#xD;'))
}

/** Escapes an attribute value as canonical XML does. */
export function escapeAttribute(value: string): string {
  if (!/[&<"\t\n\r]/.test(value)) return value
  return value.replace(/[&<"\t\n\r]/g, (c) =>
    c === '&' ? '&amp;' : c === '<' ? '&lt;' : c === '"' ? '&quot;' : c === '\t' ? '&#x9;' : c === '\n' ? '&#xA;' : '&#xD;'
  )
}
