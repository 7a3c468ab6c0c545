import type { Home } from '../activity.ts'
import type { Fact, Replication, ReplicatedService } from '../fact.ts'
import { epochOf } from '../fact-log.ts'
import { type Database, prepare } from './driver.ts'

/** Appends facts for other regions in the transaction that is open. */
export interface Teller {
  /** The group of this store; undefined where it does not replicate. */
  readonly group: string | undefined
  readonly home: Home | undefined
  readonly artifacts: Replication['artifacts']
  isTold(service: ReplicatedService): boolean
  /** Nothing where the service of the fact does not replicate. */
  tell(fact: Fact): void
  /** The number that the next fact gets. */
  next(): number
}

export function openTeller(db: Database, replication: Replication | undefined): Teller {
  if (replication === undefined) return { group: undefined, home: undefined, artifacts: {}, isTold: () => false, tell: () => undefined, next: () => 0 }
  const insert = prepare(db, 'INSERT INTO fact (doc) VALUES (?)')
  const last = prepare<{ readonly seq: number }>(db, "SELECT seq FROM sqlite_sequence WHERE name = 'fact'")
  const isTold = (service: ReplicatedService): boolean => replication.services[service]
  return {
    group: replication.group,
    home: replication,
    artifacts: replication.artifacts,
    isTold,
    tell(fact) {
      if (fact.service !== 'revocations' && isTold(fact.service)) insert.run(JSON.stringify(fact))
    },
    next: () => (last.get()?.seq ?? 0) + 1
  }
}

/** A stream goes on only where nothing could have happened without it: an opening that tells nothing ends it. */
export function beginEpoch(db: Database, replication: Replication | undefined): void {
  const known = prepare<{ readonly text: string }>(db, "SELECT text FROM fact_note WHERE name = 'epoch'").get()?.text
  const epoch = replication === undefined ? undefined : epochOf(replication)
  if (epoch === undefined && known !== undefined) db.exec("DELETE FROM fact_note WHERE name = 'epoch'")
  if (epoch === undefined || known?.startsWith(`${epoch}-`) === true) return
  prepare(db, "INSERT OR REPLACE INTO fact_note (name, text) VALUES ('epoch', ? || '-' || lower(hex(randomblob(8))))").run(epoch)
}
