import { decodeJwt, decodeProtectedHeader } from 'jose'
import { CurfewError } from '../errors.ts'

/** Longest token that is looked at, in characters. */
const tokenCharactersMax = 64 * 1024

/** Header and claims of a token that nobody has verified. */
export interface JwtPeek {
  readonly header: Readonly<Record<string, unknown>>
  /** Absent for an encrypted token. */
  readonly claims?: Readonly<Record<string, unknown>>
}

/**
 * Looks into a compact JWS or JWE without verifying anything.
 * @throws CURFEW_JWT_MALFORMED
 */
export function peekJwt(token: string): JwtPeek {
  if (token.length > tokenCharactersMax) throw new CurfewError('CURFEW_JWT_MALFORMED', { why: 'too long' })
  try {
    const header = decodeProtectedHeader(token)
    return token.split('.').length === 5 ? { header } : { header, claims: decodeJwt(token) }
  } catch (cause) {
    throw new CurfewError('CURFEW_JWT_MALFORMED', {}, { cause })
  }
}
