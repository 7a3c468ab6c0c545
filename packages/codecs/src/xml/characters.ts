/** What the reader, the writer and the canonical form have to know about single characters. */

const nameStart = 1
const namePart = 2
const nameClasses = classes((c) => (/[A-Za-z_]/.test(c) ? nameStart : /[0-9.-]/.test(c) ? namePart : 0))
const uriClasses = classes((c) => (/[A-Za-z0-9\-._~:/?#@!$'()*+,;=]/.test(c) ? 1 : 0))
/** Characters that stand for themselves in text and in attribute values, whatever the quote. */
const textClasses = classes((c) => (/[\t\n\x20-\x7f]/.test(c) && !/[&<]/.test(c) ? 1 : 0))
const attributeClasses = classes((c) => (/[\x20-\x7f]/.test(c) && !/[&<"']/.test(c) ? 1 : 0))

function classes(classOf: (character: string) => number): Uint8Array {
  return Uint8Array.from({ length: 128 }, (_, code) => classOf(String.fromCharCode(code)))
}

export function isSpace(c: number): boolean {
  return c === 0x20 || c === 0x0a || c === 0x09 || c === 0x0d
}

/** Where the ASCII NCName that starts at `start` ends; `start` itself when none starts there. */
export function nameEnd(source: string, start: number): number {
  const { length } = source
  if (start >= length) return start
  const first = source.charCodeAt(start)
  if (first > 0x7f || nameClasses[first] !== nameStart) return start
  let at = start + 1
  while (at < length) {
    const c = source.charCodeAt(at)
    if (c > 0x7f || nameClasses[c] === 0) break
    at += 1
  }
  return at
}

/** True for a whole string that is an NCName of ASCII characters. */
export function isName(value: string): boolean {
  return value !== '' && nameEnd(value, 0) === value.length
}

/**
 * True for an absolute URI of plain characters, the only namespace names that are read or written: no percent-encoding,
 * no user, no bracketed address. All parsers agree about what is left.
 * @see rfc3986 section 3
 */
export function isNamespaceName(value: string): boolean {
  const colon = value.indexOf(':')
  if (colon < 1) return false
  let hashes = 0
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i)
    if (c > 0x7f || uriClasses[c] === 0) return false
    if (i < colon && !isSchemeCharacter(c, i === 0)) return false
    if (c === 0x23) hashes += 1
  }
  return hashes < 2 && (!value.startsWith('//', colon + 1) || isAuthority(value, colon + 3))
}

function isSchemeCharacter(c: number, isFirst: boolean): boolean {
  return isLetter(c) || (!isFirst && (isDigit(c) || c === 0x2b || c === 0x2d || c === 0x2e))
}

/** A host of letters, digits, dots and hyphens, and perhaps a port of one to five digits, up to the path. */
function isAuthority(value: string, start: number): boolean {
  let at = start
  while (isHostCharacter(value.charCodeAt(at))) at += 1
  if (value.charCodeAt(at) === 0x3a) {
    const port = at + 1
    at = port
    while (isDigit(value.charCodeAt(at))) at += 1
    if (at === port || at - port > 5 || port - 1 === start) return false
  }
  return at === value.length || value.charCodeAt(at) === 0x2f || value.charCodeAt(at) === 0x3f || value.charCodeAt(at) === 0x23
}

function isHostCharacter(c: number): boolean {
  return isLetter(c) || isDigit(c) || c === 0x2d || c === 0x2e
}

function isLetter(c: number): boolean {
  return (c >= 0x61 && c <= 0x7a) || (c >= 0x41 && c <= 0x5a)
}

function isDigit(c: number): boolean {
  return c >= 0x30 && c <= 0x39
}

/** Where the run of characters ends that text holds as they are; markup, references and CR end it. */
export function plainTextEnd(source: string, start: number): number {
  const { length } = source
  let at = start
  while (at < length) {
    const c = source.charCodeAt(at)
    if (c < 0x80 ? textClasses[c] === 0 : c >= 0xfffe) break
    at += 1
  }
  return at
}

/** The same in an attribute value: quotes and all white space but the space end it too. */
export function plainAttributeEnd(source: string, start: number): number {
  const { length } = source
  let at = start
  while (at < length) {
    const c = source.charCodeAt(at)
    if (c < 0x80 ? attributeClasses[c] === 0 : c >= 0xfffe) break
    at += 1
  }
  return at
}

/** True for a code point that XML 1.0 allows in a document. @see xml 1.0 (fifth edition) production 2 */
export function isXmlCharacter(code: number): boolean {
  if (code < 0x20) return code === 0x09 || code === 0x0a || code === 0x0d
  return code < 0xd800 || (code > 0xdfff && code < 0xfffe) || (code > 0xffff && code <= 0x10ffff)
}

/** Escapes text as canonical XML does. @see xml-c14n section 2.3, text nodes */
export function escapeText(value: string): string {
  let out = ''
  let copied = 0
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i)
    if (c > 0x3e || (c !== 0x26 && c !== 0x3c && c !== 0x3e && c !== 0x0d)) continue
    const escape = c === 0x26 ? '&amp;' : c === 0x3c ? '&lt;' : c === 0x3e ? '&gt;' : '&#xD;'
    const count = runLength(value, i)
    out += value.slice(copied, i) + escape.repeat(count)
    copied = i + count
    i = copied - 1
  }
  return copied === 0 ? value : out + value.slice(copied)
}

/** Escapes an attribute value as canonical XML does. @see xml-c14n section 2.3, attribute nodes */
export function escapeAttribute(value: string): string {
  let out = ''
  let copied = 0
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i)
    if (c > 0x3c || (c !== 0x26 && c !== 0x3c && c !== 0x22 && c !== 0x09 && c !== 0x0a && c !== 0x0d)) continue
    const count = runLength(value, i)
    out += value.slice(copied, i) + attributeEscape(c).repeat(count)
    copied = i + count
    i = copied - 1
  }
  return copied === 0 ? value : out + value.slice(copied)
}

/** How often the character at `start` stands there in a row: what keeps a message of nothing but `>` cheap. */
function runLength(value: string, start: number): number {
  const c = value.charCodeAt(start)
  let end = start + 1
  while (end < value.length && value.charCodeAt(end) === c) end += 1
  return end - start
}

function attributeEscape(c: number): string {
  if (c === 0x26) return '&amp;'
  if (c === 0x3c) return '&lt;'
  if (c === 0x22) return '&quot;'
  return c === 0x09 ? '&#x9;' : c === 0x0a ? '&#xA;' : '&#xD;'
}
