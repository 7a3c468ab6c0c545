import { Chain } from './chain.ts'
import type { OpenedSession } from './session/web-session.ts'

/** Why a connection is closed: the session ended, its time is over, or nobody can say whether it goes on. */
export type CloseReason = 'session ended' | 'session expired' | 'session unchecked'

/**
 * Closes one connection: tells who waits at once. What the client does not wait for goes to `later`: of ten thousand that end
 * together, each would wait for that of all before it.
 */
export type CloseConnection = (reason: CloseReason, later: (rest: () => void) => void) => void

/** Everything that is open under some session, so that it ends with it. */
export interface LiveConnections {
  /** @returns what forgets the connection; call it when it closed by itself */
  add(opened: OpenedSession, close: CloseConnection): () => void
  /** Closes what belongs to a session with this fingerprint; returns how many. */
  close(fingerprint: string): number
  /** False for most that nothing is open under, by the second four octets of a fingerprint: a list of millions comes in by this. */
  mayHold(signedLow: number): boolean
  /** Closes every connection that the test names. */
  closeWhere(test: (opened: OpenedSession) => boolean): number
  /** Closes what belongs to one session as it was opened; returns how many. */
  closeSession(opened: OpenedSession, reason: CloseReason): number
  /** Sessions that something is open under now. */
  sessions(): readonly OpenedSession[]
  /** Closes what has outlived its session at `nowMs`, or belongs to one that is older than `ageMsMax`, and forgets sessions that nothing was open under for some time. Called once a second. */
  expire(nowMs: number, ageMsMax?: number): number
  readonly count: number
}

/** What is open under one session. Kept while it is empty, for a while: the next request comes soon. */
interface Group {
  readonly opened: OpenedSession
  readonly closes: Chain<CloseConnection>
  /** Looks in a row that found it empty. */
  emptyLooks: number
}

/** Looks, of which there is one a second, after which what is empty is forgotten; at the first one where there are so many. */
const emptyLooksMax = 30
const emptyGroupsMax = 20_000

/** Rests that are done in one turn of the event loop, so that who ended meanwhile is told before all of them. */
const restsPerTurn = 256

/** @param onFailed - a connection that could not be closed; the others are all the same */
export function createLiveConnections(onFailed: (error: unknown) => void = () => undefined): LiveConnections {
  const groups = new Map<OpenedSession, Group>()
  const byFingerprint = new Map<string, Set<Group>>()
  /** How many fingerprints there have this in them. */
  const lows = new Map<number, number>()
  const state = { count: 0, isDraining: false }
  const rests: (() => void)[] = []
  const attempt = (work: () => void): void => {
    try {
      work()
    } catch (error) {
      onFailed(error)
    }
  }
  const drain = (): void => {
    withoutStacks(() => rests.splice(0, restsPerTurn).forEach(attempt))
    state.isDraining = rests.length > 0
    if (state.isDraining) setImmediate(drain)
  }
  const later = (rest: () => void): void => {
    rests.push(rest)
    if (state.isDraining) return
    state.isDraining = true
    setImmediate(drain)
  }
  const groupOf = (opened: OpenedSession): Group => {
    const group: Group = { opened, closes: new Chain(), emptyLooks: 0 }
    groups.set(opened, group)
    for (const { fingerprint, low } of opened.keys) {
      const others = byFingerprint.get(fingerprint)
      if (others !== undefined) {
        others.add(group)
        continue
      }
      byFingerprint.set(fingerprint, new Set([group]))
      lows.set(low | 0, (lows.get(low | 0) ?? 0) + 1)
    }
    return group
  }
  const forget = (group: Group): void => {
    groups.delete(group.opened)
    for (const { fingerprint, low } of group.opened.keys) {
      const others = byFingerprint.get(fingerprint)
      others?.delete(group)
      if (others?.size !== 0) continue
      byFingerprint.delete(fingerprint)
      const left = (lows.get(low | 0) ?? 1) - 1
      if (left === 0) lows.delete(low | 0)
      else lows.set(low | 0, left)
    }
  }
  const end = (ended: readonly Group[], reason: CloseReason): number => {
    const closes = ended.flatMap((group) => group.closes.values())
    for (const group of ended) {
      group.closes.clear()
      forget(group)
    }
    state.count -= closes.length
    for (const close of closes) attempt(() => close(reason, later))
    return closes.length
  }
  const where = (test: (opened: OpenedSession) => boolean): readonly Group[] => {
    const found: Group[] = []
    for (const group of groups.values()) if (test(group.opened)) found.push(group)
    return found
  }
  return {
    add(opened, close) {
      const group = groups.get(opened) ?? groupOf(opened)
      group.emptyLooks = 0
      const takeOut = group.closes.add(close)
      state.count += 1
      return () => {
        if (takeOut()) state.count -= 1
      }
    },
    close(fingerprint) {
      const ended = byFingerprint.get(fingerprint)
      return ended === undefined ? 0 : end([...ended], 'session ended')
    },
    mayHold: (signedLow) => lows.has(signedLow),
    closeWhere: (test) => end(where(test), 'session ended'),
    closeSession(opened, reason) {
      const group = groups.get(opened)
      return group === undefined ? 0 : end([group], reason)
    },
    sessions: () => [...groups.values()].filter(({ closes }) => closes.size > 0).map(({ opened }) => opened),
    expire(nowMs, ageMsMax = Number.POSITIVE_INFINITY) {
      const looksMax = groups.size > emptyGroupsMax ? 0 : emptyLooksMax
      for (const group of groups.values()) {
        if (group.closes.size > 0) continue
        if (group.emptyLooks >= looksMax) forget(group)
        else group.emptyLooks += 1
      }
      return end(
        where(({ session }) => session.expiresAtMs <= nowMs || nowMs - session.startedAtMs >= ageMsMax),
        'session expired'
      )
    },
    get count() {
      return state.count
    }
  }
}

/** An error is what ends a connection to an application: where each was made costs more than to end it, and nobody reads it. */
function withoutStacks(work: () => void): void {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  try {
    work()
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}
