import { revocationFingerprint, type RevocationKey, revocationKey } from '@curfew/codecs'

/** One user signed in at applications that share an audience, in one browser. All of it lives in the cookie. */
export interface WebSession {
  /** Of this web session alone. */
  readonly id: string
  readonly audience: string
  /** The one host it is good for; absent with a cookie domain. */
  readonly host?: string
  /** Who signed the user in. */
  readonly issuer: string
  readonly subject: string
  /** `pi.sri`: the session at the authority. */
  readonly sri?: string
  readonly sid?: string
  readonly claims: Readonly<Record<string, unknown>>
  /** For the sign-out at a provider that asks for it. */
  readonly idToken?: string
  /** Absent: the claims stay as they were at the sign-in. */
  readonly refresh?: ClaimsRefresh
  readonly startedAtMs: number
  readonly expiresAtMs: number
  readonly activeAtMs: number
}

/** What it takes to ask for the claims of the user again. */
export interface ClaimsRefresh {
  /** An access token for the UserInfo endpoint, as {@link UserRefresh} keeps it. */
  readonly token: string
  /** When the claims were read. */
  readonly atMs: number
  /** Claims that came from there: one that is not there any more goes. */
  readonly names: readonly string[]
  /** What a new access token is asked for with, kept as {@link token} is. Absent: the provider gave none. */
  readonly refreshToken?: string
  /** When the access token stops being good, where the provider said so. */
  readonly tokenUntilMs?: number
}

/** The words of the cookie: short, and those of JWT where there is one. */
interface Wire {
  readonly jti: string
  readonly aud: string
  readonly host?: string
  readonly iss: string
  readonly sub: string
  readonly 'pi.sri'?: string
  readonly sid?: string
  readonly claims: Readonly<Record<string, unknown>>
  readonly hint?: string
  readonly iat: number
  readonly exp: number
  /** Last activity, seconds. */
  readonly last: number
  /** Token, seconds, names; refresh token or nothing, end of the access token in seconds or 0. */
  readonly ui?: readonly [string, number, readonly string[], string?, number?]
}

export function serialiseWebSession(session: WebSession): string {
  const wire: Wire = {
    jti: session.id,
    aud: session.audience,
    iss: session.issuer,
    sub: session.subject,
    claims: session.claims,
    iat: Math.floor(session.startedAtMs / 1000),
    exp: Math.floor(session.expiresAtMs / 1000),
    last: Math.floor(session.activeAtMs / 1000),
    ...(session.host === undefined ? {} : { host: session.host }),
    ...(session.sri === undefined ? {} : { 'pi.sri': session.sri }),
    ...(session.sid === undefined ? {} : { sid: session.sid }),
    ...(session.idToken === undefined ? {} : { hint: session.idToken }),
    ...(session.refresh === undefined ? {} : { ui: wireOf(session.refresh) })
  }
  return JSON.stringify(wire)
}

function wireOf({ token, atMs, names, refreshToken, tokenUntilMs }: ClaimsRefresh): NonNullable<Wire['ui']> {
  const base = [token, Math.floor(atMs / 1000), names] as const
  return refreshToken === undefined && tokenUntilMs === undefined ? base : [...base, refreshToken ?? '', Math.floor((tokenUntilMs ?? 0) / 1000)]
}

function refreshOf([token, seconds, names, refreshToken = '', until = 0]: NonNullable<Wire['ui']>): ClaimsRefresh {
  return {
    token,
    names,
    atMs: seconds * 1000,
    ...(refreshToken === '' ? {} : { refreshToken }),
    ...(until === 0 ? {} : { tokenUntilMs: until * 1000 })
  }
}

/** Reads what {@link serialiseWebSession} wrote; only for text that a key of this gateway vouched for. */
export function parseWebSession(text: string): WebSession | undefined {
  const wire = JSON.parse(text) as Partial<Wire>
  const { jti, aud, iss, sub, claims, iat, exp, last } = wire
  const isWhole = [jti, aud, iss, sub].every((value) => typeof value === 'string') && [iat, exp, last].every((value) => typeof value === 'number')
  if (!isWhole) return undefined
  return {
    id: jti ?? '',
    audience: aud ?? '',
    issuer: iss ?? '',
    subject: sub ?? '',
    claims: claims ?? {},
    startedAtMs: (iat ?? 0) * 1000,
    expiresAtMs: (exp ?? 0) * 1000,
    activeAtMs: (last ?? 0) * 1000,
    ...(wire.host === undefined ? {} : { host: wire.host }),
    ...(wire['pi.sri'] === undefined ? {} : { sri: wire['pi.sri'] }),
    ...(wire.sid === undefined ? {} : { sid: wire.sid }),
    ...(wire.hint === undefined ? {} : { idToken: wire.hint }),
    ...(wire.ui === undefined ? {} : { refresh: refreshOf(wire.ui) })
  }
}

/** A session as a request brings it, with the names that it can be revoked by. */
export interface OpenedSession {
  readonly session: WebSession
  /** Its own, its SRI's, and that of its `sid` at its issuer. */
  readonly keys: readonly SessionKey[]
  /** Identity headers by application: the same for every request of the session. */
  readonly headers: Map<string, readonly (readonly [string, string])[]>
  /** It says other than the cookie it came in: the browser gets a new one. */
  readonly isChanged?: true
}

/** One of the names that a session can be ended by. */
export interface SessionKey extends RevocationKey {
  /** True for the one that the list of the authority knows: the SRI. */
  readonly isListed: boolean
}

export function openedSession(session: WebSession): OpenedSession {
  const { id, sri, sid, issuer } = session
  const key = (name: string, isListed = false): SessionKey => ({ ...revocationKey(revocationFingerprint(name)), isListed })
  const keys = [key(sessionName(id)), ...(sri === undefined ? [] : [key(sri, true)]), ...(sid === undefined ? [] : [key(sidName(issuer, sid))])]
  return { session, keys, headers: new Map() }
}

/** What one web session is called on this gateway's own part of the revocation list. */
export function sessionName(id: string): string {
  return `web-session ${id}`
}

/** The same for a session that another provider names by its `sid`. */
export function sidName(issuer: string, sid: string): string {
  return `sid ${issuer} ${sid}`
}
