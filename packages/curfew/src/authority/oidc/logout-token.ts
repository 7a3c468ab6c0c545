import { SignJWT } from 'jose'
import type { OidcClient } from './client.ts'
import { signingKeyFor } from './keys.ts'
import type { TokenKey } from './settings.ts'

/** The event that makes a JWT a logout token. */
export const logoutEvent = 'http://schemas.openid.net/event/backchannel-logout'

export interface LogoutTokenParts {
  readonly issuer: string
  readonly client: OidcClient
  readonly subject: string
  readonly sid: string
  /** Fresh for each attempt: a receiver that saw the last one must not take this one for a replay. */
  readonly jti: string
  readonly nowMs: number
}

/** A logout token (OpenID Back-Channel Logout 1.0 section 2.4): short-lived, typed, never with a nonce. */
export function signLogoutToken(keys: readonly TokenKey[], parts: LogoutTokenParts): Promise<string> {
  const { client } = parts
  const { key, kid } = signingKeyFor(keys, client.algorithm)
  const issuedAt = Math.floor(parts.nowMs / 1000)
  return new SignJWT({ sid: parts.sid, events: { [logoutEvent]: {} } })
    .setProtectedHeader({ alg: client.algorithm, kid, typ: 'logout+jwt' })
    .setIssuer(parts.issuer)
    .setAudience(client.clientId)
    .setSubject(parts.subject)
    .setJti(parts.jti)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + client.logoutTokenSeconds)
    .sign(key)
}
