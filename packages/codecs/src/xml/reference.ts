import { CurfewError } from '../errors.ts'
import { isXmlCharacter } from './characters.ts'

/** Longest reference that is read, from `&` up to and without `;`. */
const referenceCharactersMax = 12

const predefined = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"]
])

/**
 * Reads one of the five predefined entities or a character reference.
 *
 * @param at - where `&` stands
 * @param end - where the text or attribute value ends
 * @returns the character, and where reading goes on
 * @throws CURFEW_XML_SYNTAX when no `;` follows, CURFEW_XML_FORBIDDEN for any other entity, CURFEW_XML_CHARACTER for a
 *   character that XML 1.0 forbids
 */
export function readReference(source: string, at: number, end: number): { readonly character: string; readonly next: number } {
  const last = Math.min(end - 1, at + referenceCharactersMax)
  let stop = at + 1
  while (stop <= last && source.charCodeAt(stop) !== 0x3b) stop += 1
  if (stop > last) throw new CurfewError('CURFEW_XML_SYNTAX', { why: '& stands alone', at })
  if (source.charCodeAt(at + 1) === 0x23) return { character: numbered(source, at, stop), next: stop + 1 }
  const character = predefined.get(source.slice(at + 1, stop))
  if (character === undefined) throw new CurfewError('CURFEW_XML_FORBIDDEN', { what: 'an entity', at })
  return { character, next: stop + 1 }
}

function numbered(source: string, at: number, stop: number): string {
  const isHex = source.charCodeAt(at + 2) === 0x78
  const radix = isHex ? 16 : 10
  const start = at + (isHex ? 3 : 2)
  let code = 0
  for (let i = start; i < stop; i++) {
    const value = digit(source.charCodeAt(i))
    if (value >= radix) throw new CurfewError('CURFEW_XML_FORBIDDEN', { what: 'an entity', at })
    code = code * radix + value
  }
  if (start === stop) throw new CurfewError('CURFEW_XML_FORBIDDEN', { what: 'an entity', at })
  if (!isXmlCharacter(code)) throw new CurfewError('CURFEW_XML_CHARACTER', { at })
  return String.fromCodePoint(code)
}

function digit(c: number): number {
  if (c >= 0x30 && c <= 0x39) return c - 0x30
  const lower = c | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : 99
}
