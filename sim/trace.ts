/** What happened in one simulation, readable line by line. */
export interface Trace {
  add(atMs: number, text: string): void
  lines(): readonly string[]
}

/** @param startMs - what times count from; absent: the first line */
export function createTrace(startMs?: number): Trace {
  const lines: string[] = []
  let fromMs = startMs
  return {
    add(atMs, text) {
      fromMs ??= atMs
      lines.push(`${String(((atMs - fromMs) / 1000).toFixed(3)).padStart(9)} s  ${text}`)
    },
    lines: () => lines
  }
}
