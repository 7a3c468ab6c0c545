/** One thing that happened in a demo application, as the application itself saw it. */
export interface JournalEntry {
  readonly atMs: number
  readonly event: 'signed-in' | 'signed-out' | 'logout-finished' | 'refused' | 'connected' | 'access-used' | 'access-ended'
  /** First characters of the name the user has here. */
  readonly user?: string
  readonly sessionIndex?: string
  readonly detail?: string
}

/** What an application knows to be true about its own sessions; the truth that outcomes are compared with. */
export interface Journal {
  add(entry: JournalEntry): void
  entries(): readonly JournalEntry[]
}

/** Keeps the latest entries. */
export function createJournal(entriesMax = 1_000): Journal {
  const kept: JournalEntry[] = []
  return {
    add(entry) {
      kept.push(entry)
      if (kept.length > entriesMax) kept.shift()
    },
    entries: () => [...kept]
  }
}
