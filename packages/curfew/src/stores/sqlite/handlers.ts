import type { Replication } from '../fact.ts'
import { artifactWrites } from './artifact-writes.ts'
import type { Command, Handlers } from './command.ts'
import type { Database } from './driver.ts'
import { factWrites } from './fact-writes.ts'
import { purgeWrites } from './purge-writes.ts'
import { runWrites } from './run-writes.ts'
import { serviceWrites } from './service-writes.ts'
import { sessionWrites } from './session-writes.ts'
import type { Tally } from './tally.ts'
import { openTeller } from './teller.ts'

/** Prepares everything the writer can be asked and returns what carries out one command. */
export function openHandlers(db: Database, capacity: number, tally: Tally, replication?: Replication): (command: Command) => unknown {
  const teller = openTeller(db, replication)
  const runs = runWrites(db, teller)
  const services = serviceWrites(db, teller)
  const { revoke } = services
  const sessions = sessionWrites(db, { capacity, tally, runs, revoke, teller })
  const facts = factWrites(db, { tally, runs, revoke, replication })
  const handlers: Handlers = { ...sessions, ...runs, ...services, ...artifactWrites(db, teller), ...facts, ...purgeWrites(db) }
  return ({ name, input }) => (handlers[name] as (value: typeof input) => unknown)(input)
}
