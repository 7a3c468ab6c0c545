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
  if (text.length > (expected.charactersMax ?? tokenCharactersMax)) throw new CurfewError('CURFEW_JWT_MALFORMED')
  requireKind(headerOf(text), expected, types)
  const claims = await signedClaims(text, expected)
  requireAddressed(claims, expected)
  return claims
}

/** The header of a token, unsigned as it is. */
export interface TokenHeader {
  readonly alg?: string
  readonly kid?: string
  readonly typ?: string
  readonly crit?: unknown
}

/** @throws CURFEW_OIDC_TOKEN_ALGORITHM, CURFEW_OIDC_TOKEN_TYPE */
export function requireKind({ alg, typ, crit }: TokenHeader, { algorithms = tokenAlgorithms }: TokenExpectation, types: readonly (string | undefined)[]): void {
  if (!algorithms.includes(alg as TokenAlgorithm)) throw new CurfewError('CURFEW_OIDC_TOKEN_ALGORITHM', { algorithm: String(alg).slice(0, 20) })
  if (crit !== undefined || !types.includes(typ?.toLowerCase())) throw new CurfewError('CURFEW_OIDC_TOKEN_TYPE', { type: String(typ).slice(0, 40) })
}

/** @throws CURFEW_OIDC_TOKEN_CLAIM, CURFEW_OIDC_TOKEN_EXPIRED */
export function requireAddressed(claims: Claims, expected: TokenExpectation): void {
  if (claims['iss'] !== expected.issuer) throw wrong('iss')
  if (!audiencesOf(claims).includes(expected.audience)) throw wrong('aud')
  requireTimes(claims, expected)
}

/** @throws CURFEW_JWT_MALFORMED */
export function headerOf(text: string): TokenHeader {
  try {
    return decodeProtectedHeader(text)
  } catch (cause) {
    throw new CurfewError('CURFEW_JWT_MALFORMED', {}, { cause })
  }
}

async function signedClaims(text: string, { keys, algorithms = tokenAlgorithms }: TokenExpectation): Promise<Claims> {
  try {
    const { payload } = await compactVerify(text, keysIn(keys), { algorithms: [...algorithms] })
    return claimsIn(new TextDecoder('utf-8', { fatal: true }).decode(payload))
  } catch (cause) {
    throw refusal(cause)
  }
}

/** @throws CURFEW_JWT_MALFORMED, SyntaxError */
export function claimsIn(json: string): Claims {
  const claims: unknown = JSON.parse(json)
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) throw new CurfewError('CURFEW_JWT_MALFORMED')
  return claims as Claims
}

/** What a token is refused for, by what went wrong while it was read. */
export function refusal(cause: unknown): CurfewError {
  if (cause instanceof errors.JWKSNoMatchingKey) return new CurfewError('CURFEW_OIDC_TOKEN_KEY_UNKNOWN', {}, { cause })
  if (cause instanceof errors.JWSSignatureVerificationFailed) return new CurfewError('CURFEW_OIDC_TOKEN_SIGNATURE', {}, { cause })
  return new CurfewError('CURFEW_JWT_MALFORMED', {}, { cause })
}

const read = new WeakMap<JSONWebKeySet, ReturnType<typeof createLocalJWKSet>>()

/** The keys of a set, each read once for as long as the set is in use. */
export function keysIn(keys: JSONWebKeySet): ReturnType<typeof createLocalJWKSet> {
  const known = read.get(keys)
  if (known !== undefined) return known
  const made = createLocalJWKSet(keys)
  read.set(keys, made)
  return made
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
