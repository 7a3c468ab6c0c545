import { isUtf8 } from 'node:buffer'
import { CurfewError } from '../errors.ts'
import { isName, isNamespaceName, isSpace, isXmlCharacter, nameEnd, plainAttributeEnd, plainTextEnd } from './characters.ts'
import type { XmlAttribute, XmlDocument, XmlElement, XmlNamespace } from './element.ts'
import { messageLimits, metadataLimits, type XmlLimits } from './limits.ts'
import { referenceCode, referenceEnd } from './reference.ts'

const xmlNamespace = 'http://www.w3.org/XML/1998/namespace'
const xmlnsNamespace = 'http://www.w3.org/2000/xmlns/'
/** What nearly every message declares: known to be good, so not looked at again. */
const usualNamespaces: ReadonlySet<string> = new Set([
  'urn:oasis:names:tc:SAML:2.0:protocol',
  'urn:oasis:names:tc:SAML:2.0:assertion',
  'http://www.w3.org/2000/09/xmldsig#'
])

/**
 * Reads one XML document, strictly: only what SAML needs of XML exists here. One pass, no recursion, no look-up that
 * grows with the document.
 *
 * Refused: doctype, entities other than the five, processing instructions, CDATA, comments (metadata drops them),
 * names outside ASCII, undeclared prefixes, duplicate attributes and ids, characters XML 1.0 forbids, anything after
 * the root.
 *
 * @throws CURFEW_XML_LIMIT, CURFEW_XML_UTF8, CURFEW_XML_SYNTAX, CURFEW_XML_FORBIDDEN, CURFEW_XML_NAMESPACE,
 *   CURFEW_XML_CHARACTER, CURFEW_XML_ID
 */
export function parseXml(bytes: Uint8Array, profile: 'message' | 'metadata'): XmlDocument {
  const limits = profile === 'message' ? messageLimits : metadataLimits
  if (bytes.length > limits.documentBytesMax) throw new CurfewError('CURFEW_XML_LIMIT', { what: 'document bytes', maximum: limits.documentBytesMax })
  if (!isUtf8(bytes)) throw new CurfewError('CURFEW_XML_UTF8')
  return new Reader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'), limits).read()
}

/** An element while it is being read. */
interface OpenElement extends XmlElement {
  readonly parent: OpenElement | undefined
  readonly namespaces: readonly XmlNamespace[]
  children: (XmlElement | string)[]
}

interface OpenAttribute extends XmlAttribute {
  namespace: string
}

/** Shared by all elements that have none; never written to. */
const noChildren: (XmlElement | string)[] = []
const noAttributes: OpenAttribute[] = []
const noNamespaces: XmlNamespace[] = []
const noIds: string[] = []

/** The state of one parse. Lives as long as the call of {@link parseXml}. */
class Reader {
  private readonly source: string
  private readonly limits: XmlLimits
  /** Bindings in force. Those that ended stay as undefined: deleted entries would make each look-up of a key longer. */
  private readonly scope = new Map<string, string | undefined>([
    ['xml', xmlNamespace],
    ['', '']
  ])
  /** Former bindings of the prefixes that open elements declare, in order. */
  private readonly former: (string | undefined)[] = []
  private readonly ids = new Map<string, XmlElement>()
  /** Text must not hold it, attributes may. Nearly no document has one, so texts are not searched for it. @see xml 1.0 section 2.4 */
  private readonly holdsCdataEnd: boolean
  private at = 0
  private depth = 0
  private elementCount = 0
  private attributeCount = 0
  private root: XmlElement | undefined
  private open: OpenElement | undefined
  /** Text read since the last tag. Only dropped comments make it more than one piece. */
  private text = ''
  /** The tag being read: its attributes, its namespaces, the values of its id attributes, whether a prefix is to be resolved. */
  private attributes = noAttributes
  private namespaces = noNamespaces
  private tagIds = noIds
  private hasPrefixed = false
  /** The name read last: as written, its prefix and its local part. */
  private qualifiedName = ''
  private prefix = ''
  private localName = ''

  constructor(source: string, limits: XmlLimits) {
    this.source = source
    this.limits = limits
    this.holdsCdataEnd = source.includes(']]>')
  }

  read(): XmlDocument {
    this.declaration()
    const { source } = this
    while (this.at < source.length) {
      if (source.charCodeAt(this.at) !== 0x3c) this.characters()
      else this.markup()
    }
    if (this.root === undefined || this.open !== undefined) throw this.syntax('the document is not complete')
    return { root: this.root, ids: this.ids }
  }

  /** An XML 1.0 declaration at offset 0 may say UTF-8 or nothing about the encoding. */
  private declaration(): void {
    if (!this.source.startsWith('<?xml ')) return
    const end = this.source.indexOf('?>')
    const declaration = end < 0 || end > 100 ? '' : this.source.slice(0, end + 2)
    const accepted = /^<\?xml version=(?:"1\.0"|'1\.0')(?: encoding=(?:"[Uu][Tt][Ff]-8"|'[Uu][Tt][Ff]-8'))?(?: standalone=(?:"(?:yes|no)"|'(?:yes|no)'))? ?\?>$/
    if (!accepted.test(declaration)) throw this.forbidden('this XML declaration')
    this.at = declaration.length
  }

  private markup(): void {
    const next = this.source.charCodeAt(this.at + 1)
    if (next === 0x2f) this.endTag()
    else if (next === 0x21) this.bang()
    else if (next === 0x3f) throw this.forbidden('a processing instruction')
    else this.startTag()
  }

  private bang(): void {
    const { source } = this
    if (!source.startsWith('<!--', this.at)) throw this.forbidden(source.startsWith('<![CDATA[', this.at) ? 'CDATA' : 'a document type')
    if (!this.limits.dropsComments) throw this.forbidden('a comment')
    const end = source.indexOf('--', this.at + 4)
    if (end < 0 || source.charCodeAt(end + 2) !== 0x3e) throw this.syntax('a comment does not end')
    for (let i = this.at + 4; i < end; i++) this.requireCharacter(source.charCodeAt(i), i)
    this.at = end + 3
  }

  private characters(): void {
    const { source } = this
    const start = this.at
    let end = plainTextEnd(source, start)
    const isPlain = end === source.length || source.charCodeAt(end) === 0x3c
    if (!isPlain) {
      end = source.indexOf('<', end)
      if (end < 0) end = source.length
    }
    if (end - start > this.limits.textCharactersMax) throw this.limit('text characters', this.limits.textCharactersMax)
    this.at = end
    if (this.open === undefined) return this.requireSpace(start, end)
    if (this.holdsCdataEnd && source.slice(start, end).includes(']]>')) throw this.syntax(']]> stands in text')
    const value = isPlain ? source.slice(start, end) : this.decode(start, end, false)
    this.text = this.text === '' ? value : this.text + value
    if (this.text.length > this.limits.textCharactersMax) throw this.limit('text characters', this.limits.textCharactersMax)
  }

  /** Around the root only white space may stand, and only as itself. */
  private requireSpace(start: number, end: number): void {
    for (let i = start; i < end; i++) if (!isSpace(this.source.charCodeAt(i))) throw this.syntax('text stands outside the root element')
  }

  private append(parent: OpenElement, child: XmlElement | string): void {
    if (parent.children === noChildren) parent.children = [child]
    else parent.children.push(child)
  }

  private flushText(): void {
    if (this.text === '') return
    if (this.open !== undefined) this.append(this.open, this.text)
    this.text = ''
  }

  private endTag(): void {
    const { open, source } = this
    if (open === undefined) throw this.syntax('an end tag has no start tag')
    if (!source.startsWith(open.qualifiedName, this.at + 2)) throw this.syntax('an end tag does not fit its start tag')
    this.at += 2 + open.qualifiedName.length
    if (source.charCodeAt(this.at) !== 0x3e) {
      this.skipSpace()
      if (source.charCodeAt(this.at) !== 0x3e) throw this.syntax('an end tag does not fit its start tag')
    }
    this.at += 1
    this.flushText()
    this.close(open)
  }

  private close(element: OpenElement): void {
    this.open = element.parent
    this.depth -= 1
    for (let i = element.namespaces.length - 1; i >= 0; i--) {
      const prefix = element.namespaces[i]?.prefix ?? ''
      this.scope.set(prefix, this.former.pop())
    }
  }

  private startTag(): void {
    const parent = this.open
    const { limits } = this
    if (this.root !== undefined && parent === undefined) throw this.syntax('there is more than one root element')
    if (++this.depth > limits.depthMax) throw this.limit('depth', limits.depthMax)
    if (++this.elementCount > limits.elementsMax) throw this.limit('elements', limits.elementsMax)
    this.flushText()
    this.at += 1
    this.name()
    const { qualifiedName, prefix, localName } = this
    this.attributes = noAttributes
    this.namespaces = noNamespaces
    this.tagIds = noIds
    this.hasPrefixed = false
    const isEmpty = this.tagContent()
    const { attributes, namespaces } = this
    for (const declared of namespaces) {
      this.former.push(this.scope.get(declared.prefix))
      this.scope.set(declared.prefix, declared.uri)
    }
    const isInherited = namespaces.length === 0 && parent !== undefined && parent.prefix === prefix
    const namespace = isInherited ? parent.namespace : this.resolve(prefix)
    if (this.hasPrefixed) this.resolveAttributes(attributes)
    const element: OpenElement = { name: localName, prefix, qualifiedName, namespace, attributes, namespaces, children: noChildren, parent }
    for (const id of this.tagIds) this.register(id, element)
    if (parent === undefined) this.root = element
    else this.append(parent, element)
    if (isEmpty) this.close(element)
    else this.open = element
  }

  /** Reads attributes up to the end of the tag; true for an empty-element tag. */
  private tagContent(): boolean {
    const { source } = this
    for (;;) {
      const c = source.charCodeAt(this.at)
      if (c === 0x3e) {
        this.at += 1
        return false
      }
      if (c === 0x2f) {
        if (source.charCodeAt(this.at + 1) !== 0x3e) throw this.syntax('a tag does not end')
        this.at += 2
        return true
      }
      if (!isSpace(c)) throw this.syntax('a tag does not end')
      this.skipSpace()
      const after = source.charCodeAt(this.at)
      if (after !== 0x3e && after !== 0x2f) this.attribute()
    }
  }

  private attribute(): void {
    this.name()
    const { qualifiedName, prefix, localName: name } = this
    const value = this.attributeValue()
    if (++this.attributeCount > this.limits.documentAttributesMax) throw this.limit('document attributes', this.limits.documentAttributesMax)
    if (prefix === 'xmlns') this.declareNamespace(name, value)
    else if (prefix === '' && name === 'xmlns') this.declareNamespace('', value)
    else {
      const attribute: OpenAttribute = { name, prefix, qualifiedName, namespace: '', value }
      if (prefix !== '') this.hasPrefixed = true
      else {
        for (const other of this.attributes) if (other.qualifiedName === name) throw this.syntax('an attribute stands twice')
        if (name === 'ID' || name === 'Id' || name === 'id') this.identify(value)
      }
      if (this.attributes === noAttributes) this.attributes = [attribute]
      else if (this.attributes.push(attribute) > this.limits.attributesMax) throw this.limit('attributes', this.limits.attributesMax)
    }
  }

  private attributeValue(): string {
    const { source } = this
    if (source.charCodeAt(this.at) !== 0x3d) {
      this.skipSpace()
      if (source.charCodeAt(this.at) !== 0x3d) throw this.syntax('an attribute has no value')
    }
    this.at += 1
    let quote = source.charCodeAt(this.at)
    if (quote !== 0x22 && quote !== 0x27) {
      this.skipSpace()
      quote = source.charCodeAt(this.at)
      if (quote !== 0x22 && quote !== 0x27) throw this.syntax('an attribute value is not quoted')
    }
    const start = this.at + 1
    let end = plainAttributeEnd(source, start)
    const isPlain = source.charCodeAt(end) === quote
    if (!isPlain) end = source.indexOf(quote === 0x22 ? '"' : "'", end)
    if (end < 0) throw this.syntax('an attribute value does not end')
    if (end - start > this.limits.attributeCharactersMax) throw this.limit('attribute characters', this.limits.attributeCharactersMax)
    this.at = end + 1
    return isPlain ? source.slice(start, end) : this.decode(start, end, true)
  }

  private declareNamespace(prefix: string, uri: string): void {
    const isUsual = usualNamespaces.has(uri)
    if (prefix === 'xml' || prefix === 'xmlns' || uri === xmlNamespace || uri === xmlnsNamespace) throw this.namespace('a reserved namespace is declared')
    if (prefix !== '' && uri === '') throw this.namespace('a prefix is undeclared')
    if (!isUsual && uri !== '' && !isNamespaceName(uri)) throw this.namespace('a namespace name is not a plain URI')
    for (const other of this.namespaces) if (other.prefix === prefix) throw this.syntax('an attribute stands twice')
    if (this.namespaces === noNamespaces) this.namespaces = [{ prefix, uri }]
    else if (this.namespaces.push({ prefix, uri }) > this.limits.namespacesMax) throw this.limit('namespace declarations', this.limits.namespacesMax)
  }

  private resolve(prefix: string): string {
    const uri = this.scope.get(prefix)
    if (uri === undefined) throw this.namespace(`prefix ${prefix} is not declared`)
    return uri
  }

  /** Resolves the prefixes of attributes and refuses two names that turn out to be one. */
  private resolveAttributes(attributes: readonly OpenAttribute[]): void {
    for (let i = 0; i < attributes.length; i++) {
      const attribute = attributes[i]
      if (attribute === undefined || attribute.prefix === '') continue
      const namespace = this.resolve(attribute.prefix)
      for (let k = 0; k < i; k++) {
        if (attributes[k]?.namespace === namespace && attributes[k]?.name === attribute.name) throw this.syntax('an attribute stands twice')
      }
      attribute.namespace = namespace
      if (namespace === xmlNamespace && attribute.name === 'id') this.identify(attribute.value)
    }
  }

  private identify(value: string): void {
    if (!isName(value)) throw this.badId('not a name')
    if (this.tagIds === noIds) this.tagIds = [value]
    else this.tagIds.push(value)
  }

  private register(id: string, element: XmlElement): void {
    if (this.ids.has(id)) throw this.badId('not unique')
    this.ids.set(id, element)
  }

  /** Reads `name` or `prefix:name`, ASCII names only. */
  private name(): void {
    const { source, at: start } = this
    const first = this.namePart(start)
    if (source.charCodeAt(first) !== 0x3a) {
      this.qualifiedName = source.slice(start, first)
      this.localName = this.qualifiedName
      this.prefix = ''
      this.at = first
      return
    }
    const end = this.namePart(first + 1)
    this.qualifiedName = source.slice(start, end)
    this.prefix = source.slice(start, first)
    this.localName = source.slice(first + 1, end)
    this.at = end
  }

  private namePart(start: number): number {
    const end = nameEnd(this.source, start)
    if (end === start) throw this.syntax('a name is expected')
    if (end - start > this.limits.nameCharactersMax) throw this.limit('name characters', this.limits.nameCharactersMax)
    return end
  }

  private skipSpace(): void {
    const { source } = this
    while (isSpace(source.charCodeAt(this.at))) this.at += 1
  }

  /** Decodes references, normalises line ends, and in attributes white space. @see xml 1.0 sections 2.11 and 3.3.3 */
  private decode(start: number, end: number, isAttribute: boolean): string {
    const { source } = this
    let out = ''
    let copied = start
    for (let i = start; i < end; i++) {
      const c = source.charCodeAt(i)
      if (c === 0x26) {
        const stop = referenceEnd(source, i, end)
        if (copied < i) out += source.slice(copied, i)
        out += String.fromCodePoint(referenceCode(source, i, stop))
        copied = stop + 1
        i = stop
      } else if (c === 0x3c) throw this.syntax('< stands in an attribute value')
      else if (c === 0x0d || (isAttribute && (c === 0x09 || c === 0x0a))) {
        out += source.slice(copied, i)
        copied = i
        while (copied < end && isBreak(source.charCodeAt(copied), isAttribute)) copied += 1
        out += normalised(source, i, copied, isAttribute ? ' ' : '\n')
        i = copied - 1
      } else if (c < 0x20 || c >= 0xfffe) this.requireCharacter(c, i)
    }
    return copied === start ? source.slice(start, end) : out + source.slice(copied, end)
  }

  /** For one code unit: surrogates come in pairs only, which the check for UTF-8 made sure of. */
  private requireCharacter(unit: number, at: number): void {
    if ((unit < 0xd800 || unit > 0xdfff) && !isXmlCharacter(unit)) throw new CurfewError('CURFEW_XML_CHARACTER', { at })
  }

  private syntax(why: string): CurfewError {
    return new CurfewError('CURFEW_XML_SYNTAX', { why, at: this.at })
  }

  private forbidden(what: string): CurfewError {
    return new CurfewError('CURFEW_XML_FORBIDDEN', { what, at: this.at })
  }

  private namespace(why: string): CurfewError {
    return new CurfewError('CURFEW_XML_NAMESPACE', { why, at: this.at })
  }

  private badId(why: string): CurfewError {
    return new CurfewError('CURFEW_XML_ID', { why, at: this.at })
  }

  private limit(what: string, maximum: number): CurfewError {
    return new CurfewError('CURFEW_XML_LIMIT', { what, maximum, at: this.at })
  }
}

/** Characters of one run that is normalised together: line ends, in attributes TAB too. */
function isBreak(c: number, isAttribute: boolean): boolean {
  return c === 0x0d || c === 0x0a || (isAttribute && c === 0x09)
}

/** A run of breaks as it is read: CR LF and CR alone are one line end. */
function normalised(source: string, start: number, end: number, to: string): string {
  let count = 0
  for (let i = start; i < end; i++) {
    if (source.charCodeAt(i) === 0x0d && i + 1 < end && source.charCodeAt(i + 1) === 0x0a) i += 1
    count += 1
  }
  return to.repeat(count)
}
