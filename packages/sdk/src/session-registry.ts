import { type NameID, revocationFingerprint } from '@curfew/codecs'

/** One signed-in user of this application. */
export interface AppSession {
  /** The value of the session cookie. */
  readonly id: string
  readonly identityProvider: string
  readonly nameId: NameID
  readonly sessionIndex?: string
  readonly attributes: Readonly<Record<string, readonly string[]>>
  readonly createdAtMs: number
  /** When the assertion says the session ends at the latest. */
  readonly expiresAtMs: number
  /** `pi.sri`: the session at the authority, where it says so; the revocation feed speaks of it. */
  readonly sri?: string
  /** OpenID: when the provider issued the ID token. */
  readonly issuedAtMs?: number
  /** OpenID: the ID token of the sign-in, shown again at the sign-out. */
  readonly idToken?: string
}

/** Whom a logout speaks of: one provider, one name, some or all sessions; or sessions by their index alone. */
export interface LogoutSubject {
  readonly identityProvider: string
  /** Absent (OpenID): the sessions with these indexes, whatever the name. */
  readonly nameId?: NameID
  /** Empty: every session of this name with this provider. */
  readonly sessionIndexes: readonly string[]
  /** The tombstone covers sign-ins issued up to then. Absent: every sign-in while it stands. */
  readonly issuedUntilMs?: number
  /** Live sessions from sign-ins issued after this go on; 0: all do, and there is the tombstone only. Absent: every one ends. */
  readonly sparesIssuedAfterMs?: number
}

/**
 * Where an application keeps its sessions. Found by cookie and, without any cookie, by what a LogoutRequest names, so
 * that a sign-out reaches a session from a server, from a hidden frame and from a browser that sends no cookies.
 * Several processes of one application must share one registry.
 */
export interface SessionRegistry {
  open(session: AppSession): Promise<void>
  get(id: string, nowMs: number): Promise<AppSession | undefined>
  /** Ends one session; false when there is none. */
  end(id: string): Promise<boolean>
  /**
   * Ends every session of the subject and keeps a tombstone until `untilMs`, so that an assertion of the same sign-in
   * that arrives late opens nothing. Returns the sessions that were live.
   * @see saml-core-2.0-os section 3.7.3.1
   */
  endBySubject(subject: LogoutSubject, untilMs: number): Promise<readonly AppSession[]>
  /**
   * Ends every session whose SRI has one of these fingerprints (`revocationFingerprint`), and returns those that were live.
   * Called once for a page of the feed, with thousands at the first reading; a session that is opened later is refused
   * without this.
   */
  endListed(fingerprints: readonly string[]): Promise<readonly AppSession[]>
  /** True when a tombstone covers this name and index. */
  isEnded(subject: Named, nowMs: number): Promise<boolean>
  /** Remembers a one-time value (assertion id, own request id). False: it was there before. */
  remember(key: string, value: string, untilMs: number, nowMs: number): Promise<boolean>
  /** True while a value is remembered under this key; it stays there. */
  isRemembered(key: string, nowMs: number): Promise<boolean>
  /** Reads and removes a remembered value. */
  take(key: string, nowMs: number): Promise<string | undefined>
}

/** Most entries one process keeps; a new sign-in is refused rather than an old one forgotten. */
export const sessionsMax = 100_000

/** A registry in the memory of one process. */
export function createMemorySessionRegistry(): SessionRegistry {
  const sessions = new Map<string, AppSession>()
  const bySubject = new Map<string, Set<string>>()
  const tombstones = new Map<string, Tombstone>()
  const values = new Map<string, { readonly value: string; readonly untilMs: number }>()

  const drop = (session: AppSession): void => {
    sessions.delete(session.id)
    for (const key of allKeysOf(session)) {
      const ids = bySubject.get(key)
      ids?.delete(session.id)
      if (ids?.size === 0) bySubject.delete(key)
    }
  }

  const expire = (nowMs: number): void => {
    for (const session of sessions.values()) if (session.expiresAtMs <= nowMs) drop(session)
    for (const [key, { untilMs }] of tombstones) if (untilMs <= nowMs) tombstones.delete(key)
    for (const [key, entry] of values) if (entry.untilMs <= nowMs) values.delete(key)
  }

  return {
    async open(session) {
      if (sessions.size >= sessionsMax) expire(session.createdAtMs)
      if (sessions.size >= sessionsMax) throw new RangeError(`more than ${sessionsMax} sessions in one process`)
      sessions.set(session.id, session)
      for (const key of allKeysOf(session)) {
        const ids = bySubject.get(key) ?? new Set()
        bySubject.set(key, ids.add(session.id))
      }
    },
    async get(id, nowMs) {
      const session = sessions.get(id)
      if (session === undefined || session.expiresAtMs > nowMs) return session
      drop(session)
      return undefined
    },
    async end(id) {
      const session = sessions.get(id)
      if (session !== undefined) drop(session)
      return session !== undefined
    },
    async endBySubject(subject, untilMs) {
      const keys = keysOfSubject(subject)
      const { sparesIssuedAfterMs = Number.POSITIVE_INFINITY } = subject
      const ended = keys
        .flatMap((key) => [...(bySubject.get(key) ?? [])].flatMap((id) => sessions.get(id) ?? []))
        .filter(({ issuedAtMs, createdAtMs }) => (issuedAtMs ?? createdAtMs) <= sparesIssuedAfterMs)
      const issuedUntilMs = subject.issuedUntilMs ?? Number.POSITIVE_INFINITY
      for (const key of keys) {
        const known = tombstones.get(key) ?? { untilMs: 0, issuedUntilMs: 0 }
        tombstones.set(key, { untilMs: Math.max(untilMs, known.untilMs), issuedUntilMs: Math.max(issuedUntilMs, known.issuedUntilMs) })
      }
      for (const session of ended) drop(session)
      return ended
    },
    async endListed(fingerprints) {
      const ended = fingerprints.flatMap((fingerprint) => [...(bySubject.get(listedKey(fingerprint)) ?? [])].flatMap((id) => sessions.get(id) ?? []))
      for (const session of ended) drop(session)
      return ended
    },
    async isEnded(subject, nowMs) {
      return keysOf(subject).some((key) => {
        const { untilMs, issuedUntilMs } = tombstones.get(key) ?? { untilMs: 0, issuedUntilMs: 0 }
        return untilMs > nowMs && (subject.issuedAtMs ?? 0) <= issuedUntilMs
      })
    },
    async remember(key, value, untilMs, nowMs) {
      const known = values.get(key)
      if (known !== undefined && known.untilMs > nowMs) return false
      if (values.size >= sessionsMax) expire(nowMs)
      values.set(key, { value, untilMs })
      return true
    },
    async isRemembered(key, nowMs) {
      return (values.get(key)?.untilMs ?? 0) > nowMs
    },
    async take(key, nowMs) {
      const entry = values.get(key)
      values.delete(key)
      return entry !== undefined && entry.untilMs > nowMs ? entry.value : undefined
    }
  }
}

/** What tells one sign-in from another. */
type Named = Pick<AppSession, 'identityProvider' | 'nameId' | 'sessionIndex' | 'issuedAtMs'>

interface Tombstone {
  readonly untilMs: number
  readonly issuedUntilMs: number
}

/** What a session is found by: its name, its name with its index, its index alone. */
function keysOf(session: Named): readonly string[] {
  const { identityProvider, sessionIndex } = session
  const all = subjectKey(session, undefined)
  return sessionIndex === undefined ? [all] : [all, subjectKey(session, sessionIndex), indexKey(identityProvider, sessionIndex)]
}

/** The same, and its SRI by fingerprint. */
function allKeysOf(session: AppSession): readonly string[] {
  return session.sri === undefined ? keysOf(session) : [...keysOf(session), listedKey(revocationFingerprint(session.sri))]
}

function listedKey(fingerprint: string): string {
  return `sri ${fingerprint}`
}

function keysOfSubject({ identityProvider, nameId, sessionIndexes }: LogoutSubject): readonly string[] {
  if (nameId === undefined) return sessionIndexes.map((index) => indexKey(identityProvider, index))
  const named = { identityProvider, nameId }
  return sessionIndexes.length === 0 ? [subjectKey(named, undefined)] : sessionIndexes.map((index) => subjectKey(named, index))
}

function indexKey(identityProvider: string, sessionIndex: string): string {
  return JSON.stringify([identityProvider, sessionIndex])
}

/** Value, format and qualifiers all count; absent qualifiers mean the provider and this application. */
function subjectKey(subject: { readonly identityProvider: string; readonly nameId: NameID }, sessionIndex: string | undefined): string {
  const { value, format, nameQualifier } = subject.nameId
  const qualifier = nameQualifier === undefined || nameQualifier === subject.identityProvider ? '' : nameQualifier
  return JSON.stringify([subject.identityProvider, format ?? '', qualifier, value, sessionIndex ?? null])
}
