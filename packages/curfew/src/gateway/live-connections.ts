import type { OpenedSession } from './session/web-session.ts'

/** Why a connection is closed: the session ended, or its time is over. */
export type CloseReason = 'session ended' | 'session expired'

/** Everything that is open under some session, so that it ends with it. */
export interface LiveConnections {
  /** @returns what forgets the connection; call it when it closed by itself */
  add(opened: OpenedSession, close: (reason: CloseReason) => void): () => void
  /** Closes what belongs to a session with this fingerprint; returns how many. */
  close(fingerprint: string): number
  /** Closes every connection that the test names. */
  closeWhere(test: (opened: OpenedSession) => boolean): number
  /** Closes what has outlived its session at `nowMs`. */
  expire(nowMs: number): number
  readonly count: number
}

interface Connection {
  readonly opened: OpenedSession
  readonly close: (reason: CloseReason) => void
}

export function createLiveConnections(): LiveConnections {
  const all = new Set<Connection>()
  const byFingerprint = new Map<string, Set<Connection>>()
  const forget = (connection: Connection): void => {
    if (!all.delete(connection)) return
    for (const fingerprint of connection.opened.fingerprints) {
      const others = byFingerprint.get(fingerprint)
      others?.delete(connection)
      if (others?.size === 0) byFingerprint.delete(fingerprint)
    }
  }
  const end = (connections: Iterable<Connection>, reason: CloseReason): number => {
    const list = [...connections]
    for (const connection of list) {
      forget(connection)
      connection.close(reason)
    }
    return list.length
  }
  return {
    add(opened, close) {
      const connection: Connection = { opened, close }
      all.add(connection)
      for (const fingerprint of opened.fingerprints) {
        const others = byFingerprint.get(fingerprint)
        if (others === undefined) byFingerprint.set(fingerprint, new Set([connection]))
        else others.add(connection)
      }
      return () => forget(connection)
    },
    close: (fingerprint) => end(byFingerprint.get(fingerprint) ?? [], 'session ended'),
    closeWhere: (test) =>
      end(
        [...all].filter(({ opened }) => test(opened)),
        'session ended'
      ),
    expire: (nowMs) =>
      end(
        [...all].filter(({ opened }) => opened.session.expiresAtMs <= nowMs),
        'session expired'
      ),
    get count() {
      return all.size
    }
  }
}
