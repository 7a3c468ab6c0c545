import { Counter, Gauge, type Registry } from '@prometheus-io/client'

/** Figures of what groups tell each other. */
export interface ReplicationMetrics {
  joined(group: string, facts: number): void
  upToDate(group: string, atMs: number): void
  revocationsUpToDate(group: string, atMs: number): void
  readAll(group: string): void
  backlog(facts: number): void
  /** How long ago everything of a group was joined, in milliseconds; undefined: not since the start, or by another node. */
  lagMs(group: string, nowMs: number): number | undefined
}

/** Creates them in the registry of the server. */
export function createReplicationMetrics(registry: Registry, nowMs: () => number): ReplicationMetrics {
  const registers = [registry]
  const joined = new Counter({
    name: 'curfew_replication_facts_joined_total',
    help: 'Facts of other groups that were joined.',
    labelNames: ['group'],
    registers
  })
  const whole = new Counter({
    name: 'curfew_replication_read_whole_total',
    help: 'How often everything of a group was read.',
    labelNames: ['group'],
    registers
  })
  const backlog = new Gauge({ name: 'curfew_replication_backlog_facts', help: 'Facts that the slowest other group has not read.', registers })
  const known = { facts: new Map<string, number>(), revocations: new Map<string, number>() }
  new Gauge({
    name: 'curfew_replication_lag_seconds',
    help: 'How long ago everything of another group was known here, by the node that reads it.',
    labelNames: ['group', 'what'],
    registers,
    collect() {
      for (const [what, all] of Object.entries(known)) for (const [group, atMs] of all) this.set({ group, what }, Math.max(0, nowMs() - atMs) / 1000)
    }
  })
  return {
    joined: (group, facts) => joined.inc({ group }, facts),
    upToDate: (group, atMs) => known.facts.set(group, atMs),
    revocationsUpToDate: (group, atMs) => known.revocations.set(group, atMs),
    readAll: (group) => whole.inc({ group }),
    backlog: (facts) => backlog.set(facts),
    lagMs(group, now) {
      const atMs = known.facts.get(group)
      return atMs === undefined ? undefined : now - atMs
    }
  }
}
