import type { RunId, SessionId, UserKey } from './ids.ts'

/** Why a session ended. Every reason goes through the same ending (core/end-sessions.ts). */
export type EndReason =
  | 'user' // the user asked, at the authority or at an application
  | 'admin' // an administrator or the command line asked
  | 'upstream' // the identity provider that the sign-in came from asked
  | 'idle-timeout'
  | 'max-timeout'
  | 'session-limit' // the user has more sessions than allowed, the oldest ends
  | 'password-change'
  | 'account-lock'
  | 'token-revocation'
  | 'shared-signal'
  | 'replaced' // the same browser signed in again, as someone else or on a device that keeps no session

/** Who caused an ending or a retry. `id` is a user name, a peer id, the name of an API token, or `timer`. */
export interface Actor {
  readonly kind: 'user' | 'peer' | 'admin' | 'system'
  readonly id: string
}

/** The final fact about a session. There is no way back. */
export interface SessionEnd {
  readonly atMs: number
  readonly reason: EndReason
  readonly by: Actor
  readonly runId: RunId
}

/** Attributes of a user as the authentication source gave them; every attribute may have many values. */
export type Attributes = Readonly<Record<string, readonly string[]>>

/** Of one person alone, or of many. */
export type Device = 'private' | 'shared'

/** One user signed in at the authority in one browser or device. */
export interface Session {
  readonly id: SessionId
  /** Grows with every participant that is added and with the end: the ending is planned against one version. */
  readonly version: number
  readonly userKey: UserKey
  readonly username: string
  /** The authentication source (adapter instance) that signed the user in, for example `form`. */
  readonly sourceId: string
  readonly attributes: Attributes
  /** SAML authentication context class reference of the sign-in. */
  readonly authnContext: string
  readonly createdAtMs: number
  readonly authenticatedAtMs: number
  readonly lastActivityAtMs: number
  /** When the session ends for lack of activity; never later than `expiresAtMs`. */
  readonly idleExpiresAtMs: number
  /** When the session ends whatever happens. `Number.MAX_SAFE_INTEGER` where the policy says never. */
  readonly expiresAtMs: number
  /** Idle limit in force for this session, in milliseconds: `touch` moves `idleExpiresAtMs` by it. */
  readonly idleTimeoutMs: number
  /** Whose the device is, as the person said at the sign-in; absent: nobody asked. */
  readonly device?: Device
  /** Kept over browser restarts with the persistent cookie. */
  readonly persistent: boolean
  /** SHA-256 (base64url) of the value of the session cookie; the value itself is nowhere stored. */
  readonly tokenHash: string
  /** SHA-256 (base64url) of the value of the persistent cookie, when `persistent`. */
  readonly persistentTokenHash?: string
  /** Session reference identifier: one per session, the entry in the revocation feed. */
  readonly sri: string
  readonly userAgent?: string
  readonly address?: string
  readonly end?: SessionEnd
}

/** True while nothing has ended the session and no limit has passed. */
export function isLive(session: Session, nowMs: number): boolean {
  return session.end === undefined && nowMs < session.idleExpiresAtMs && nowMs < session.expiresAtMs
}

/** Attributes that hold an e-mail address. */
const addressAttributes = ['mail', 'email'] as const

/** Addresses of a user, in lower case: attributes, and the user name when it is one. None twice. */
export function addressesOf({ attributes, username }: Pick<Session, 'attributes' | 'username'>): readonly string[] {
  const all = [...addressAttributes.flatMap((name) => attributes[name] ?? []), ...(username.includes('@') ? [username] : [])]
  return [...new Set(all.map((value) => value.toLowerCase()))]
}
