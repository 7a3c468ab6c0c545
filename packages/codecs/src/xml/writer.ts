import { CurfewError } from '../errors.ts'
import { escapeAttribute, escapeText, isName, isNamespaceName, isXmlCharacter, plainAttributeEnd, plainTextEnd } from './characters.ts'

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

const noChildren: readonly XmlNode[] = []

/** Describes an element; undefined children are left out, so that optional parts can stand in the list. */
export function node(
  name: string,
  attributes: Readonly<Record<string, string | undefined>> = {},
  children: readonly (XmlNode | CanonicalXml | string | undefined)[] = noChildren
): XmlNode {
  return { name, attributes, children: isComplete(children) ? children : children.filter((child) => child !== undefined) }
}

/** Namespace names by prefix. The reader's rules hold for both: ASCII names, absolute URIs of plain characters. */
export type Namespaces = Readonly<Record<string, string>>

/**
 * Writes an element so that the text is its own exclusive canonical form: what is sent is what is digested.
 * A prefix is declared on the first element of each branch that uses it. A {@link CanonicalXml} child is taken as it
 * is, so the result is canonical only when the child declares no prefix that is in force around it.
 *
 * @throws CURFEW_XML_WRITE for text that XML can not carry, a prefix without namespace, a name that is no name
 */
export function write(root: XmlNode, namespaces: Namespaces): string {
  return open(root, root.children, namespaces, undefined) + close(root)
}

/** The same in two parts around the place where the Signature goes: after the first `count` children. */
export function writeAround(root: XmlNode, namespaces: Namespaces, count: number): { readonly head: string; readonly tail: string } {
  const head = open(root, root.children.slice(0, count), namespaces, undefined)
  const scope = withPrefixes(undefined, usedPrefixes(root, undefined))
  let tail = ''
  for (const child of root.children.slice(count)) tail += content(child, namespaces, scope)
  return { head, tail: tail + close(root) }
}

/** The prefixes that are declared where an element is written, innermost first. */
interface Scope {
  readonly prefix: string
  readonly outer: Scope | undefined
}

function open(el: XmlNode, children: XmlNode['children'], namespaces: Namespaces, outer: Scope | undefined): string {
  let out = `<${requireName(el.name)}`
  const fresh = usedPrefixes(el, outer)
  for (const prefix of fresh) out += ` xmlns:${prefix}="${namespaceOf(prefix, namespaces)}"`
  for (const key of orderedAttributes(el.attributes, namespaces)) out += ` ${requireName(key)}="${attributeText(el.attributes[key] ?? '')}"`
  out += '>'
  const scope = withPrefixes(outer, fresh)
  for (const child of children) out += content(child, namespaces, scope)
  return out
}

function close(el: XmlNode): string {
  return `</${el.name}>`
}

function content(child: XmlNode | CanonicalXml | string, namespaces: Namespaces, scope: Scope | undefined): string {
  if (typeof child === 'string') return textOf(child)
  if (child instanceof CanonicalXml) return child.text
  return open(child, child.children, namespaces, scope) + close(child)
}

function withPrefixes(outer: Scope | undefined, prefixes: readonly string[]): Scope | undefined {
  let scope = outer
  for (const prefix of prefixes) scope = { prefix, outer: scope }
  return scope
}

const noPrefixes: readonly string[] = []

/** Prefixes that the element itself uses and that are not declared around it, in order. */
function usedPrefixes(el: XmlNode, scope: Scope | undefined): readonly string[] {
  let used = noPrefixes
  const own = prefixOf(el.name)
  if (isFresh(own, scope)) used = [own]
  for (const key in el.attributes) {
    if (el.attributes[key] === undefined) continue
    const prefix = prefixOf(key)
    if (isFresh(prefix, scope) && !used.includes(prefix)) used = [...used, prefix]
  }
  return used.length < 2 ? used : used.toSorted()
}

function isFresh(prefix: string, scope: Scope | undefined): boolean {
  if (prefix === '' || prefix === 'xml') return false
  for (let at = scope; at !== undefined; at = at.outer) if (at.prefix === prefix) return false
  return true
}

function prefixOf(name: string): string {
  const colon = name.indexOf(':')
  return colon < 0 ? '' : name.slice(0, colon)
}

const xmlNamespace = 'http://www.w3.org/XML/1998/namespace'

function namespaceOf(prefix: string, namespaces: Namespaces): string {
  if (prefix === 'xml') return xmlNamespace
  const uri = Object.hasOwn(namespaces, prefix) ? namespaces[prefix] : undefined
  if (prefix === 'xmlns' || uri === undefined) throw refused(`prefix ${prefix} has no namespace`)
  if (!isNamespaceName(uri) || uri === xmlNamespace) throw refused(`the namespace of prefix ${prefix}`)
  return uri
}

/** Keys of the attributes that are written: those without prefix by name, then by namespace name and local name. */
function orderedAttributes(attributes: XmlNode['attributes'], namespaces: Namespaces): readonly string[] {
  const keys: string[] = []
  let hasPrefixed = false
  let isOrdered = true
  for (const key in attributes) {
    if (attributes[key] === undefined) continue
    if (key === 'xmlns') throw refused('namespaces are declared by the writer')
    const last = keys[keys.length - 1]
    if (last !== undefined && last > key) isOrdered = false
    if (key.includes(':')) hasPrefixed = true
    keys.push(key)
  }
  if (!hasPrefixed) return isOrdered ? keys : keys.sort()
  return orderedByNamespace(keys, namespaces)
}

function orderedByNamespace(keys: readonly string[], namespaces: Namespaces): readonly string[] {
  const expanded = keys.map((key) => {
    const prefix = prefixOf(key)
    return { key, uri: prefix === '' ? '' : namespaceOf(prefix, namespaces), local: prefix === '' ? key : key.slice(prefix.length + 1) }
  })
  expanded.sort((a, b) => (a.uri === b.uri ? (a.local < b.local ? -1 : 1) : a.uri < b.uri ? -1 : 1))
  expanded.forEach(({ uri, local }, i) => {
    const before = expanded[i - 1]
    if (before !== undefined && before.uri === uri && before.local === local) throw refused('two attributes have one name')
  })
  return expanded.map(({ key }) => key)
}

function requireName(name: string): string {
  const colon = name.indexOf(':')
  const isGood = colon < 0 ? isName(name) : isName(name.slice(0, colon)) && isName(name.slice(colon + 1))
  if (!isGood) throw refused('not a name')
  return name
}

function textOf(value: string): string {
  return escapeText(plainTextEnd(value, 0) === value.length ? requireWellFormed(value) : requireCharacters(value))
}

function attributeText(value: string): string {
  if (plainAttributeEnd(value, 0) === value.length) return requireWellFormed(value)
  return escapeAttribute(requireCharacters(value))
}

function requireWellFormed(value: string): string {
  if (!value.isWellFormed()) throw refused('half of a surrogate pair')
  return value
}

/** Refuses what XML 1.0 can not carry; nothing is stripped or replaced. */
function requireCharacters(value: string): string {
  for (let i = 0; i < value.length; i++) {
    const unit = value.charCodeAt(i)
    if ((unit < 0xd800 || unit > 0xdfff) && !isXmlCharacter(unit)) throw refused('a character that XML can not carry')
  }
  return requireWellFormed(value)
}

function isComplete(children: readonly (XmlNode | CanonicalXml | string | undefined)[]): children is XmlNode['children'] {
  return !children.includes(undefined)
}

function refused(why: string): CurfewError {
  return new CurfewError('CURFEW_XML_WRITE', { why })
}
