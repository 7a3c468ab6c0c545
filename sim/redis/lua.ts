import { type Token, tokensOf } from './lua-tokens.ts'
import { isTrue, LuaError, type LuaFunction, LuaTable, type LuaValue, operand, piece, typeOf } from './lua-value.ts'

/** Variables of one call of a function, and of the function around it. */
interface Frame {
  readonly vars: LuaValue[]
  readonly outer: Frame | undefined
}

type Expression = (frame: Frame) => LuaValue
/** An expression that may give any number of values, where it stands last. */
interface Value {
  readonly one: Expression
  readonly many?: (frame: Frame) => readonly LuaValue[]
}
/** Something that may stand left of `=`, or be called. */
interface Target extends Value {
  readonly assign?: (frame: Frame, value: LuaValue) => void
}
const broke = Symbol('break')
type Outcome = undefined | typeof broke | readonly LuaValue[]
type Statement = (frame: Frame) => Outcome

/** Names of one function that are known at a place of its source. */
interface Scope {
  readonly names: Map<string, number>[]
  readonly outer: Scope | undefined
  count: number
  loops: number
}

const binary: Readonly<Record<string, readonly [left: number, right: number]>> = {
  or: [1, 1],
  and: [2, 2],
  '<': [3, 3],
  '>': [3, 3],
  '<=': [3, 3],
  '>=': [3, 3],
  '~=': [3, 3],
  '==': [3, 3],
  '..': [5, 4],
  '+': [6, 6],
  '-': [6, 6],
  '*': [7, 7],
  '/': [7, 7],
  '%': [7, 7],
  '^': [10, 9]
}
const unaryPower = 8

/**
 * Makes a chunk of Lua 5.1 ready to run: the part of the language that the functions of the store are written in. What is
 * not in that part is refused here, and not passed over.
 *
 * @throws LuaError
 */
export function compileLua(source: string, globals: ReadonlyMap<string, LuaValue>): () => readonly LuaValue[] {
  const reader = new Reader(tokensOf(source), globals)
  const body = reader.chunk()
  return () => valuesOf(body({ vars: [], outer: undefined }))
}

function valuesOf(outcome: Outcome): readonly LuaValue[] {
  return outcome === undefined || outcome === broke ? [] : outcome
}

class Reader {
  readonly #tokens: readonly Token[]
  readonly #globals: ReadonlyMap<string, LuaValue>
  #at = 0
  #scope: Scope = { names: [new Map<string, number>()], outer: undefined, count: 0, loops: 0 }

  constructor(tokens: readonly Token[], globals: ReadonlyMap<string, LuaValue>) {
    this.#tokens = tokens
    this.#globals = globals
  }

  chunk(): Statement {
    const body = this.#block()
    if (this.#next.kind !== 'end') this.#refuse()
    return body
  }

  get #next(): Token {
    return this.#tokens[this.#at] as Token
  }

  #refuse(): never {
    throw new LuaError(`line ${this.#next.line}: "${this.#next.text}" is not expected here`)
  }

  #is(text: string): boolean {
    return this.#next.text === text && (this.#next.kind === 'name' || this.#next.kind === 'sign')
  }

  #maybe(text: string): boolean {
    if (!this.#is(text)) return false
    this.#at += 1
    return true
  }

  #need(text: string): void {
    if (!this.#maybe(text)) this.#refuse()
  }

  #name(): string {
    if (this.#next.kind !== 'name') this.#refuse()
    const { text } = this.#next
    this.#at += 1
    return text
  }

  /** Gives a name a place of its own; the former one of that name stays where it was seen. */
  #declare(name: string): number {
    const index = this.#scope.count
    this.#scope.count += 1
    this.#scope.names.at(-1)?.set(name, index)
    return index
  }

  #block(): Statement {
    this.#scope.names.push(new Map())
    const statements: Statement[] = []
    while (!['end', 'else', 'elseif', 'until'].some((word) => this.#is(word)) && this.#next.kind !== 'end') {
      if (this.#maybe(';')) continue
      statements.push(this.#statement())
    }
    this.#scope.names.pop()
    return (frame) => {
      for (const statement of statements) {
        const outcome = statement(frame)
        if (outcome !== undefined) return outcome
      }
      return undefined
    }
  }

  #statement(): Statement {
    if (this.#maybe('local')) return this.#local()
    if (this.#maybe('if')) return this.#if()
    if (this.#maybe('while')) return this.#while()
    if (this.#maybe('for')) return this.#for()
    if (this.#maybe('return')) return this.#return()
    if (this.#maybe('break')) return () => broke
    const target = this.#suffixed()
    if (this.#is('=') || this.#is(',')) return this.#assignment(target)
    const { many } = target
    if (many === undefined) this.#refuse()
    return (frame) => void many(frame)
  }

  #assignment(first: Target): Statement {
    const targets = [first]
    while (this.#maybe(',')) targets.push(this.#suffixed())
    this.#need('=')
    const values = this.#list()
    const places = targets.map(({ assign }) => assign ?? this.#refuse())
    return (frame) => {
      const given = values(frame)
      for (const [i, assign] of places.entries()) assign(frame, given[i])
      return undefined
    }
  }

  #local(): Statement {
    if (this.#maybe('function')) {
      const index = this.#declare(this.#name())
      const value = this.#function()
      return (frame) => void (frame.vars[index] = value(frame))
    }
    const names = [this.#name()]
    while (this.#maybe(',')) names.push(this.#name())
    const values = this.#maybe('=') ? this.#list() : () => []
    const places = names.map((name) => this.#declare(name))
    return (frame) => {
      const given = values(frame)
      for (const [i, place] of places.entries()) frame.vars[place] = given[i]
      return undefined
    }
  }

  #if(): Statement {
    const cases: (readonly [Expression, Statement])[] = []
    let otherwise: Statement | undefined
    do {
      const condition = this.#expression().one
      this.#need('then')
      cases.push([condition, this.#block()])
    } while (this.#maybe('elseif'))
    if (this.#maybe('else')) otherwise = this.#block()
    this.#need('end')
    return (frame) => {
      for (const [condition, body] of cases) if (isTrue(condition(frame))) return body(frame)
      return otherwise?.(frame)
    }
  }

  #loop(): Statement {
    this.#need('do')
    this.#scope.loops += 1
    const body = this.#block()
    this.#scope.loops -= 1
    this.#need('end')
    return body
  }

  #while(): Statement {
    const condition = this.#expression().one
    const body = this.#loop()
    return (frame) => {
      while (isTrue(condition(frame))) {
        const outcome = body(frame)
        if (outcome === broke) return undefined
        if (outcome !== undefined) return outcome
      }
      return undefined
    }
  }

  #for(): Statement {
    const names = [this.#name()]
    while (this.#maybe(',')) names.push(this.#name())
    this.#scope.names.push(new Map())
    const made = this.#maybe('=') ? this.#forNumber(names[0] as string) : this.#forEach(names)
    this.#scope.names.pop()
    return made
  }

  #forNumber(name: string): Statement {
    const first = this.#expression().one
    this.#need(',')
    const last = this.#expression().one
    const step: Expression = this.#maybe(',') ? this.#expression().one : () => 1
    const place = this.#declare(name)
    const body = this.#loop()
    return (frame) => {
      const [from, to, by] = [operand(first(frame)), operand(last(frame)), operand(step(frame))]
      for (let i = from; by > 0 ? i <= to : i >= to; i += by) {
        frame.vars[place] = i
        const outcome = body(frame)
        if (outcome === broke) return undefined
        if (outcome !== undefined) return outcome
      }
      return undefined
    }
  }

  #forEach(names: readonly string[]): Statement {
    this.#need('in')
    const values = this.#list()
    const places = names.map((name) => this.#declare(name))
    const body = this.#loop()
    return (frame) => {
      const [next, state, first] = values(frame)
      let control = first
      for (;;) {
        const given = callable(next)([state, control])
        control = given[0]
        if (control === undefined) return undefined
        for (const [i, place] of places.entries()) frame.vars[place] = given[i]
        const outcome = body(frame)
        if (outcome === broke) return undefined
        if (outcome !== undefined) return outcome
      }
    }
  }

  #return(): Statement {
    if (this.#is('end') || this.#is('else') || this.#is('elseif') || this.#next.kind === 'end') return () => []
    return this.#list()
  }

  /** Expressions with commas between them; the last one may give many values. */
  #list(): (frame: Frame) => readonly LuaValue[] {
    const values = [this.#expression()]
    while (this.#maybe(',')) values.push(this.#expression())
    const last = values.at(-1) as Value
    const { many } = last
    const ones = (many === undefined ? values : values.slice(0, -1)).map(({ one }) => one)
    if (many === undefined) return (frame) => ones.map((one) => one(frame))
    if (ones.length === 0) return many
    return (frame) => [...ones.map((one) => one(frame)), ...many(frame)]
  }

  #expression(power = 0): Value {
    let left = this.#unary()
    for (;;) {
      const sign = this.#next.kind === 'name' || this.#next.kind === 'sign' ? this.#next.text : ''
      const [leftPower, rightPower] = binary[sign] ?? [0, 0]
      if (leftPower <= power) return left
      this.#at += 1
      left = { one: operation(sign, left.one, this.#expression(rightPower).one) }
    }
  }

  #unary(): Value {
    if (this.#maybe('not')) {
      const { one } = this.#expression(unaryPower)
      return { one: (frame) => !isTrue(one(frame)) }
    }
    if (this.#maybe('-')) {
      const { one } = this.#expression(unaryPower)
      return { one: (frame) => -operand(one(frame)) }
    }
    if (this.#maybe('#')) {
      const { one } = this.#expression(unaryPower)
      return { one: (frame) => lengthOf(one(frame)) }
    }
    return this.#simple()
  }

  #simple(): Value {
    const { kind, text } = this.#next
    if (kind === 'number' || kind === 'string') {
      this.#at += 1
      const value = kind === 'number' ? Number(text) : text
      return { one: () => value }
    }
    if (this.#is('{')) return { one: this.#table() }
    if (this.#maybe('function')) return { one: this.#function() }
    if (this.#maybe('nil')) return { one: () => undefined }
    if (this.#maybe('true')) return { one: () => true }
    if (this.#maybe('false')) return { one: () => false }
    return this.#suffixed()
  }

  /** A name or something in parentheses, with what hangs on it: fields and calls. */
  #suffixed(): Target {
    let value: Target
    if (this.#maybe('(')) {
      value = { one: this.#expression().one }
      this.#need(')')
    } else value = this.#variable(this.#name())
    for (;;) {
      const { one } = value
      if (this.#maybe('.')) {
        const name = this.#name()
        value = field(one, () => name)
      } else if (this.#maybe('[')) {
        value = field(one, this.#expression().one)
        this.#need(']')
      } else if (this.#is('(') || this.#is('{') || this.#next.kind === 'string') {
        const args = this.#arguments()
        const { line } = this.#next
        const many = (frame: Frame): readonly LuaValue[] => callable(one(frame), line)(args(frame))
        value = { one: (frame) => many(frame)[0], many }
      } else return value
    }
  }

  #arguments(): (frame: Frame) => readonly LuaValue[] {
    if (this.#is('{')) {
      const table = this.#table()
      return (frame) => [table(frame)]
    }
    if (this.#next.kind === 'string') {
      const { text } = this.#next
      this.#at += 1
      return () => [text]
    }
    this.#need('(')
    if (this.#maybe(')')) return () => []
    const list = this.#list()
    this.#need(')')
    return list
  }

  #variable(name: string): Target {
    let hops = 0
    for (let scope: Scope | undefined = this.#scope; scope !== undefined; scope = scope.outer, hops += 1) {
      const index = scope.names.findLast((names) => names.has(name))?.get(name)
      if (index === undefined) continue
      const distance = hops
      if (distance === 0) return { one: ({ vars }) => vars[index], assign: ({ vars }, value) => void (vars[index] = value) }
      return {
        one: (frame) => outward(frame, distance).vars[index],
        assign: (frame, value) => void (outward(frame, distance).vars[index] = value)
      }
    }
    if (!this.#globals.has(name)) throw new LuaError(`line ${this.#next.line}: "${name}" is nothing that a function of the server may use`)
    const value = this.#globals.get(name)
    return { one: () => value }
  }

  #table(): Expression {
    this.#need('{')
    const items: ((frame: Frame, table: LuaTable) => void)[] = []
    while (!this.#is('}')) {
      if (this.#next.kind === 'name' && this.#tokens[this.#at + 1]?.text === '=') {
        const name = this.#name()
        this.#need('=')
        const { one } = this.#expression()
        items.push((frame, table) => table.set(name, one(frame)))
      } else {
        const { one, many } = this.#expression()
        if (many !== undefined && this.#is('}')) items.push((frame, table) => table.list.push(...many(frame)))
        else items.push((frame, table) => table.list.push(one(frame)))
      }
      if (!this.#maybe(',') && !this.#maybe(';')) break
    }
    this.#need('}')
    return (frame) => {
      const table = new LuaTable()
      for (const item of items) item(frame, table)
      return table
    }
  }

  #function(): Expression {
    // Every call has one place for each of its variables: a function made in a loop would see those of the last turn.
    if (this.#scope.loops > 0) this.#refuse()
    this.#scope = { names: [new Map<string, number>()], outer: this.#scope, count: 0, loops: 0 }
    this.#need('(')
    const places: number[] = []
    while (!this.#is(')')) {
      places.push(this.#declare(this.#name()))
      if (!this.#maybe(',')) break
    }
    this.#need(')')
    const body = this.#block()
    this.#need('end')
    this.#scope = this.#scope.outer as Scope
    return (outer): LuaFunction =>
      (args) =>
        valuesOf(body({ vars: places.map((_, i) => args[i]), outer }))
  }
}

function outward(frame: Frame, hops: number): Frame {
  let found = frame
  for (let i = 0; i < hops; i++) found = found.outer as Frame
  return found
}

function field(of: Expression, key: Expression): Target {
  const table = (frame: Frame): LuaTable => {
    const value = of(frame)
    if (!(value instanceof LuaTable)) throw new LuaError(`attempt to index a ${typeOf(value)} value`)
    return value
  }
  return { one: (frame) => table(frame).get(key(frame)), assign: (frame, value) => table(frame).set(key(frame), value) }
}

function callable(value: LuaValue, line?: number): LuaFunction {
  if (typeof value !== 'function') throw new LuaError(`attempt to call a ${typeOf(value)} value${line === undefined ? '' : ` near line ${line}`}`)
  return value
}

function lengthOf(value: LuaValue): number {
  if (value instanceof LuaTable) return value.list.length
  if (typeof value === 'string') return Buffer.byteLength(value)
  throw new LuaError(`attempt to get length of a ${typeOf(value)} value`)
}

function operation(sign: string, left: Expression, right: Expression): Expression {
  switch (sign) {
    case 'or':
      return (frame) => {
        const value = left(frame)
        return isTrue(value) ? value : right(frame)
      }
    case 'and':
      return (frame) => {
        const value = left(frame)
        return isTrue(value) ? right(frame) : value
      }
    case '==':
      return (frame) => left(frame) === right(frame)
    case '~=':
      return (frame) => left(frame) !== right(frame)
    case '<':
      return (frame) => isLess(left(frame), right(frame))
    case '>':
      return (frame) => isLess(right(frame), left(frame))
    case '<=':
      return (frame) => !isLess(right(frame), left(frame))
    case '>=':
      return (frame) => !isLess(left(frame), right(frame))
    case '..':
      return (frame) => piece(left(frame)) + piece(right(frame))
    case '+':
      return (frame) => operand(left(frame)) + operand(right(frame))
    case '-':
      return (frame) => operand(left(frame)) - operand(right(frame))
    case '*':
      return (frame) => operand(left(frame)) * operand(right(frame))
    case '/':
      return (frame) => operand(left(frame)) / operand(right(frame))
    case '^':
      return (frame) => operand(left(frame)) ** operand(right(frame))
    case '%':
      return (frame) => {
        const [a, b] = [operand(left(frame)), operand(right(frame))]
        return a - Math.floor(a / b) * b
      }
    default:
      throw new LuaError(`there is no "${sign}"`)
  }
}

/** Numbers with numbers, texts with texts; anything else is a fault of the function. */
function isLess(left: LuaValue, right: LuaValue): boolean {
  if (typeof left === 'number' && typeof right === 'number') return left < right
  if (typeof left === 'string' && typeof right === 'string') return Buffer.compare(Buffer.from(left), Buffer.from(right)) < 0
  throw new LuaError(`attempt to compare ${typeOf(left)} with ${typeOf(right)}`)
}
