/** A change of one source file that takes a defence away; `from` stands in the file exactly once. */
export interface Edit {
  /** From the root of the repository. */
  readonly file: string
  readonly from: string
  readonly to: string
}

/** One test, and what has to be taken away for it to fail. */
export interface Defence {
  /** File of the test, from the root of the repository. */
  readonly file: string
  /** Full name of the test. */
  readonly test: string
  /** The defence in words: "without ..." */
  readonly without: string
  /** Several where the defence has several lines, one of which would do. */
  readonly edits: readonly Edit[]
  /** It measures time: nothing else may run beside it. */
  readonly alone?: boolean
  /** How the test ends without the defence, where that is not by one of its assertions: it waits for what never comes. */
  readonly failsBy?: 'assertion' | 'timeout'
}

/** A way to attack, and the tests that show that it fails. */
export interface AttackClass {
  readonly name: string
  readonly defences: readonly Defence[]
}

/** One class; its tests lie in `file` unless a defence names another. */
export function attack(name: string, file: string, defences: readonly (Omit<Defence, 'file'> & { readonly file?: string })[]): AttackClass {
  return { name, defences: defences.map((defence) => ({ file, ...defence })) }
}

/** A short way to write an edit. */
export function edit(file: string, from: string, to: string): Edit {
  return { file, from, to }
}

/** The source after an edit. @throws TypeError when the text to change does not stand there exactly once */
export function edited(source: string, { file, from, to }: Edit): string {
  const count = source.split(from).length - 1
  if (count !== 1) throw new TypeError(`${file} holds ${count === 0 ? 'no' : count} "${from}": say in attacks/classes what the defence looks like now`)
  // A function, because a text would have its dollar signs read.
  return source.replace(from, () => to)
}
