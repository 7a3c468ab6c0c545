import { CurfewError } from '../errors.ts'
import { isXmlCharacter } from './characters.ts'

/** Longest reference that is read, from `&` up to and without `;`. */
const referenceCharactersMax = 12

/**
 * Finds the `;` of the reference that starts with `&` at `at`.
 * @param end - where the text or attribute value ends
 * @throws CURFEW_XML_SYNTAX when none follows soon enough
 */
export function referenceEnd(source: string, at: number, end: number): number {
  const last = Math.min(end - 1, at + referenceCharactersMax)
  for (let stop = at + 1; stop <= last; stop++) if (source.charCodeAt(stop) === 0x3b) return stop
  throw new CurfewError('CURFEW_XML_SYNTAX', { why: '& stands alone', at })
}

/**
 * The code point that the reference between `at` and its `;` at `stop` stands for: one of the five predefined
 * entities, or a number.
 * @throws CURFEW_XML_FORBIDDEN for any other entity, CURFEW_XML_CHARACTER for a character that XML 1.0 forbids
 */
export function referenceCode(source: string, at: number, stop: number): number {
  const start = at + 1
  if (source.charCodeAt(start) === 0x23) return numbered(source, at, stop)
  const length = stop - start
  if (length === 3 && source.startsWith('amp', start)) return 0x26
  if (length === 2 && source.startsWith('lt', start)) return 0x3c
  if (length === 2 && source.startsWith('gt', start)) return 0x3e
  if (length === 4 && source.startsWith('quot', start)) return 0x22
  if (length === 4 && source.startsWith('apos', start)) return 0x27
  throw entity(at)
}

function numbered(source: string, at: number, stop: number): number {
  const isHex = source.charCodeAt(at + 2) === 0x78
  const radix = isHex ? 16 : 10
  const start = at + (isHex ? 3 : 2)
  let code = 0
  for (let i = start; i < stop; i++) {
    const value = digit(source.charCodeAt(i))
    if (value >= radix) throw entity(at)
    code = code * radix + value
  }
  if (start === stop) throw entity(at)
  if (!isXmlCharacter(code)) throw new CurfewError('CURFEW_XML_CHARACTER', { at })
  return code
}

function digit(c: number): number {
  if (c >= 0x30 && c <= 0x39) return c - 0x30
  const lower = c | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : 99
}

function entity(at: number): CurfewError {
  return new CurfewError('CURFEW_XML_FORBIDDEN', { what: 'an entity', at })
}
