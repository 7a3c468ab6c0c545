import { escapeAttribute, escapeText } from './characters.ts'
import type { XmlAttribute, XmlElement } from './element.ts'

export interface CanonicaliseOptions {
  /** A child of the element to leave out: the Signature, for the enveloped-signature transform. */
  readonly omit?: XmlElement
  /** Prefixes of an InclusiveNamespaces PrefixList; `#default` is written as the empty string. */
  readonly inclusivePrefixes?: readonly string[]
}

/**
 * Exclusive canonical form of an element without comments. One pass, one string, and no work per element that grows
 * with the number of namespaces in force.
 *
 * @see xml-exc-c14n (W3C Recommendation, 18 July 2002) section 3
 */
export function canonicalise(apex: XmlElement, options: CanonicaliseOptions = {}): string {
  const inclusive = options.inclusivePrefixes ?? []
  const pass: Pass = { out: '', rendered: new Map(), former: [], inclusive, omit: options.omit }
  const inherited = inclusive.map((prefix) => ({ prefix, uri: inScope(apex, prefix) })).filter((binding) => binding.uri !== undefined)
  element(pass, apex, undefined, inherited as readonly Binding[])
  return pass.out
}

interface Binding {
  readonly prefix: string
  readonly uri: string
}

interface Pass {
  out: string
  /** Namespaces that the output has in force here. Never deleted from, as deleted entries make look-ups longer. */
  readonly rendered: Map<string, string | undefined>
  /** Bindings to put back: prefix and former value, alternating. */
  readonly former: (string | undefined)[]
  readonly inclusive: readonly string[]
  readonly omit: XmlElement | undefined
}

/**
 * @param parent - the element that was written around this one; none for the apex
 * @param listed - bindings that the PrefixList may ask for: those in scope at the apex, below it the ones declared here
 */
function element(pass: Pass, el: XmlElement, parent: XmlElement | undefined, listed: readonly Binding[]): void {
  const mark = pass.former.length
  pass.out += `<${el.qualifiedName}`
  // A child that shares prefix and namespace with its parent finds them rendered: the parent used them visibly.
  const isSettled = parent !== undefined && parent.prefix === el.prefix && parent.namespace === el.namespace
  if (!isSettled || pass.inclusive.length > 0 || hasPrefixed(el.attributes)) declare(pass, el, listed)
  const { attributes } = el
  if (attributes.length > 0) for (const a of inOrder(attributes)) pass.out += ` ${a.qualifiedName}="${escapeAttribute(a.value)}"`
  pass.out += '>'
  for (const child of el.children) {
    if (typeof child === 'string') pass.out += escapeText(child)
    else if (parent !== undefined || child !== pass.omit) element(pass, child, el, pass.inclusive.length === 0 ? none : child.namespaces)
  }
  pass.out += `</${el.qualifiedName}>`
  if (pass.former.length > mark) restore(pass, mark)
}

const none: readonly Binding[] = []

/** Writes the declarations that this element visibly uses, or the PrefixList names, and that are not in force yet. */
function declare(pass: Pass, el: XmlElement, listed: readonly Binding[]): void {
  const fresh: string[] = []
  consider(pass, fresh, el.prefix, el.namespace)
  for (const a of el.attributes) if (a.prefix !== '') consider(pass, fresh, a.prefix, a.namespace)
  if (pass.inclusive.length > 0) for (const { prefix, uri } of listed) if (pass.inclusive.includes(prefix)) consider(pass, fresh, prefix, uri)
  if (fresh.length > 1) fresh.sort()
  for (const prefix of fresh) {
    const uri = escapeAttribute(pass.rendered.get(prefix) ?? '')
    pass.out += prefix === '' ? ` xmlns="${uri}"` : ` xmlns:${prefix}="${uri}"`
  }
}

function consider(pass: Pass, fresh: string[], prefix: string, uri: string): void {
  // The prefix xml is always in force and never declared.
  if (prefix === 'xml') return
  const current = pass.rendered.get(prefix)
  if (current === uri || (current === undefined && uri === '')) return
  pass.former.push(prefix, current)
  pass.rendered.set(prefix, uri)
  fresh.push(prefix)
}

function restore(pass: Pass, mark: number): void {
  const { former, rendered } = pass
  while (former.length > mark) {
    const uri = former.pop()
    rendered.set(former.pop() ?? '', uri)
  }
}

function inScope(apex: XmlElement, prefix: string): string | undefined {
  for (let at: XmlElement | undefined = apex; at !== undefined; at = at.parent) {
    for (const declared of at.namespaces) if (declared.prefix === prefix) return declared.uri
  }
  return undefined
}

function hasPrefixed(attributes: readonly XmlAttribute[]): boolean {
  for (const a of attributes) if (a.prefix !== '') return true
  return false
}

/** Attributes without namespace first, by name; then by namespace name and local name. */
function inOrder(attributes: readonly XmlAttribute[]): readonly XmlAttribute[] {
  for (let i = 1; i < attributes.length; i++) {
    const [before, after] = [attributes[i - 1], attributes[i]]
    if (before !== undefined && after !== undefined && compare(before, after) > 0) return attributes.toSorted(compare)
  }
  return attributes
}

function compare(a: XmlAttribute, b: XmlAttribute): number {
  if (a.namespace !== b.namespace) return a.namespace < b.namespace ? -1 : 1
  return a.name < b.name ? -1 : 1
}
