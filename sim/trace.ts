/** What happened in one simulation, readable line by line. */
export interface Trace {
  add(atMs: number, text: string): void
  lines(): readonly string[]
}

export function createTrace(startMs: number): Trace {
  const lines: string[] = []
  return {
    add: (atMs, text) => void lines.push(`${String(((atMs - startMs) / 1000).toFixed(3)).padStart(9)} s  ${text}`),
    lines: () => lines
  }
}
