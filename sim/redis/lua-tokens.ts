import { LuaError } from './lua-value.ts'

export interface Token {
  readonly kind: 'name' | 'number' | 'string' | 'sign' | 'end'
  readonly text: string
  readonly line: number
}

const pattern =
  /(?<space>\s+|--[^\n]*)|(?<name>[A-Za-z_]\w*)|(?<number>\d+\.?\d*(?:[eE][+-]?\d+)?)|(?<string>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")|(?<sign>\.\.\.|\.\.|==|~=|<=|>=|[-+*/%^#<>=(){}[\];:,.])/y

/** Cuts a source into what it is made of. Long brackets and hexadecimal numbers are not known. */
export function tokensOf(source: string): readonly Token[] {
  const tokens: Token[] = []
  let line = 1
  pattern.lastIndex = 0
  while (pattern.lastIndex < source.length) {
    const at = pattern.lastIndex
    const { groups } = pattern.exec(source) ?? {}
    if (groups === undefined) throw new LuaError(`line ${line}: "${source.slice(at, at + 20)}" is not known`)
    const text = source.slice(at, pattern.lastIndex)
    if (groups['name'] !== undefined) tokens.push({ kind: 'name', text, line })
    else if (groups['number'] !== undefined) tokens.push({ kind: 'number', text, line })
    else if (groups['string'] !== undefined) tokens.push({ kind: 'string', text: unescaped(text.slice(1, -1)), line })
    else if (groups['sign'] !== undefined) tokens.push({ kind: 'sign', text, line })
    line += text.split('\n').length - 1
  }
  tokens.push({ kind: 'end', text: '', line })
  return tokens
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '\\': '\\', "'": "'", '"': '"' }

function unescaped(text: string): string {
  return text.replace(/\\(\d{1,3}|.)/g, (_, what: string) => escapes[what] ?? (/^\d/.test(what) ? String.fromCharCode(Number(what)) : what))
}
