import { styleText } from 'node:util'

type Style = 'bold' | 'dim' | 'green' | 'red' | 'yellow' | 'cyan'

/** Where a command writes: results to standard output, everything else to standard error. */
export interface Terminal {
  /** A line of the result. */
  out(line: string): void
  /** A line for the person: progress and hints. `--quiet` leaves it out. */
  note(line: string): void
  /** A line that says why something was not done, or not wholly. It is written with `--quiet`, too. */
  error(line: string): void
  /** Puts a line for the person in the place of the former one; an empty one takes it away. */
  rewrite(line: string): void
  readonly canRewrite: boolean
  style(style: Style, text: string): string
  readonly isInteractive: boolean
  readonly isQuiet: boolean
  /** Characters per line. */
  readonly columns: number
}

export interface TerminalOptions {
  readonly stdout: NodeJS.WriteStream
  readonly stderr: NodeJS.WriteStream
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly color: boolean
  readonly quiet: boolean
  readonly input: boolean
}

/** Colour only on a terminal, never where NO_COLOR is set or a flag says no; it never carries the meaning alone. */
export function createTerminal(options: TerminalOptions): Terminal {
  const { stdout, stderr, environment } = options
  const hasColour = options.color && stdout.isTTY && (environment['NO_COLOR'] ?? '') === '' && environment['TERM'] !== 'dumb'
  return {
    out: (line) => void stdout.write(`${line}\n`),
    note: (line) => void (options.quiet || stderr.write(`${line}\n`)),
    error: (line) => void stderr.write(`${line}\n`),
    rewrite: (line) => void stderr.write(`\r\u001B[2K${line.slice(0, (stderr.columns ?? 80) - 1)}`),
    canRewrite: !options.quiet && stderr.isTTY && environment['TERM'] !== 'dumb',
    style: (style, text) => (hasColour ? styleText(style, text, { validateStream: false }) : text),
    isInteractive: options.input && stdout.isTTY && process.stdin.isTTY,
    isQuiet: options.quiet,
    columns: stdout.columns ?? 100
  }
}
