import type { EndRequest, EndSummary } from '../core/end-sessions.ts'
import { isLive, type Session } from '../core/session.ts'
import type { LateParticipants, LateStore } from '../stores/fact-store.ts'
import type { EngineDeps, EngineLimits } from './deps.ts'
import { createLoop } from './loop.ts'

/** What happens by itself as time passes: expired sessions end, old entries go, figures are read. */
export interface Housekeeping {
  start(): void
  /** Waits for the round under way. */
  stop(): Promise<void>
  /** One batch by hand; returns how many sessions it ended. */
  endExpired(): Promise<number>
}

export type HousekeepingDeps = Pick<EngineDeps, 'store' | 'clock' | 'random' | 'logger' | 'metrics' | 'keepRunsMs'> & {
  readonly limits: EngineLimits
  readonly end: (request: EndRequest) => Promise<EndSummary>
  readonly logOutLate: (late: LateParticipants) => Promise<boolean>
}

const lateMax = 50

export function createHousekeeping(deps: HousekeepingDeps): Housekeeping {
  const { store, clock, random, limits, logger } = deps
  const loop = (intervalMs: number, what: string, work: () => Promise<boolean>): ReturnType<typeof createLoop> =>
    createLoop({
      clock,
      intervalMs,
      fraction: () => random.fraction(),
      work,
      onError: (error) => logger.error({ event: 'housekeeping.failed', what, err: error }, 'Housekeeping failed; it is tried again')
    })
  const loops = [
    loop(limits.expiryIntervalMs, 'expiry', async () => (await endExpired(deps)) >= limits.expiryBatchMax),
    loop(limits.purgeIntervalMs, 'purge', async () => (await store.purge(clock.nowMs(), deps.keepRunsMs, limits.purgeBatchMax)) >= limits.purgeBatchMax),
    loop(limits.gaugeIntervalMs, 'figures', figures(deps)),
    // Where there are other regions, whoever replicates does it.
    ...(store.late === undefined || store.facts !== undefined ? [] : [loop(limits.lateIntervalMs, 'late participants', () => tellLate(deps, store.late))])
  ]
  return {
    start() {
      for (const each of loops) each.start()
    },
    async stop() {
      await Promise.all(loops.map((each) => each.stop()))
    },
    endExpired: () => endExpired(deps)
  }
}

/** Expiry is an ending like any other: every session past a limit gets its run. One that fails keeps no other back. */
async function endExpired(deps: HousekeepingDeps): Promise<number> {
  const due = await deps.store.dueSessions(deps.clock.nowMs(), deps.limits.expiryBatchMax)
  const results = await Promise.allSettled(due.map((session) => endOne(deps, session)))
  for (const [i, result] of results.entries()) {
    if (result.status === 'rejected') {
      deps.logger.error({ event: 'session.expiry-failed', session: due[i]?.id, err: result.reason }, 'An expired session could not be ended; it is tried again')
    }
  }
  return results.filter((result) => result.status === 'fulfilled' && result.value).length
}

async function endOne(deps: HousekeepingDeps, { id }: Session): Promise<boolean> {
  // Read again: the user may have come back since the list was made.
  const session = await deps.store.getSession(id)
  const nowMs = deps.clock.nowMs()
  if (session === undefined || session.end !== undefined || isLive(session, nowMs)) return false
  const { ended } = await deps.end({
    scope: { kind: 'session', sessionId: id },
    reason: nowMs >= session.expiresAtMs ? 'max-timeout' : 'idle-timeout',
    by: { kind: 'system', id: 'timer' },
    starter: { kind: 'none' },
    browser: 'absent'
  })
  return ended.length > 0
}

/** True when there may be more at once: what came to nothing, or failed, waits for the next round and holds up nobody. */
async function tellLate({ logOutLate, logger }: HousekeepingDeps, store: LateStore | undefined): Promise<boolean> {
  const late = (await store?.late(lateMax)) ?? []
  let opened = 0
  for (const one of late) {
    try {
      if (await logOutLate(one)) opened += 1
    } catch (error) {
      logger.error(
        { event: 'session.late-failed', session: one.session.id, err: error },
        'An application that joined too late could not be told; it is tried again'
      )
    }
  }
  return opened >= lateMax
}

function figures({ store, metrics }: HousekeepingDeps): () => Promise<boolean> {
  let sweptBefore = 0
  return async () => {
    const { liveSessions, openRuns, pendingEffects, clockAheadMs = 0, sweptEntries = 0 } = await store.describe()
    metrics.liveSessions.set(liveSessions)
    metrics.openRuns.set(openRuns)
    metrics.pendingEffects.set(pendingEffects)
    metrics.clockAheadSeconds.set(clockAheadMs / 1000)
    metrics.entriesSwept.inc(sweptEntries - sweptBefore)
    sweptBefore = sweptEntries
    return false
  }
}
