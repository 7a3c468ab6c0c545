import { CurfewError } from '../errors.ts'
import { openTokenLimits } from './limits.ts'

/** What a token says, line by line: a key that stands more than once has several values, in this order. */
export type OpenTokenPairs = readonly (readonly [key: string, value: string])[]

/** No white space, no control character, nothing that the syntax uses. */
const keyShape = /^[^\s=\p{Cc}'"\\]+$/u
/** A value that reads back as itself without quotes. */
const plainValue = /^(?:[^\s\p{Cc}'"\\](?:[^\p{Cc}'"\\]*[^\s\p{Cc}'"\\])?)?$/u

/**
 * Writes the lines of a payload: newline between them, none at the end, quotes only where a value needs them.
 * @throws CURFEW_OPENTOKEN_WRITE when a key or value can't be written
 * @see draft-smith-opentoken-02, Payload Format
 */
export function serialisePayload(pairs: OpenTokenPairs): string {
  if (pairs.length > openTokenLimits.attributesMax) throw new CurfewError('CURFEW_OPENTOKEN_WRITE', { attributes: pairs.length })
  return pairs.map(([key, value]) => `${writtenKey(key)}=${writtenValue(key, value)}`).join('\n')
}

function writtenKey(key: string): string {
  if (key.length > openTokenLimits.keyCharactersMax || !keyShape.test(key) || !key.isWellFormed())
    throw new CurfewError('CURFEW_OPENTOKEN_WRITE', { key: key.slice(0, 40) })
  return key
}

function writtenValue(key: string, value: string): string {
  if (!value.isWellFormed()) throw new CurfewError('CURFEW_OPENTOKEN_WRITE', { key })
  return plainValue.test(value) ? value : `'${value.replaceAll(/[\\']/g, (c) => `\\${c}`)}'`
}

/**
 * Reads the lines of a payload. Keys are case-sensitive. A quoted value may go over lines; in it a backslash stands
 * before a quote or a backslash, and for itself before anything else.
 * @throws CURFEW_OPENTOKEN_TEXT when a line is none
 */
export function parsePayload(text: string): OpenTokenPairs {
  const pairs: (readonly [string, string])[] = []
  let at = 0
  while (at < text.length) {
    at = skipBlanks(text, at)
    if (isLineEnd(text, at)) {
      at = afterLineEnd(text, at)
      continue
    }
    const equals = text.indexOf('=', at)
    const key = equals < 0 ? '' : text.slice(at, equals).trimEnd()
    if (key.length > openTokenLimits.keyCharactersMax || !keyShape.test(key)) throw new CurfewError('CURFEW_OPENTOKEN_TEXT', { line: pairs.length + 1 })
    if (pairs.length >= openTokenLimits.attributesMax) throw new CurfewError('CURFEW_OPENTOKEN_TEXT', { maximum: openTokenLimits.attributesMax })
    const { value, end } = readValue(text, skipBlanks(text, equals + 1), pairs.length + 1)
    pairs.push([key, value])
    at = end
  }
  return pairs
}

function readValue(text: string, start: number, line: number): { readonly value: string; readonly end: number } {
  const quote = text[start]
  if (quote !== '"' && quote !== "'") {
    const newline = text.indexOf('\n', start)
    const end = newline < 0 ? text.length : newline
    const stop = newline > start && text[newline - 1] === '\r' ? newline - 1 : end
    return { value: text.slice(start, stop), end: end + 1 }
  }
  let value = ''
  for (let at = start + 1; at < text.length; at++) {
    const c = text[at]
    if (c === quote) {
      const rest = skipBlanks(text, at + 1)
      if (!isLineEnd(text, rest)) break
      return { value, end: afterLineEnd(text, rest) }
    }
    const next = text[at + 1]
    if (c === '\\' && (next === '\\' || next === "'" || next === '"')) {
      value += next
      at += 1
    } else value += c
  }
  throw new CurfewError('CURFEW_OPENTOKEN_TEXT', { line })
}

function skipBlanks(text: string, from: number): number {
  let at = from
  while (text[at] === ' ' || text[at] === '\t') at += 1
  return at
}

function isLineEnd(text: string, at: number): boolean {
  return at >= text.length || text[at] === '\n' || (text[at] === '\r' && (at + 1 >= text.length || text[at + 1] === '\n'))
}

function afterLineEnd(text: string, at: number): number {
  return text[at] === '\r' ? at + 2 : at + 1
}
