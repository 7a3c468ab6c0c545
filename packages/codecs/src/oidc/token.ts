import { compactVerify, createLocalJWKSet, decodeProtectedHeader, errors, type JSONWebKeySet } from 'jose'
import { CurfewError } from '../errors.ts'

/** Algorithms that tokens of partners may be signed with; none and HMAC never. */
export type TokenAlgorithm = 'RS256' | 'PS256' | 'ES256' | 'ES384' | 'EdDSA'

export const tokenAlgorithms: readonly TokenAlgorithm[] = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA']

/** Whose tokens are read, and for whom. */
export interface TokenExpectation {
  readonly issuer: string
  /** Client identifier of the reader. */
  readonly audience: string
  /** Key set of the issuer, from its stored address. */
  readonly keys: JSONWebKeySet
  /** Default: {@link tokenAlgorithms}. Pin what the client was registered with. */
  readonly algorithms?: readonly TokenAlgorithm[]
  readonly now: Temporal.Instant
  readonly skewSeconds?: number
  /** Default: {@link tokenCharactersMax}. */
  readonly charactersMax?: number
}

/** Longest token that is read, in characters. */
export const tokenCharactersMax = 32_768
/** Clocks may differ by this much, in seconds. */
const skewSecondsDefault = 60

export type Claims = Readonly<Record<string, unknown>>

/**
 * Checks what all signed tokens of an issuer share: signature by one of its keys and by an algorithm that is expected,
 * type, issuer, audience and times.
 * @throws CURFEW_JWT_MALFORMED, CURFEW_OIDC_TOKEN_ALGORITHM, CURFEW_OIDC_TOKEN_TYPE, CURFEW_OIDC_TOKEN_SIGNATURE,
 *   CURFEW_OIDC_TOKEN_KEY_UNKNOWN (read the key set again), CURFEW_OIDC_TOKEN_CLAIM, CURFEW_OIDC_TOKEN_EXPIRED
 */
export async function verifyToken(text: string, expected: TokenExpectation, types: readonly (string | undefined)[]): Promise<Claims> {
  const { alg, typ, crit } = headerOf(text, expected.charactersMax ?? tokenCharactersMax)
  const algorithms = expected.algorithms ?? tokenAlgorithms
  if (!algorithms.includes(alg as TokenAlgorithm)) throw new CurfewError('CURFEW_OIDC_TOKEN_ALGORITHM', { algorithm: String(alg).slice(0, 20) })
  if (crit !== undefined || !types.includes(typ?.toLowerCase())) throw new CurfewError('CURFEW_OIDC_TOKEN_TYPE', { type: String(typ).slice(0, 40) })
  const claims = await signedClaims(text, expected, algorithms)
  if (claims['iss'] !== expected.issuer) throw wrong('iss')
  if (!audiencesOf(claims).includes(expected.audience)) throw wrong('aud')
  requireTimes(claims, expected)
  return claims
}

function headerOf(text: string, charactersMax: number): { readonly alg?: string; readonly typ?: string; readonly crit?: unknown } {
  if (text.length > charactersMax) throw new CurfewError('CURFEW_JWT_MALFORMED')
  try {
    return decodeProtectedHeader(text)
  } catch (cause) {
    throw new CurfewError('CURFEW_JWT_MALFORMED', {}, { cause })
  }
}

async function signedClaims(text: string, { keys }: TokenExpectation, algorithms: readonly string[]): Promise<Claims> {
  try {
    const { payload } = await compactVerify(text, createLocalJWKSet(keys), { algorithms: [...algorithms] })
    const claims: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload))
    if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) throw new CurfewError('CURFEW_JWT_MALFORMED')
    return claims as Claims
  } catch (cause) {
    if (cause instanceof errors.JWKSNoMatchingKey) throw new CurfewError('CURFEW_OIDC_TOKEN_KEY_UNKNOWN', {}, { cause })
    if (cause instanceof errors.JWSSignatureVerificationFailed) throw new CurfewError('CURFEW_OIDC_TOKEN_SIGNATURE', {}, { cause })
    throw new CurfewError('CURFEW_JWT_MALFORMED', {}, { cause })
  }
}

function audiencesOf({ aud }: Claims): readonly unknown[] {
  return Array.isArray(aud) ? aud : [aud]
}

function requireTimes({ exp, iat, nbf }: Claims, { now, skewSeconds = skewSecondsDefault }: TokenExpectation): void {
  const seconds = now.epochMilliseconds / 1000
  if (typeof iat !== 'number' || iat > seconds + skewSeconds) throw wrong('iat')
  if (nbf !== undefined && (typeof nbf !== 'number' || nbf > seconds + skewSeconds)) throw wrong('nbf')
  if (exp !== undefined && (typeof exp !== 'number' || seconds - skewSeconds >= exp)) throw new CurfewError('CURFEW_OIDC_TOKEN_EXPIRED')
}

/** @throws CURFEW_OIDC_TOKEN_CLAIM when it is no text of one to 1024 characters */
export function textClaim(claims: Claims, name: string): string {
  const value = claims[name]
  if (typeof value !== 'string' || value === '' || value.length > 1024) throw wrong(name)
  return value
}

/** The same for one that may be absent. */
export function optionalText(claims: Claims, name: string): string | undefined {
  return claims[name] === undefined ? undefined : textClaim(claims, name)
}

export function wrong(claim: string): CurfewError {
  return new CurfewError('CURFEW_OIDC_TOKEN_CLAIM', { claim })
}
