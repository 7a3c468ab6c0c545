import { type EndRequest, type EndSummary, endSessions, startingRun } from '../core/end-sessions.ts'
import { logOutOf, type PartialPort, type PartialRequest } from '../core/partial-logout.ts'
import type { RunId, UserKey } from '../core/ids.ts'
import { isLive } from '../core/session.ts'
import type { LateParticipants } from '../stores/fact-store.ts'
import type { EngineDeps } from './deps.ts'
import type { Observer } from './observer.ts'
import { someEnded } from './some-ended.ts'
import { timed } from './timed.ts'

/** Ends sessions in the store and tells the rest of the engine. */
export interface Endings {
  /** @throws CURFEW_SESSION_SOME_ENDED where the store refused one after others had ended */
  end(request: EndRequest): Promise<EndSummary>
  /** Partial logout; undefined when there is nothing to sign out of. */
  logOutOf(request: PartialRequest): Promise<RunId | undefined>
  /** A run for participants that were added while their session ended elsewhere; nothing where that was done. */
  /** False: nobody was left to tell. */
  logOutLate(late: LateParticipants): Promise<boolean>
  /** Ends the oldest live sessions of a user beyond the limit; returns how many. */
  enforceLimit(userKey: UserKey): Promise<number>
}

export type EndingsDeps = Pick<
  EngineDeps,
  | 'store'
  | 'clock'
  | 'ids'
  | 'peer'
  | 'meetPeers'
  | 'policy'
  | 'revocationMs'
  | 'revokesOnLogout'
  | 'registryMs'
  | 'sessionsPerUserMax'
  | 'metrics'
  | 'onSessionEnded'
> & {
  readonly observer: Observer
  readonly onEffects: (dueAtMs: number) => void
}

export function createEndings(deps: EndingsDeps): Endings {
  const port = endingPort(deps)
  const end = async (request: EndRequest): Promise<EndSummary> => {
    let ended = 0
    const commit: PartialPort['commit'] = async (ending) => {
      const result = await port.commit(ending)
      if (result.kind === 'ended') ended += 1
      return result
    }
    try {
      return await endSessions({ ...port, commit }, request)
    } catch (error) {
      throw someEnded(error, ended)
    }
  }
  return {
    end,
    logOutOf: (request) => logOutOf(port, request),
    async logOutLate({ session, participants }) {
      const store = deps.store.facts ?? deps.store.late
      if (store === undefined || session.end === undefined || participants.length === 0) return false
      await deps.meetPeers?.(participants.map(({ peerId }) => peerId))
      const { reason, by } = session.end
      const { run, effects } = startingRun(port, session, participants, { reason, by, starter: { kind: 'none' }, browser: 'absent' })
      try {
        const participantIds = participants.map(({ id }) => id)
        const { value } = await store.openLateRun({ sessionId: session.id, participantIds, run, effects })
        if (value === 'opened') deps.observer.started(run)
        return value === 'opened'
      } finally {
        deps.onEffects(deps.clock.nowMs())
      }
    },
    async enforceLimit(userKey) {
      if (deps.sessionsPerUserMax < 0) return 0
      const nowMs = deps.clock.nowMs()
      const live = (await deps.store.findByUser(userKey)).filter((session) => isLive(session, nowMs))
      // The newest is never ended: it is the one that was opened just now.
      const surplus = live.slice(0, Math.max(0, live.length - Math.max(1, deps.sessionsPerUserMax)))
      if (surplus.length === 0) return 0
      const { ended } = await end({
        scope: { kind: 'sessions', sessionIds: surplus.map((session) => session.id) },
        reason: 'session-limit',
        by: { kind: 'system', id: 'session-limit' },
        starter: { kind: 'none' },
        browser: 'absent'
      })
      return ended.length
    }
  }
}

function endingPort(deps: EndingsDeps): PartialPort {
  const { store, policy, revocationMs, revokesOnLogout, registryMs, ids, clock, metrics } = deps
  return {
    policy,
    revocationMs,
    ...(revokesOnLogout === undefined ? {} : { revokesOnLogout }),
    registryMs,
    hasSignals: deps.onSessionEnded !== undefined,
    async read(sessionId) {
      const session = await store.getSession(sessionId)
      if (session === undefined) return undefined
      const participants = await store.getParticipants(sessionId)
      await deps.meetPeers?.(participants.map(({ peerId }) => peerId))
      return { session, participants }
    },
    sessionsOf: (userKey) => store.findByUser(userKey),
    async commit(ending) {
      try {
        const { value, durability } = await timed(clock, metrics, 'endSession', () => store.endSession(ending))
        if (value.kind !== 'ended') return value
        deps.observer.started(ending.run)
        return durability === 'degraded' ? { kind: 'ended', isDegraded: true } : value
      } finally {
        // Also when the acknowledgement got lost: the ending may be stored.
        deps.onEffects(clock.nowMs())
      }
    },
    async openRun(partial) {
      try {
        const { value } = await timed(clock, metrics, 'openRun', () => store.openRun(partial))
        if (value === 'opened') deps.observer.started(partial.run)
        return value
      } finally {
        deps.onEffects(clock.nowMs())
      }
    },
    peer: (id) => deps.peer(id),
    newRunId: () => ids.run(),
    newDeliveryId: () => ids.delivery(),
    nowMs: () => clock.nowMs()
  }
}
