import type { KeyObject } from 'node:crypto'
import { SignJWT } from 'jose'
import { CurfewError } from '../errors.ts'
import { optionalText, textClaim, type TokenAlgorithm, type TokenExpectation, verifyToken, wrong } from '../oidc/token.ts'
import { parseSubject, type SubjectIdentifier } from './subject.ts'

/** What a Security Event Token says (RFC 8417, profiled by SSF 1.0 section 4.1). */
export interface SecurityEventToken {
  readonly issuer: string
  readonly jti: string
  readonly issuedAtMs: number
  readonly subject: SubjectIdentifier
  /** Name of the one event. */
  readonly event: string
  readonly payload: Readonly<Record<string, unknown>>
  /** When it happened, in milliseconds, where the sender says so. */
  readonly eventAtMs?: number
  /** What caused it; the same for all tokens of one cause. */
  readonly txn?: string
}

export interface SecurityEventTokenParts extends Omit<SecurityEventToken, 'eventAtMs'> {
  readonly audience: string
}

/** Claims that belong to other kinds of token: with one of them it could be taken for an ID token or a logout token. */
const foreignClaims = ['sub', 'exp', 'nonce'] as const

/**
 * Checks a Security Event Token: signature, type, issuer, audience, `iat`, `jti`, exactly one event, `sub_id`. It has no
 * end of its own; that it was not acted on before is the caller's to know.
 * @throws CURFEW_JWT_MALFORMED, CURFEW_OIDC_TOKEN_ALGORITHM, CURFEW_OIDC_TOKEN_TYPE, CURFEW_OIDC_TOKEN_SIGNATURE,
 *   CURFEW_OIDC_TOKEN_KEY_UNKNOWN (read the key set again), CURFEW_OIDC_TOKEN_CLAIM, CURFEW_SET_EVENT, CURFEW_SET_SUBJECT
 */
export async function verifySecurityEventToken(text: string, expected: TokenExpectation): Promise<SecurityEventToken> {
  const claims = await verifyToken(text, expected, ['secevent+jwt', 'application/secevent+jwt'])
  const foreign = foreignClaims.find((name) => claims[name] !== undefined)
  if (foreign !== undefined) throw wrong(foreign)
  const [event, payload] = eventOf(claims['events'])
  const txn = optionalText(claims, 'txn')
  const eventAt = payload['event_timestamp']
  if (eventAt !== undefined && (typeof eventAt !== 'number' || !Number.isFinite(eventAt) || eventAt < 0)) throw wrong('event_timestamp')
  return {
    issuer: expected.issuer,
    jti: textClaim(claims, 'jti'),
    issuedAtMs: Number(claims['iat']) * 1000,
    subject: parseSubject(claims['sub_id']),
    event,
    payload,
    ...(eventAt === undefined ? {} : { eventAtMs: eventAt * 1000 }),
    ...(txn === undefined ? {} : { txn })
  }
}

function eventOf(events: unknown): readonly [string, Readonly<Record<string, unknown>>] {
  const entries: readonly (readonly [string, unknown])[] = isFields(events) ? Object.entries(events) : []
  const [only, ...more] = entries
  if (only === undefined || more.length > 0 || !isFields(only[1])) throw new CurfewError('CURFEW_SET_EVENT', { events: entries.length })
  return [only[0], only[1]]
}

function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Signs a Security Event Token. The same parts give the same claims: a repeated delivery keeps its `jti`. */
export function signSecurityEventToken(
  parts: SecurityEventTokenParts,
  { key, kid, algorithm }: { readonly key: KeyObject; readonly kid: string; readonly algorithm: TokenAlgorithm }
): Promise<string> {
  return new SignJWT({ sub_id: parts.subject, events: { [parts.event]: parts.payload }, ...(parts.txn === undefined ? {} : { txn: parts.txn }) })
    .setProtectedHeader({ alg: algorithm, kid, typ: 'secevent+jwt' })
    .setIssuer(parts.issuer)
    .setAudience(parts.audience)
    .setIssuedAt(Math.floor(parts.issuedAtMs / 1000))
    .setJti(parts.jti)
    .sign(key)
}
