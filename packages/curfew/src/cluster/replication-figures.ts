/** What is counted of replication, by the id of the other group. */
export interface ReplicationFigures {
  joined(group: string, facts: number): void
  /** Everything that group had at that time is joined. */
  upToDate(group: string, atMs: number): void
  revocationsUpToDate(group: string, atMs: number): void
  /** What comes next was no longer there: everything is read once. */
  readAll(group: string): void
  /** Facts that the slowest other group has not read. */
  backlog(facts: number): void
}
