import { CurfewError } from '@curfew/codecs'

/** A value of a JSON file, with the line that it begins in. */
export type JsonTree =
  | { readonly kind: 'scalar'; readonly line: number; readonly value: boolean | number | string | null }
  | { readonly kind: 'list'; readonly line: number; readonly items: readonly JsonTree[] }
  | JsonObject

export interface JsonObject {
  readonly kind: 'object'
  readonly line: number
  /** As they stand there: a name may stand twice. */
  readonly fields: readonly { readonly name: string; readonly line: number; readonly value: JsonTree }[]
}

/** The value of a field; where the name stands twice, the last one. */
export function fieldOf(tree: JsonTree | undefined, name: string): JsonTree | undefined {
  return tree?.kind === 'object' ? tree.fields.findLast((field) => field.name === name)?.value : undefined
}

const depthMax = 1_000
const token = /[{}[\],:]|"[^"\\\n]*(?:\\.[^"\\\n]*)*"|[\w.+-]+/y
const blank = /[ \t\r\n]*/y

/**
 * Reads JSON and remembers the lines. What stands in the file is not repeated in the error, for it may be secret.
 * @throws CURFEW_IMPORT_JSON
 */
export function readJson(file: string, text: string): JsonTree {
  let at = text.startsWith('\uFEFF') ? 1 : 0
  let line = 1
  let word = ''

  function fault(why: string): CurfewError {
    return new CurfewError('CURFEW_IMPORT_JSON', { file, why: `line ${line}: ${why}` })
  }
  /** Goes on to the next word; empty at the end. */
  function next(): void {
    blank.lastIndex = at
    const skipped = blank.exec(text)?.[0] ?? ''
    line += skipped.split('\n').length - 1
    at += skipped.length
    token.lastIndex = at
    word = token.exec(text)?.[0] ?? ''
    if (word === '' && at < text.length) throw fault('this is not JSON')
    at += word.length
  }
  function scalar(): boolean | number | string | null {
    try {
      return JSON.parse(word) as boolean | number | string | null
    } catch {
      throw fault(word === '' ? 'the file ends too early' : 'there is no value of JSON here')
    }
  }
  function value(depth: number): JsonTree {
    if (depth > depthMax) throw fault(`it is nested more than ${depthMax} times`)
    const begin = line
    if (word === '{') return { kind: 'object', line: begin, fields: members('}', () => field(depth)) }
    if (word === '[') return { kind: 'list', line: begin, items: members(']', () => value(depth + 1)) }
    const found = { kind: 'scalar', line: begin, value: scalar() } as const
    next()
    return found
  }
  function field(depth: number): JsonObject['fields'][number] {
    const begin = line
    const name = word.startsWith('"') ? scalar() : undefined
    if (typeof name !== 'string') throw fault(word === '' ? 'the file ends too early' : 'a name in quotation marks is missing')
    next()
    expect(':')
    return { name, line: begin, value: value(depth + 1) }
  }
  function members<T>(end: string, one: () => T): readonly T[] {
    const found: T[] = []
    next()
    if (word !== end) {
      found.push(one())
      while (word === ',') {
        next()
        found.push(one())
      }
    }
    expect(end)
    return found
  }
  function expect(wanted: string): void {
    if (word !== wanted) throw fault(word === '' ? 'the file ends too early' : `${wanted} is missing`)
    next()
  }

  next()
  const tree = value(0)
  if (word !== '') throw fault('there is more after its end')
  return tree
}

/** The value as plain objects and lists; where a name stands twice, the last one. */
export function plainOf(tree: JsonTree): unknown {
  if (tree.kind === 'scalar') return tree.value
  if (tree.kind === 'list') return tree.items.map(plainOf)
  return Object.fromEntries(tree.fields.map(({ name, value }) => [name, plainOf(value)]))
}
