import { hash } from 'node:crypto'
import { CurfewError } from '../errors.ts'
import { type Claims, optionalText, textClaim, type TokenExpectation, verifyToken, wrong } from './token.ts'

/** What a provider says of a user to one client (OpenID Core section 2). */
export interface IdToken {
  readonly issuer: string
  readonly subject: string
  readonly sid?: string
  readonly issuedAtMs: number
  readonly authenticatedAtMs?: number
  readonly claims: Claims
}

export interface IdTokenExpectation extends TokenExpectation {
  /** As sent with the authorization request. */
  readonly nonce: string
  /** Checked against `at_hash` where the token has one. */
  readonly accessToken?: string
}

/**
 * Checks an ID token that came with a code (OpenID Core section 3.1.3.7).
 * @throws those of {@link verifyToken}, CURFEW_OIDC_TOKEN_CLAIM for nonce, azp, at_hash, exp
 */
export async function verifyIdToken(text: string, expected: IdTokenExpectation): Promise<IdToken> {
  const claims = await verifyToken(text, expected, ['jwt', undefined])
  const { aud, azp, exp, nonce, events, at_hash: atHash, auth_time: authTime, iat } = claims
  // Logout tokens and security events are signed with the same keys.
  if (events !== undefined) throw new CurfewError('CURFEW_OIDC_TOKEN_TYPE', { type: 'events' })
  if (typeof exp !== 'number') throw wrong('exp')
  if (nonce !== expected.nonce) throw wrong('nonce')
  if ((Array.isArray(aud) && aud.length > 1 && azp === undefined) || (azp !== undefined && azp !== expected.audience)) throw wrong('azp')
  if (atHash !== undefined && expected.accessToken !== undefined && !hashFits(atHash, expected.accessToken)) throw wrong('at_hash')
  const sid = optionalText(claims, 'sid')
  return {
    issuer: expected.issuer,
    subject: textClaim(claims, 'sub'),
    issuedAtMs: Number(iat) * 1000,
    claims,
    ...(sid === undefined ? {} : { sid }),
    ...(typeof authTime === 'number' ? { authenticatedAtMs: authTime * 1000 } : {})
  }
}

/** Left half of the hash that goes with the algorithm: 256 bits for all but ES384 and EdDSA. */
function hashFits(atHash: unknown, accessToken: string): boolean {
  return ['sha256', 'sha384', 'sha512'].some((name) => {
    const digest = hash(name, accessToken, 'buffer')
    return atHash === digest.subarray(0, digest.length / 2).toString('base64url')
  })
}
