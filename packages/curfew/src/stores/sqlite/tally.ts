import { type Database, prepare } from './driver.ts'

/** A count that would be too slow to take from the rows each time. Written once per transaction that changed it. */
export interface Tally {
  liveSessions: number
  /** Takes over what is stored: after a rollback. */
  load(): void
  /** Stores the count in the transaction that is open. */
  save(): void
}

export function openTally(db: Database): Tally {
  const read = prepare<{ readonly value: number }>(db, "SELECT value FROM tally WHERE name = 'live_sessions'")
  const write = prepare(db, "UPDATE tally SET value = ? WHERE name = 'live_sessions'")
  let stored = 0
  const tally: Tally = {
    liveSessions: 0,
    load() {
      stored = read.get()?.value ?? 0
      tally.liveSessions = stored
    },
    save() {
      if (tally.liveSessions === stored) return
      write.run(tally.liveSessions)
      stored = tally.liveSessions
    }
  }
  tally.load()
  return tally
}
