/** A column: its title and how wide it may get. */
export interface Column {
  readonly title: string
  readonly charactersMax?: number
}

/** Aligned text columns, two spaces apart; long cells are cut with three dots. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): readonly string[] {
  const cut = rows.map((row) => row.map((cell, i) => shorten(cell, columns[i]?.charactersMax ?? 60)))
  const widths = columns.map((column, i) => Math.max(column.title.length, ...cut.map((row) => width(row[i] ?? ''))))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => cell + ' '.repeat(Math.max(0, (widths[i] ?? 0) - width(cell))))
      .join('  ')
      .trimEnd()
  return [line(columns.map((column) => column.title)), ...cut.map(line)]
}

/** `Label   value` lines with the labels padded to one width. */
export function aligned(pairs: readonly (readonly [string, string])[], indent = '  '): readonly string[] {
  const longest = Math.max(0, ...pairs.map(([label]) => label.length))
  return pairs.map(([label, value]) => `${indent}${label.padEnd(longest)}  ${value}`.trimEnd())
}

function shorten(text: string, charactersMax: number): string {
  const characters = [...text]
  return characters.length <= charactersMax ? text : `${characters.slice(0, charactersMax - 3).join('')}...`
}

function width(text: string): number {
  return [...text].length
}
