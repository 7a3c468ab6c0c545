import { artifactWrites } from './artifact-writes.ts'
import type { Command, Handlers } from './command.ts'
import type { Database } from './driver.ts'
import { purgeWrites } from './purge-writes.ts'
import { runWrites } from './run-writes.ts'
import { serviceWrites } from './service-writes.ts'
import { sessionWrites } from './session-writes.ts'
import type { Tally } from './tally.ts'

/** Prepares everything the writer can be asked and returns what carries out one command. */
export function openHandlers(db: Database, capacity: number, tally: Tally): (command: Command) => unknown {
  const runs = runWrites(db)
  const services = serviceWrites(db)
  const sessions = sessionWrites(db, { capacity, tally, runs, revoke: services.revoke })
  const handlers: Handlers = { ...sessions, ...runs, ...services, ...artifactWrites(db), ...purgeWrites(db) }
  return ({ name, input }) => (handlers[name] as (value: typeof input) => unknown)(input)
}
