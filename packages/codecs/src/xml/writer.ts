import { CurfewError } from '../errors.ts'
import { escapeAttribute, escapeText } from './canonical.ts'

/** Text that is canonical XML already, made only by this package (a signed assertion inside a Response). */
export class CanonicalXml {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** An element to write: `samlp:LogoutRequest` with attributes and children; undefined attributes are left out. */
export interface XmlNode {
  readonly name: string
  readonly attributes: Readonly<Record<string, string | undefined>>
  readonly children: readonly (XmlNode | CanonicalXml | string)[]
}

export function node(
  name: string,
  attributes: Readonly<Record<string, string | undefined>> = {},
  children: readonly (XmlNode | CanonicalXml | string | undefined)[] = []
): XmlNode {
  return { name, attributes, children: children.filter((child) => child !== undefined) }
}

/** Namespace names by prefix. */
export type Namespaces = Readonly<Record<string, string>>

/**
 * Writes an element so that the text is its own exclusive canonical form: what is sent is what is digested.
 * A prefix is declared on the first element of each branch that uses it.
 *
 * @throws CURFEW_XML_WRITE for text that XML can not carry, a prefix without namespace, a name that is no name
 */
export function write(root: XmlNode, namespaces: Namespaces): string {
  return open(root, namespaces, new Set()) + close(root)
}

/** The same in two parts around the place where the Signature goes: after the first `count` children. */
export function writeAround(root: XmlNode, namespaces: Namespaces, count: number): { readonly head: string; readonly tail: string } {
  const declared = new Set<string>()
  const first: XmlNode = { ...root, children: root.children.slice(0, count) }
  const head = open(first, namespaces, declared)
  const inner = new Set([...declared, ...usedPrefixes(root)])
  const rest = root.children.slice(count).map((child) => content(child, namespaces, inner))
  return { head, tail: rest.join('') + close(root) }
}

function open(el: XmlNode, namespaces: Namespaces, declared: ReadonlySet<string>): string {
  const fresh = usedPrefixes(el).filter((prefix) => !declared.has(prefix))
  const scope = fresh.length === 0 ? declared : new Set([...declared, ...fresh])
  let out = `<${name(el.name)}`
  for (const prefix of fresh.sort()) {
    const uri = namespaces[prefix]
    if (uri === undefined) throw new CurfewError('CURFEW_XML_WRITE', { why: `prefix ${prefix} has no namespace` })
    out += ` xmlns:${prefix}="${escapeAttribute(uri)}"`
  }
  for (const [key, value] of sortedAttributes(el, namespaces)) out += ` ${name(key)}="${escapeAttribute(characters(value))}"`
  out += '>'
  for (const child of el.children) out += content(child, namespaces, scope)
  return out
}

function close(el: XmlNode): string {
  return `</${el.name}>`
}

function content(child: XmlNode | CanonicalXml | string, namespaces: Namespaces, scope: ReadonlySet<string>): string {
  if (typeof child === 'string') return escapeText(characters(child))
  if (child instanceof CanonicalXml) return child.text
  return open(child, namespaces, scope) + close(child)
}

function usedPrefixes(el: XmlNode): string[] {
  const used = new Set<string>()
  for (const key of [el.name, ...Object.keys(el.attributes)]) {
    const at = key.indexOf(':')
    const prefix = at < 0 ? '' : key.slice(0, at)
    if (at > 0 && prefix !== 'xml' && (key === el.name || el.attributes[key] !== undefined)) used.add(prefix)
  }
  return [...used]
}

function sortedAttributes(el: XmlNode, namespaces: Namespaces): readonly (readonly [string, string])[] {
  const given = Object.entries(el.attributes).filter((entry): entry is [string, string] => entry[1] !== undefined)
  const keyOf = (key: string): string => {
    const at = key.indexOf(':')
    return at < 0 ? ` ${key}` : `${key.startsWith('xml:') ? 'http://www.w3.org/XML/1998/namespace' : (namespaces[key.slice(0, at)] ?? '')} ${key.slice(at + 1)}`
  }
  return given.sort(([a], [b]) => (keyOf(a) < keyOf(b) ? -1 : 1))
}

function name(value: string): string {
  if (!/^(?:[A-Za-z_][A-Za-z0-9_.-]*:)?[A-Za-z_][A-Za-z0-9_.-]*$/.test(value)) throw new CurfewError('CURFEW_XML_WRITE', { why: 'not a name' })
  return value
}

/** Refuses what XML 1.0 can not carry; nothing is stripped or replaced. */
function characters(value: string): string {
  if (!value.isWellFormed() || /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(value)) {
    throw new CurfewError('CURFEW_XML_WRITE', { why: 'a character that XML can not carry' })
  }
  return value
}
