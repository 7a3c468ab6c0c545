/** One `key=value` of a file, with where it stands. */
export interface Property {
  readonly key: string
  readonly value: string
  /** Counted from 1; where the entry begins. */
  readonly line: number
}

/**
 * Reads a file of properties as Java does: `=`, `:` or white space between key and value, `#` and `!` before comments,
 * a backslash at the end of a line that goes on, `\t \n \r \f`, `\u` with four hexadecimal digits, and any other escaped
 * character as itself. Every entry is returned: whoever reads the file bounds its bytes.
 */
export function readProperties(text: string): readonly Property[] {
  const found: Property[] = []
  const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/)
  for (let i = 0; i < lines.length; i++) {
    let entry = (lines[i] ?? '').trimStart()
    if (entry === '' || entry.startsWith('#') || entry.startsWith('!')) continue
    const line = i + 1
    while (/(^|[^\\])(\\\\)*\\$/.test(entry) && i + 1 < lines.length) {
      i += 1
      entry = entry.slice(0, -1) + (lines[i] ?? '').trimStart()
    }
    const [, key = '', value = ''] = /^((?:\\.|[^\\=:\s])*)(?:\s*[=:]\s*|\s+|$)([\s\S]*)$/.exec(entry) ?? []
    found.push({ key: unescaped(key), value: unescaped(value).trimEnd(), line })
  }
  return found
}

const escapes: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' }

function unescaped(text: string): string {
  return text.replace(/\\(u[0-9a-fA-F]{4}|[\s\S])/g, (_, code: string) =>
    code.length === 5 ? String.fromCharCode(Number.parseInt(code.slice(1), 16)) : (escapes[code] ?? code)
  )
}
