import { isTrue, LuaError, type LuaFunction, LuaTable, type LuaValue, numberOf, operand, piece, textOfNumber, typeOf } from './lua-value.ts'

/** The part of the library of Lua 5.1, and of cjson, that the functions of the store use. */
export function luaLibrary(): ReadonlyMap<string, LuaValue> {
  return new Map<string, LuaValue>([
    ['tonumber', ([value]) => [numberOf(value)]],
    ['tostring', ([value]) => [textOf(value)]],
    ['type', ([value]) => [typeOf(value)]],
    ['pcall', pcall],
    ['ipairs', ([table]) => [nextOfList, table, 0]],
    ['pairs', pairs],
    ['string', named({ format, find, match, sub })],
    [
      'table',
      named({
        remove: ([table, at]) => [listOf(table).splice(operand(at) - 1, 1)[0]],
        concat: ([table, between = '']) => [listOf(table).map(piece).join(piece(between))]
      })
    ],
    [
      'math',
      named({
        max: (args) => [Math.max(...args.map(operand))],
        min: (args) => [Math.min(...args.map(operand))],
        ceil: ([value]) => [Math.ceil(operand(value))],
        floor: ([value]) => [Math.floor(operand(value))]
      })
    ],
    [
      'cjson',
      named({
        encode: ([value]) => [JSON.stringify(typeof value === 'string' ? value : unknownTo('cjson.encode', value)).replaceAll('/', '\\/')],
        decode: ([text]) => [fromJson(JSON.parse(piece(text)))]
      })
    ]
  ])
}

export function named(functions: Readonly<Record<string, LuaFunction>>): LuaTable {
  const table = new LuaTable()
  for (const [name, value] of Object.entries(functions)) table.set(name, value)
  return table
}

/** Catches only that a text is no JSON: any other fault is one of the product or of the simulation, and ends that. */
const pcall: LuaFunction = ([body, ...args]) => {
  if (typeof body !== 'function') throw new LuaError(`attempt to call a ${typeOf(body)} value`)
  try {
    return [true, ...body(args)]
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return [false, error.message]
  }
}

const nextOfList: LuaFunction = ([table, at]) => {
  const index = operand(at) + 1
  const value = table instanceof LuaTable ? table.get(index) : undefined
  return value === undefined ? [] : [index, value]
}

const pairs: LuaFunction = ([table]) => {
  if (!(table instanceof LuaTable)) throw new LuaError(`bad argument to 'pairs' (table expected, got ${typeOf(table)})`)
  const entries = [...table.entries()]
  let at = 0
  return [
    () => {
      const entry = entries[at]
      at += 1
      return entry ?? []
    }
  ]
}

const format: LuaFunction = ([pattern, ...values]) => {
  let used = 0
  const text = piece(pattern).replace(/%(0?)(\d*)(\.0f|s|d|%)/g, (all, zero: string, width: string, kind: string) => {
    if (kind === '%') return '%'
    const value = values[used]
    used += 1
    if (kind === 's') return textOf(value)
    const digits = kind === 'd' ? String(Math.trunc(operand(value))) : BigInt(Math.round(operand(value))).toString()
    return digits.padStart(Number(width), zero === '0' ? '0' : ' ')
  })
  return [text]
}

/** Only plain: patterns are a language of their own. */
const find: LuaFunction = ([text, what, from, isPlain]) => {
  if (!isTrue(isPlain)) unknownTo('string.find with a pattern', isPlain)
  const at = piece(text).indexOf(piece(what), operand(from) - 1)
  return at < 0 ? [undefined] : [at + 1, at + piece(what).length]
}

/** Patterns of classes of characters and one pair of parentheses; what else there is would be taken for itself, and is refused. */
const match: LuaFunction = ([text, pattern]) => {
  const source = piece(pattern)
  if (!/^\^?(?:[\w:]|%[xd]\+?|[()])*$/.test(source)) unknownTo(`string.match with "${source}"`, pattern)
  const found = new RegExp(source.replaceAll('%x', '[0-9a-fA-F]').replaceAll('%d', '[0-9]')).exec(piece(text))
  return [found?.[1] ?? found?.[0]]
}

const sub: LuaFunction = ([text, from, to = -1]) => {
  const all = piece(text)
  const place = (at: number): number => (at < 0 ? Math.max(0, all.length + at + 1) : at)
  return [all.slice(Math.max(1, place(operand(from))) - 1, place(operand(to)))]
}

function textOf(value: LuaValue): string {
  if (typeof value === 'number') return textOfNumber(value)
  if (typeof value === 'string') return value
  return value === undefined ? 'nil' : typeof value === 'boolean' ? String(value) : unknownTo('tostring', value)
}

function listOf(value: LuaValue): LuaValue[] {
  return value instanceof LuaTable ? value.list : unknownTo('table', value)
}

function unknownTo(what: string, value: LuaValue): never {
  throw new LuaError(`${what} is not known for a ${typeOf(value)} value`)
}

function fromJson(value: unknown): LuaValue {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
  if (Array.isArray(value)) return LuaTable.of(value.map(fromJson))
  // Null is a value of its own there; nobody asks for one.
  const table = new LuaTable()
  for (const [key, one] of Object.entries(value ?? {})) if (one !== null) table.set(key, fromJson(one))
  return table
}
