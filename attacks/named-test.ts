import { dirname, join } from 'node:path'
import type { AttackClass } from './attack.ts'

/** Text of a file of the repository by its path from the root; undefined: there is no such file. */
export type ReadSource = (path: string) => string | undefined

/**
 * Entries of the register whose test nobody wrote, or that was renamed. Nothing is run: the name has to stand in a
 * `test(...)` of the file, and what a template puts into it, in that file or in one that it imports.
 */
export function registerProblems(classes: readonly AttackClass[], read: ReadSource): readonly string[] {
  const known = new Map<string, TestFile | undefined>()
  return classes.flatMap(({ name, defences }) =>
    defences.flatMap(({ file, test }) => {
      if (!known.has(file)) known.set(file, testFileOf(file, read))
      const found = known.get(file)
      if (found === undefined) return [`attacks/classes: ${name}: there is no file ${file}`]
      return holdsTest(found, test) ? [] : [`attacks/classes: ${name}: ${file} has no test "${test}"`]
    })
  )
}

interface TestFile {
  /** What is called a test: fixed pieces of the name, between them anything. One piece: the whole name. */
  readonly names: readonly (readonly string[])[]
  /** Text of the file and of those that it imports: where the rest of a name is to stand. */
  readonly text: string
}

function testFileOf(file: string, read: ReadSource): TestFile | undefined {
  const source = read(file)
  if (source === undefined) return undefined
  const imports = [...source.matchAll(/ from '(\.[^']+)'/g)].map(([, path = '']) => read(join(dirname(file), path)) ?? '')
  return { names: [...source.matchAll(testCall)].map(piecesOf), text: [source, ...imports].join('\n') }
}

/** A test with a name in quotes, a template, or a variable. */
const testCall = /\btest\(\s*(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`|[A-Za-z_$][\w$.]*\s*,)/g

function piecesOf([, single, double, template]: RegExpExecArray): readonly string[] {
  const quoted = single ?? double
  if (quoted !== undefined) return [unescaped(quoted)]
  return template === undefined ? ['', ''] : template.split(/\$\{[^}]*\}/).map(unescaped)
}

function unescaped(text: string): string {
  return text.replaceAll(/\\(.)/g, '$1')
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`)
}

function holdsTest({ names, text }: TestFile, name: string): boolean {
  return names.some((pieces) => {
    if (pieces.length === 1) return pieces[0] === name
    const between = new RegExp(`^${pieces.map(escaped).join('(.+?)')}$`).exec(name)
    return between !== null && between.slice(1).every((part) => stands(part, text))
  })
}

/** A value that the test writes as JSON stands there in another form: its words have to do. */
function stands(part: string, text: string): boolean {
  if (new RegExp(String.raw`(?<!\w)${escaped(part)}(?!\w)`).test(text)) return true
  const words = part.includes('"') ? (part.match(/\w+/g) ?? []) : []
  return words.length > 0 && words.every((word) => new RegExp(String.raw`\b${word}\b`).test(text))
}
