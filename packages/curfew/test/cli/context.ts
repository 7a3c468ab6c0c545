import type { CommandContext, GlobalOptions } from '../../src/cli/context.ts'

/** A command context that remembers what was printed. */
export function contextOf(options: Partial<GlobalOptions> = {}): { readonly context: CommandContext; readonly lines: string[]; readonly notes: string[] } {
  const lines: string[] = []
  const notes: string[] = []
  const terminal = {
    out: (line: string) => void lines.push(line),
    note: (line: string) => void notes.push(line),
    error: (line: string) => void notes.push(line),
    style: (_: string, text: string) => text,
    rewrite: () => undefined,
    canRewrite: false,
    isInteractive: false,
    isQuiet: false,
    columns: 80
  }
  return { lines, notes, context: { terminal: terminal as CommandContext['terminal'], options: { color: false, input: false, ...options }, environment: {} } }
}
