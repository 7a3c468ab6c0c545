import type { SessionId } from '../packages/curfew/src/core/ids.ts'
import type { Session } from '../packages/curfew/src/core/session.ts'

export interface SignedInOptions {
  readonly id: SessionId
  readonly user: string
  readonly nowMs: number
  /** How long the session lasts at most. */
  readonly lifeMs: number
  /** How long without activity; absent: as long as it lasts. */
  readonly idleMs?: number
}

/** A session as a local user opens it with a password. */
export function signedIn({ id, user, nowMs, lifeMs, idleMs = lifeMs }: SignedInOptions): Session {
  return {
    id,
    version: 1,
    userKey: `local:${user}`,
    username: user,
    sourceId: 'form',
    attributes: {},
    authnContext: 'password',
    createdAtMs: nowMs,
    authenticatedAtMs: nowMs,
    lastActivityAtMs: nowMs,
    idleExpiresAtMs: nowMs + Math.min(idleMs, lifeMs),
    expiresAtMs: nowMs + lifeMs,
    idleTimeoutMs: idleMs,
    persistent: false,
    tokenHash: `token-${id}`,
    sri: `sri-${id}`
  }
}
