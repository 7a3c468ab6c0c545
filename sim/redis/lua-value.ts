/** Values of Lua 5.1, as far as the functions of the store use them. Texts are texts of JavaScript. */
export type LuaValue = undefined | boolean | number | string | LuaTable | LuaFunction

/** Takes and gives any number of values. */
export type LuaFunction = (args: readonly LuaValue[]) => readonly LuaValue[]

/** An error of the language, or one that a command of the server gave. */
export class LuaError extends Error {
  override readonly name = 'LuaError'
}

/** A list from 1 on, and everything else by its key. */
export class LuaTable {
  readonly list: LuaValue[] = []
  readonly rest = new Map<LuaValue, LuaValue>()

  static of(list: readonly LuaValue[]): LuaTable {
    const table = new LuaTable()
    table.list.push(...list)
    return table
  }

  get(key: LuaValue): LuaValue {
    return typeof key === 'number' && key >= 1 && key <= this.list.length ? this.list[key - 1] : this.rest.get(key)
  }

  set(key: LuaValue, value: LuaValue): void {
    if (key === undefined) throw new LuaError('table index is nil')
    const { list, rest } = this
    if (typeof key === 'number' && key >= 1 && key <= list.length) {
      if (value === undefined && key === list.length) list.pop()
      else list[key - 1] = value
    } else if (value === undefined) rest.delete(key)
    else if (key === list.length + 1) {
      list.push(value)
      for (let next = list.length + 1; rest.has(next); next = list.length + 1) {
        list.push(rest.get(next))
        rest.delete(next)
      }
    } else rest.set(key, value)
  }

  *entries(): Generator<readonly [LuaValue, LuaValue]> {
    for (const [index, value] of this.list.entries()) if (value !== undefined) yield [index + 1, value]
    yield* this.rest
  }
}

export function isTrue(value: LuaValue): boolean {
  return value !== undefined && value !== false
}

/** As `%.14g` writes it. */
export function textOfNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e14) return String(value)
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : value < 0 ? '-inf' : 'nan'
  const exponent = Math.floor(Math.log10(Math.abs(value)))
  if (exponent >= 14 || exponent < -4)
    return Number(value.toPrecision(14))
      .toExponential()
      .replace(/e([+-])(\d)$/, 'e$10$2')
  return String(Number(value.toPrecision(14)))
}

/** What `tonumber` makes of it. */
export function numberOf(value: LuaValue): number | undefined {
  if (typeof value === 'number') return value
  if (typeof value !== 'string' || !/^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(value)) return undefined
  return Number(value)
}

/** An operand of arithmetic. @throws LuaError */
export function operand(value: LuaValue): number {
  const number = numberOf(value)
  if (number === undefined) throw new LuaError(`attempt to perform arithmetic on a ${typeOf(value)} value`)
  return number
}

/** An operand of `..`. @throws LuaError */
export function piece(value: LuaValue): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return textOfNumber(value)
  throw new LuaError(`attempt to concatenate a ${typeOf(value)} value`)
}

export function typeOf(value: LuaValue): string {
  if (value === undefined) return 'nil'
  if (value instanceof LuaTable) return 'table'
  return typeof value
}
