import type { NameID } from '@curfew/codecs'

/** One signed-in user of this application. */
export interface AppSession {
  /** The value of the session cookie. */
  readonly id: string
  /** Entity identifier or issuer of who signed the user in. */
  readonly identityProvider: string
  /** Who it is: the NameID of SAML, `sub` of OpenID as its value, the subject of an OpenToken. */
  readonly nameId: NameID
  /** SessionIndex of SAML, `sid` of OpenID. */
  readonly sessionIndex?: string
  /** What the sign-in said of the user, by name of the attribute or claim; claims that are no texts are left out. */
  readonly attributes: Readonly<Record<string, readonly string[]>>
  readonly createdAtMs: number
  /** When the assertion says the session ends at the latest. */
  readonly expiresAtMs: number
  /** `pi.sri`: the session at the authority, where it says so; the revocation feed speaks of it. */
  readonly sri?: string
  /** When the provider issued the ID token, assertion or OpenToken of the sign-in. */
  readonly issuedAtMs?: number
  /** OpenID: the ID token of the sign-in, shown again at the sign-out. */
  readonly idToken?: string
}

/** Whom a logout speaks of: one provider, one name, some or all sessions; or sessions by their index alone. */
export interface LogoutSubject {
  readonly identityProvider: string
  /** Absent (OpenID): the sessions with these indexes, whatever the name. */
  readonly nameId?: NameID
  /** The name counts by its value alone: sessions with whatever format and qualifiers are meant. */
  readonly isAnyFormat?: boolean
  /** Empty: every session of this name with this provider. */
  readonly sessionIndexes: readonly string[]
  /** The tombstone covers sign-ins issued up to then. Absent: every sign-in while it stands. */
  readonly issuedUntilMs?: number
  /** Live sessions from sign-ins issued after this go on; 0: all do, and there is the tombstone only. Absent: every one ends. */
  readonly sparesIssuedAfterMs?: number
  /** Nobody signed for it, as for a frame of the front channel: its tombstone may give way to others of its kind. */
  readonly isUnsigned?: boolean
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
   * without this. With a tombstone it is for one SRI at the word of the application: each fingerprint gets it, so that
   * sign-ins of that SRI which arrive late open nothing, in whatever process.
   */
  endListed(fingerprints: readonly string[], tombstone?: Tombstone): Promise<readonly AppSession[]>
  /** True when a tombstone covers this name, index or SRI. */
  isEnded(subject: Named, nowMs: number): Promise<boolean>
  /**
   * Remembers a one-time value (assertion id, own request id). False: it was there before. `if-room`: anybody can cause it,
   * and those that came first may give way. `mark-if-room`: the same for marks of sessions that ended, in a room of their own.
   */
  remember(key: string, value: string, untilMs: number, nowMs: number, keep?: SpareKind): Promise<boolean>
  /** True while a value is remembered under this key; it stays there. */
  isRemembered(key: string, nowMs: number): Promise<boolean>
  /** Reads and removes a remembered value. */
  take(key: string, nowMs: number): Promise<string | undefined>
}

/** What may give way, by what takes its place: sign-ins under way to such, marks of ended sessions to such. */
export type SpareKind = 'if-room' | 'mark-if-room'

/** Keeps sign-ins out that are from before an end. */
export interface Tombstone {
  readonly untilMs: number
  /** It covers sign-ins issued up to then. */
  readonly issuedUntilMs: number
}

/** What tells one sign-in from another. */
export type Named = Pick<AppSession, 'identityProvider' | 'nameId' | 'sessionIndex' | 'issuedAtMs' | 'sri'>
