/** One part of a name: attribute types with their values, in no order. */
type RelativeName = readonly string[]

/** Names of attribute types that mean the same, in lower case (RFC 4519, and what is seen in certificates). */
const sameTypes: Readonly<Record<string, string>> = {
  '2.5.4.3': 'cn',
  '2.5.4.5': 'serialnumber',
  '2.5.4.6': 'c',
  '2.5.4.7': 'l',
  '2.5.4.8': 'st',
  '2.5.4.9': 'street',
  '2.5.4.10': 'o',
  '2.5.4.11': 'ou',
  '2.5.4.97': 'organizationidentifier',
  '0.9.2342.19200300.100.1.1': 'uid',
  '0.9.2342.19200300.100.1.25': 'dc',
  '1.2.840.113549.1.9.1': 'emailaddress',
  e: 'emailaddress',
  email: 'emailaddress',
  s: 'st',
  userid: 'uid'
}

/** Longest name that is read, in characters. */
const nameCharactersMax = 2_048

/**
 * Reads a name as it is written in settings: the last part first.
 * @returns undefined for a text that is no name
 * @see RFC 4514 section 3
 */
export function parseDistinguishedName(text: string): readonly RelativeName[] | undefined {
  if (text.length > nameCharactersMax) return undefined
  const parts = split(text, ',').map(relativeName)
  return parts.every((part) => part !== undefined) ? parts : undefined
}

/**
 * True when a certificate has exactly this subject: every part, in order, to the letter.
 * @param subject - as `node:crypto` shows it: one part a line, the first part first, escaped as in RFC 4514
 */
export function isSubject(wanted: string, subject: string | undefined): boolean {
  const expected = parseDistinguishedName(wanted)
  const shown = subject?.split('\n').map(relativeName).toReversed()
  return expected !== undefined && shown !== undefined && shown.length > 0 && JSON.stringify(expected) === JSON.stringify(shown)
}

function relativeName(text: string): RelativeName | undefined {
  const pairs = split(text, '+').map(attribute)
  return pairs.every((pair) => pair !== undefined) ? pairs.toSorted() : undefined
}

function attribute(text: string): string | undefined {
  const at = text.indexOf('=')
  const type = text.slice(0, at).trim().toLowerCase()
  if (at < 1 || !/^([a-z][a-z0-9-]*|\d+(\.\d+)+)$/.test(type)) return undefined
  const value = unescaped(text.slice(at + 1))
  return value === undefined || value === '' ? undefined : `${sameTypes[type] ?? type}=${value}`
}

/** Splits where a character stands unescaped; inside of quotes it does not count (RFC 2253 section 4). */
function split(text: string, separator: string): readonly string[] {
  const parts: string[] = ['']
  let isQuoted = false
  for (let i = 0; i < text.length; i++) {
    const character = text[i] ?? ''
    if (character === '\\') parts[parts.length - 1] += character + (text[++i] ?? '')
    else if (character === separator && !isQuoted) parts.push('')
    else {
      if (character === '"') isQuoted = !isQuoted
      parts[parts.length - 1] += character
    }
  }
  return parts
}

/** White space around a value is no part of it, unless it is escaped. */
function unescaped(text: string): string | undefined {
  const bare = text.replace(/^ +/, '').replace(/((?:^|[^\\])(?:\\\\)*) +$/, '$1')
  const inner = /^"(.*)"$/s.exec(bare)?.[1] ?? bare
  const octets: Buffer[] = []
  for (let i = 0; i < inner.length; i++) {
    const character = String.fromCodePoint(inner.codePointAt(i) ?? 0)
    if (character.length > 1) i++
    if (character !== '\\') octets.push(Buffer.from(character))
    else {
      const hex = /^[0-9a-fA-F]{2}/.exec(inner.slice(i + 1))?.[0]
      if (hex === undefined && inner[i + 1] === undefined) return undefined
      octets.push(hex === undefined ? Buffer.from(inner[i + 1] ?? '') : Buffer.from(hex, 'hex'))
      i += hex === undefined ? 1 : 2
    }
  }
  return Buffer.concat(octets).toString('utf8')
}
