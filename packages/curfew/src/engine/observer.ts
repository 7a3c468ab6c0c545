import { countsAsSignedOut } from '../core/outcome.ts'
import type { Attempt, Delivery, LogoutRun } from '../core/run.ts'
import type { Actor } from '../core/session.ts'
import { standingDeliveries, verdictOf, wantedDeliveries } from '../core/verdict.ts'
import type { AuditRecord } from '../stores/store.ts'
import type { EngineDeps } from './deps.ts'

/** Tells the outside what became of runs: subscribers, audit log, log lines, figures. */
export interface Observer {
  /** A run was stored: a session ended, or some applications of it are signed out. */
  started(run: LogoutRun): void
  changed(before: LogoutRun, after: LogoutRun): void
  /** The receipt is about to be stored. Said before the commit, so that no finished run stays without its line. */
  finished(run: LogoutRun): void
  retried(run: LogoutRun, delivery: Delivery, by: Actor): void
  subscribe(listener: (run: LogoutRun) => void): () => void
  /** Resolves when every audit record handed over so far is stored or has failed. */
  settled(): Promise<void>
}

export type ObserverDeps = Pick<EngineDeps, 'store' | 'clock' | 'logger' | 'metrics'>

const engineActor: Actor = { kind: 'system', id: 'engine' }

export function createObserver(deps: ObserverDeps): Observer {
  const listeners = new Set<(run: LogoutRun) => void>()
  const writing = new Set<Promise<unknown>>()
  const audit = (record: AuditRecord): void => {
    const written = deps.store.appendAudit(record).catch((error: unknown) => {
      deps.logger.error({ event: 'audit.failed', audit: record.event, run: record.runId, err: error }, 'A line of the audit log could not be written')
    })
    writing.add(written)
    void written.finally(() => writing.delete(written))
  }
  const tell = (run: LogoutRun): void => {
    for (const listener of [...listeners]) {
      try {
        listener(run)
      } catch (error) {
        deps.logger.error({ event: 'run.listener-failed', run: run.id, err: error }, 'A listener of runs threw')
      }
    }
  }
  return {
    started(run) {
      deps.metrics.runsStarted.inc({ reason: run.reason })
      const event = run.isPartial === true ? 'logout.partial' : 'session.ended'
      audit({ ...about(run, run.startedAtMs, event, run.startedBy), detail: { reason: run.reason, participants: wantedDeliveries(run).length } })
      const said = run.isPartial === true ? 'Some applications of a session are signed out' : 'A session ended'
      deps.logger.info({ event, session: run.sessionId, run: run.id, reason: run.reason }, said)
      for (const delivery of run.deliveries) if (delivery.state === 'final') deliveryFinal(deps, audit, run, delivery)
      tell(run)
    },
    changed(before, after) {
      const known = new Map(before.deliveries.map((delivery) => [delivery.id, delivery]))
      for (const delivery of after.deliveries) deliveryChanged(deps, audit, after, known.get(delivery.id), delivery)
      tell(after)
    },
    finished(run) {
      const { kind, counts } = verdictOf(run)
      const atMs = run.finishedAtMs ?? deps.clock.nowMs()
      if (run.receipt === undefined) {
        deps.metrics.runsFinished.inc({ reason: run.reason, verdict: kind })
        deps.logger.info({ event: 'run.finished', run: run.id, session: run.sessionId, verdict: kind, durationMs: atMs - run.startedAtMs }, 'A run finished')
      }
      audit({
        ...about(run, atMs, run.receipt === undefined ? 'run.finished' : 'run.improved', engineActor),
        detail: { verdict: kind, ...counts, ...whole(run) }
      })
    },
    retried(run, delivery, by) {
      audit({ ...about(run, deps.clock.nowMs(), 'delivery.retried', by), peerId: delivery.peerId, detail: { delivery: delivery.id } })
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async settled() {
      while (writing.size > 0) await Promise.allSettled([...writing])
    }
  }
}

/** All that the lines of this run before the last one say: a process that died may not have written them. */
function whole(run: LogoutRun): Readonly<Record<string, string | number>> {
  const outcomes = standingDeliveries(run).map(({ peerId, outcome }) => `${peerId}=${outcome?.kind ?? 'open'}`)
  return { reason: run.reason, by: `${run.startedBy.kind}:${run.startedBy.id}`, startedAtMs: run.startedAtMs, outcomes: outcomes.join(' ') }
}

function about(run: LogoutRun, atMs: number, event: string, actor: Actor): AuditRecord {
  return { atMs, event, actor, userKey: run.userKey, sessionId: run.sessionId, runId: run.id }
}

function deliveryChanged(deps: ObserverDeps, audit: (record: AuditRecord) => void, run: LogoutRun, before: Delivery | undefined, after: Delivery): void {
  if (before === after) return
  const known = new Map(before?.attempts.map((attempt) => [attempt.messageId, attempt]))
  for (const attempt of after.attempts)
    if (attempt.endedAtMs !== undefined && known.get(attempt.messageId)?.endedAtMs === undefined) attemptEnded(deps, run, after, attempt)
  if (after.state !== 'final') return
  if (before?.state !== 'final') deliveryFinal(deps, audit, run, after)
  else if (before.outcome?.kind !== after.outcome?.kind) {
    audit({ ...about(run, deps.clock.nowMs(), 'delivery.improved', engineActor), ...outcomeOf(after) })
    deps.logger.info({ event: 'delivery.improved', run: run.id, connection: after.peerId, outcome: after.outcome?.kind }, 'A late answer proved the sign-out')
  }
}

function attemptEnded(deps: ObserverDeps, run: LogoutRun, delivery: Delivery, attempt: Attempt): void {
  const durationMs = (attempt.endedAtMs ?? attempt.startedAtMs) - attempt.startedAtMs
  deps.metrics.attemptSeconds.observe({ peer: delivery.peerId, channel: attempt.channel.kind }, durationMs / 1000)
  const fields = { event: 'delivery.attempt', run: run.id, connection: delivery.peerId, attempt: attempt.number, channel: attempt.channel.kind, durationMs }
  if (attempt.code === undefined) deps.logger.debug(fields, 'The application answered')
  else deps.logger.warn({ ...fields, code: attempt.code }, 'The application did not confirm the sign-out')
}

function deliveryFinal(deps: ObserverDeps, audit: (record: AuditRecord) => void, run: LogoutRun, delivery: Delivery): void {
  const outcome = delivery.outcome?.kind ?? 'unconfirmed'
  const channel = delivery.channels[delivery.channelIndex]?.kind ?? 'none'
  deps.metrics.deliveries.inc({ peer: delivery.peerId, channel, outcome })
  if (isDeadLetter(delivery)) deps.metrics.deadLetters.inc({ peer: delivery.peerId, outcome })
  audit({ ...about(run, delivery.finalAtMs ?? deps.clock.nowMs(), 'delivery.final', engineActor), ...outcomeOf(delivery) })
  const { code } = outcomeOf(delivery)
  deps.logger.info(
    { event: 'delivery.final', run: run.id, connection: delivery.peerId, outcome, ...(code === undefined ? {} : { code }) },
    'A delivery got its outcome'
  )
}

/** A delivery that was tried and did not end in a proof: somebody may want to try it again. */
function isDeadLetter({ outcome }: Delivery): boolean {
  if (outcome === undefined || countsAsSignedOut(outcome)) return false
  return outcome.kind !== 'unsupported' && outcome.kind !== 'not-asked'
}

function outcomeOf(delivery: Delivery): Pick<AuditRecord, 'peerId' | 'code' | 'detail'> {
  const { outcome } = delivery
  const code = outcome !== undefined && 'code' in outcome ? { code: outcome.code } : {}
  const channel = delivery.channels[delivery.channelIndex]?.kind ?? 'none'
  return { peerId: delivery.peerId, ...code, detail: { delivery: delivery.id, outcome: outcome?.kind ?? 'open', channel, attempts: delivery.attempts.length } }
}
