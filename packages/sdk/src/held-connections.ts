import { revocationFingerprint } from '@curfew/codecs'
import type { AppSession } from './session-registry.ts'

/** Close code of a WebSocket whose session is over. */
export const sessionOverCode = 4001

/** Why a connection is closed: the session ended, or its time is over. */
export type CloseReason = 'session ended' | 'session expired'

/** Closes one connection. For a WebSocket: `(code, reason) => socket.close(code, reason)`. */
export type CloseConnection = (code: typeof sessionOverCode, reason: CloseReason) => void

/** What an application holds open under sessions, so that it ends with them. */
export interface HeldConnections {
  /** @returns what forgets the connection; call it when it closed by itself */
  hold(session: AppSession, close: CloseConnection): () => void
  /** Closes what belongs to these sessions, by their cookie values; returns how many. */
  closeSessions(ids: readonly string[]): number
  /** Closes what belongs to sessions with this fingerprint of an SRI. */
  closeListed(fingerprint: string): number
  /** Closes what has outlived its session, and what the feed speaks of and is older than its list remembers. */
  expire(nowMs: number, listMs?: number): number
  /** Cookie values of the sessions that something is held under, each once. */
  sessionIds(): readonly string[]
  readonly count: number
}

interface Held {
  readonly id: string
  readonly keys: readonly string[]
  readonly expiresAtMs: number
  /** When a session began that the feed speaks of. */
  readonly listedSinceMs?: number
  readonly close: CloseConnection
}

/** @param onError - what closing one connection threw; the others are closed all the same */
export function createHeldConnections(onError: (error: unknown) => void): HeldConnections {
  const all = new Set<Held>()
  const byKey = new Map<string, Set<Held>>()
  const forget = (one: Held): void => {
    if (!all.delete(one)) return
    for (const key of one.keys) {
      const others = byKey.get(key)
      others?.delete(one)
      if (others?.size === 0) byKey.delete(key)
    }
  }
  const end = (list: readonly Held[], reason: CloseReason): number => {
    for (const one of list) {
      forget(one)
      try {
        one.close(sessionOverCode, reason)
      } catch (error) {
        onError(error)
      }
    }
    return list.length
  }
  const under = (key: string): readonly Held[] => [...(byKey.get(key) ?? [])]
  return {
    hold(session, close) {
      const keys = [idKey(session.id), ...(session.sri === undefined ? [] : [listKey(revocationFingerprint(session.sri))])]
      const { id, expiresAtMs, createdAtMs } = session
      const one: Held = { id, keys, expiresAtMs, ...(session.sri === undefined ? {} : { listedSinceMs: createdAtMs }), close }
      all.add(one)
      for (const key of keys) byKey.set(key, (byKey.get(key) ?? new Set()).add(one))
      return () => forget(one)
    },
    closeSessions: (ids) =>
      end(
        ids.flatMap((id) => under(idKey(id))),
        'session ended'
      ),
    closeListed: (fingerprint) => end(under(listKey(fingerprint)), 'session ended'),
    expire: (nowMs, listMs = Infinity) =>
      end(
        [...all].filter(({ expiresAtMs, listedSinceMs = Infinity }) => expiresAtMs <= nowMs || nowMs - listedSinceMs >= listMs),
        'session expired'
      ),
    sessionIds: () => [...new Set(Array.from(all, ({ id }) => id))],
    get count() {
      return all.size
    }
  }
}

function idKey(id: string): string {
  return `id ${id}`
}

function listKey(fingerprint: string): string {
  return `sri ${fingerprint}`
}
