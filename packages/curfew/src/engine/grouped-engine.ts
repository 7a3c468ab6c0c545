import { isCurfewError } from '@curfew/codecs'
import type { SessionsThere } from '../cluster/session-calls.ts'
import type { EndRequest, EndSummary } from '../core/end-sessions.ts'
import type { DeliveryId, RunId, SessionId } from '../core/ids.ts'
import type { LogoutRun } from '../core/run.ts'
import type { Clock } from '../platform/clock.ts'
import type { Store } from '../stores/store.ts'
import type { Engine } from './engine.ts'
import { eventOf } from './result-event.ts'
import { someEndedOf } from './some-ended.ts'

/** Other groups, as endings need them. */
export interface EngineGroups {
  /** Ids of the other groups. */
  readonly others: readonly string[]
  /** The other group that a session or a run belongs to; undefined: this one. */
  readonly groupOf: (id: SessionId | RunId) => string | undefined
  /** A group could not be asked to end what a request means there: its sessions go on. */
  readonly onUnreached: (group: string, request: EndRequest) => void
  readonly there: Pick<SessionsThere, 'end' | 'readRun' | 'apply' | 'retry'>
  /** As surfaces see it: it finds what a message of another group belongs to where that is known here. */
  readonly store: Pick<Store, 'findByMessage'>
}

/** How often a run of another group is looked at while somebody waits for it. */
const lookMs = 250

/**
 * The engine of this group, with each session ended and each run changed by the engine of the group that has it: plan, store,
 * outbox and leases stay together. A group that does not answer keeps nothing from ending elsewhere; one session of it alone
 * is an error.
 */
export function createGroupedEngine(engine: Engine, groups: EngineGroups, clock: Clock): Engine {
  const { others, groupOf, there, onUnreached } = groups
  const endIn = async (group: string, request: EndRequest): Promise<EndSummary> => {
    try {
      return await there.end(group, request)
    } catch (error) {
      if (!isCurfewError(error) || !error.code.startsWith('CURFEW_GROUP_')) throw error
      onUnreached(group, request)
      return { ended: [], already: [], unknown: [], unreached: [group] }
    }
  }
  return {
    ...withRunsElsewhere(engine, groups, clock),
    async endSessions(request) {
      const { scope } = request
      switch (scope.kind) {
        case 'session': {
          const group = groupOf(scope.sessionId)
          return group === undefined ? engine.endSessions(request) : there.end(group, request)
        }
        case 'sessions': {
          const byGroup = Map.groupBy(scope.sessionIds, groupOf)
          return all(
            [...byGroup].map(([group, sessionIds]) => {
              const part: EndRequest = { ...request, scope: { kind: 'sessions', sessionIds } }
              return group === undefined ? engine.endSessions(part) : endIn(group, part)
            })
          )
        }
        case 'user':
          return all([engine.endSessions(request), ...others.map((group) => endIn(group, request))])
      }
    }
  }
}

/** The engine of this group, with each run changed by the engine of the group that made it. */
export function withRunsElsewhere(engine: Engine, { groupOf, there, store }: Pick<EngineGroups, 'groupOf' | 'there' | 'store'>, clock: Clock): Engine {
  return {
    ...engine,
    async apply(runId, event) {
      const group = groupOf(runId)
      return group === undefined ? engine.apply(runId, event) : there.apply(group, runId, event)
    },
    async browserAnswered(peerId, messageId, answer) {
      const found = await store.findByMessage(peerId, messageId)
      const group = found === undefined ? undefined : groupOf(found.runId)
      if (found === undefined || group === undefined) return engine.browserAnswered(peerId, messageId, answer)
      return there.apply(group, found.runId, eventOf(answer, found.deliveryId as DeliveryId, messageId, clock.nowMs(), 0))
    },
    async retry(runId, deliveryId, by) {
      const group = groupOf(runId)
      return group === undefined ? engine.retry(runId, deliveryId, by) : there.retry(group, runId, deliveryId, by)
    },
    async waitFor(runId, until, deadlineMs) {
      const group = groupOf(runId)
      if (group === undefined) return engine.waitFor(runId, until, deadlineMs)
      return waitThere(() => there.readRun(group, runId), until, deadlineMs, clock)
    }
  }
}

async function waitThere(
  read: () => Promise<LogoutRun | undefined>,
  until: (run: LogoutRun) => boolean,
  deadlineMs: number,
  clock: Clock
): Promise<LogoutRun | undefined> {
  for (;;) {
    const run = await read()
    if (run === undefined || until(run) || clock.nowMs() >= deadlineMs) return run
    await new Promise<void>((resolve) => {
      clock.after(Math.min(lookMs, Math.max(0, deadlineMs - clock.nowMs())), resolve)
    })
  }
}

/** @throws what failed in one group, with what has ended in the others */
async function all(parts: readonly Promise<EndSummary>[]): Promise<EndSummary> {
  const results = await Promise.allSettled(parts)
  const summary = merged(results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])))
  const failures: readonly unknown[] = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
  if (failures.length > 0) throw someEndedOf(failures, summary.ended.length)
  return summary
}

function merged(parts: readonly EndSummary[]): EndSummary {
  const unreached = parts.flatMap((part) => part.unreached ?? [])
  return {
    ended: parts.flatMap(({ ended }) => ended),
    already: parts.flatMap(({ already }) => already),
    unknown: parts.flatMap(({ unknown }) => unknown),
    ...(unreached.length === 0 ? {} : { unreached })
  }
}
