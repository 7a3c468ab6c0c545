import { isUtf8 } from 'node:buffer'
import { CurfewError } from '../errors.ts'
import type { XmlAttribute, XmlDocument, XmlElement, XmlNamespace } from './element.ts'
import { messageLimits, metadataLimits, type XmlLimits } from './limits.ts'

const xmlNamespace = 'http://www.w3.org/XML/1998/namespace'
const xmlnsNamespace = 'http://www.w3.org/2000/xmlns/'

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

interface OpenElement {
  readonly element: XmlElement & { children: (XmlElement | string)[] }
  readonly qualifiedName: string
  /** Bindings to restore when the element closes: prefix and its former value. */
  readonly undo: readonly (readonly [string, string | undefined])[]
}

interface RawAttribute {
  readonly prefix: string
  readonly name: string
  readonly value: string
}

class Reader {
  readonly #source: string
  readonly #limits: XmlLimits
  readonly #scope = new Map<string, string>([
    ['xml', xmlNamespace],
    ['', '']
  ])
  readonly #ids = new Map<string, XmlElement>()
  readonly #stack: OpenElement[] = []
  #at = 0
  #elements = 0
  #root: XmlElement | undefined
  #text = ''

  constructor(source: string, limits: XmlLimits) {
    this.#source = source
    this.#limits = limits
  }

  read(): XmlDocument {
    this.#declaration()
    const source = this.#source
    while (this.#at < source.length) {
      if (source.charCodeAt(this.#at) !== 0x3c) this.#characters()
      else this.#markup()
    }
    if (this.#root === undefined || this.#stack.length > 0) throw this.#syntax('the document is not complete')
    return { root: this.#root, ids: this.#ids }
  }

  /** An XML 1.0 declaration at offset 0 may say UTF-8 or nothing about the encoding. */
  #declaration(): void {
    if (!this.#source.startsWith('<?xml ')) return
    const end = this.#source.indexOf('?>')
    const declaration = end < 0 || end > 100 ? '' : this.#source.slice(0, end + 2)
    if (
      !/^<\?xml version=(?:"1\.0"|'1\.0')(?: encoding=(?:"[Uu][Tt][Ff]-8"|'[Uu][Tt][Ff]-8'))?(?: standalone=(?:"(?:yes|no)"|'(?:yes|no)'))? ?\?>$/.test(
        declaration
      )
    ) {
      throw this.#forbidden('this XML declaration')
    }
    this.#at = declaration.length
  }

  #markup(): void {
    const next = this.#source.charCodeAt(this.#at + 1)
    if (next === 0x2f) this.#endTag()
    else if (next === 0x21) this.#bang()
    else if (next === 0x3f) throw this.#forbidden('a processing instruction')
    else this.#startTag()
  }

  #bang(): void {
    if (!this.#source.startsWith('<!--', this.#at)) throw this.#forbidden(this.#source.startsWith('<![CDATA[', this.#at) ? 'CDATA' : 'a document type')
    if (!this.#limits.dropsComments) throw this.#forbidden('a comment')
    const end = this.#source.indexOf('--', this.#at + 4)
    if (end < 0 || this.#source.charCodeAt(end + 2) !== 0x3e) throw this.#syntax('a comment does not end')
    for (let i = this.#at + 4; i < end; i++) this.#requireCharacter(this.#source.charCodeAt(i), i)
    this.#at = end + 3
  }

  #characters(): void {
    const source = this.#source
    const start = this.#at
    let end = source.indexOf('<', start)
    if (end < 0) end = source.length
    if (end - start > this.#limits.textCharactersMax) throw this.#limit('text characters', this.#limits.textCharactersMax)
    const value = this.#decode(start, end, false)
    this.#at = end
    if (this.#stack.length === 0) {
      for (let i = 0; i < value.length; i++) if (!isSpace(value.charCodeAt(i))) throw this.#syntax('text stands outside the root element')
      return
    }
    this.#text += value
    if (this.#text.length > this.#limits.textCharactersMax) throw this.#limit('text characters', this.#limits.textCharactersMax)
  }

  #flushText(): void {
    if (this.#text === '') return
    this.#stack[this.#stack.length - 1]?.element.children.push(this.#text)
    this.#text = ''
  }

  #endTag(): void {
    this.#at += 2
    const open = this.#stack[this.#stack.length - 1]
    if (open === undefined) throw this.#syntax('an end tag has no start tag')
    if (!this.#source.startsWith(open.qualifiedName, this.#at)) throw this.#syntax('an end tag does not fit its start tag')
    this.#at += open.qualifiedName.length
    this.#skipSpace()
    if (this.#source.charCodeAt(this.#at) !== 0x3e) throw this.#syntax('an end tag does not fit its start tag')
    this.#at += 1
    this.#flushText()
    this.#close()
  }

  #close(): void {
    const open = this.#stack.pop()
    for (const [prefix, former] of open?.undo ?? []) {
      if (former === undefined) this.#scope.delete(prefix)
      else this.#scope.set(prefix, former)
    }
  }

  #startTag(): void {
    if (this.#root !== undefined && this.#stack.length === 0) throw this.#syntax('there is more than one root element')
    if (this.#stack.length >= this.#limits.depthMax) throw this.#limit('depth', this.#limits.depthMax)
    if (++this.#elements > this.#limits.elementsMax) throw this.#limit('elements', this.#limits.elementsMax)
    this.#flushText()
    this.#at += 1
    const nameStart = this.#at
    const [prefix, name] = this.#qualifiedName()
    const qualifiedName = this.#source.slice(nameStart, this.#at)
    const raw: RawAttribute[] = []
    const namespaces: XmlNamespace[] = []
    const isEmpty = this.#attributes(raw, namespaces)
    const undo = namespaces.map((n): readonly [string, string | undefined] => [n.prefix, this.#scope.get(n.prefix)])
    for (const declared of namespaces) this.#scope.set(declared.prefix, declared.uri)
    const parent = this.#stack[this.#stack.length - 1]
    const element = {
      name,
      prefix,
      namespace: this.#resolve(prefix),
      attributes: this.#resolveAttributes(raw),
      namespaces,
      children: [],
      parent: parent?.element
    }
    this.#register(element)
    parent?.element.children.push(element)
    this.#root ??= element
    this.#stack.push({ element, qualifiedName, undo })
    if (isEmpty) this.#close()
  }

  /** Reads attributes up to the end of the tag; true for an empty-element tag. */
  #attributes(raw: RawAttribute[], namespaces: XmlNamespace[]): boolean {
    const source = this.#source
    for (;;) {
      const spaced = this.#skipSpace()
      const c = source.charCodeAt(this.#at)
      if (c === 0x3e) {
        this.#at += 1
        return false
      }
      if (c === 0x2f) {
        if (source.charCodeAt(this.#at + 1) !== 0x3e) throw this.#syntax('a tag does not end')
        this.#at += 2
        return true
      }
      if (!spaced) throw this.#syntax('attributes are not separated')
      const [prefix, name] = this.#qualifiedName()
      const value = this.#attributeValue()
      if (prefix === 'xmlns' || (prefix === '' && name === 'xmlns')) this.#declare(namespaces, prefix === '' ? '' : name, value)
      else {
        raw.push({ prefix, name, value })
        if (raw.length > this.#limits.attributesMax) throw this.#limit('attributes', this.#limits.attributesMax)
      }
    }
  }

  #attributeValue(): string {
    const source = this.#source
    this.#skipSpace()
    if (source.charCodeAt(this.#at) !== 0x3d) throw this.#syntax('an attribute has no value')
    this.#at += 1
    this.#skipSpace()
    const quote = source[this.#at]
    if (quote !== '"' && quote !== "'") throw this.#syntax('an attribute value is not quoted')
    const start = this.#at + 1
    const end = source.indexOf(quote, start)
    if (end < 0) throw this.#syntax('an attribute value does not end')
    if (end - start > this.#limits.attributeCharactersMax) throw this.#limit('attribute characters', this.#limits.attributeCharactersMax)
    this.#at = end + 1
    return this.#decode(start, end, true)
  }

  #declare(namespaces: XmlNamespace[], prefix: string, uri: string): void {
    if (prefix === 'xml' || prefix === 'xmlns' || uri === xmlNamespace || uri === xmlnsNamespace) throw this.#namespace('a reserved namespace is declared')
    if (prefix !== '' && uri === '') throw this.#namespace('a prefix is undeclared')
    if (uri !== '' && !/^[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9\-._~:/?#[\]@!$'()*+,;=%]*$/.test(uri)) throw this.#namespace('a namespace name is not a plain URI')
    if (namespaces.some((n) => n.prefix === prefix)) throw this.#syntax('an attribute stands twice')
    namespaces.push({ prefix, uri })
    if (namespaces.length > this.#limits.namespacesMax) throw this.#limit('namespace declarations', this.#limits.namespacesMax)
  }

  #resolve(prefix: string): string {
    const uri = this.#scope.get(prefix)
    if (uri === undefined) throw this.#namespace(`prefix ${prefix} is not declared`)
    return uri
  }

  #resolveAttributes(raw: readonly RawAttribute[]): readonly XmlAttribute[] {
    const attributes: XmlAttribute[] = []
    for (const { prefix, name, value } of raw) {
      const namespace = prefix === '' ? '' : this.#resolve(prefix)
      for (const other of attributes) if (other.name === name && other.namespace === namespace) throw this.#syntax('an attribute stands twice')
      attributes.push({ prefix, name, namespace, value })
    }
    return attributes
  }

  #register(element: XmlElement): void {
    for (const { name, namespace, value } of element.attributes) {
      const isId = namespace === '' ? name === 'ID' || name === 'Id' || name === 'id' : namespace === xmlNamespace && name === 'id'
      if (!isId) continue
      if (!/^[A-Za-z_][A-Za-z0-9_.-]*$/.test(value)) throw new CurfewError('CURFEW_XML_ID', { why: 'not a name', at: this.#at })
      if (this.#ids.has(value)) throw new CurfewError('CURFEW_XML_ID', { why: 'not unique', at: this.#at })
      this.#ids.set(value, element)
    }
  }

  /** Reads `name` or `prefix:name`, ASCII names only. */
  #qualifiedName(): readonly [string, string] {
    const first = this.#name()
    if (this.#source.charCodeAt(this.#at) !== 0x3a) return ['', first]
    this.#at += 1
    return [first, this.#name()]
  }

  #name(): string {
    const source = this.#source
    const start = this.#at
    if (!isNameStart(source.charCodeAt(start))) throw this.#syntax('a name is expected')
    let at = start + 1
    while (isNamePart(source.charCodeAt(at))) at += 1
    if (at - start > this.#limits.nameCharactersMax) throw this.#limit('name characters', this.#limits.nameCharactersMax)
    this.#at = at
    return source.slice(start, at)
  }

  #skipSpace(): boolean {
    const start = this.#at
    while (isSpace(this.#source.charCodeAt(this.#at))) this.#at += 1
    return this.#at > start
  }

  /** Decodes references, normalises line ends, and in attributes white space, as XML 1.0 says (2.11, 3.3.3). */
  #decode(start: number, end: number, isAttribute: boolean): string {
    const source = this.#source
    let out = ''
    let copied = start
    for (let i = start; i < end; i++) {
      const c = source.charCodeAt(i)
      if (c === 0x26) {
        const [character, next] = this.#reference(i, end)
        out += source.slice(copied, i) + character
        copied = next
        i = next - 1
      } else if (c === 0x3c) throw this.#syntax('< stands in an attribute value')
      else if (c === 0x0d) {
        out += source.slice(copied, i) + (isAttribute ? ' ' : '\n')
        if (source.charCodeAt(i + 1) === 0x0a) i += 1
        copied = i + 1
      } else if (isAttribute && (c === 0x09 || c === 0x0a)) {
        out += `${source.slice(copied, i)} `
        copied = i + 1
      } else if (c === 0x3e && !isAttribute && source.charCodeAt(i - 1) === 0x5d && source.charCodeAt(i - 2) === 0x5d && i - 2 >= start) {
        throw this.#syntax(']]> stands in text')
      } else if (c < 0x20 || c >= 0xfffe) this.#requireCharacter(c, i)
    }
    return copied === start ? source.slice(start, end) : out + source.slice(copied, end)
  }

  #reference(at: number, end: number): readonly [string, number] {
    const stop = this.#source.indexOf(';', at)
    if (stop < 0 || stop >= end || stop - at > 12) throw this.#syntax('& stands alone')
    const name = this.#source.slice(at + 1, stop)
    const known = entities[name]
    if (known !== undefined) return [known, stop + 1]
    const match = /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(name)
    if (match === null) throw this.#forbidden('an entity')
    const code = match[1] === undefined ? Number.parseInt(match[2] ?? '', 10) : Number.parseInt(match[1], 16)
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) throw new CurfewError('CURFEW_XML_CHARACTER', { at })
    this.#requireCharacter(code, at)
    return [String.fromCodePoint(code), stop + 1]
  }

  #requireCharacter(code: number, at: number): void {
    const isAllowed = code === 0x09 || code === 0x0a || code === 0x0d || (code >= 0x20 && code !== 0xfffe && code !== 0xffff)
    if (!isAllowed) throw new CurfewError('CURFEW_XML_CHARACTER', { at })
  }

  #syntax(why: string): CurfewError {
    return new CurfewError('CURFEW_XML_SYNTAX', { why, at: this.#at })
  }

  #forbidden(what: string): CurfewError {
    return new CurfewError('CURFEW_XML_FORBIDDEN', { what, at: this.#at })
  }

  #namespace(why: string): CurfewError {
    return new CurfewError('CURFEW_XML_NAMESPACE', { why, at: this.#at })
  }

  #limit(what: string, maximum: number): CurfewError {
    return new CurfewError('CURFEW_XML_LIMIT', { what, maximum, at: this.#at })
  }
}

const entities: Readonly<Record<string, string | undefined>> = Object.assign(Object.create(null) as object, { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" })

function isSpace(c: number): boolean {
  return c === 0x20 || c === 0x0a || c === 0x09 || c === 0x0d
}

function isNameStart(c: number): boolean {
  return (c >= 0x61 && c <= 0x7a) || (c >= 0x41 && c <= 0x5a) || c === 0x5f
}

function isNamePart(c: number): boolean {
  return isNameStart(c) || (c >= 0x30 && c <= 0x39) || c === 0x2d || c === 0x2e
}
