import { CurfewError } from '../errors.ts'
import { optionalText, textClaim, type TokenExpectation, verifyToken, wrong } from './token.ts'

/** The event that makes a token a logout token. */
export const backChannelLogoutEvent = 'http://schemas.openid.net/event/backchannel-logout'

/** A provider says that a session, or every session of a user, has ended (OpenID Back-Channel Logout 1.0 section 2.4). */
export interface LogoutToken {
  readonly issuer: string
  readonly jti: string
  readonly issuedAtMs: number
  /** When it stops being good, clocks taken as equal. */
  readonly expiresAtMs: number
  /** At least one of the two is there. Without `sid` every session of the subject is meant. */
  readonly subject?: string
  readonly sid?: string
}

export interface LogoutTokenExpectation extends TokenExpectation {
  /** Older providers send no `exp`; then the token is good for two minutes after `iat`. */
  readonly acceptMissingExp?: boolean
  /** Older providers do not type their tokens. */
  readonly acceptMissingType?: boolean
}

/** A token without `exp` is good for so long after it was issued, in seconds. */
const ageSecondsMax = 120

/**
 * Checks a logout token as section 2.6 says. That it was not used before is the caller's to find out, and only after
 * the session has ended: a sender that got no answer tries again.
 * @throws those of {@link verifyToken}, CURFEW_OIDC_LOGOUT_EVENT when it is no logout token
 */
export async function verifyLogoutToken(text: string, expected: LogoutTokenExpectation): Promise<LogoutToken> {
  const types = expected.acceptMissingType === true ? ['logout+jwt', 'application/logout+jwt', 'jwt', undefined] : ['logout+jwt', 'application/logout+jwt']
  const claims = await verifyToken(text, expected, types)
  const { events, nonce, exp, iat } = claims
  const event = typeof events === 'object' && events !== null ? (events as Readonly<Record<string, unknown>>)[backChannelLogoutEvent] : undefined
  if (typeof event !== 'object' || event === null || nonce !== undefined) throw new CurfewError('CURFEW_OIDC_LOGOUT_EVENT')
  const issuedAtMs = Number(iat) * 1000
  if (exp === undefined) {
    const isFresh = expected.now.epochMilliseconds - issuedAtMs <= (ageSecondsMax + (expected.skewSeconds ?? 60)) * 1000
    if (expected.acceptMissingExp !== true) throw wrong('exp')
    if (!isFresh) throw new CurfewError('CURFEW_OIDC_TOKEN_EXPIRED')
  }
  const subject = optionalText(claims, 'sub')
  const sid = optionalText(claims, 'sid')
  if (subject === undefined && sid === undefined) throw wrong('sub')
  return {
    issuer: expected.issuer,
    jti: textClaim(claims, 'jti'),
    issuedAtMs,
    expiresAtMs: typeof exp === 'number' ? exp * 1000 : issuedAtMs + ageSecondsMax * 1000,
    ...(subject === undefined ? {} : { subject }),
    ...(sid === undefined ? {} : { sid })
  }
}
